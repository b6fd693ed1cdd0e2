"""Rings bells: APScheduler at the instant, a heartbeat in any case. Knows no login but its name.

APScheduler reads the wall clock once and then sleeps; a clock that is set back makes it sleep on.
The heartbeat runs on the monotonic clock and makes it look again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from datetime import UTC, datetime, timedelta
from typing import Final

from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger

from lightkeeper.core.facts import LoginName
from lightkeeper.core.policy import HEARTBEAT

_AT_ONCE: Final = 5
_SAME: Final = timedelta(milliseconds=20)
"""Instants so close are one: a plan reckons the same one anew by clocks that are read one after the
other, and whoever works through ten thousand places plans ten thousand times."""


class SchedulerAlarm:
    """The Alarm of a running loop."""

    def __init__(self, on_beat: Callable[[], None]) -> None:
        self._on_beat = on_beat
        self._rings: dict[LoginName, Callable[[], None]] = {}
        self._set: dict[LoginName, datetime] = {}
        self._beat: asyncio.TimerHandle | None = None
        # Late is better than never: by default a job more than a second late is dropped for good,
        # and so is one of the same name that is due before the last one has quite returned.
        defaults = {"misfire_grace_time": None, "coalesce": True, "max_instances": 2}
        self._scheduler = AsyncIOScheduler(timezone=UTC, job_defaults=defaults)

    def start(self) -> None:
        """Begin to ring; in a running loop."""
        self._in_clean_context(self._scheduler.start)
        self._in_clean_context(self._arm)

    def close(self) -> None:
        """Ring no more; nothing if it never began."""
        if self._beat is not None:
            self._beat.cancel()
        # What is still set would be picked, then cancelled, and reported as an error.
        for name in tuple(self._set):
            self.cancel(name)
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def set(self, name: LoginName, at: datetime | None, ring: Callable[[], None]) -> None:
        """Ring at `at`, and at each heartbeat."""
        self._rings[name] = ring
        known = self._set.get(name)
        if at == known or (at and known and abs(at - known) < _SAME):
            return
        self._unset(name)
        if at is not None:
            self._set[name] = at
            trigger = DateTrigger(at, timezone=UTC)
            self._in_clean_context(
                lambda: self._scheduler.add_job(self._ring, trigger, args=[name, at], id=name)
            )

    def cancel(self, name: LoginName) -> None:
        """Ring no more under `name`."""
        self._unset(name)
        self._rings.pop(name, None)

    def _unset(self, name: LoginName) -> None:
        if self._set.pop(name, None) is not None:
            try:
                self._scheduler.remove_job(name)
            except JobLookupError:
                return  # picked a moment ago: it rings once for nothing

    async def _ring(self, name: LoginName, at: datetime) -> None:
        if self._set.get(name) == at:
            del self._set[name]
        if ring := self._rings.get(name):
            ring()

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        self._beat = loop.call_later(HEARTBEAT.total_seconds(), self._beats)

    def _beats(self) -> None:
        self._arm()
        self._scheduler.wakeup()
        self._on_beat()
        self._ring_all(tuple(self._rings.values()))

    def _ring_all(self, rings: tuple[Callable[[], None], ...]) -> None:
        """A few at a time: what a thousand start at once would stall the loop."""
        for ring in rings[:_AT_ONCE]:
            ring()
        if left := rings[_AT_ONCE:]:
            asyncio.get_running_loop().call_soon(self._ring_all, left)

    @staticmethod
    def _in_clean_context(call: Callable[[], object]) -> None:
        """Else the timer inherits our context, and jobs of others run in it (measured, 3.11)."""
        Context().run(call)
