"""How the logins stand where no daemon runs: `status` and `check` see what a daemon would."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightkeeper.cli.main import DONE, FAILED, main
from tests.integration.process import Simulated, command, simulator

FOREIGN = "Zm9yZWlnbjplbnRyeQ=="


@pytest.fixture(scope="module")
def lightsail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulated]:
    with simulator(tmp_path_factory.mktemp("lightsail")) as running:
        yield running


@pytest.fixture(scope="module")
def delivered(lightsail: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose login was delivered."""
    folder = tmp_path_factory.mktemp("delivered")
    file = _configuration(folder)
    done = command(folder, lightsail.environment, "once", "--config", str(file))
    assert done.returncode == DONE, done.stderr
    return folder


@pytest.fixture
def file(delivered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration of such a login, where logins of others are to stay."""
    for name in ("LIGHTKEEPER_SOCKET", "LIGHTKEEPER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "host"
    shutil.copytree(delivered, folder)
    return _configuration(folder)


def _configuration(folder: Path) -> Path:
    file = folder / "lightkeeper.yaml"
    place = {
        "type": "docker_config",
        "path": str(folder / "config.json"),
        "if_foreign": "report",
    }
    settings = {
        "logins": [{"name": "prod", "region": "eu-central-1", "outputs": [place]}],
        "state_dir": str(folder / "state"),
        "socket": str(folder / "socket"),
    }
    file.write_text(json.dumps(settings))
    return file


def _put_theirs(file: Path, lightsail: Simulated, auth: str = FOREIGN) -> None:
    place = file.with_name("config.json")
    place.write_text(json.dumps({"auths": {lightsail.registry: {"auth": auth}}}))


def _says(file: Path, word: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = main([word, "--config", str(file)])
    return status, capsys.readouterr().out


def test_what_was_delivered_is_current_and_ready(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checked, plan = _says(file, "check", capsys)
    asked, said = _says(file, "status", capsys)

    assert (checked, asked) == (DONE, DONE)
    assert "  nothing, it is current\n" in plan
    assert "prod  [ok]  without another renewal" in said


def test_check_does_not_promise_to_write_over_a_login_that_is_to_stay(
    file: Path, lightsail: Simulated, capsys: pytest.CaptureFixture[str]
) -> None:
    _put_theirs(file, lightsail)

    _, plan = _says(file, "check", capsys)

    assert "  nothing: conflict: another credential for this registry is there\n" in plan


def test_status_shows_a_conflict_and_is_not_ready(
    file: Path, lightsail: Simulated, capsys: pytest.CaptureFixture[str]
) -> None:
    _put_theirs(file, lightsail)

    status, said = _says(file, "status", capsys)

    assert status == FAILED
    assert "prod  [not ready]  without another renewal" in said
    assert f"{file.with_name('config.json')}  [failing]  holds none of ours" in said
    assert "    conflict: another credential for this registry is there\n" in said
    assert "remove it, or set if_foreign: replace" in said


def test_what_somebody_put_there_and_is_replaced_is_told(
    file: Path, lightsail: Simulated, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(file.read_text().replace("report", "replace"))
    _put_theirs(file, lightsail)

    _, plan = _says(file, "check", capsys)
    status, said = _says(file, "status", capsys)

    assert f"  the entry for {lightsail.registry}\n" in plan
    assert status == FAILED
    assert "    it holds a login that is not ours; the registry is asked, " in said


def test_the_document_says_which_login_is_ready(
    file: Path, lightsail: Simulated, capsys: pytest.CaptureFixture[str]
) -> None:
    _put_theirs(file, lightsail)

    assert main(["status", "--json", "--config", str(file)]) == FAILED

    (login,) = json.loads(capsys.readouterr().out)["logins"]
    assert (login["valid"], login["fresh"], login["ready"]) == (True, True, False)


@pytest.mark.parametrize(
    ("word", "means"),
    [
        ("check", "it costs one call"),
        ("status", "it costs one call"),
        ("once", "it costs one call"),
        (
            "withdraw",
            (
                "its entries stay where they are: `docker logout` takes one out; or withdraw with"
                " the Lightkeeper that saved it; then remove {state}/prod.json"
            ),
        ),
    ],
)
def test_a_saved_state_that_cannot_be_used_is_told(
    word: str, means: str, file: Path, lightsail: Simulated
) -> None:
    (file.parent / "state" / "prod.json").write_text('{"version": 99}')

    done = command(file.parent, lightsail.environment, word, "--config", str(file))

    assert (
        f"lightkeeper {word}: the state of prod cannot be used (the saved state is of a newer"
        f" Lightkeeper (format 99)): {means.format(state=file.parent / 'state')}\n"
    ) in done.stderr
    assert done.returncode == (DONE if word == "check" else FAILED)
    assert "nothing was ever delivered" not in done.stdout


@pytest.mark.parametrize("word", ["check", "status", "once"])
def test_what_is_no_saved_state_of_any_login_is_named_and_costs_nothing(
    word: str, file: Path, lightsail: Simulated
) -> None:
    stray = file.parent / "state" / "foo.json"
    stray.write_text("junk")
    calls = lightsail.calls()

    done = command(file.parent, lightsail.environment, word, "--config", str(file))

    assert done.stderr.startswith(
        f"lightkeeper {word}: {stray} cannot be used (the saved state is damaged); no login that is"
        " configured is called so, and it costs nothing: remove it if nobody needs it\n"
    )
    assert (done.returncode, lightsail.calls()) == (DONE, calls)


def test_withdraw_names_what_keeps_it_from_its_end(file: Path, lightsail: Simulated) -> None:
    stray = file.parent / "state" / "foo.json"
    stray.write_text("junk")
    words = "withdraw", "--config", str(file)

    first = command(file.parent, lightsail.environment, *words)
    stray.unlink()
    second = command(file.parent, lightsail.environment, *words)

    assert first.stderr.endswith(f"; then remove {stray}\n")
    assert (first.returncode, second.returncode) == (FAILED, DONE)


@pytest.mark.parametrize("word", ["check", "status"])
def test_a_state_directory_that_cannot_be_read_is_a_failure_for_both(
    file: Path, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    state = file.parent / "state"
    (state / "lock").unlink()
    (state / "prod.json").unlink()
    state.rmdir()
    os.symlink(state, state)  # noqa: PTH211 - a link that leads in a circle, for root as well

    assert main([word, "--config", str(file)]) == FAILED

    said = capsys.readouterr().err
    assert said.startswith(f"lightkeeper {word}: the state directory cannot be read: {state}: ")
