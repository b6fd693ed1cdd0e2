"""Where a bug ends: the one boundary. Knows nobody who draws it."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable


class boundary:  # noqa: N801 - read as what it does: with boundary(...)
    """Let a bug in the block end the block and nothing else: `surprised` gets its traceback.

    That has neither local variables nor the message: both may hold what must not be printed. A bug
    in `surprised` ends nothing either, and is told by asyncio's own log.
    """

    __slots__ = ("_surprised",)

    def __init__(self, surprised: Callable[[str], object]) -> None:
        self._surprised = surprised

    def __enter__(self) -> None:
        """Begin the block."""

    def __exit__(self, _: object, exc: BaseException | None, __: object) -> bool:
        """End it, and a bug with it."""
        if not isinstance(exc, Exception):
            return False
        try:
            self._surprised(_frames(exc))
        except Exception as again:
            message = f"a bug, and one in telling of it\n{_frames(exc)}\n{_frames(again)}"
            asyncio.get_running_loop().call_exception_handler({"message": message})
        return True


def _frames(exc: Exception) -> str:
    return "".join(traceback.format_tb(exc.__traceback__)) + type(exc).__name__
