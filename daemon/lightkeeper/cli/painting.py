"""Logins on a terminal, in colour: a bar for what is left of each, and the lines on how it stands.

Nothing is cut short: what is wider than the terminal goes on in the next line.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lightkeeper.cli.standing import Line, Tone, lines, mark

_SIGNS: Final = {
    Tone.PLAIN: ("", "", ""),
    Tone.QUIET: ("", "", "dim"),
    Tone.GOOD: ("✓ ", "green", ""),
    Tone.WAITING: ("… ", "yellow", ""),
    Tone.ODD: ("! ", "yellow", ""),
    Tone.WRONG: ("✗ ", "red", ""),
}
"""What stands before a line, in which colour, and the style of the line itself."""
_BAR: Final = 40
_NARROWEST: Final = 20
"""What is left for a text where a terminal is hardly wider than what stands before it."""
_SPAN: Final = re.compile(r"\(\d[^()]{0,20}\)")
_HARD_SPACE: Final = "\xa0"


class Lines:
    """Lines that stand for themselves, to be printed with rich."""

    def __init__(self, said: Iterable[Line]) -> None:
        self._lines = tuple(said)

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """As many as the width asks for."""
        for line in self._lines:
            yield from _wrapped(line, options.max_width)


class Painted:
    """A login of the status document, to be printed with rich."""

    def __init__(self, login: Mapping[str, Any], *, every_place: bool = False) -> None:
        self._login = login
        self._every_place = every_place

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """As many lines as the width asks for."""
        yield self._head()
        said = lines(self._login, every_place=self._every_place)
        for line in (Line(self._login["sentence"]), *said):
            yield from _wrapped(line, options.max_width)

    def _head(self) -> Table:
        login, word = self._login, mark(self._login)
        _, color, _ = _SIGNS[word.tone]
        bar = ProgressBar(
            total=login["lifetime_seconds"] or 1.0,
            completed=login["remaining_seconds"],
            width=_BAR,
            complete_style=color,
            finished_style=color,
        )
        head = Table.grid(padding=(0, 2))
        head.add_column()
        head.add_column(overflow="fold")
        head.add_column(no_wrap=True)
        head.add_row(bar, Text(login["login"], "bold"), Text(word.text, color))
        return head


def _wrapped(line: Line, width: int) -> Iterator[Text]:
    sign, color, style = _SIGNS[line.tone]
    before = "  " * line.depth
    # A duration in brackets is read as one word.
    text = _SPAN.sub(lambda span: span[0].replace(" ", _HARD_SPACE), line.text)
    room = max(_NARROWEST, width - len(before) - len(sign))
    for part in textwrap.wrap(text, room, expand_tabs=False, break_on_hyphens=False):
        said = part.replace(_HARD_SPACE, " ")
        yield Text.assemble(before, (sign, color), (said, style), overflow="fold")
        sign = " " * len(sign)
