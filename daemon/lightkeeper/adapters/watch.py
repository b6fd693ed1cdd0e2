"""Says when somebody wrote where a file is: inotify on the directories that lead to it.

Where a directory is missing, the one that it would come in is watched. It only ever brings a look
forward. What it cannot see (NFS, a full table of watches) the poll finds a little later. What it
hears may be our own doing: it asks before it tells.
"""

from __future__ import annotations

import asyncio
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
        self,
        workers: Workers,
        *,
        is_news: Callable[[str], bool],
        touched: Callable[[str], None],
        blind: Callable[[str], None],
    ) -> None:
        """`is_news` says of a path whether somebody else changed what it leads to; it may block."""
        self._workers = workers
        self._is_news = is_news
        self._touched = touched
        self._blind = blind
        self._paths: frozenset[str] = frozenset()
        self._heard: set[str] = set()
        self._asked: set[str] = set()
        self._names: dict[int, set[tuple[str, str]]] = {}
        self._inotify: Inotify | None = None

    async def run(self) -> None:
        """Watch until cancelled; returns at once where the kernel gives no inotify.

        It may be run again after it ended.
        """
        try:
            self._inotify = Inotify()
        except OSError as exc:
            self._blind(os.strerror(exc.errno or 0))
            return
        for former in (self._heard, self._asked, self._names):
            former.clear()
        try:
            await self.look_at(self._paths)
            async with asyncio.TaskGroup() as tasks:
                while True:
                    self._heard |= self._paths_of(await self._inotify.get())
                    for path in sorted(self._heard - self._asked):
                        self._asked.add(path)
                        tasks.create_task(self._ask(path), name=f"watch:{path}")
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

    def _paths_of(self, event: Event) -> frozenset[str]:
        """The paths that an event may be about; told at once are all, if events were lost."""
        if event.mask & Mask.Q_OVERFLOW:
            for path in self._paths:
                self._touched(path)
        if event.watch is None:
            return frozenset()
        names = tuple(self._names.get(event.watch.wd, ()))  # workers add to it
        heard = {path for name, path in names if event.mask & _GONE or name == str(event.name)}
        if event.mask & Mask.IGNORED:
            self._names.pop(event.watch.wd, None)
        return self._paths & heard

    async def _ask(self, path: str) -> None:
        """Tell of a path, unless what was heard of it is no news; what is heard meanwhile too."""
        while path in self._heard:
            self._heard.discard(path)
            work = partial(self._is_other, path)
            if await self._workers.run(f"heard {path}", work, _DEADLINE) is not False:
                self._touched(path)  # also if it hangs: the look says so
        self._asked.discard(path)

    def _is_other(self, path: str) -> bool:
        # Armed first: a link may lead elsewhere now, a directory may be another one.
        self._arm(path)
        return self._is_news(path)

    def _arm(self, path: str) -> str:
        """Watch the directories of a path and of what it links to; why it cannot, if it cannot."""
        if self._inotify is None:
            return ""
        for name in {path, os.path.realpath(path)}:
            try:
                self._arm_way(self._inotify, Path(name), path)
            except OSError as exc:
                return f"{Path(name).parent}: {os.strerror(exc.errno or 0)}"
        return ""

    def _arm_way(self, inotify: Inotify, file: Path, path: str) -> None:
        """Watch the directory of a file, or the deepest that is there on the way to it."""
        for entry in (file, *file.parents):
            try:
                watch = inotify.add_watch(entry.parent, _CHANGES)
            except FileNotFoundError:
                continue
            self._names.setdefault(watch.wd, set()).add((entry.name, path))
            if entry != file and os.path.isdir(entry):  # noqa: PTH112 - Path.is_dir may raise
                self._arm_way(inotify, file, path)  # it came before its own was watched
            return
