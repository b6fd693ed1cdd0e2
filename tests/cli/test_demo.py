"""The demo writes into a folder of its own, and takes nothing of anybody's away."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightkeeper.cli.main import DONE, FAILED, MISUSED
from tests.integration.process import clean_environment, command, eventually


def _told(folder: Path) -> dict[Path, str]:
    return {path: path.read_text() for path in folder.rglob("*") if path.is_file()}


@contextmanager
def _demo(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """One that runs until the end, once it has delivered."""
    config = folder / "config.json"
    before = config.read_bytes() if config.exists() else b""
    with subprocess.Popen(
        [sys.executable, "-m", "lightkeeper", "demo", "--dir", str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env=clean_environment(folder),
    ) as process:
        try:
            eventually("it delivers", lambda: config.exists() and config.read_bytes() != before)
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()


def test_a_folder_that_holds_anything_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    """Such as ~/.docker, where a user's logins are."""
    docker = tmp_path / ".docker"
    (docker / "state").mkdir(parents=True)
    (docker / "config.json").write_text('{"auths": {"a.test": {"auth": "bWU6c2VjcmV0"}}}')
    (docker / "state" / "mine").write_text("mine")
    before = _told(docker)

    done = command(tmp_path, {}, "demo", "--dir", str(docker))

    assert done.returncode == MISUSED
    assert f"{docker} is not empty, and no demo made it; name a new folder" in done.stderr
    assert _told(docker) == before


def test_a_second_demo_goes_on_in_its_folder_and_leaves_what_others_put_there(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "demo"
    config = folder / "config.json"
    with _demo(folder) as first:
        pass
    ((old, entry),) = json.loads(config.read_text())["auths"].items()
    others = {"a.test": {"auth": "bWU6c2VjcmV0"}}
    config.write_text(json.dumps({"auths": others | {old: entry}}))
    (folder / "state" / "mine").write_text("mine")

    with _demo(folder) as second:
        found = json.loads(config.read_text())["auths"]

    assert (first.returncode, second.returncode) == (DONE, DONE)
    assert found.pop("a.test") == others["a.test"]
    assert len(found) == 1
    assert old not in found
    assert (folder / "state" / "mine").read_text() == "mine"


def test_a_demo_beside_another_in_the_same_folder_harms_neither(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with _demo(folder) as first:
        before = (folder / "config.json").read_bytes()
        other = command(tmp_path, {}, "demo", "--dir", str(folder))
        after = (folder / "config.json").read_bytes()

        assert other.returncode == FAILED
        assert f"another demo (process {first.pid}) runs in {folder}" in other.stderr
        assert after == before


def test_a_demo_ends_with_its_terminal(tmp_path: Path) -> None:
    with _demo(tmp_path / "demo") as running:
        running.send_signal(signal.SIGHUP)

        assert running.wait(timeout=20) == DONE


def test_a_folder_that_cannot_be_made_is_told_without_a_traceback(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    done = command(tmp_path, {}, "demo", "--dir", str(file / "demo"))

    assert done.returncode == FAILED
    assert done.stderr == f"lightkeeper demo: cannot start: {file}/demo: Not a directory\n"
