"""What facts are called for people, and tables that are wider than the terminal."""

from __future__ import annotations

import pytest

from lightkeeper.cli.words import in_words, is_painted, print_table, told
from tests.cli.terminal import terminal


def _fact(name: str, **said: str) -> dict[str, str]:
    return {"fact": name, "at": "", "word": "", "place": "", "detail": "", **said}


def test_a_fact_is_called_what_the_log_calls_it() -> None:
    fact = _fact("renewal_failed", word="network", detail="no route")

    assert told(fact) == ["renewal failed", "network", "no route"]


def test_a_delivery_because_of_drift_is_called_a_repair() -> None:
    assert told(_fact("place_delivered", place="/p")) == ["place delivered", "/p"]
    assert told(_fact("place_delivered", place="/p", word="removed")) == [
        "place delivered",
        "repaired",
        "/p",
    ]


def test_a_failure_of_the_system_is_told_without_its_number() -> None:
    assert in_words(FileNotFoundError(2, "No such file", "/a")) == "/a: No such file"
    assert in_words(OSError(5, "Input/output error")) == "Input/output error"
    assert in_words(OSError("AF_UNIX path too long")) == "AF_UNIX path too long"
    assert in_words(TimeoutError()) == "TimeoutError"


def test_a_table_elsewhere_than_on_a_terminal_has_plain_columns(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table(["login", "place"], [["prod", "/a/long/path"], ["x", "/b"]])

    assert capsys.readouterr().out == "login  place\nprod   /a/long/path\nx      /b\n"


ROW = ["prod", "/m/[red]x[/red]/", "/m/[/x]", "/m/:smile:"]


@pytest.mark.parametrize("columns", [40, 200])
def test_brackets_in_a_path_are_no_markup(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch, columns=columns) as shown:
        print_table(["login", "a", "b", "c"], [ROW])

    if columns == 200:
        assert shown.shown.split() == ["login", "a", "b", "c", *ROW]
    assert sorted("".join(ROW)) == sorted("".join(shown.shown.split()).removeprefix("loginabc"))


@pytest.mark.parametrize(
    ("encoding", "kind", "expected"),
    [
        ("utf-8", "xterm-256color", True),
        ("utf-8", "dumb", False),
        ("ascii", "xterm-256color", False),
        ("latin-1", "xterm-256color", False),
        ("cp437", "xterm-256color", False),
    ],
)
def test_a_terminal_is_painted_if_it_can_show_it(
    encoding: str, kind: str, *, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with terminal(monkeypatch, encoding=encoding, kind=kind):
        assert is_painted() is expected


def test_what_is_no_terminal_is_not_painted(capsys: pytest.CaptureFixture[str]) -> None:
    assert not is_painted()


def test_a_terminal_that_shows_no_signs_gets_plain_columns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with terminal(monkeypatch, encoding="ascii", columns=20) as shown:
        print_table(["login", "place"], [["prod", "/a/long/path"], ["x", "/b"]])

    assert shown.shown == "login  place\nprod   /a/long/path\nx      /b\n"
