"""What each heartbeat tells: whether clocks went apart, how late the loop is, who is stuck."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from lightkeeper.core.facts import ClockStepped
from lightkeeper.core.policy import HEARTBEAT
from lightkeeper.ports import Clock

_NOTICED: Final = timedelta(seconds=2)
"""Clocks that go apart by less are slewed by NTP, or were read a moment apart."""


class Pulse:
    """Compares one heartbeat with the last."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = clock.now()
        self._monotonic = clock.monotonic()
        self._progress = self._monotonic

    def beat(self) -> tuple[ClockStepped | None, timedelta]:
        """What happened to the clocks since the last beat, and by how much this one is late."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        passed = now.boot - self._last.boot
        stepped = (now.wall - self._last.wall) - passed
        suspended = passed - (monotonic - self._monotonic)
        late = max(timedelta(0), monotonic - self._monotonic - HEARTBEAT)
        self._last, self._monotonic = now, monotonic
        if abs(stepped) < _NOTICED and suspended < _NOTICED:
            return None, late
        return ClockStepped(at=now, stepped=stepped, suspended=suspended), late

    def progressed(self) -> None:
        """Every keeper has asked its plan since the last beat."""
        self._progress = self._monotonic

    def is_alive(self) -> bool:
        """Whether the core has run within two heartbeats."""
        return self._clock.monotonic() - self._progress <= 2 * HEARTBEAT
