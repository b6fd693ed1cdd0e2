"""Commands without a daemon and without AWS: what they say, and with which status they end."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lightkeeper.adapters.state_dir import taken
from lightkeeper.cli.main import DONE, FAILED, MISUSED, main


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Flags of a user who has nothing yet."""
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.delenv("LIGHTKEEPER_CONFIG", raising=False)
    return [
        *("--state-dir", str(tmp_path / "state"), "--socket", str(tmp_path / "control.sock")),
        *("--docker-config", str(tmp_path / "config.json")),
    ]


def test_check_shows_what_would_be_written_and_writes_nothing(
    settings: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", *settings]) == DONE

    said = capsys.readouterr().out
    assert "eu-central-1  eu-central-1  at once" in said
    assert str(tmp_path / "config.json") in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["run", "once", "check", "status", "withdraw"])
def test_every_error_of_a_configuration_is_said_with_its_line(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("logins:\n  - {name: prod, region: no}\nwebb: {}\n")
    arguments = ["--config", str(file), "--socket", str(tmp_path / "control.sock")]

    assert main([command, *arguments]) == MISUSED

    said = capsys.readouterr().err
    assert f"{file}:2: logins[0].region: no is a yes-or-no word" in said
    assert f"{file}:3: webb: is not a key of this; did you mean web?" in said
    assert "Traceback" not in said


def test_status_without_daemon_and_store_says_so(
    settings: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", *settings]) == FAILED

    said = capsys.readouterr().out
    assert "no daemon answers at " in said
    assert "eu-central-1  [NO LOGIN]  no login has come yet" in said


def test_status_is_a_document_on_demand(
    settings: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    main(["status", "--json", *settings])

    assert json.loads(capsys.readouterr().out)["logins"][0]["valid"] is False


def test_status_of_a_login_that_is_not_there_names_those_that_are(
    settings: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "nope", *settings]) == FAILED
    assert "there is no login 'nope'; there are: eu-central-1" in capsys.readouterr().err


def test_renew_without_a_daemon_says_how_to_have_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["renew", "--socket", str(tmp_path / "control.sock")]) == FAILED
    assert "start one with `lightkeeper run`" in capsys.readouterr().err


def test_withdraw_where_nothing_was_delivered_is_no_failure(
    settings: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["withdraw", *settings]) == DONE
    assert "so nothing is to be taken out" in capsys.readouterr().out


def test_commands_where_nothing_is_kept_anywhere_name_no_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "stateless.yaml"
    socket = tmp_path / "control.sock"
    file.write_text(
        f"state: {{secret: none}}\nsocket: {socket}\nlogins: [{{region: a, outputs:"
        f" [{{type: docker_config, path: {tmp_path}/config.json}}]}}]\n"
    )

    asked = ["--config", str(file)]

    assert main(["withdraw", *asked]) == DONE
    said = "state is kept nowhere: no entry is known that could be taken out\n"
    assert capsys.readouterr().out == said
    assert main(["withdraw", "prod", *asked]) == FAILED
    said = "state is kept nowhere: no entry of prod is known that could be taken out\n"
    assert capsys.readouterr().err == f"lightkeeper withdraw: {said}"
    assert main(["status", *asked]) == FAILED
    said = "state is kept nowhere: this is how a start finds it"
    assert f"no daemon answers at {socket}; {said}\n" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["check", "status", "once", "withdraw"])
def test_a_state_in_a_cluster_that_cannot_be_asked_is_told_in_a_sentence(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    asked = ["--state-secret", "ops/state", "--socket", str(tmp_path / "control.sock")]

    assert main([command, *asked, "--docker-config", str(tmp_path / "config.json")]) == MISUSED

    told = capsys.readouterr().err
    assert f"state: {tmp_path}/missing: no such kubeconfig" in told
    assert "the state directory" not in told


def test_withdraw_of_a_login_that_was_never_kept_says_so(
    settings: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["withdraw", "nope", *settings]) == FAILED
    assert "nothing is kept of nope" in capsys.readouterr().err


def test_withdraw_beside_a_daemon_that_cannot_be_asked_takes_nothing_out(
    settings: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with taken(str(tmp_path / "state")):
        assert main(["withdraw", *settings]) == FAILED

    assert f"process {os.getpid()} owns {tmp_path}/state" in capsys.readouterr().err


def test_the_faults_of_the_simulator_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulator", "--list-faults"]) == DONE
    assert "ThrottlingException" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["simulator", "--lifetime", "0"], ["demo", "--lifetime", "1"]])
def test_a_lifetime_that_cannot_be_is_misuse(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == MISUSED
    assert "--lifetime" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--config", str(tmp_path / "none.yaml")]) == MISUSED
    assert "none.yaml: cannot be read: No such file" in capsys.readouterr().err
