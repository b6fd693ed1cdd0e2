"""What a process of a world of several stands on: a loop that is turned, and a way to others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import NoReturn

from lightkeeper.core.reasons import Reason
from lightkeeper.ports import Failed

NEVER = float("inf")


class _Turning:
    """A selector that neither waits nor finds anything."""

    def select(self, timeout: float | None) -> tuple[()]:
        return ()


class TurnedLoop(asyncio.BaseEventLoop):
    """Does what is due when it is turned; it stands on the private names that `SimLoop` does."""

    def __init__(self, local: Callable[[], float]) -> None:
        super().__init__()
        self._selector = _Turning()
        self._clock_resolution = 1e-6
        self._local = local

    def time(self) -> float:
        return self._local()

    def turn(self) -> None:
        """Do all that can be done at this instant."""
        while True:
            self.call_soon(self.stop)
            self.run_forever()
            if not self._ready:  # type: ignore[attr-defined]
                return

    def due(self) -> float:
        """When there is something to do, by its own clock."""
        if self._ready:  # type: ignore[attr-defined]
            return 0.0
        timers = self._scheduled  # type: ignore[attr-defined]
        return timers[0].when() if timers else NEVER

    def run_in_executor(self, *_: object) -> NoReturn:
        msg = "no thread in a simulation"
        raise NotImplementedError(msg)

    def _process_events(self, events: object) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody else is there to be woken by."""


@dataclass
class Network:
    """What lies between one candidate and the API server; seconds of true time."""

    random: Random
    is_down: bool = False
    is_silent: bool = False
    """Whether what is down swallows what is sent, or refuses it."""
    quickest: float = 0.001
    slowest: float = 0.05
    loss: float = 0.0
    """The share of requests, and of answers, that never arrive."""
    throttled: float = 0.0
    broken: float = 0.0
    """The share that is refused with a 5xx."""
    cut: float = 0.0
    """The share of connections that end after the request was done, before it is answered."""
    delayed: float = 0.0
    """The share of requests that arrive when nobody waits for them any more."""
    held: float = 0.0
    """For how long the next request is held up; seconds."""

    def way(self) -> float | None:
        """How long one way takes; None for ever."""
        if (self.is_down and self.is_silent) or self.random.random() < self.loss:
            return None
        return self.random.uniform(self.quickest, self.slowest)

    def there(self) -> float | None:
        """How long the request takes."""
        if self.held:
            held, self.held = self.held, 0.0
            return held
        if self.delayed and self.random.random() < self.delayed:
            return self.random.uniform(20, 150)
        return self.way()

    def refusal(self) -> Failed | None:
        if self.is_down and not self.is_silent:
            return Failed(reason=Reason.NETWORK, detail="refused")
        if self.random.random() < self.throttled:
            return Failed(reason=Reason.THROTTLED, detail="429")
        if self.broken and self.random.random() < self.broken:
            return Failed(reason=Reason.SERVICE_ERROR, detail="503")
        return None

    def is_cut(self) -> bool:
        """Whether the answer to what is done comes to nothing but an end of the connection."""
        return bool(self.cut) and self.random.random() < self.cut
