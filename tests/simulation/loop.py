"""An event loop whose time jumps to the next timer: no selector, no socket, no thread.

It replaces four private names of `asyncio.BaseEventLoop`; `test_loop.py` pins them.
"""

from __future__ import annotations

import asyncio
from typing import NoReturn


class DeadlockError(RuntimeError):
    """Everything waits and nothing is scheduled."""


class _JumpingSelector:
    """Where the loop would sleep, time is moved instead."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> tuple[()]:
        if timeout is None:
            raise DeadlockError
        if timeout > 0:
            self._loop.jump()
        return ()


class SimLoop(asyncio.BaseEventLoop):
    """Runs coroutines on virtual seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.virtual = 0.0
        """Seconds since it began; `time()` is the same by a call."""
        self._selector = _JumpingSelector(self)
        # At 1e-9 a timer never comes due once the time is past 2**24 seconds: the sum is rounded.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self.virtual

    def jump(self) -> None:
        """Move time to the next timer."""
        self.virtual = max(self.virtual, self._scheduled[0].when())  # type: ignore[attr-defined]

    def run_in_executor(self, *_: object) -> NoReturn:
        msg = "no thread in a simulation"
        raise NotImplementedError(msg)

    def _process_events(self, events: object) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody else is there to be woken by."""
