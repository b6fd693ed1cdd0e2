"""The Recorder: the same fact makes the log line and counts in the metrics."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

import structlog

from lightkeeper.core import facts
from lightkeeper.core.facts import ClockStepped
from lightkeeper.core.failure import Failure
from lightkeeper.telemetry.events import EVENTS, Fact, Fields


class Counts(Protocol):
    """What cannot be told from the state, and is counted as it happens."""

    def attempted(self, took: timedelta) -> None:
        """An attempt ended, in one way or the other."""
        ...

    def clock_stepped(self) -> None:
        """Clocks went apart."""
        ...


class FactRecorder:
    """Logs what is news and counts all."""

    def __init__(self, counts: Counts | None = None) -> None:
        self._counts = counts

    def record(self, fact: Fact, *, news: bool, failure: Failure | None = None) -> None:
        """Count `fact`, and write a line of it if it is news."""
        self._count(fact)
        event = EVENTS[type(fact)]
        level = event.level(fact)
        if news or level == "debug":
            login = {} if isinstance(fact, ClockStepped) else {"login": fact.login}
            write = getattr(structlog.get_logger(), level)
            write(fact.event, **login, **event.fields(fact), **_lasting(failure))

    def _count(self, fact: Fact) -> None:
        if self._counts is None:
            return
        match fact:
            case facts.Renewed(took=took) | facts.RenewalFailed(took=took):
                self._counts.attempted(took)
            case ClockStepped():
                self._counts.clock_stepped()
            case _:
                pass


def _lasting(failure: Failure | None) -> Fields:
    """For how long and how often it has failed like this, from the second time on."""
    if failure is None or failure.count == 1:
        return {}
    return {"times": failure.count, "lasts_seconds": round(failure.lasts.total_seconds())}
