"""Where a path leads, and what it means when it leads nowhere. Knows nothing of contents."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from posixpath import dirname, join
from types import MappingProxyType
from typing import Final, TypeVar

from msgspec import Struct

from lightkeeper.core.file_failure import FileFailure
from lightkeeper.core.reasons import Reason
from lightkeeper.ports import Failed, Fs, Stat

T = TypeVar("T")

_LINKS: Final = 40
_RUNTIME_DIR: Final = re.compile(r"/(var/)?run/user/[0-9]+")

REASONS: Final[Mapping[int, Reason]] = MappingProxyType(
    {
        errno.EACCES: Reason.PERMISSION_DENIED,
        errno.EPERM: Reason.PERMISSION_DENIED,
        errno.EROFS: Reason.READ_ONLY,
        errno.ENOSPC: Reason.NO_SPACE,
        errno.EDQUOT: Reason.NO_SPACE,
        errno.EFBIG: Reason.NO_SPACE,
        errno.ELOOP: Reason.UNSAFE_PATH,
        errno.ENOTDIR: Reason.UNSAFE_PATH,
        errno.EISDIR: Reason.UNSAFE_PATH,
        errno.ENXIO: Reason.UNSAFE_PATH,
        errno.ENAMETOOLONG: Reason.UNSAFE_PATH,
        errno.EEXIST: Reason.CONTENDED,
        errno.EBUSY: Reason.SINGLE_FILE_MOUNT,
        errno.EXDEV: Reason.SINGLE_FILE_MOUNT,
        errno.ETIMEDOUT: Reason.TIMEOUT,
    }
)
"""What a failed system call means; all others are `io_error`."""


class NotYet(Exception):  # noqa: N818 - nothing went wrong
    """The user's runtime directory, which this names, is not there before the user is."""


class RealFile(Struct, frozen=True, kw_only=True):
    """Where a path leads, its links followed; there need not be a file yet."""

    directory: str
    name: str
    key: tuple[int, int, str]
    """Of two paths that lead to the same file the keys are equal."""

    @property
    def path(self) -> str:
        """For people."""
        return join(self.directory, self.name)


class Paths:
    """Follows paths, as the user whose id is `uid`."""

    def __init__(self, fs: Fs, *, uid: int) -> None:
        self._fs = fs
        self._uid = uid

    def find(self, path: str) -> RealFile | None:
        """Where `path` leads; None while a directory on the way is missing.

        `FileFailure` for a path that leads nowhere or, to root, through what others own; `NotYet`.
        """
        with told(path):
            at, missing = self._walk(path)
            return self._real(at, missing) if len(missing) <= 1 else None

    def deepest(self, path: str) -> str:
        """The deepest thing on the way that is there; fails as `find` does."""
        with told(path):
            return self._walk(path)[0]

    def make(self, path: str) -> RealFile:
        """The same, with the directories that are missing made for this user alone."""
        with told(path):
            at, missing = self._walk(path)
            for name in missing[:-1]:
                parent, at = at, join(at, name)
                with suppress(FileExistsError):
                    self._fs.mkdir(at, 0o700)
                self._sync(parent)
            return self._real(at, missing[-1:])

    def _walk(self, path: str) -> tuple[str, list[str]]:
        """The deepest thing that is there, by its real path, and the names that are missing."""
        at, links = "/", 0
        ahead = deque((name, False) for name in path.split("/"))
        while ahead:
            name, linked = ahead.popleft()
            if name in ("", "."):
                continue
            if name == "..":
                at = dirname(at)
                continue
            here = join(at, name)
            try:
                found = self._fs.lstat(here)
            except FileNotFoundError:
                missing = [name, *(name for name, _ in ahead if name not in ("", "."))]
                return at, _may_make(at, missing, linked=linked)
            self._check_owned(here, found)
            if stat.S_ISLNK(found.mode):
                links += 1
                if links > _LINKS:
                    raise FileFailure(Reason.UNSAFE_PATH, f"{path}: links lead in a circle")
                target = self._fs.readlink(here)
                at = "/" if target.startswith("/") else at
                ahead.extendleft((name, True) for name in reversed(target.split("/")))
            else:
                at = here
        return at, []

    def _check_owned(self, path: str, found: Stat) -> None:
        """Let nobody lead root to a file of their choice."""
        if self._uid == 0 and found.uid != 0:
            detail = f"{path} belongs to uid {found.uid} and this runs as root"
            raise FileFailure(Reason.OTHER_OWNER, detail)

    def _sync(self, path: str) -> None:
        directory = self._fs.open_dir(path)
        try:
            self._fs.fsync(directory)
        finally:
            self._fs.close(directory)

    def _real(self, at: str, missing: list[str]) -> RealFile:
        directory, name = (at, missing[0]) if missing else (dirname(at), at.rpartition("/")[2])
        found = self._fs.lstat(directory)
        return RealFile(directory=directory, name=name, key=(found.dev, found.ino, name))


@contextmanager
def told(path: str) -> Iterator[None]:
    """Every OSError as a FileFailure, of `path` unless it names a path of its own.

    What stands beside a file under a name of ours means nothing to people.
    """
    try:
        yield
    except OSError as exc:
        number = exc.errno or errno.EIO
        where = exc.filename if str(exc.filename).startswith("/") else path
        reason = REASONS.get(number, Reason.IO_ERROR)
        raise FileFailure(reason, f"{where}: {os.strerror(number)}") from exc


def outcome(work: Callable[[], T]) -> T | Failed:
    """What work on a file comes to; what can go wrong with it, as a value."""
    try:
        return work()
    except FileFailure as exc:
        return Failed(reason=exc.reason, detail=exc.detail)


def _may_make(at: str, missing: list[str], *, linked: bool) -> list[str]:
    """The missing names, if it is for us to make them."""
    if len(missing) > 1:
        first = join(at, missing[0])
        if any(map(_RUNTIME_DIR.fullmatch, (first, join(first, missing[1])))):
            raise NotYet(first)
        if linked:
            detail = f"a link leads to {join(at, *missing)}, whose directory is missing"
            raise FileFailure(Reason.UNSAFE_PATH, detail)
    return missing
