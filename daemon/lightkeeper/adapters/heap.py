"""How the C library keeps memory for the interpreter. Knows nothing of what is in it."""

from __future__ import annotations

import ctypes
import gc
from typing import Final

_ARENA_MAX: Final = -8
_MMAP_THRESHOLD: Final = -3
_LARGE: Final = 128 << 10
"""In bytes; glibc's own value, which grows with what is freed unless it is said."""


def keep_heap_small() -> None:
    """Give back what was freed; before any thread begins, and nothing where that is not glibc.

    By itself glibc gives threads heaps of their own, of which each keeps what it once needed. Those
    of an interpreter take turns anyhow. And one large text that is freed makes it keep the next
    ones within the heap, which then never shrinks.
    """
    if set_option := getattr(ctypes.CDLL(None), "mallopt", None):
        set_option(_ARENA_MAX, 1)
        set_option(_MMAP_THRESHOLD, _LARGE)


def spare_collections() -> None:
    """What lives by now is no garbage: collections no longer stall the loop over it."""
    gc.collect()
    gc.freeze()
