"""The judge of calls: no storm, one at a time, and none without a cause that is true."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lightkeeper.core import facts
from lightkeeper.core.facts import LoginFact, LoginName

if TYPE_CHECKING:
    from tests.simulation.machine import Machine

BACKED_OFF = 3600.0
"""With more left than this, in seconds, waits are drawn from their full range."""
QUICK = 33.0
"""A wait of at most this many seconds is a short one: one in ninety, at the longest caps."""
TOO_QUICK = 25
"""So many short waits in a row are no chance, with caps of a minute neither."""
FLOOR = 2.0
"""The least time between two calls, where nothing valid is held, in seconds."""
HOUR = 3600.0
CALLS_AN_HOUR = 131
"""More than half a minute's floor lets through, with the ladder of one expiry."""
SPREAD = 0.1
"""The share of a lifetime by which chance makes a renewal earlier."""
SLACK = 2.0
"""By how much the daemon's idea of the server's time may be off, in seconds."""


@dataclass
class Failing:
    """A login that fails."""

    at: float | None = None
    """When it failed last, in true seconds."""
    quick: int = 0
    """How many waits in a row were short."""


class Calls:
    """Watches who calls Lightsail, and why."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._failing: dict[LoginName, Failing] = defaultdict(Failing)

    def heard(self, fact: LoginFact) -> None:
        """The daemon tells something."""
        match fact:
            case facts.AttemptStarted():
                self._judge_why(fact)
                self._judge_wait(fact)
            case facts.RenewalFailed(login=name):
                self._failing[name].at = self._machine.clocks.true
            case facts.Renewed(login=name):
                self._failing.pop(name, None)
            case _:
                pass

    def called(self, name: LoginName) -> None:
        """A call begins: the floor holds, across crashes too, while the state could be saved."""
        *former, now = self._machine.lightsails[name].calls[-CALLS_AN_HOUR:]
        if not former:
            return
        before = former[-1]
        spans = self._machine.judge.spans
        unsaved = spans["state"] + spans["clock"]
        excused = any(span.begin <= now and before <= span.end for span in unsaved)
        if now - before < FLOOR - 1e-3 and not excused:
            self._blame(f"{name} called after {now - before:.3f} s")
        if len(former) == CALLS_AN_HOUR - 1 and now - former[0] < HOUR:
            self._blame(f"{name} called {CALLS_AN_HOUR} times in an hour")

    def overlapped(self, name: LoginName) -> None:
        """A second call began while one was in flight."""
        self._machine.judge.blame(f"single flight: {name} called twice at a time")

    def _judge_wait(self, fact: facts.AttemptStarted) -> None:
        """Waits after failures are drawn from half a minute up: all of them short is no chance."""
        failing = self._failing[fact.login]
        remaining = self._remaining(fact.login)
        now = self._machine.clocks.true
        # By a clock that was set forward it has expired, and the waits are those of then.
        is_excused = fact.why is facts.Why.REQUESTED or self._was_set_since(fact.login)
        if failing.at is None or remaining < BACKED_OFF or is_excused:
            failing.quick = 0
            return
        wait = now - failing.at
        failing.quick = failing.quick + 1 if wait < QUICK else 0
        if failing.quick >= TOO_QUICK:
            self._blame(f"{fact.login} tried again {failing.quick} times without a wait")

    def _judge_why(self, fact: facts.AttemptStarted) -> None:
        """A call needs a cause that is true; what was saved and is not due costs none."""
        held = self._machine.judge.held.get(fact.login)
        lightsail, now = self._machine.lightsails[fact.login], self._machine.clocks.true
        if held is None:
            if fact.why is not facts.Why.FIRST:
                self._blame(f"{fact.login} called, told {fact.why}, with none held")
            return
        if self._was_set_since(fact.login):
            return
        issued = lightsail.issued[held]
        due = issued.issued_at + lightsail.lifetime * (self._machine.renew_at - SPREAD)
        is_true = {
            facts.Why.DUE: now >= due - SLACK,
            facts.Why.EXPIRED: now >= issued.born_to_expire - SLACK,
            facts.Why.REFUSED: not lightsail.is_accepted(held),
        }
        if not is_true.get(fact.why, False):
            self._blame(f"{fact.login} called, told {fact.why}, which it is not")

    def _was_set_since(self, name: LoginName) -> bool:
        """Whether the wall clock was set since what the login holds was issued."""
        held, steps = self._machine.judge.held.get(name), self._machine.judge.steps
        if held is None or not steps:
            return False
        return steps[-1] >= self._machine.lightsails[name].issued[held].issued_at

    def _remaining(self, name: LoginName) -> float:
        """What is left of the login's newest credential by its own expiry, in seconds."""
        known = self._machine.judge.known[name]
        if not known:
            return 0.0
        issued = self._machine.lightsails[name].issued[known[-1]]
        return issued.born_to_expire - self._machine.clocks.true

    def _blame(self, what: str) -> None:
        self._machine.judge.blame(f"not a storm: {what}")
