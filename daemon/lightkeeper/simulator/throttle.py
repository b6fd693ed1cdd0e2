"""The token bucket behind `ThrottlingException`."""

from __future__ import annotations

from datetime import datetime

from lightkeeper.simulator.settings import Throttle


class Bucket:
    """Tokens that calls take and time puts back; full at first."""

    def __init__(self, throttle: Throttle, now: datetime) -> None:
        self.throttle = throttle
        self._tokens = float(throttle.burst)
        self._filled_at = now

    def take(self, now: datetime) -> bool:
        """Take a token; whether there was one."""
        elapsed = max(0.0, (now - self._filled_at).total_seconds())
        refilled = self._tokens + elapsed * self.throttle.per_second
        self._tokens = min(float(self.throttle.burst), refilled)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
