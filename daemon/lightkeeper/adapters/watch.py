"""Says when somebody wrote where a file is: inotify on the directories that lead to it.

Where a directory is missing, the one that it would come in is watched. It only ever brings a look
forward. What it cannot see (NFS, a full table of watches) the poll finds a little later. What it
hears may be our own doing: it asks before it tells.

Of links and directories further up it hears nothing: that a path leads elsewhere it learns from
whoever follows it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

from asyncinotify import Event, Inotify, Mask, Watch

from lightkeeper.core import policy
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
        end_of: Callable[[str], object],
        touched: Callable[[str], None],
        blind: Callable[[str], None],
        pause: timedelta = policy.LOOK_PAUSE,
    ) -> None:
        """`is_news` says of a path whether somebody else changed what it leads to; it may block.

        `end_of` says where it led when it was last followed, and may not. A `pause` follows each
        question about a path: whoever writes without rest costs one for each.
        """
        self._workers = workers
        self._is_news = is_news
        self._end_of = end_of
        self._touched = touched
        self._blind = blind
        self._pause = pause.total_seconds()
        self._paths: frozenset[str] = frozenset()
        self._watching: _Watching | None = None

    async def run(self) -> None:
        """Watch until cancelled; returns at once where the kernel gives no inotify.

        It may be run again after it ended.
        """
        try:
            inotify = Inotify()
        except OSError as exc:
            self._blind(os.strerror(exc.errno or 0))
            return
        table = _Table(inotify)
        try:
            async with asyncio.TaskGroup() as tasks:
                self._watching = _Watching(table, tasks)
                self.look_at(self._paths)
                while True:
                    self._hear(self._watching, await inotify.get())
        finally:
            self._watching = None
            table.close()

    def look_at(self, paths: Iterable[str]) -> None:
        """Watch these files from now on, and no others; called again, it mends what was lost.

        It waits for nothing: of a path that hangs it is told later, and the others do without it.
        """
        self._paths = frozenset(paths)
        if (watching := self._watching) is None:
            return
        watching.table.keep_only(self._paths)
        for path in sorted(self._paths - watching.busy):
            end = self._end_of(path)
            if not watching.table.has(path, end):
                watching.start(self._arm(watching, path, end), path)

    def _hear(self, watching: _Watching, event: Event) -> None:
        """Ask of the paths that an event may be about; all are told if events were lost."""
        if event.mask & Mask.Q_OVERFLOW:
            watching.table.lose(self._paths)
            for path in self._paths:
                self._touched(path)
        heard = self._paths & watching.table.paths_of(event)
        watching.heard |= heard
        for path in sorted(heard - watching.asked):
            watching.asked.add(path)
            watching.start(self._ask(watching, path), path)

    async def _arm(self, watching: _Watching, path: str, end: object) -> None:
        arm = watching.table.arming(path, end)
        # The colon stands in no login's name: else one called watch would share this worker.
        outcome = await self._workers.run(f"watch:{path}", arm, _DEADLINE)
        if isinstance(outcome, Failed):
            self._blind(f"{path}: {outcome.detail}")
        elif outcome:
            self._blind(outcome)

    async def _ask(self, watching: _Watching, path: str) -> None:
        """Tell of a path, unless what was heard of it is no news; what is heard meanwhile too."""
        while path in watching.heard:
            watching.busy.add(path)
            watching.heard.discard(path)
            # Armed first: a link may lead elsewhere now, a directory may be another one.
            arm = watching.table.arming(path, self._end_of(path))
            work = partial(_in_turn, arm, partial(self._is_news, path))
            if await self._workers.run(f"heard:{path}", work, _DEADLINE) is not False:
                self._touched(path)  # also if it hangs: the look says so
            watching.busy.discard(path)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause):
                    await asyncio.Event().wait()
        watching.asked.discard(path)


class _Watching:
    """One run of a watch."""

    def __init__(self, table: _Table, tasks: asyncio.TaskGroup) -> None:
        self.table = table
        self.busy: set[str] = set()
        """Paths that something is done about."""
        self.heard: set[str] = set()
        self.asked: set[str] = set()
        self.tasks = tasks

    def start(self, work: Coroutine[None, None, None], path: str) -> None:
        """Begin with something about a path."""
        try:
            task = self.tasks.create_task(work, name=f"watch:{path}")
        except RuntimeError:  # this run is ending, and the next one arms all anew
            work.close()
            return
        self.busy.add(path)
        task.add_done_callback(lambda _: self.busy.discard(path))


class _Table:
    """What one inotify watches, and for which paths. Workers arm; all else is for the loop."""

    def __init__(self, inotify: Inotify) -> None:
        self._inotify = inotify
        self._watches: dict[int, Watch] = {}
        self._names: dict[int, set[tuple[str, str]]] = {}
        """By watch: the names that matter in its directory, each with the path that it is for."""
        self._ends: dict[str, object] = {}
        """Of the paths that are armed: where they led."""
        self._arms: dict[str, tuple[tuple[int, str], ...]] = {}
        self._at_work = set[object]()
        """Of each path that is being armed, for however long."""
        self._is_closed = False

    def close(self) -> None:
        """Watch nothing any more; a worker may still be about to."""
        self._is_closed = True
        self._inotify.close()

    def has(self, path: str, end: object) -> bool:
        """Whether a path that leads there is armed."""
        return path in self._ends and self._ends[path] == end

    def lose(self, paths: Iterable[str]) -> None:
        """Let these count as not armed: something of it may be gone."""
        for path in paths:
            self._ends.pop(path, None)

    def paths_of(self, event: Event) -> set[str]:
        """The paths that an event may be about."""
        if event.watch is None:
            return set()
        names = tuple(self._names.get(event.watch.wd, ()))  # workers add to it
        is_gone = bool(event.mask & _GONE)
        if is_gone:
            self._lose_watch(event.watch.wd)
        return {path for name, path in names if is_gone or name == str(event.name)}

    def _lose_watch(self, wd: int) -> None:
        """Let whatever counts on a watch that is no good any more count as not armed."""
        arms = tuple(self._arms.items())  # workers add to it
        self.lose(path for path, names in arms if any(one == wd for one, _ in names))

    def keep_only(self, paths: frozenset[str]) -> None:
        """Watch for no others any more, nor where a path led before.

        Nothing is let go of while something is being armed, which may come to share a watch.
        """
        if self._at_work:
            return
        names: dict[int, set[tuple[str, str]]] = {}
        for path in self._arms.keys() - paths:
            del self._arms[path]
            self._ends.pop(path, None)
        for path, arms in self._arms.items():
            for wd, name in arms:
                names.setdefault(wd, set()).add((name, path))
        for wd in self._names.keys() - names.keys():
            with suppress(OSError):  # its directory is gone, and that is still to be heard
                self._inotify.rm_watch(self._watches.pop(wd))
        self._names = names

    def arming(self, path: str, end: object) -> Callable[[], str]:
        """What arms a path, in a worker; it says why it cannot, if it cannot."""
        return partial(self._arm, path, end)

    def _arm(self, path: str, end: object) -> str:
        """Watch the directories of a path and of what it links to."""
        arms, work = set[tuple[int, str]](), object()
        self._at_work.add(work)
        name = path
        try:
            for name in {path, os.path.realpath(path)}:
                self._arm_way(Path(name), path, arms)
        except OSError as exc:
            return f"{Path(name).parent}: {os.strerror(exc.errno or 0)}"
        except ValueError:
            if not self._is_closed:
                raise
            return ""
        else:
            self._ends[path] = end
            return ""
        finally:
            self._arms[path] = tuple(arms)
            self._at_work.discard(work)

    def _arm_way(self, file: Path, path: str, arms: set[tuple[int, str]]) -> None:
        """Watch the directory of a file, or the deepest that is there on the way to it."""
        for entry in (file, *file.parents):
            try:
                watch = self._inotify.add_watch(entry.parent, _CHANGES)
            except FileNotFoundError:
                continue
            self._watches[watch.wd] = watch
            self._names.setdefault(watch.wd, set()).add((entry.name, path))
            arms.add((watch.wd, entry.name))
            if entry != file and os.path.isdir(entry):  # noqa: PTH112 - Path.is_dir may raise
                self._arm_way(file, path, arms)  # it came before its own was watched
            return


def _in_turn(arm: Callable[[], str], ask: Callable[[], bool]) -> bool:
    arm()
    return ask()
