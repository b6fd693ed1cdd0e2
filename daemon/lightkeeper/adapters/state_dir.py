"""Keeps what outlives the process: a JSON file a login, in a directory that one daemon owns."""

from __future__ import annotations

import fcntl
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from lightkeeper.core.facts import LoginName
from lightkeeper.core.file_failure import FileFailure
from lightkeeper.core.reasons import Reason
from lightkeeper.core.saved import Saved
from lightkeeper.core.state import Known
from lightkeeper.files import Files
from lightkeeper.paths import NotYet, Paths, outcome, told
from lightkeeper.ports import Failed, Fs, Workers
from lightkeeper.saving import NewerError, read, written

_DEADLINE: Final = timedelta(seconds=10)
_SUFFIX: Final = ".json"
_LEFT: Final = re.compile(r"\.(.+\.json)\.lightkeeper\.")
"""How the names of what a crash left of a save begin."""
_LOCK: Final = "lock"
_ONCE: Final = "once"
"""Stands in the lock, behind the process id, where that process ends soon."""


class StateDirTakenError(Exception):
    """Another process owns the directory; the message is its id, if it is told."""

    def __init__(self, holder: str) -> None:
        pid, _, use = holder.partition(" ")
        super().__init__(pid)
        self.ends_soon = use == _ONCE
        """Whether it is one run and no daemon."""


class Unreadable(Struct, frozen=True, kw_only=True):
    """A saved state that cannot be used; its login starts anew, which costs one call."""

    login: LoginName
    detail: str


class StateDir:
    """The Store of a daemon; one file a login."""

    def __init__(self, path: str, *, fs: Fs, files: Files, paths: Paths, workers: Workers) -> None:
        self.path = path
        self._fs = fs
        self._files = files
        self._paths = paths
        self._workers = workers
        self._newer = set[LoginName]()

    def load(self) -> tuple[dict[LoginName, Saved], list[Unreadable]]:
        """What was kept, and what cannot be used of it; `FileFailure` if nothing can be read."""
        saved: dict[LoginName, Saved] = {}
        unreadable = []
        for name in self._names():
            if name.startswith(".") or not name.endswith(_SUFFIX):
                continue
            login = LoginName(name.removesuffix(_SUFFIX))
            try:
                saved[login] = self._read(login)
            except FileFailure as exc:
                unreadable.append(Unreadable(login=login, detail=exc.detail))
        return saved, unreadable

    async def save(self, saved: Saved) -> Failed | None:
        """Keep `saved`; a file of a newer version stays as it is."""
        if saved.login in self._newer:
            detail = "the saved state is of a newer Lightkeeper and is left untouched"
            return Failed(reason=Reason.MALFORMED, detail=detail)
        data = written(saved)
        work = partial(outcome, partial(self._write, LoginName(saved.login), data))
        return await self._workers.run(f"state {saved.login}", work, _DEADLINE)

    async def forget(self, login: LoginName) -> Failed | None:
        """Keep no credential of `login`, only what `withdraw` needs to know its entries by."""
        work = partial(outcome, partial(self._strip, login))
        return await self._workers.run(f"state {login}", work, _DEADLINE)

    async def known(self, login: LoginName) -> tuple[Known, ...]:  # noqa: ARG002 - as the port says
        """Nothing: nobody else has the directory."""
        return ()

    def remove(self, login: LoginName) -> Failed | None:
        """Keep nothing of `login`: once this is told, not even a power cut brings it back."""
        return outcome(partial(self._remove, login))

    def obstacle(self, logins: Iterable[LoginName]) -> Failed | None:
        """What would keep us from owning the directory, or saving these; it writes nothing."""
        return outcome(partial(self._probe, [self._path_of(login) for login in logins]))

    def sweep(self) -> None:
        """Remove what a crash left of any save; for whoever owns the directory."""
        with suppress(FileFailure):
            for name in {found[1] for each in self._names() if (found := _LEFT.match(each))}:
                if (file := self._paths.find(f"{self.path}/{name}")) is not None:
                    self._files.sweep(file)

    def _path_of(self, login: LoginName) -> str:
        return f"{self.path}/{login}{_SUFFIX}"

    def _names(self) -> list[str]:
        """What is in the directory; nothing where there is none."""
        with told(self.path), suppress(FileNotFoundError):
            directory = self._fs.open_dir(self.path)
            try:
                return sorted(self._fs.names(directory))
            finally:
                self._fs.close(directory)
        return []

    def _read(self, login: LoginName) -> Saved:
        file = self._paths.find(self._path_of(login))
        # Who may put a file here could else have us deliver what they like.
        data = self._files.read_own(file).data if file else None
        try:
            return read(data or b"", login)
        except NewerError:
            self._newer.add(login)
            raise

    def _write(self, login: LoginName, data: bytes) -> None:
        file = self._paths.make(self._path_of(login))
        self._files.replace(file, lambda before: None if before == data else data)

    def _probe(self, paths: Iterable[str]) -> None:
        lock = f"{self.path}/{_LOCK}"
        with suppress(NotYet):
            for path in (lock, *paths):
                if (file := self._paths.find(path)) is not None:
                    self._files.probe(file, in_place=path == lock)
                else:
                    self._files.probe_dir(self._paths.deepest(path))

    def _remove(self, login: LoginName) -> None:
        if (file := self._paths.find(self._path_of(login))) is not None:
            self._files.remove(file)

    def _strip(self, login: LoginName) -> None:
        try:
            saved = self._read(login)
        except FileFailure:
            if login not in self._newer:
                self._remove(login)
        else:
            self._write(login, written(replace(saved, credential=None)))


