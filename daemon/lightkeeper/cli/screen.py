"""The demo's live view: how much of each login is left, and what happened last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lightkeeper.cli.painting import Painted
from lightkeeper.cli.words import told
from lightkeeper.core.status import as_document

if TYPE_CHECKING:
    from lightkeeper.daemon import Daemon

_LAST: Final = 8
_TABLE: Final = 80
"""Columns of a terminal that take a table of facts."""
_PER_SECOND: Final = 5


class Screen:
    """Shows a daemon while it runs."""

    def __init__(self) -> None:
        self._daemon: Daemon | None = None

    def show(self, daemon: Daemon) -> None:
        """Show this one from now on."""
        self._daemon = daemon

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Keep the terminal current until the end."""
        with Live(get_renderable=self._picture, console=Console(), refresh_per_second=_PER_SECOND):
            yield

    def _picture(self) -> RenderableType:
        if self._daemon is None:
            return Text("starting …")
        logins = as_document(self._daemon.look()())["logins"]
        address = self._daemon.address
        served = f"http://{address}/  (metrics, status)" if address else "nowhere"
        head = Text.assemble(("Lightkeeper demo", "bold"), f"   {served}   Ctrl-C ends it\n")
        return Group(Text(""), head, *map(Painted, logins), Text(""), Facts(logins))


class Facts:
    """What happened last to these logins of the status document, to be printed with rich."""

    def __init__(self, logins: Iterable[dict[str, Any]]) -> None:
        facts = (fact for login in logins for fact in login["facts"])
        self._last = sorted(facts, key=lambda one: str(one["at"]))[-_LAST:]

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """A table, or a paragraph a fact where its columns would break words."""
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        table.add_column(overflow="fold")
        for fact in self._last:
            said, *detail = told(fact)
            cells = (Text(fact["at"], "dim"), Text(said), Text("  ".join(detail), "dim"))
            if options.max_width < _TABLE:
                yield Text("  ").join(cells)
            else:
                table.add_row(*cells)
        yield table
