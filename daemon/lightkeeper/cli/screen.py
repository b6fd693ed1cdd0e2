"""The demo's live view: how much of each login is left, and what happened last."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lightkeeper.cli.painting import Painted
from lightkeeper.cli.words import told
from lightkeeper.core.status import as_document

if TYPE_CHECKING:
    from lightkeeper.daemon import Daemon

_LAST: Final = 8
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
        logins = as_document(self._daemon.view())["logins"]
        address = self._daemon.address
        served = f"http://{address}/  (metrics, status)" if address else "nowhere"
        head = Text.assemble(("Lightkeeper demo", "bold"), f"   {served}   Ctrl-C ends it\n")
        return Group(Text(""), head, *map(Painted, logins), Text(""), _facts(logins))


def _facts(logins: list[dict[str, Any]]) -> RenderableType:
    facts = sorted((fact for login in logins for fact in login["facts"]), key=lambda one: one["at"])
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for fact in facts[-_LAST:]:
        said, *detail = told(fact)
        table.add_row(Text(fact["at"], "dim"), Text(said), Text("  ".join(detail), "dim"))
    return table
