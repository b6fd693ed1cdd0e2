"""What time it is: here, since boot, and on the server that will refuse an expired credential."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace


class Moment(Struct, frozen=True, kw_only=True, gc=False):
    """One reading of this machine's clocks.

    The wall clock can be stepped. The boot clock (`CLOCK_BOOTTIME`) cannot: it runs through a
    suspend and starts anew only with the machine. Waits are counted on it.
    """

    wall: datetime
    """Aware, UTC."""
    boot: timedelta
    """Since the machine was started, suspends included."""

    def __post_init__(self) -> None:
        if self.wall.utcoffset() != timedelta(0):
            msg = f"a moment's wall clock must be aware UTC, not {self.wall!r}"
            raise ValueError(msg)

    def wall_at(self, boot: timedelta) -> datetime:
        """Where the wall clock will stand when the boot clock shows `boot`."""
        return self.wall + (boot - self.boot)


class ServerClock(Struct, frozen=True, kw_only=True, gc=False):
    """How to tell the server's time from ours: it was `at` when our clocks showed `seen`."""

    at: datetime
    """What the answer's `Date` said; our wall clock where it said nothing."""
    seen: Moment

    def now(self, now: Moment) -> datetime:
        """The server's time, by whichever of our two clocks is ahead.

        A wall clock that was set back cannot make a dead credential look alive, because the boot
        clock went on; one that was set forward only makes us renew early. It is never before the
        instant at which it was compared, whatever our clocks show.
        """
        passed = max(now.wall - self.seen.wall, now.boot - self.seen.boot, timedelta(0))
        return self.at + passed

    @property
    def skew(self) -> timedelta:
        """How far our wall clock was ahead of the server's when last compared."""
        return self.seen.wall - self.at

    def moment(self, now: Moment) -> Moment:
        """The same moment with the server's time for its wall clock."""
        return replace(now, wall=self.now(now))

    def skew_at(self, now: Moment) -> timedelta:
        """How far our wall clock is ahead of the server's, if both ran on as the boot clock did."""
        return now.wall - self.at - (now.boot - self.seen.boot)


def iso(at: datetime) -> str:
    """The instant as text, in UTC and to the second."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def utc(text: str) -> datetime:
    """The instant that an ISO 8601 `text` with a zone names; `ValueError` without a zone."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        msg = f"{text!r} names no time zone"
        raise ValueError(msg)
    return instant.astimezone(UTC)
