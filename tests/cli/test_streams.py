"""Commands whose standard streams are closed, full or left by their reader."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from lightkeeper.cli.main import DONE, FAILED, MISUSED, UNREAD, main
from tests.integration.process import clean_environment, command, simulator


def _shell(folder: Path, words: list[str], streams: str) -> subprocess.CompletedProcess[str]:
    """Run a command whose streams the shell led elsewhere."""
    line = shlex.join([sys.executable, "-m", "lightkeeper", *words])
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{line} {streams}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=folder,
        env=clean_environment(folder),
    )


@pytest.mark.parametrize("words", [["version"], ["schema"], ["status", "--help"]])
def test_a_command_does_its_work_where_nobody_listens(words: list[str], tmp_path: Path) -> None:
    done = _shell(tmp_path, words, "<&- >&-")

    assert (done.returncode, done.stderr) == (DONE, "")


def test_what_is_opened_next_gets_no_message(tmp_path: Path) -> None:
    """It would get the number of a closed stream: here the lock of the state directory."""
    with simulator(tmp_path) as lightsail:
        named = [f"{name}={value}" for name, value in lightsail.environment.items()]
        flags = [
            *("--region", "eu-central-1", "--docker-config", str(tmp_path / "config.json")),
            *("--state-dir", str(tmp_path / "state"), "--socket", str(tmp_path / "control.sock")),
        ]
        line = shlex.join(["env", *named, sys.executable, "-m", "lightkeeper", "once", *flags])
        done = subprocess.run(
            ["bash", "-c", f"{line} <&- >&- 2>&-"],
            check=False,
            timeout=60,
            env=clean_environment(tmp_path),
        )

    assert done.returncode == DONE
    assert lightsail.registry in (tmp_path / "config.json").read_text()
    assert (tmp_path / "state" / "lock").read_text().rstrip().endswith("once")


@pytest.mark.parametrize("words", [["version"], ["schema"], ["status", "--help"]])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
def test_an_output_that_is_full_costs_a_sentence(words: list[str], tmp_path: Path) -> None:
    done = _shell(tmp_path, words, ">/dev/full")

    assert done.returncode == FAILED
    why = "its output cannot be written: No space left on device"
    assert done.stderr == f"lightkeeper {words[0]}: {why}\n"


def test_a_reader_that_is_gone_costs_nothing_but_the_status(tmp_path: Path) -> None:
    done = _shell(tmp_path, ["schema"], "| true")

    assert (done.returncode, done.stderr) == (UNREAD, "")


@pytest.mark.parametrize(
    "words",
    [
        ["simulator", "--port", "99999"],
        ["simulator", "--port", "-1"],
        ["simulator", "--lifetime", "nan"],
        ["simulator", "--lifetime", "1e300"],
        ["demo", "--lifetime", "nan"],
        ["demo", "--lifetime", "inf"],
    ],
    ids=" ".join,
)
def test_a_number_that_is_out_of_range_is_misuse(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == MISUSED

    assert capsys.readouterr().err.startswith(f"lightkeeper {words[0]}: {words[1]} is ")


def test_withdraw_takes_all_out_though_nobody_reads_it(tmp_path: Path) -> None:
    with simulator(tmp_path) as lightsail:
        places = [tmp_path / f"{number}.json" for number in range(4)]
        flags = [
            *("--region", "eu-central-1", "--state-dir", str(tmp_path / "state")),
            *("--socket", str(tmp_path / "control.sock")),
            *(word for place in places for word in ("--docker-config", str(place))),
        ]
        done = command(tmp_path, lightsail.environment, "once", *flags)
        assert done.returncode == DONE, done.stderr
        assert all(lightsail.registry in place.read_text() for place in places)

    line = shlex.join([sys.executable, "-um", "lightkeeper", "withdraw", *flags])
    # Each write of this one fails: its reader is gone before it begins.
    left = "import os, sys; r, w = os.pipe(); os.close(r); os.dup2(w, 1); os.execvp(sys.argv[1],"
    words = [sys.executable, "-c", f"{left} sys.argv[1:])", *shlex.split(line)]
    status = subprocess.run(
        words, check=False, timeout=60, cwd=tmp_path, env=clean_environment(tmp_path)
    ).returncode

    assert status == UNREAD
    assert not any(lightsail.registry in place.read_text() for place in places)
    assert not (tmp_path / "state" / "eu-central-1.json").exists()
