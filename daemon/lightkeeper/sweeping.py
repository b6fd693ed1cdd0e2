"""The names of what we put beside a file, and what is done with what a crash left under them.

A temp file is ours: it goes. But a crash between swap and undo leaves somebody's edit under such a
name, which is kept. A name says which file was read and which is ours; any other under it is an
edit.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from msgspec import Struct

from lightkeeper.ports import Fs, Stat

_HIDDEN: Final = 0o600


class Swept(Struct, frozen=True, kw_only=True):
    """What a sweep came to."""

    is_clean: bool
    """Whether nothing of ours is left there."""
    has_kept_edits: bool


def temp_name(name: str, draw: int) -> str:
    """Of a file that is being written."""
    return f"{_prefix(name)}new-{draw:016x}"


def ready_name(name: str, old: Stat | None, own: Stat) -> str:
    """Of a file that is ready to be swapped in for the old one."""
    read = f"{old.ino:x}-{old.mtime_ns:x}" if old else "0-0"
    return f"{_prefix(name)}{read}-{own.ino:x}"


def sweep(fs: Fs, directory: int, name: str, *, uid: int) -> Swept:
    """Remove what is ours beside a file; hide edits from all but their owner.

    What belongs to another user stays as it is. What fails is no failure: what the file holds
    matters more, and the next sweep tries again.
    """
    has_kept_edits = False
    try:
        for other, found, is_litter in _left(fs, directory, name):
            has_kept_edits = has_kept_edits or not is_litter
            if found.uid != uid:
                continue
            if is_litter:
                fs.unlink(directory, other)
            elif stat.S_ISREG(found.mode) and stat.S_IMODE(found.mode) != _HIDDEN:
                _hide(fs, directory, other)
    except OSError:
        return Swept(is_clean=False, has_kept_edits=has_kept_edits)
    return Swept(is_clean=True, has_kept_edits=has_kept_edits)


def has_kept_edits(fs: Fs, directory: int, name: str) -> bool:
    """Whether there are edits beside a file; a look that changes nothing."""
    with suppress(OSError):  # who may not list the directory can use the file all the same
        return any(not is_litter for _, _, is_litter in _left(fs, directory, name))
    return False


def _left(fs: Fs, directory: int, name: str) -> Iterator[tuple[str, Stat, bool]]:
    """What is there under names of ours, and whether it is ours, or else somebody's edit."""
    prefix = _prefix(name)
    for other in fs.names(directory):
        if other.startswith(prefix):
            try:
                found = fs.stat(directory, other)
            except FileNotFoundError:
                continue  # its writer was faster
            yield other, found, _is_ours(other.removeprefix(prefix), found)


def _hide(fs: Fs, directory: int, name: str) -> None:
    file = fs.open(directory, name)
    try:
        fs.chmod(file, _HIDDEN)
    finally:
        fs.close(file)


def _prefix(name: str) -> str:
    return f".{name}.lightkeeper."


def _is_ours(label: str, found: Stat) -> bool:
    if label.startswith("new-"):
        return True
    read, mtime, own = ([*label.split("-"), "", ""])[:3]
    return f"{found.ino:x}" == own or (f"{found.ino:x}", f"{found.mtime_ns:x}") == (read, mtime)
