"""Where a bug ends: the one boundary. Knows nobody who draws it."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

_EXCEPTIONS: Final = 8
"""Of one bug: those of a group, and what each came from."""
_FRAMES: Final = 20
"""Of one exception, those nearest to the bug."""


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
    return "\n".join(islice(_each(exc), _EXCEPTIONS))


def _each(exc: BaseException, relation: str = "") -> Iterator[str]:
    """The exception itself, then what a group holds, then what it came from."""
    frames = traceback.format_tb(exc.__traceback__, -_FRAMES)
    yield relation + "".join(frames) + type(exc).__name__
    if isinstance(exc, BaseExceptionGroup):
        for one in exc.exceptions:
            yield from _each(one, "in the group:\n")
    origin = exc.__cause__ if exc.__suppress_context__ else exc.__context__
    if origin is not None:
        yield from _each(origin, "before that:\n")
