"""Says when somebody wrote where a file is: inotify on the directories that lead to it.

It only ever brings a look forward. What it cannot see (NFS, a directory that is not there yet, a
full table of watches) the poll finds a little later.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

from asyncinotify import Event, Inotify, Mask

from lightkeeper.ports import Failed, Workers

_CHANGES: Final = (
    Mask.CLOSE_WRITE
    | Mask.MOVED_TO
    | Mask.MOVED_FROM
    | Mask.CREATE
    | Mask.DELETE
    | Mask.DELETE_SELF
    | Mask.MOVE_SELF
    | Mask.ONLYDIR
)
_GONE: Final = Mask.DELETE_SELF | Mask.MOVE_SELF | Mask.IGNORED | Mask.UNMOUNT
_DEADLINE: Final = timedelta(seconds=5)


class InotifyWatch:
    """Watches files by their directories, because a rename replaces what a watch on a file sees."""

    def __init__(
        self, workers: Workers, touched: Callable[[str], None], blind: Callable[[str], None]
    ) -> None:
        self._workers = workers
        self._touched = touched
        self._blind = blind
        self._paths: frozenset[str] = frozenset()
        self._names: dict[int, set[tuple[str, str]]] = {}
        self._inotify: Inotify | None = None

    async def run(self) -> None:
        """Watch until cancelled; returns at once where the kernel gives no inotify."""
        try:
            self._inotify = Inotify()
        except OSError as exc:
            self._blind(os.strerror(exc.errno or 0))
            return
        try:
            await self.look_at(self._paths)
            while True:
                self._heard(await self._inotify.get())
        finally:
            self._inotify.close()
            self._inotify = None

    async def look_at(self, paths: Iterable[str]) -> None:
        """Watch these files from now on; called again, it finds directories that came since."""
        self._paths = frozenset(paths)
        for path in sorted(self._paths):
            outcome = await self._workers.run(f"watch {path}", partial(self._arm, path), _DEADLINE)
            if isinstance(outcome, Failed):
                self._blind(f"{path}: {outcome.detail}")
            elif outcome:
                self._blind(outcome)

    def _heard(self, event: Event) -> None:
        if event.mask & Mask.Q_OVERFLOW:
            for path in self._paths:
                self._touched(path)
            return
        if event.watch is None:
            return
        names = self._names.get(event.watch.wd, set())
        heard = {path for name, path in names if event.mask & _GONE or name == str(event.name)}
        if event.mask & Mask.IGNORED:
            self._names.pop(event.watch.wd, None)
        for path in sorted(heard & self._paths):
            self._arm(path)  # a link may lead elsewhere now, a directory may be another one
            self._touched(path)

    def _arm(self, path: str) -> str:
        """Watch the directories of a path and of what it links to; why it cannot, if it cannot."""
        if self._inotify is None:
            return ""
        for name in {path, os.path.realpath(path)}:
            file = Path(name)
            try:
                watch = self._inotify.add_watch(file.parent, _CHANGES)
            except FileNotFoundError:
                continue  # the poll finds it, and the next heartbeat watches it
            except OSError as exc:
                return f"{file.parent}: {os.strerror(exc.errno or 0)}"
            self._names.setdefault(watch.wd, set()).add((file.name, path))
        return ""
