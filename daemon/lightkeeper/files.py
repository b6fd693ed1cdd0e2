"""The one way a file is replaced and read back: swap, look, keep or undo.

No client locks these files, so an edit that comes between our reading and our writing would be
lost to a plain rename. Here the old file comes out of the swap under a name of ours and is looked
at: if it is not what was read, it goes back at once, and all starts again from what is there.

    read ─► change ─► new file ─► still as read? ─► swap ─► what came out is what was read?
      ▲                                no │                     no │            yes │
      └───────────────────────────── start again ◄── swap back ◄───┘     unlink it, read back

Between swap and undo others see a file without those edits, and what they make of it buries them.
The undo takes microseconds; but a swap that meets a rename on its way waits for the directory, for
milliseconds if the other is at it again and again. So it lets others rename first.
"""

from __future__ import annotations

import errno
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from random import Random
from typing import Final

from msgspec import Struct

from lightkeeper.core.docker_config import MAX_BYTES
from lightkeeper.core.reasons import Reason
from lightkeeper.paths import FileFailure, RealFile, told
from lightkeeper.ports import Fs, Stat

Change = Callable[[bytes | None], bytes | None]
"""From what a file holds (None if there is none) to what it is to hold (None: leave it).

It is asked again about what was written, and must then leave it.
"""

_TRIES: Final = 3000
"""Some seconds: enough to outlast a writer that never rests but for the disk."""
_PATIENCE: Final = 50
"""Looks at a directory where somebody has a new file ready: under a millisecond in all, since a
crash of theirs can have left it there."""
_UNSUPPORTED: Final = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP)


class Replaced(Struct, frozen=True, kw_only=True):
    """A file holds what it is to hold: it was read back."""

    data: bytes | None
    changed: bool
    before: Stat | None
    """The file as it was found; None if there was none."""
    after: Stat | None
    alone: bool
    """Whether nobody else changed it from `before` to `after`."""


class Seen(Struct, frozen=True):
    """What a file held, and its state when it was opened for that; None if there was none."""

    data: bytes | None
    stat: Stat | None


