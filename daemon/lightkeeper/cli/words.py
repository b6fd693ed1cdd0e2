"""How facts and failures are put into words, and tables into columns."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lightkeeper.cli.standing import Line

_SIGNS: Final = "━╸╺✓✗…"
"""What stands in a picture and in no ASCII."""


def told(fact: Mapping[str, str]) -> list[str]:
    """A fact of the status document: what the log calls it, in words, and what goes with it."""
    word = fact["word"]
    if fact["fact"] == "place_delivered" and word:
        word = "repaired"  # what somebody did to our entry stands in the line before
    rest = (word, fact["place"], fact["detail"])
    return [fact["fact"].replace("_", " "), *(part for part in rest if part)]


def cannot(command: str, why: str) -> None:
    """One sentence on what could not be done, and what to do."""
    sys.stderr.write(f"lightkeeper {command}: {why}\n")


def in_words(exc: OSError) -> str:
    """What the system refused, and on which file, without its number."""
    why = exc.strerror or str(exc) or type(exc).__name__
    return f"{exc.filename}: {why}" if exc.filename else why


def is_painted() -> bool:
    """Whether output goes to a terminal that shows colours, bars and signs."""
    if not sys.stdout.isatty() or os.environ.get("TERM") in ("dumb", "unknown"):
        return False
    try:
        _SIGNS.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return False
    return True


def print_lines(lines: Sequence[Line]) -> None:
    """Lines as they are: painted on a terminal, set in elsewhere."""
    if is_painted():
        from rich.console import Console

        from lightkeeper.cli.painting import Lines

        Console().print(Lines(lines))
        return
    for line in lines:
        sys.stdout.write(f"{'  ' * line.depth}{line.text}\n")


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table: painted on a terminal, in plain columns elsewhere."""
    if is_painted():
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, header_style="bold", pad_edge=False)
        for head in heads:
            table.add_column(head, overflow="fold")  # a path that is cut short tells nothing
        for row in rows:
            table.add_row(*map(Text, row))  # brackets in a path are no markup
        Console().print(table)
        return
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
