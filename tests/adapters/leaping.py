"""An event loop whose clock can be put ahead, so that a heartbeat needs no waiting for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class LeapingLoop(asyncio.SelectorEventLoop):
    """The loop of this machine; `leap` brings its timers forward, and no other clock."""

    _ahead = 0.0

    def time(self) -> float:
        return super().time() + self._ahead

    async def leap(self, seconds: float) -> None:
        """Put the clock ahead and let what is due by then happen."""
        self._ahead += seconds
        for _ in range(10):
            await asyncio.sleep(0)


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run it on such a loop."""
    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        runner.run(coroutine)


def leaping() -> LeapingLoop:
    """The running loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, LeapingLoop)
    return loop
