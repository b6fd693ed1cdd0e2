"""What the commands say of themselves, and how a wrong one is answered."""

from __future__ import annotations

import importlib

import pytest

from lightkeeper import __version__
from lightkeeper.cli.main import COMMANDS, DONE, MISUSED, main

NAMES = [command.name for command in COMMANDS]


def status_of(*words: str) -> int:
    """The exit status, whether it was returned or raised."""
    try:
        return main(words)
    except SystemExit as exc:
        return int(exc.code or 0)


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("--help") == DONE

    said = capsys.readouterr().out
    assert all(f"\n  {name} " in said for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_teaches(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = importlib.import_module(f"lightkeeper.cli.{name}")

    assert status_of(name, "--help") == DONE

    said = capsys.readouterr().out
    assert f"usage: lightkeeper {name}" in said
    assert (module.__doc__ or "").splitlines()[0] in said


@pytest.mark.parametrize("words", [("nope",), ("run", "--nope"), ("--nope",), ("run", "--regio=x")])
def test_what_it_does_not_know_is_misuse(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(*words) == MISUSED
    assert "usage: lightkeeper" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["help"], ["help", "renew"]])
def test_help_is_a_word_too(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(*words) == DONE
    by_word = capsys.readouterr().out

    assert status_of(*words[1:], "--help") == DONE
    assert capsys.readouterr().out == by_word


def test_nothing_at_all_is_misuse_and_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of() == MISUSED
    assert "lightkeeper demo" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("version",), ("--version",)])
def test_the_version_is_told(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(*words) == DONE
    assert capsys.readouterr().out == f"lightkeeper {__version__}\n"


def test_the_schema_and_the_example_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("schema") == DONE
    assert '"$defs"' in capsys.readouterr().out
    assert status_of("schema", "--example") == DONE
    assert "\nlogins:" in capsys.readouterr().out
