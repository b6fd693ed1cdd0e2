"""What facts are called for people, and how a command says that it cannot."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Final

FACTS: Final = {
    "Renewed": "renewed",
    "RenewalFailed": "renewal failed",
    "RenewalRequested": "renewal requested",
    "Verified": "registry asked",
    "Drifted": "entry changed by somebody else",
    "Delivered": "delivered",
    "DeliveryFailed": "delivery failed",
    "Surprised": "bug caught",
}
"""By the name that the status document has for them."""


def told(fact: Mapping[str, str]) -> list[str]:
    """A fact of the status document: what it is called, and what goes with it."""
    name, word = fact["fact"], fact["word"]
    if name == "Delivered" and word:
        # The word is what somebody did to our entry; the line before has said it.
        return ["repaired", fact["place"]]
    rest = (word, fact["place"], fact["detail"])
    return [FACTS.get(name, name), *(part for part in rest if part)]


def cannot(command: str, why: str) -> None:
    """One sentence on what could not be done, and what to do."""
    sys.stderr.write(f"lightkeeper {command}: {why}\n")


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table: with rich on a terminal, in plain columns elsewhere."""
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table

        table = Table(box=None, header_style="bold", pad_edge=False)
        for head in heads:
            table.add_column(head, overflow="fold")  # a path that is cut short tells nothing
        for row in rows:
            table.add_row(*row)
        Console().print(table)
        return
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
