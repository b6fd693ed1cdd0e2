"""The heartbeat and the bells of one life, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from lightkeeper.core.facts import LoginName
from lightkeeper.core.policy import HEARTBEAT
from tests.simulation.world import Clocks

_PACE = HEARTBEAT.total_seconds()


@dataclass
class SimAlarm:
    """The Alarm of one life: exact instants, and heartbeats only where they can matter.

    A heartbeat asks every plan again. Where the world has not changed for longer than any poll, the
    answer cannot have changed either, so those beats are left out unless the seed wants them all.
    The world says when one could find something.
    """

    clocks: Clocks
    beat_until: float
    """Seconds of the loop for which no heartbeat is left out."""
    next_beat: Callable[[], float | None]
    """In how many seconds a heartbeat could find something, if nothing stirs; None for never."""
    rings: dict[LoginName, Callable[[], None]] = field(default_factory=dict)
    set_at: dict[LoginName, datetime] = field(default_factory=dict)
    beat_at: float = 0.0
    """When the last heartbeat was, in seconds of the loop."""
    on_beat: Callable[[], None] = lambda: None
    _timers: dict[LoginName, asyncio.TimerHandle] = field(default_factory=dict)
    _beating: bool = False
    _next_beat: asyncio.TimerHandle | None = None
    is_closed: bool = False

    def __post_init__(self) -> None:
        self._all_until = self.beat_until

    def set(self, name: LoginName, at: datetime | None, ring: Callable[[], None]) -> None:
        self.rings[name] = ring
        self._unset(name)
        if at is not None:
            self.set_at[name] = at
            self._arm(name)

    def cancel(self, name: LoginName) -> None:
        self._unset(name)
        self.rings.pop(name, None)

    def stir(self, seconds: float) -> None:
        """The world has changed: heartbeats matter for a while."""
        self.beat_until = max(self.beat_until, self.clocks.loop.virtual + seconds)
        if self._next_beat is not None:
            self._next_beat.cancel()
            self._beating = False
        self._schedule_beat()

    def close(self) -> None:
        """Ring no more."""
        self.is_closed = True
        for name in tuple(self.rings):
            self.cancel(name)

    def _schedule_beat(self) -> None:
        if self._beating or self.is_closed:
            return
        loop = self.clocks.loop
        at = loop.virtual
        if at >= self.beat_until:
            wait = self.next_beat()
            if wait is None:
                return
            at += wait
        self._beating = True
        self._next_beat = loop.call_at(_beat_after(at), self._beat)

    def _beat(self) -> None:
        self._beating = False
        if self.is_closed:
            return
        self.beat_at = self.clocks.loop.virtual
        self.on_beat()
        if self.beat_at + _PACE >= self._all_until:
            for name in tuple(self.set_at):
                self._disarm(name)
                self._arm(name)
        for ring in tuple(self.rings.values()):
            ring()
        self._schedule_beat()

    def _arm(self, name: LoginName) -> None:
        loop = self.clocks.loop
        at = loop.virtual + max(0.0, (self.set_at[name] - self.clocks.now().wall).total_seconds())
        # Where no beat is left out, the keeper sets it anew at one that comes first.
        if not _beat_after(loop.virtual) < min(at, self._all_until):
            self._timers[name] = loop.call_at(at, self._ring, name)

    def _ring(self, name: LoginName) -> None:
        self.set_at.pop(name, None)
        if ring := self.rings.get(name):
            ring()

    def _disarm(self, name: LoginName) -> None:
        if timer := self._timers.pop(name, None):
            timer.cancel()

    def _unset(self, name: LoginName) -> None:
        self.set_at.pop(name, None)
        self._disarm(name)


def _beat_after(seconds: float) -> float:
    """The next multiple of the pace, in seconds of the loop."""
    return (seconds // _PACE + 1) * _PACE
