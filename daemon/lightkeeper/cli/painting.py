"""Logins on a terminal, in colour: how much of each is left, and how its places stand."""

from __future__ import annotations

from typing import Any, Final

from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

_MARKS: Final = {"ok": ("✓ ", "green"), "pending": ("… ", "yellow"), "failing": ("✗ ", "red")}


def painted(login: dict[str, Any]) -> Table:
    """A login of the status document as a few rows, a bar in the first."""
    table = Table.grid(padding=(0, 2))
    color = "green" if login["fresh"] else "yellow" if login["valid"] else "red"
    bar = ProgressBar(
        total=login["lifetime_seconds"] or 1.0,
        completed=login["remaining_seconds"],
        width=30,
        complete_style=color,
        finished_style=color,
    )
    table.add_row(Text(login["login"], "bold"), bar, Text(login["sentence"]))
    registry = login["registry"] or "no registry known yet"
    due = f"renewal due {login['due']}" if login["due"] else ""
    table.add_row("", Text(due, "dim"), Text(registry, "dim"))
    if failure := login["failure"]:
        said = f"{failure['reason']}: {failure['detail']}\n{failure['advice']}"
        table.add_row("", Text(f"failing since {failure['since']}", "red"), Text(said))
    for place in (place for output in login["outputs"] for place in output["places"]):
        table.add_row("", Text.assemble(_MARKS[place["state"]], place["state"]), *_place(place))
    return table


def _place(place: dict[str, Any]) -> list[Text]:
    text = Text(place["place"])
    if failure := place["failure"]:
        text.append(f"\n{failure['reason']}: {failure['detail']}\n{failure['advice']}", "red")
    if place["pending"]:
        text.append(f"\n{place['pending']}", "dim")
    return [text]
