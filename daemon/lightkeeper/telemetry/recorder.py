"""The Recorder: the same fact makes the log line and counts in the metrics."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Protocol

import structlog

from lightkeeper.core import facts
from lightkeeper.core.facts import ClockStepped, LoginName, Place
from lightkeeper.core.failure import Failure, failed
from lightkeeper.telemetry.events import EVENTS, Fact, Fields

_Subject = tuple[LoginName, Place | str]

_STORE: Final = "store"
_SOURCE: Final = "source"


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
        self._failures: dict[_Subject, Failure] = {}
        self._expired = set[LoginName]()

    def record(self, fact: Fact, *, news: bool) -> None:
        """Count `fact`, and write a line of it if it is news.

        That nothing valid is held any more is news too, however long renewals have failed.
        """
        self._count(fact)
        event = EVENTS[type(fact)]
        level = event.level(fact)
        lasting = self._lasting(fact)
        if news or level == "debug" or self._has_just_expired(fact):
            login = {} if isinstance(fact, ClockStepped) else {"login": fact.login}
            write = getattr(structlog.get_logger(), level)
            write(fact.event, **login, **event.fields(fact), **lasting)

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

    def _has_just_expired(self, fact: Fact) -> bool:
        match fact:
            case facts.RenewalFailed(login=login, remaining=timedelta() as left):
                was = login in self._expired
                if not left:
                    self._expired.add(login)
                return not left and not was
            case facts.Renewed(login=login):
                self._expired.discard(login)
                return False
            case _:
                return False

    def _lasting(self, fact: Fact) -> Fields:
        """For how long and how often it has failed like this, from the second time on."""
        match fact:
            case facts.Renewed():
                return self._healed((fact.login, _SOURCE))
            case facts.StateSaved():
                return self._healed((fact.login, _STORE))
            case facts.Delivered() | facts.PlacePending() | facts.PlaceRead(settled=True):
                return self._healed((fact.login, fact.place))
            case facts.RenewalFailed():
                return self._failed((fact.login, _SOURCE), fact)
            case facts.StateNotSaved():
                return self._failed((fact.login, _STORE), fact)
            case facts.DeliveryFailed():
                return self._failed((fact.login, fact.place), fact)
            case _:
                return {}

    def _healed(self, subject: _Subject) -> Fields:
        self._failures.pop(subject, None)
        return {}

    def _failed(
        self,
        subject: _Subject,
        fact: facts.RenewalFailed | facts.StateNotSaved | facts.DeliveryFailed,
    ) -> Fields:
        failure = failed(self._failures.get(subject), fact.reason, fact.detail, fact.at)
        self._failures[subject] = failure
        if failure.count == 1:
            return {}
        lasts = (fact.at.wall - failure.since).total_seconds()
        return {"times": failure.count, "lasts_seconds": round(lasts)}
