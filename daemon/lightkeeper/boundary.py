"""Where a bug ends: the one boundary. Knows nobody who draws it."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def boundary(surprised: Callable[[str], object]) -> Iterator[None]:
    """Let a bug in the block end the block and nothing else: `surprised` gets its traceback.

    That has neither local variables nor the message: both may hold what must not be printed. A bug
    in `surprised` ends nothing either, and is told by asyncio's own log.
    """
    try:
        yield
    except Exception as exc:
        try:
            surprised(_frames(exc))
        except Exception as again:
            message = f"a bug, and one in telling of it\n{_frames(exc)}\n{_frames(again)}"
            asyncio.get_running_loop().call_exception_handler({"message": message})


def _frames(exc: Exception) -> str:
    return "".join(traceback.format_tb(exc.__traceback__)) + type(exc).__name__
