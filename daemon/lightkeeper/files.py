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

from lightkeeper.core.file_failure import FileFailure
from lightkeeper.core.reasons import Reason
from lightkeeper.paths import RealFile, told
from lightkeeper.ports import Fs, Stat
from lightkeeper.sweeping import has_kept_edits, ready_name, sweep, temp_name

Change = Callable[[bytes | None], bytes | None]
"""From what a file holds (None if there is none) to what it is to hold (None: leave it).

It is asked again about what was written, and must then leave it.
"""

_MOST: Final = 4 << 20
"""Bytes of a file: more than any has that is delivered into, or kept for thousands of places."""
_TRIES: Final = 3000
"""Some seconds: enough to outlast a writer that never rests but for the disk."""
_PATIENCE: Final = 50
"""Looks at a directory where somebody has a new file ready: under a millisecond in all, since a
crash of theirs can have left it there."""
_UNSUPPORTED: Final = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP)


class Replaced(Struct, frozen=True, kw_only=True):
    """A file holds what it is to hold: it was read back."""

    changed: bool
    before: Stat | None
    """The file as it was found; None if there was none."""
    after: Stat | None
    alone: bool
    """Whether nobody else changed it from `before` to `after`."""
    has_kept_edits: bool
    """Whether a crash of ours has left edits of somebody else beside it."""


class Seen(Struct, frozen=True):
    """What a file held, and its state when it was opened for that; None if there was none.

    Printed, it shows nothing of the content.
    """

    __repr__ = object.__repr__

    data: bytes | None
    stat: Stat | None


class Files:
    """Reads, replaces and removes files. Of two who change the same one, each waits for the other.

    Whoever reads waits for nobody, and changes nothing.
    """

    def __init__(self, fs: Fs, *, uid: int, random: Random) -> None:
        self._fs = fs
        self._uid = uid
        self._random = random

    def read(self, file: RealFile) -> Seen:
        """The file as it is: whole, as any client finds it."""
        with told(file.path), self._opened(file.directory) as directory:
            return self._look_at(directory, file)

    def read_own(self, file: RealFile) -> Seen:
        """The same of a file that nobody but us may have put there; `other_owner` else."""
        seen = self.read(file)
        if seen.stat is not None:
            self._check_owned(file, seen.stat)
        return seen

    def probe(self, file: RealFile, *, in_place: bool) -> Seen:
        """The file as it is, if `replace` could write it; fails as that would, and writes not."""
        with told(file.path), self._opened(file.directory) as directory:
            seen = self._look_at(directory, file)
            if seen.stat is not None and in_place:
                self._fs.check_writable(directory, file.name)
            else:
                if seen.stat is not None:
                    self._check_owned(file, seen.stat)
                self._fs.check_writable(directory, ".")
            return seen

    def probe_dir(self, path: str) -> None:
        """Fail as the making of a name in this directory would."""
        with told(path), self._opened(path) as directory:
            self._fs.check_writable(directory, ".")

    def sweep(self, file: RealFile) -> bool:
        """Remove what a crash left beside the file; False if some of it may still be there.

        An edit that the crash caught between swap and undo is kept, for its owner alone.
        """
        with told(file.path), self._opened(file.directory) as directory:
            return sweep(self._fs, directory, file.name, uid=self._uid).is_clean

    def remove(self, file: RealFile) -> None:
        """Let the file be gone, and what a crash left beside it; it may be gone already."""
        with told(file.path), self._opened(file.directory) as directory:
            with suppress(FileNotFoundError):
                self._fs.unlink(directory, file.name)
            sweep(self._fs, directory, file.name, uid=self._uid)
            self._sync(directory)

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
        with told(file.path), self._opened(file.directory) as directory:
            swept = sweep(self._fs, directory, file.name, uid=self._uid)
            for _ in range(_TRIES):
                seen = self._look_at(directory, file)
                first = first or seen
                alone = alone and data in (None, seen.data)
                data = change(seen.data)
                if data is None:
                    # Whoever wrote it last may have died before the name was on the disk.
                    self._sync(directory)
                    return Replaced(
                        changed=changed,
                        before=first.stat,
                        after=seen.stat,
                        alone=alone,
                        has_kept_edits=swept.has_kept_edits,
                    )
                if len(data) > _MOST:
                    raise FileFailure(Reason.TOO_LARGE, f"over {_MOST >> 20} MiB")
                if seen.stat is not None and not in_place:
                    self._check_owned(file, seen.stat)
                if in_place and seen.stat is not None:
                    is_in = self._overwrite(directory, file.name, seen.data, seen.stat, data)
                else:
                    is_in = self._swap_in(directory, file.name, seen, data, mode)
                changed = changed or is_in
        raise FileFailure(
            Reason.CONTENDED, f"changed by another {_TRIES} times while being written"
        )

    def has_kept_edits(self, file: RealFile) -> bool:
        """Whether a crash of ours has left edits of somebody else beside the file."""
        with told(file.path), self._opened(file.directory) as directory:
            return has_kept_edits(self._fs, directory, file.name)

    def _check_owned(self, file: RealFile, found: Stat) -> None:
        if found.uid != self._uid:
            raise FileFailure(Reason.OTHER_OWNER, f"{file.path} belongs to uid {found.uid}")

    @contextmanager
    def _opened(self, path: str) -> Iterator[int]:
        directory = self._fs.open_dir(path)
        try:
            yield directory
        finally:
            with suppress(OSError):
                self._fs.close(directory)

    def _look_at(self, directory: int, file: RealFile) -> Seen:
        seen = self._look(directory, file.name)
        if seen.stat is not None and not stat.S_ISREG(seen.stat.mode):
            raise FileFailure(Reason.UNSAFE_PATH, f"{file.path} is not a regular file")
        return seen

    def _look(self, directory: int, name: str) -> Seen:
        try:
            data, found = self._fs.read(directory, name, _MOST + 1)
        except FileNotFoundError:
            return Seen(None, None)
        return Seen(data, found)

    def _swap_in(self, directory: int, name: str, seen: Seen, data: bytes, mode: int) -> bool:
        """Put a new file in the place of the old one; False if somebody else was faster."""
        fs, old = self._fs, seen.stat
        temp = temp_name(name, self._random.getrandbits(64))
        try:
            own = self._create(directory, temp, name, old, data, mode)
            if own is None:
                self._discard(directory, temp)
                return False
            ready = ready_name(name, old, own)
            fs.rename(directory, temp, ready)
        except FileNotFoundError:  # another's sweep took it for litter
            return False
        except (OSError, FileFailure):
            self._discard(directory, temp)
            raise
        try:
            if old is not None:
                self._let_others_rename(directory, name)
            is_in = self._is_as(directory, name, old) and self._swap(directory, ready, name, old)
        except OSError:
            self._discard(directory, ready)
            raise
        if not is_in:
            self._discard(directory, ready)
            return False
        # Where that fails, what lies there may be somebody's edit: a sweep tells by its inode.
        return old is None or self._is_kept(directory, ready, name, seen, own)

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

    def _sync(self, directory: int) -> None:
        """Make the names last."""
        try:
            self._fs.fsync(directory)
        except OSError as exc:
            if exc.errno not in _UNSUPPORTED:
                raise

    def _discard(self, directory: int, temp: str) -> None:
        with suppress(OSError):
            self._fs.unlink(directory, temp)


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
