"""A file system in memory that can fail, forget what was not synced, and be written by others.

The visible state is what a process sees. Beside it stands what the disk would show after a power
cut: what was synced, and of the rest any subset that the cut happens to keep.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

from lightkeeper.ports import Stat

UID = 1000
GID = 1000


def failing(number: int) -> OSError:
    """The error of a call that fails with this errno."""
    return OSError(number, os.strerror(number))


@dataclass(eq=False)
class Inode:
    """A file, a link or a directory."""

    number: int
    mode: int
    data: bytes = b""
    uid: int = UID
    gid: int = GID
    mtime_ns: int = 0
    ctime_ns: int = 0
    nlink: int = 0
    names: dict[str, Inode] = field(default_factory=dict)
    """Of a directory."""
    target: str = ""
    """Of a link."""
    synced: bytes = b""
    synced_names: dict[str, Inode] = field(default_factory=dict)

    def stat(self) -> Stat:
        return Stat(
            1,
            self.number,
            self.mode,
            self.nlink,
            self.uid,
            self.gid,
            len(self.data),
            self.mtime_ns,
            self.ctime_ns,
        )


@dataclass(eq=False)
class Pending:
    """A change that a power cut may still undo."""

    directory: Inode | None
    names: dict[str, Inode | None]
    file: Inode | None = None
    data: bytes = b""


Hook = Callable[[str], None]


def ignore(_: str) -> None:
    """Nothing happens."""


class Disk:
    """The Fs of a test.

    `before` is called ahead of every call with its name, and may raise; `changed` after every
    change that a reader could see, with the path of the directory or file.
    """

    def __init__(self) -> None:
        self._numbers = count(2)
        self._ticks = count(1)
        self.root = self._new(stat.S_IFDIR | 0o755)
        self.before: Hook = ignore
        self.changed: Hook = ignore
        self.pending: list[Pending] = []
        self.calls: list[str] = []
        self._open: dict[int, Inode] = {}
        self._descriptors = count(3)
        self._paths: dict[Inode, str] = {self.root: "/"}

    # What a test does, past every hook.

    def add_dir(self, path: str) -> Inode:
        """A directory with all its parents, there for good."""
        at, walked = self.root, ""
        for name in path.strip("/").split("/"):
            walked = f"{walked}/{name}"
            if name not in at.names:
                made = self._new(stat.S_IFDIR | 0o700)
                at.names[name] = at.synced_names[name] = made
                self._paths[made] = walked
            at = at.names[name]
        return at

    def add_file(self, path: str, data: bytes, *, mode: int = 0o600, uid: int = UID) -> Inode:
        """A file that somebody else put there by rename, there for good."""
        directory, name = self._parent(path)
        inode = self._new(stat.S_IFREG | mode, data=data, uid=uid)
        inode.synced = data
        inode.nlink = 1
        directory.names[name] = directory.synced_names[name] = inode
        for change in self.pending:
            if change.directory is directory:
                change.names.pop(name, None)
        return inode

    def add_link(self, path: str, target: str, *, uid: int = UID) -> None:
        """A symbolic link."""
        directory, name = self._parent(path)
        inode = self._new(stat.S_IFLNK | 0o777, uid=uid)
        inode.target = target
        directory.names[name] = directory.synced_names[name] = inode

    def content(self, path: str) -> bytes | None:
        """What a reader of the path would see; None if there is no file."""
        directory, name = self._parent(path)
        inode = directory.names.get(name)
        return None if inode is None else inode.data

    def open_files(self) -> int:
        """How many descriptors the process holds."""
        return len(self._open)

    def names_in(self, path: str) -> list[str]:
        """What a reader of the directory would see."""
        return sorted(self.add_dir(path).names)

    def cut_power(self, keep: Callable[[], bool]) -> None:
        """Lose what was not synced, except those changes for which `keep` says so."""
        for inode in self._inodes(visible=True):
            inode.data = inode.synced
            inode.names = dict(inode.synced_names)
        for change in self.pending:
            if not keep():
                continue
            if change.file is not None:
                change.file.data = change.data
            if change.directory is not None:
                _apply(change.directory.names, change.names)
        self.pending.clear()
        self._open.clear()
        for inode in self._inodes(visible=True):
            inode.synced = inode.data
            inode.synced_names = dict(inode.names)

    def is_dir(self, file: int) -> bool:
        """Whether a descriptor is one of a directory."""
        return stat.S_ISDIR(self._open[file].mode)

    def close_all(self) -> None:
        """Let go of every descriptor, as a process does at its end."""
        self._open.clear()

    # The port.

    def lstat(self, path: str) -> Stat:
        self._call("lstat")
        if path == "/":
            return self.root.stat()
        directory, name = self._parent(path)
        return _named(directory, name).stat()

    def readlink(self, path: str) -> str:
        self._call("readlink")
        directory, name = self._parent(path)
        return _named(directory, name).target

    def check_writable(self, directory: int, name: str) -> None:
        self._call("check_writable")

    def mkdir(self, path: str, mode: int) -> None:
        self._call("mkdir")
        directory, name = self._parent(path)
        if name in directory.names:
            raise failing(errno.EEXIST)
        made = self._new(stat.S_IFDIR | mode)
        self._paths[made] = path
        self._rename(directory, {name: made})

    def open_dir(self, path: str) -> int:
        self._call("open_dir")
        if path == "/":
            return self._opened(self.root)
        directory, name = self._parent(path)
        return self._opened(_named(directory, name))

    def names(self, directory: int) -> list[str]:
        self._call("names")
        return list(self._open[directory].names)

    def stat(self, directory: int, name: str) -> Stat:
        self._call("stat")
        return _named(self._open[directory], name).stat()

    def read(self, directory: int, name: str, limit: int) -> tuple[bytes, Stat]:
        self._call("read")
        inode = _named(self._open[directory], name)
        if stat.S_ISLNK(inode.mode):
            raise failing(errno.ELOOP)
        return inode.data[:limit] if stat.S_ISREG(inode.mode) else b"", inode.stat()

    def create(self, directory: int, name: str) -> int:
        self._call("create")
        at = self._open[directory]
        if name in at.names:
            raise failing(errno.EEXIST)
        inode = self._new(stat.S_IFREG | 0o600)
        self._rename(at, {name: inode})
        inode.nlink = 1
        return self._opened(inode)

    def open(self, directory: int, name: str) -> int:
        self._call("open")
        return self._opened(_named(self._open[directory], name))

    def fstat(self, file: int) -> Stat:
        self._call("fstat")
        return self._open[file].stat()

    def write(self, file: int, data: bytes) -> None:
        inode = self._open[file]
        half = data[: len(data) // 2]
        try:
            self._call("write")
        except OSError:
            self._set(inode, half + inode.data[len(half) :])
            raise
        self._set(inode, data + inode.data[len(data) :])

    def truncate(self, file: int, size: int) -> None:
        self._call("truncate")
        self._set(self._open[file], self._open[file].data[:size])

    def chmod(self, file: int, mode: int) -> None:
        self._call("chmod")
        inode = self._open[file]
        inode.mode = stat.S_IFMT(inode.mode) | mode

    def chgrp(self, file: int, gid: int) -> None:
        self._call("chgrp")
        self._open[file].gid = gid

    def copy_attributes(self, file: int, directory: int, name: str) -> None:
        self._call("copy_attributes")

    def fsync(self, file: int) -> None:
        self._call("fsync")
        inode = self._open[file]
        inode.synced = inode.data
        inode.synced_names = dict(inode.names)
        self.pending = [
            change for change in self.pending if inode not in (change.directory, change.file)
        ]

    def close(self, file: int) -> None:
        self._open.pop(file, None)
        self._call("close")

    def rename(self, directory: int, old: str, new: str) -> None:
        self._call("rename")
        at = self._open[directory]
        self._rename(at, {new: _named(at, old), old: None})

    def rename_new(self, directory: int, old: str, new: str) -> None:
        self._call("rename_new")
        at = self._open[directory]
        if new in at.names:
            raise failing(errno.EEXIST)
        self._rename(at, {new: _named(at, old), old: None})

    def exchange(self, directory: int, one: str, other: str) -> None:
        self._call("exchange")
        at = self._open[directory]
        self._rename(at, {one: _named(at, other), other: _named(at, one)})

    def unlink(self, directory: int, name: str) -> None:
        self._call("unlink")
        at = self._open[directory]
        _named(at, name)
        self._rename(at, {name: None})

    def _call(self, name: str) -> None:
        self.calls.append(name)
        self.before(name)

    def _new(self, mode: int, *, data: bytes = b"", uid: int = UID) -> Inode:
        tick = next(self._ticks)
        return Inode(next(self._numbers), mode, data, uid, mtime_ns=tick, ctime_ns=tick)

    def _opened(self, inode: Inode) -> int:
        descriptor = next(self._descriptors)
        self._open[descriptor] = inode
        return descriptor

    def _parent(self, path: str) -> tuple[Inode, str]:
        at = self.root
        *parents, name = path.strip("/").split("/")
        for parent in parents:
            at = _named(at, parent)
        return at, name

    def _rename(self, directory: Inode, names: dict[str, Inode | None]) -> None:
        _apply(directory.names, names)
        self.pending.append(Pending(directory, names))
        path = self._paths[directory]
        for name in names:
            self.changed(f"{path.rstrip('/')}/{name}")

    def _set(self, inode: Inode, data: bytes) -> None:
        inode.data = data
        inode.mtime_ns = inode.ctime_ns = next(self._ticks)
        self.pending.append(Pending(None, {}, inode, data))
        self.changed("")

    def _inodes(self, *, visible: bool) -> Iterator[Inode]:
        seen = set[Inode]()
        ahead = [self.root]
        for change in self.pending:
            ahead += [inode for inode in change.names.values() if inode is not None]
        while ahead:
            inode = ahead.pop()
            if inode not in seen:
                seen.add(inode)
                yield inode
                ahead += inode.names.values() if visible else inode.synced_names.values()


def _named(directory: Inode, name: str) -> Inode:
    if name not in directory.names:
        raise failing(errno.ENOENT)
    return directory.names[name]


def _apply(names: dict[str, Inode], changes: dict[str, Inode | None]) -> None:
    for name, inode in changes.items():
        if inode is None:
            names.pop(name, None)
        else:
            names[name] = inode
