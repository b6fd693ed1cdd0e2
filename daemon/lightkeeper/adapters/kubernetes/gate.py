"""Whose turn it is: so many calls at a time, so many a second, none while patience is asked for.

A call waits here and nowhere else, so that a place in the queue is given up with the call.
"""

from __future__ import annotations

import asyncio
from asyncio import Future, TimerHandle
from datetime import timedelta
from enum import IntEnum, unique
from itertools import count
from typing import Final, NamedTuple

from lightkeeper.ports import Clock

AT_ONCE: Final = 8
"""Three times the rate of one at a time; 32 are no faster on a busy API server, and late."""
BURST: Final = 10
MAX_PAUSE: Final = timedelta(seconds=60)
_EVERY: Final = 10
"""One turn of so many is a reader's, so that a long round of writing does not starve it."""


@unique
class Rank(IntEnum):
    """Who goes first when several wait."""

    FIRST = 0
    """What others wait for: a Lease, the namespaces."""
    WRITE = 1
    READ = 2
    """A dry run too: it changes nothing."""


class _Waiting(NamedTuple):
    rank: Rank
    number: int
    turn: Future[None]


class Gate:
    """The turns of one API server."""

    def __init__(
        self,
        clock: Clock,
        per_second: float | None,
        *,
        burst: int = BURST,
        at_once: int = AT_ONCE,
    ) -> None:
        self._clock = clock
        self.per_second = per_second
        """None for no limit; a change holds from the next call on."""
        self._burst = float(burst)
        self._tokens = float(burst)
        self._counted_at = clock.monotonic()
        self._free = at_once
        self._closed_until = timedelta(0)
        self._waiting: list[_Waiting] = []
        self._numbers = count()
        self._turns = 0
        self._timer: TimerHandle | None = None

    async def enter(self, rank: Rank) -> None:
        """Wait for a turn; `leave` gives it back."""
        if not self._waiting and self._free and self._take() is None:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(rank, next(self._numbers), turn))
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()
            raise

    def leave(self) -> None:
        """Give a turn back."""
        self._free += 1
        self._admit()

    def pause(self, seconds: float) -> None:
        """Let nobody in for so long: the API server asked for it."""
        until = self._clock.monotonic() + min(timedelta(seconds=seconds), MAX_PAUSE)
        self._closed_until = max(self._closed_until, until)

    @property
    def pause_left(self) -> timedelta:
        """How long nobody is let in yet."""
        return max(self._closed_until - self._clock.monotonic(), timedelta(0))

    def _admit(self) -> None:
        """Let in whoever may begin now, and look again when the next one may."""
        self._waiting = [one for one in self._waiting if not one.turn.done()]
        while self._waiting and self._free:
            wait = self._take()
            if wait is not None:
                self._look_again(wait)
                return
            self._free -= 1
            first = self._first()
            self._waiting.remove(first)
            first.turn.set_result(None)

    def _first(self) -> _Waiting:
        """By rank, then by time; each tenth time a reader before writers."""
        self._turns += 1
        first = min(self._waiting)
        if first.rank is Rank.WRITE and self._turns % _EVERY == 0:
            first = min((one for one in self._waiting if one.rank is Rank.READ), default=first)
        return first

    def _take(self) -> float | None:
        """Take a token; or the seconds until there is one."""
        now = self._clock.monotonic()
        if now < self._closed_until:
            return (self._closed_until - now).total_seconds()
        if self.per_second is None:
            return None
        passed = (now - self._counted_at).total_seconds()
        self._tokens = min(self._burst, self._tokens + passed * self.per_second)
        self._counted_at = now
        if self._tokens < 1:
            return (1 - self._tokens) / self.per_second
        self._tokens -= 1
        return None

    def _look_again(self, wait: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(wait, self._admit)
