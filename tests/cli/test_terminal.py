"""Commands on terminals of all kinds: painted where it can be, and never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightkeeper.cli.main import DONE, FAILED, main
from tests.cli.terminal import terminal


def _settings(folder: Path, environment: pytest.MonkeyPatch, name: str) -> list[str]:
    """Flags of a user who has nothing yet, and a place of that name."""
    environment.setenv("AWS_REGION", "eu-central-1")
    environment.delenv("LIGHTKEEPER_CONFIG", raising=False)
    return [
        *("--state-dir", str(folder / "state"), "--socket", str(folder / "control.sock")),
        *("--docker-config", str(folder / name / "config.json")),
    ]


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_status_is_painted(columns: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _settings(tmp_path, monkeypatch, "docker")

    with terminal(monkeypatch, columns=columns) as screen:
        assert main(["status", *settings]) == FAILED

    _, head, *rest = screen.shown.splitlines()
    assert head.endswith("eu-central-1  [NO LOGIN]")
    assert "  no login has come yet" in rest
    assert str(tmp_path / "docker" / "config.json") in "".join(line.strip() for line in rest)


@pytest.mark.parametrize(
    ("kind", "encoding"),
    [("dumb", "utf-8"), ("xterm", "ascii"), ("xterm", "latin-1"), ("dumb", "ascii")],
)
@pytest.mark.parametrize(("command", "status"), [("status", FAILED), ("check", DONE)])
def test_a_terminal_without_signs_gets_plain_text(
    command: str,
    status: int,
    kind: str,
    encoding: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A path that it has no letters for is told by their numbers."""
    settings = _settings(tmp_path, monkeypatch, "ł")

    with terminal(monkeypatch, kind=kind, encoding=encoding) as screen:
        assert main([command, *settings]) == status

    assert "━" not in screen.shown
    assert screen.shown.isascii() or encoding == "utf-8"
    assert ("ł" if encoding == "utf-8" else r"\u0142") in screen.shown


@pytest.mark.parametrize("name", ["[red]x[/red]", "[/x]"])
@pytest.mark.parametrize(("command", "status"), [("status", FAILED), ("check", DONE)])
def test_brackets_in_a_path_are_no_markup(
    name: str, command: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = _settings(tmp_path, monkeypatch, name)

    with terminal(monkeypatch, columns=400) as screen:
        assert main([command, *settings]) == status

    assert str(tmp_path / name / "config.json") in screen.shown
