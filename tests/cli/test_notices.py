"""What is noticed at a place is said by every command that shows it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightkeeper.cli.main import DONE, main
from lightkeeper.core.notices import NOTICES, Notice
from tests.cli.terminal import terminal
from tests.integration.process import Simulated, command, simulator

HELPER = f"warning: helper_shadows: {NOTICES[Notice.HELPER_SHADOWS].advice}"
WIDE = f"warning: wide_mode: {NOTICES[Notice.WIDE_MODE].advice}"


@pytest.fixture(scope="module")
def lightsail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulated]:
    with simulator(tmp_path_factory.mktemp("lightsail")) as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, lightsail: Simulated) -> Path:
    """A Docker config that others may read, with a helper that clients ask for our registry."""
    place = tmp_path / "config.json"
    helpers = {"credsStore": "ecr-login", "credHelpers": {lightsail.registry: "foo"}}
    place.write_text(json.dumps(helpers))
    place.chmod(0o644)
    return place


@pytest.fixture
def flags(place: Path, lightsail: Simulated, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    folder = place.parent
    for name, value in lightsail.environment.items():
        monkeypatch.setenv(name, value)
    for name in ("LIGHTKEEPER_SOCKET", "LIGHTKEEPER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return [
        *("--state-dir", str(folder / "state"), "--socket", str(folder / "socket")),
        *("--docker-config", str(place)),
    ]


def _once(place: Path, lightsail: Simulated, flags: list[str]) -> list[str]:
    done = command(place.parent, lightsail.environment, "once", *flags)
    assert done.returncode == DONE, done.stderr
    return done.stdout.splitlines()


def test_once_delivers_and_says_that_clients_ask_somebody_else(
    place: Path, lightsail: Simulated, flags: list[str]
) -> None:
    _, *said = _once(place, lightsail, flags)

    assert said == [f"  {place}: ok", f"    {HELPER}", f"    {WIDE}"]
    assert lightsail.registry in json.loads(place.read_text())["auths"]


def test_status_and_check_say_it_until_it_is_mended(
    place: Path, lightsail: Simulated, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    _once(place, lightsail, flags)

    assert main(["status", *flags]) == DONE
    shown = capsys.readouterr().out
    assert "eu-central-1  [ok]  " in shown
    assert f"    {HELPER}\n    {WIDE}\n" in shown
    assert main(["check", *flags]) == DONE
    assert f"\n{place}: {HELPER}\n{place}: {WIDE}\n" in capsys.readouterr().out

    place.write_text(json.dumps({"auths": json.loads(place.read_text())["auths"]}))
    place.chmod(0o600)
    for word in ("status", "check"):
        assert main([word, *flags]) == DONE
        assert "warning" not in capsys.readouterr().out


def test_a_mode_that_was_asked_for_is_not_complained_of(
    place: Path, lightsail: Simulated, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [*flags, "--file-mode", "0640"]
    place.chmod(0o640)

    assert f"    {WIDE}" not in _once(place, lightsail, asked)
    assert main(["status", *asked]) == DONE
    assert WIDE not in capsys.readouterr().out


def test_a_terminal_shows_it_as_well(
    place: Path, lightsail: Simulated, flags: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _once(place, lightsail, flags)

    with terminal(monkeypatch, columns=400) as screen:
        main(["status", *flags])

    assert f"    ! {HELPER}\n    ! {WIDE}\n" in screen.shown


def test_the_document_has_word_level_and_advice(
    place: Path, lightsail: Simulated, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    _once(place, lightsail, flags)

    assert main(["status", "--json", *flags]) == DONE

    (login,) = json.loads(capsys.readouterr().out)["logins"]
    assert login["outputs"][0]["places"][0]["notices"] == [
        {"notice": notice, "level": "warning", "advice": NOTICES[notice].advice}
        for notice in (Notice.HELPER_SHADOWS, Notice.WIDE_MODE)
    ]
