"""Few things begin at once: a thousand would starve one another, and all be late.

What a call or a thread costs falls nearly all into its first moment; what it waits for after that
costs nothing. So it has its turn for a moment and not to its end: a hundred that hang, four of them
at once, hold up whoever comes behind them by six seconds, and not by their deadlines. A deadline
begins with the turn: counted from before, it would fail what only waits for others.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import ExitStack, asynccontextmanager
from datetime import timedelta
from typing import Final

_MOMENT_SECONDS: Final = 0.25
"""Several times what a beginning takes of a processor that others use too."""


class Pace:
    """Turns for what runs in one loop."""

    def __init__(self, at_once: int) -> None:
        self._turns = asyncio.Semaphore(at_once)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn; it ends with the block, or a moment after its beginning."""
        await self._turns.acquire()
        with ExitStack() as turn:
            turn.callback(self._turns.release)
            early = asyncio.get_running_loop().call_later(_MOMENT_SECONDS, turn.close)
            turn.callback(early.cancel)
            yield


async def pause(span: timedelta) -> None:
    """Do nothing for so long, or until cancelled.

    By a timer alone: `asyncio.timeout` of Python before 3.11.3 lets a cancellation of its own out
    where the task is being cancelled besides.
    """
    over = asyncio.Event()
    timer = asyncio.get_running_loop().call_later(max(0.0, span.total_seconds()), over.set)
    try:
        await over.wait()
    finally:
        timer.cancel()


async def at_most(span: timedelta, *work: Coroutine[object, object, None]) -> None:
    """Do these beside one another, for so long; what is not done by then is cancelled."""
    async with asyncio.TaskGroup() as tasks:
        begun = [tasks.create_task(one, name=f"at most {span}") for one in work]
        await asyncio.wait(begun, timeout=span.total_seconds())
        for task in begun:
            task.cancel()