@contextmanager
def taken(path: str, *, ends_soon: bool = False) -> Iterator[None]:
    """Own the directory, made if it is missing, until the end; `ends_soon` is told to others.

    `StateDirTakenError` if another process does; the kernel ends its hold with it. `FileFailure` if
    it cannot be made or locked, or if root finds it to be another user's: what root left there,
    that user could not use.
    """
    with told(path):
        _make(Path(path))
        is_ours = os.geteuid() != 0 or Path(path).stat().st_uid == 0
        lock = _opened_lock(path, may_make=is_ours)
    try:
        with told(path):
            _hold(lock)
            if not is_ours:
                raise _not_roots(path)
        holder = (f"{os.getpid()} {_ONCE}\n" if ends_soon else f"{os.getpid()}\n").encode()
        with suppress(OSError):  # a full disk: it is held all the same
            os.pwrite(lock, holder, 0)  # over the former one's: whoever looks finds a whole line
            os.ftruncate(lock, len(holder))
        yield
    finally:
        os.close(lock)


def exposed(path: str) -> str | None:
    """What is to be said of a directory that every user may write to; None of any other.

    What they put there is not believed; but they can take away and exchange what is there.
    """
    with suppress(OSError):
        if Path(path).stat().st_mode & (stat.S_IWOTH | stat.S_ISVTX) == stat.S_IWOTH:
            return f"state_dir {path} may be written by every user: chmod o-w {path}"
    return None


def _make(path: Path) -> None:
    """Make the directory, and its parents that are missing, for this user alone."""
    missing = [each for each in path.parents if not each.exists()]
    above = missing[-1].parent if missing else path.parent
    if os.geteuid() == 0 and not path.exists() and above.stat().st_uid != 0:
        raise _not_roots(str(above))
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
    with suppress(FileExistsError):  # what is no directory holds no lock
        path.mkdir(mode=0o700)


def _opened_lock(path: str, *, may_make: bool) -> int:
    flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if may_make else 0)
    try:
        return os.open(f"{path}/{_LOCK}", flags, 0o600)
    except FileNotFoundError as exc:
        if may_make:
            raise
        raise _not_roots(path) from exc


def _not_roots(path: str) -> FileFailure:
    owner = Path(path).stat().st_uid
    detail = f"{path} belongs to uid {owner} and this runs as root; run it as that user"
    return FileFailure(Reason.OTHER_OWNER, detail)


def _hold(lock: int) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        holder = os.pread(lock, 32, 0).decode(errors="replace").partition("\n")[0]
        raise StateDirTakenError(holder.strip()) from exc
