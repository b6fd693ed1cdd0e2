"""Few things begin at once: a thousand would starve one another, and all be late.

What a call or a thread costs falls nearly all into its first moment; what it waits for after that
costs nothing. So it has its turn for a moment and not to its end: those that hang keep nobody from
theirs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Final

_MOMENT_SECONDS: Final = 1.0


class Pace:
    """Turns for what runs in one loop."""

    def __init__(self, at_once: int) -> None:
        self._turns = asyncio.Semaphore(at_once)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn; it ends with the block, or a second after its beginning."""
        await self._turns.acquire()
        with ExitStack() as turn:
            turn.callback(self._turns.release)
            early = asyncio.get_running_loop().call_later(_MOMENT_SECONDS, turn.close)
            turn.callback(early.cancel)
            yield
