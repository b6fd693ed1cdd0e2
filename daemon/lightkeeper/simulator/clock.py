"""The simulator's clock: this machine's, or a test's, moved by an offset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


def utc_now() -> datetime:
    """The wall clock of this machine, aware UTC."""
    return datetime.now(UTC)


@dataclass(slots=True, kw_only=True)
class Clock:
    """Gives `Date`, `expiresAt` and the judgement of signatures their time."""

    source: Callable[[], datetime] = utc_now
    offset: timedelta = timedelta(0)

    def now(self) -> datetime:
        """The instant it is for the simulator, aware UTC."""
        return self.source() + self.offset
