"""Rings bells by the event loop alone: for a process that ends before its clocks can go apart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from lightkeeper.core.facts import LoginName
from lightkeeper.ports import Clock


class LoopAlarm:
    """The Alarm of one run: it has no heartbeat."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._timers: dict[LoginName, asyncio.TimerHandle] = {}

    def set(self, name: LoginName, at: datetime | None, ring: Callable[[], None]) -> None:
        """Ring at `at`, in place of what was set before under `name`."""
        self.cancel(name)
        if at is not None:
            delay = max(0.0, (at - self._clock.now().wall).total_seconds())
            self._timers[name] = asyncio.get_running_loop().call_later(delay, ring)

    def cancel(self, name: LoginName) -> None:
        """Ring no more under `name`."""
        if timer := self._timers.pop(name, None):
            timer.cancel()
