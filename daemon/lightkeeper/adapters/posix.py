"""The system calls on files, as Linux has them. Knows no file of ours."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from lightkeeper.ports import Stat

_RENAME_NOREPLACE: Final = 1
_RENAME_EXCHANGE: Final = 2
_AT_EACCESS: Final = 0x200
_PIECE: Final = 1 << 16
_OCTAL: Final = re.compile(rb"\\([0-7]{3})")
_KEPT_ATTRIBUTES: Final = ("user.", "system.posix_acl_access")


class Posix:
    """The Fs of this machine."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        # Not in `os`; glibc has it from 2.28 on, musl from 1.2.6.
        self._renameat2 = getattr(libc, "renameat2", None)
        self._faccessat = libc.faccessat  # `os.access` does not say why not

    def lstat(self, path: str) -> Stat:
        """What stands at a path."""
        return _stat(os.lstat(path))

    def readlink(self, path: str) -> str:
        """Where a link leads."""
        return os.readlink(path)  # noqa: PTH115 - one call of the system, of a text

    def check_writable(self, directory: int, name: str) -> None:
        """Fail as a write to what stands under a name would."""
        if self._faccessat(directory, os.fsencode(name), os.W_OK, _AT_EACCESS) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), name)

    def mkdir(self, path: str, mode: int) -> None:
        """Make a directory."""
        os.mkdir(path, mode)  # noqa: PTH102

    def open_dir(self, path: str) -> int:
        """A descriptor of a directory."""
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def names(self, directory: int) -> list[str]:
        """The names in a directory."""
        return os.listdir(directory)

    def stat(self, directory: int, name: str) -> Stat:
        """What stands under a name."""
        return _stat(os.stat(name, dir_fd=directory, follow_symlinks=False))

    def read(self, directory: int, name: str, limit: int) -> tuple[bytes, Stat]:
        """The first `limit` bytes of a regular file, and its state when it was opened."""
        # Without O_NONBLOCK the opening of a FIFO waits for somebody who writes.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        file = os.open(name, flags, dir_fd=directory)
        try:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode):
                return b"", _stat(found)
            pieces = []
            while limit > 0 and (piece := os.read(file, min(limit, _PIECE))):
                pieces.append(piece)
                limit -= len(piece)
            return b"".join(pieces), _stat(found)
        finally:
            os.close(file)

    def create(self, directory: int, name: str) -> int:
        """A new file that only we may read."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(name, flags, 0o600, dir_fd=directory)

    def open(self, directory: int, name: str) -> int:
        """A file that is there, opened for writing over it."""
        flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return os.open(name, flags, dir_fd=directory)

    def fstat(self, file: int) -> Stat:
        """The state of an open file."""
        return _stat(os.fstat(file))

    def write(self, file: int, data: bytes) -> None:
        """All of `data`, from the start of the file."""
        at = 0
        while at < len(data):
            at += os.pwrite(file, data[at:], at)

    def truncate(self, file: int, size: int) -> None:
        """Cut a file off."""
        os.ftruncate(file, size)

    def chmod(self, file: int, mode: int) -> None:
        """Change who may read it."""
        os.fchmod(file, mode)

    def chgrp(self, file: int, gid: int) -> None:
        """Give it to a group."""
        os.fchown(file, -1, gid)

    def copy_attributes(self, file: int, directory: int, name: str) -> None:
        """Take over another file's ACL and user attributes as far as the file system lets us."""
        with suppress(OSError):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            source = os.open(name, flags, dir_fd=directory)
            try:
                for attribute in os.listxattr(source):
                    if attribute.startswith(_KEPT_ATTRIBUTES):
                        os.setxattr(file, attribute, os.getxattr(source, attribute))
            finally:
                os.close(source)

    def fsync(self, file: int) -> None:
        """Wait until it is on the disk."""
        os.fsync(file)

    def close(self, file: int) -> None:
        """Let go of a descriptor."""
        os.close(file)

    def rename(self, directory: int, old: str, new: str) -> None:
        """Move a name over another."""
        os.rename(old, new, src_dir_fd=directory, dst_dir_fd=directory)

    def rename_new(self, directory: int, old: str, new: str) -> None:
        """Move a name to one that must be free."""
        self._rename(directory, old, new, _RENAME_NOREPLACE)

    def exchange(self, directory: int, one: str, other: str) -> None:
        """Swap two names in one step."""
        self._rename(directory, one, other, _RENAME_EXCHANGE)

    def unlink(self, directory: int, name: str) -> None:
        """Take a name away."""
        os.unlink(name, dir_fd=directory)

    def _rename(self, directory: int, old: str, new: str, flag: int) -> None:
        if self._renameat2 is None:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        names = os.fsencode(old), os.fsencode(new)
        if self._renameat2(directory, names[0], directory, names[1], flag) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), old, None, new)


def mount_points() -> frozenset[str]:
    """Where this process has something mounted; nothing where that is not told."""
    try:
        lines = Path("/proc/self/mountinfo").read_bytes().splitlines()
    except OSError:
        return frozenset()
    points = (line.split()[4] for line in lines)
    return frozenset(os.fsdecode(_OCTAL.sub(_byte, point)) for point in points)


def _byte(octal: re.Match[bytes]) -> bytes:
    return bytes([int(octal[1], 8)])


def _stat(found: os.stat_result) -> Stat:
    return Stat(
        found.st_dev,
        found.st_ino,
        found.st_mode,
        found.st_nlink,
        found.st_uid,
        found.st_gid,
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )
