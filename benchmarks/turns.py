"""Two processes that work in turn, a second each, so that both have the same machine.

What stands beside them on a shared machine comes and goes within a minute; a round of ten thousand
requests takes longer. Whoever is not at turn is stopped, and its time does not count.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Player:
    """A process, and when it was stopped."""

    pid: int
    stops: list[tuple[float, float]] = field(default_factory=list)
    """From when to when, by the monotonic clock of the machine."""

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """For the block."""
        begin = time.monotonic()
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)
            self.stops.append((begin, time.monotonic()))

    def seconds(self, begin: float, end: float) -> float:
        """How long it was at work in between."""
        stops = sum(max(0.0, min(end, stop[1]) - max(begin, stop[0])) for stop in self.stops)
        return end - begin - stops


def turn(first: Player, second: Player) -> None:
    """One of each."""
    for other in (second, first):
        with other.stopped():
            time.sleep(_SECONDS)