class Files:
    """Reads and replaces files; one caller at a time for each."""

    def __init__(self, fs: Fs, *, uid: int, random: Random) -> None:
        self._fs = fs
        self._uid = uid
        self._random = random
        self._swept = set[tuple[int, int, str]]()
        self._unsynced = set[tuple[int, int, str]]()
        self._kept: dict[tuple[int, int, str], int] = {}

    def read(self, file: RealFile) -> Seen:
        """The file as it is."""
        with told(file.directory), self._opened(file.directory) as directory:
            self._sweep_once(directory, file)
            return self._look(directory, file.name)

    def replace(
        self, file: RealFile, change: Change, *, mode: int = 0o600, in_place: bool = False
    ) -> Replaced:
        """Bring the file to what `change` makes of it, and read it back.

        A file that is there keeps its mode; a new one has `mode`. `in_place` writes over the old
        content, which readers can see half done: for what is mounted and cannot be swapped.
        """
        changed, alone = False, True
        first: Seen | None = None
        data: bytes | None = None
        with told(file.directory), self._opened(file.directory) as directory:
            self._sweep_once(directory, file)
            for _ in range(_TRIES):
                seen = self._look(directory, file.name)
                first = first or seen
                alone = alone and data in (None, seen.data)
                data = change(seen.data)
                if data is None:
                    self._sync(directory, file)
                    return Replaced(
                        data=seen.data,
                        changed=changed,
                        before=first.stat,
                        after=seen.stat,
                        alone=alone,
                    )
                if in_place and seen.stat is not None:
                    is_in = self._overwrite(directory, file.name, seen.data, seen.stat, data)
                else:
                    is_in = self._swap_in(directory, file, seen, data, mode)
                changed = changed or is_in
        raise FileFailure(
            Reason.CONTENDED, f"changed by another {_TRIES} times while being written"
        )

    def edits_kept(self, file: RealFile) -> int:
        """How many edits of somebody else a crash of ours has left beside the file."""
        return self._kept.get(file.key, 0)

    @contextmanager
    def _opened(self, path: str) -> Iterator[int]:
        directory = self._fs.open_dir(path)
        try:
            yield directory
        finally:
            with suppress(OSError):
                self._fs.close(directory)

    def _look(self, directory: int, name: str) -> Seen:
        try:
            data, found = self._fs.read(directory, name, MAX_BYTES + 1)
        except FileNotFoundError:
            return Seen(None, None)
        if not stat.S_ISREG(found.mode):
            raise FileFailure(Reason.UNSAFE_PATH, f"{name} is not a regular file")
        return Seen(data, found)

    def _swap_in(self, directory: int, file: RealFile, seen: Seen, data: bytes, mode: int) -> bool:
        """Put a new file in the place of the old one; False if somebody else was faster."""
        fs, name, old = self._fs, file.name, seen.stat
        if old is not None and old.uid != self._uid:
            raise FileFailure(Reason.OTHER_OWNER, f"{name} belongs to uid {old.uid}")
        temp = f"{_prefix(name)}new-{self._random.getrandbits(64):016x}"
        try:
            own = self._create(directory, temp, name, old, data, mode)
            if own is None:
                self._discard(directory, file, temp)
                return False
            ready = _ready_name(name, old, own)
            fs.rename(directory, temp, ready)
        except FileNotFoundError:  # another's sweep took it for litter
            return False
        except (OSError, FileFailure):
            self._discard(directory, file, temp)
            raise
        self._unsynced.add(file.key)
        try:
            if old is not None:
                self._let_others_rename(directory, name)
            is_in = self._is_as(directory, name, old) and self._swap(directory, ready, name, old)
        except OSError:
            self._discard(directory, file, ready)
            raise
        if not is_in:
            self._discard(directory, file, ready)
            return False
        if old is None:
            return True
        try:
            return self._is_kept(directory, ready, name, seen, own)
        except OSError:
            # What lies there now may be somebody's edit: a sweep tells by its inode.
            self._swept.discard(file.key)
            raise

    def _create(
        self, directory: int, temp: str, name: str, old: Stat | None, data: bytes, mode: int
    ) -> Stat | None:
        """A new file that is on the disk; None if the old one is no longer as it was read."""
        fs = self._fs
        file = fs.create(directory, temp)
        try:
            fs.write(file, data)
            if old is not None:
                self._keep_group(file, old)
                fs.copy_attributes(file, directory, name)
                mode = stat.S_IMODE(old.mode)
            fs.chmod(file, mode)
            # A disk takes its time: not for what is too late already.
            if not self._is_as(directory, name, old):
                return None
            fs.fsync(file)
            return fs.fstat(file)
        finally:
            fs.close(file)

    def _keep_group(self, file: int, old: Stat) -> None:
        if self._fs.fstat(file).gid == old.gid:
            return
        try:
            self._fs.chgrp(file, old.gid)
        except PermissionError as exc:
            if old.mode & stat.S_IRWXG:
                detail = f"its group {old.gid} could not read it any more"
                raise FileFailure(Reason.OTHER_OWNER, detail) from exc

    def _is_as(self, directory: int, name: str, old: Stat | None) -> bool:
        """Whether the file is still the one that was read."""
        try:
            found = self._fs.stat(directory, name)
        except FileNotFoundError:
            return old is None
        return old is not None and _is_same(found, old)

    def _let_others_rename(self, directory: int, name: str) -> None:
        """Wait a moment for whoever has a new file ready and is about to rename it."""
        # As docker, podman and their like name it.
        starts = (name, f".tmp-{name}")
        for _ in range(_PATIENCE):
            if not any(_is_numbered(other, starts) for other in self._fs.names(directory)):
                return

    def _swap(self, directory: int, ready: str, name: str, old: Stat | None) -> bool:
        """Bring the new file under the name; False if there is no old one any more, or is one."""
        fs = self._fs
        try:
            if old is None:
                fs.rename_new(directory, ready, name)
            else:
                fs.exchange(directory, ready, name)
        except (FileNotFoundError, FileExistsError):
            return False
        except OSError as exc:
            if exc.errno not in _UNSUPPORTED:
                raise
            if not self._is_as(directory, name, old):
                return False
            fs.rename(directory, ready, name)
        return True

    def _is_kept(self, directory: int, ready: str, name: str, old: Seen, own: Stat) -> bool:
        """Look at what came out: let it go if it is what was read, else give it back."""
        fs = self._fs
        try:
            out = fs.stat(directory, ready)
        except FileNotFoundError:
            return True  # a plain rename: nothing came out
        if self._is_still(directory, ready, out, old):
            fs.unlink(directory, ready)
            return True
        put_in = own
        while True:
            try:
                if not _is_same(fs.stat(directory, name), put_in):
                    fs.unlink(directory, ready)  # a later edit is there, which counts
                    return False
                fs.exchange(directory, ready, name)
            except FileNotFoundError:
                fs.rename_new(directory, ready, name)  # what we put in was taken away meanwhile
                return False
            came = fs.stat(directory, ready)
            if _is_same(came, put_in):
                fs.unlink(directory, ready)
                return False
            put_in, out = out, came

    def _is_still(self, directory: int, name: str, found: Stat, seen: Seen) -> bool:
        """Whether what was found is what was seen, to the last byte.

        Of two files that follow each other within a tick of the clock, number, size and time can be
        the same.
        """
        is_same = seen.stat is not None and _is_same(found, seen.stat)
        return is_same and self._look(directory, name).data == seen.data

    def _overwrite(
        self, directory: int, name: str, before: bytes | None, old: Stat, data: bytes
    ) -> bool:
        """Write over the file; False if it is no longer the one that was read."""
        fs = self._fs
        if old.nlink == 0:
            detail = f"{name} was replaced outside of this mount, which shows the former file"
            raise FileFailure(Reason.SINGLE_FILE_MOUNT, detail)
        file = fs.open(directory, name)
        try:
            if not _is_same(fs.fstat(file), old):
                return False
            try:
                self._fill(file, data)
            except OSError:
                with suppress(OSError):
                    self._fill(file, before or b"")
                raise
            return True
        finally:
            fs.close(file)

    def _fill(self, file: int, data: bytes) -> None:
        # Written first and cut off then: an empty file would be read as one without credentials.
        self._fs.write(file, data)
        self._fs.truncate(file, len(data))
        self._fs.fsync(file)

    def _sync(self, directory: int, file: RealFile) -> None:
        """Make the name last, if that is not known of it; tried again next time if it fails."""
        if file.key in self._unsynced:
            try:
                self._fs.fsync(directory)
            except OSError as exc:
                if exc.errno not in _UNSUPPORTED:
                    raise
            self._unsynced.discard(file.key)

    def _discard(self, directory: int, file: RealFile, temp: str) -> None:
        try:
            self._fs.unlink(directory, temp)
        except OSError:
            self._swept.discard(file.key)

    def _sweep_once(self, directory: int, file: RealFile) -> None:
        """Remove what a crash left; an edit that it caught between swap and undo is kept."""
        if file.key in self._swept:
            return
        # Whoever wrote it last may have died before the name was on the disk.
        self._unsynced.add(file.key)
        prefix = _prefix(file.name)
        # A sweep that fails is made again next time: what the file holds matters more.
        with suppress(OSError):
            names = [name for name in self._fs.names(directory) if name.startswith(prefix)]
            edits = [name for name in names if self._is_edit(directory, name, prefix)]
            self._kept[file.key] = len(edits)
            self._swept.add(file.key)

    def _is_edit(self, directory: int, name: str, prefix: str) -> bool:
        """Whether somebody's edit is under a name of ours: others may not read it, none loses it.

        What is there of our own is removed.
        """
        found = self._fs.stat(directory, name)
        is_litter = _is_ours(name.removeprefix(prefix), found)
        if found.uid == self._uid:
            if is_litter:
                self._fs.unlink(directory, name)
            elif stat.S_ISREG(found.mode):
                self._hide(directory, name)
        return not is_litter

    def _hide(self, directory: int, name: str) -> None:
        file = self._fs.open(directory, name)
        try:
            self._fs.chmod(file, 0o600)
        finally:
            self._fs.close(file)


def _is_same(one: Stat, other: Stat) -> bool:
    return (one.dev, one.ino, one.size, one.mtime_ns) == (
        other.dev,
        other.ino,
        other.size,
        other.mtime_ns,
    )


def _is_numbered(name: str, starts: Iterable[str]) -> bool:
    """Whether a number, and nothing else, follows one of these."""
    rests = [name.removeprefix(start) for start in starts if name.startswith(start)]
    return any(rest.isascii() and rest.isdigit() for rest in rests)


def _prefix(name: str) -> str:
    return f".{name}.lightkeeper."


def _ready_name(name: str, old: Stat | None, own: Stat) -> str:
    """A name that says which file was read and which is ours: any other under it is an edit."""
    read = f"{old.ino:x}-{old.mtime_ns:x}" if old else "0-0"
    return f"{_prefix(name)}{read}-{own.ino:x}"


def _is_ours(label: str, found: Stat) -> bool:
    if label.startswith("new-"):
        return True
    read, mtime, own = ([*label.split("-"), "", ""])[:3]
    return f"{found.ino:x}" == own or (f"{found.ino:x}", f"{found.mtime_ns:x}") == (read, mtime)
