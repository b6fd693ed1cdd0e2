"""What the demo shows of the last facts, however narrow its terminal."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from lightkeeper.cli.screen import Facts

FACTS = [
    {
        "at": f"2026-01-01T12:00:0{second}Z",
        "fact": "credential_renewed",
        "word": "",
        "place": "",
        "detail": "expires in twelve hours",
    }
    for second in range(10)
]


def _shown(width: int) -> list[str]:
    console = Console(file=StringIO(), width=width)
    console.print(Facts([{"facts": FACTS[::-1]}]))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().split("\n")


@pytest.mark.parametrize("width", [20, 24, 40, 60, 79, 80, 120])
def test_no_word_is_broken(width: int) -> None:
    """A column that is narrower than its words would."""
    words = " ".join(_shown(width)).split()

    told = "{} credential renewed expires in twelve hours".format
    assert words == " ".join(told(fact["at"]) for fact in FACTS[2:]).split()


def test_a_wide_terminal_has_a_line_for_each() -> None:
    lines = [line.strip() for line in _shown(120) if line.strip()]

    assert len(lines) == 8
    assert lines[0] == "2026-01-01T12:00:02Z  credential renewed  expires in twelve hours"
