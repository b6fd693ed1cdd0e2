"""The demo's live view: how much of each login is left, and what happened last."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lightkeeper.cli.words import FACTS
from lightkeeper.core.report import LoginReport, Standing
from lightkeeper.core.status import span

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
        with Live(
            get_renderable=self._picture,
            console=Console(),
            refresh_per_second=_PER_SECOND,
            transient=False,
        ):
            yield

    def _picture(self) -> RenderableType:
        if self._daemon is None:
            return Text("starting …")
        logins = self._daemon.view().logins
        address = self._daemon.address
        served = f"http://{address}/  (metrics, status)" if address else "nowhere"
        head = Text.assemble(("Lightkeeper demo", "bold"), f"   {served}   Ctrl-C ends it")
        return Group(Text(""), head, Text(""), *map(_login, logins), Text(""), _facts(logins))


def _login(login: LoginReport) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    share = login.remaining / login.lifetime if login.lifetime else 0.0
    color = "green" if login.is_fresh else "yellow" if login.is_valid else "red"
    bar = ProgressBar(total=1.0, completed=share, width=40, complete_style=color)
    left = span(login.remaining) if login.is_valid else "no valid login"
    table.add_row(Text(login.login, "bold"), bar, Text(f"{left} left" if login.is_valid else left))
    counts = f"{login.renewals} renewals, {sum(login.renewal_failures.values())} failures"
    due = f"next due {login.due:%H:%M:%SZ}" if login.due else ""
    table.add_row("", Text(login.registry or "", "dim"), Text(f"{counts}   {due}", "dim"))
    for output in login.outputs:
        for place in output.places:
            ok = place.standing is Standing.OK
            mark = ("✓ ", "green") if ok else ("… ", "yellow")
            table.add_row("", Text.assemble(mark, place.place.name), Text(place.standing, "dim"))
    return table


def _facts(logins: tuple[LoginReport, ...]) -> RenderableType:
    notes = sorted((note for login in logins for note in login.notes), key=lambda note: note.at)
    table = Table.grid(padding=(0, 2))
    for note in notes[-_LAST:]:
        said = FACTS.get(note.fact, note.fact)
        detail = " ".join(part for part in (note.word, note.detail) if part)
        table.add_row(Text(f"{note.at:%H:%M:%SZ}", "dim"), Text(said), Text(detail, "dim"))
    return table
