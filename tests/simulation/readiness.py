"""The judge of what /readyz and the expiries of places tell, against what the world knows.

What is seen of a place may be as old as the poll and the heartbeat after it; what only a clock
tells must be told at once. In between, while the daemon could not have seen it yet, either answer
will do.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from lightkeeper.core import facts
from lightkeeper.core.answer import Verdict
from lightkeeper.core.credential import Digest
from lightkeeper.core.facts import LoginFact, LoginName
from lightkeeper.core.report import LoginReport, PlaceReport, Report, unready
from tests.simulation.timeline import Shown
from tests.simulation.world import EPOCH, Issued

if TYPE_CHECKING:
    from tests.simulation.machine import Machine

POLL = 60.0
SEEN = POLL + 15.0 + 10.0 + 5.0
"""Until what is at a place is known, in seconds: poll, heartbeat, a hanging disk, the work."""
REPAIRED = 300.0 + SEEN
"""Until a place in a dispute has been written again."""
ASKED = 900.0 * 1.1 + 15.0 + 10.0
"""Until the registry has been asked again."""
TICK = 2.0
"""By how much clocks may differ: `Date` has no fractions, and an answer takes its time."""


class Readiness:
    """Asks the daemon whether it is ready, and knows better."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._accepted = set[Digest]()
        self.began()

    def began(self) -> None:
        """A process begins."""
        self._since = self._machine.clocks.true
        self._failing: dict[tuple[LoginName, str], float] = {}
        self._came: dict[LoginName, float] = {}

    def verdict(self, digest: Digest, verdict: Verdict) -> None:
        """The registry said what it thinks."""
        if verdict is Verdict.ACCEPTED:
            self._accepted.add(digest)

    def heard(self, fact: LoginFact) -> None:
        """The daemon tells something."""
        match fact:
            case facts.DeliveryFailed(login=name, place=place):
                self._failing[name, place.name] = self._machine.loop.virtual
            case facts.Delivered() | facts.PlaceRead():
                self._failing.pop((fact.login, fact.place.name), None)
            case facts.Renewed(login=name):
                self._came[name] = self._machine.clocks.true
            case _:
                pass

    def judge(self, login: LoginReport) -> None:
        """The answer of /readyz on one login, and what metrics tell of its places."""
        name, met = login.login, self._machine.met
        failing = unready(Report(at=EPOCH, logins=(login,)), every_place=False)
        if why := self._wrong(name):
            met["must_be_unready"] += 1
            if not failing:
                self._blame(f"{name} is told ready, and {why}")
        elif self._is_right(name):
            met["must_be_ready"] += 1
            if failing:
                self._blame(f"{name} is told unready: {failing[0].sentence}")
        for output in login.outputs:
            for place in output.places:
                self._judge_expiry(name, place)

    def judge_progress(self) -> None:
        """Before a heartbeat: what the last one rang has been heard, so the watchdog is fed."""
        fleet, life = self._machine.fleet, self._machine.life
        if fleet is None or life is None or life.is_over:
            return
        if not fleet.have_turned():
            self._blame("a keeper has not asked its plan since the last heartbeat")

    def _wrong(self, name: LoginName) -> str:
        """What the daemon must know to be wrong by now; empty if nothing."""
        machine, now = self._machine, self._machine.clocks.true
        held = machine.judge.held.get(name)
        if held is None:
            return "nothing is held"
        awake = self._awake(name)
        for path in machine.paths_of(name):
            shown = self._shown(name, path)
            if shown.digest != held and now - max(shown.since, awake) > SEEN:
                return f"{path} has held {shown.digest} since {shown.since:.0f}"
        issued = machine.lightsails[name].issued[held]
        if now > self._stale_at(name, issued) + TICK and not self._has_doubtful_clock(issued):
            return "what is held has too little left"
        if self._is_known_to_be_refused(name, held, issued):
            return f"what is held was ended at {issued.expires:.0f}"
        return ""

    def _is_right(self, name: LoginName) -> bool:
        """Whether nothing has been wrong for so long that the daemon must have seen it."""
        machine, now = self._machine, self._machine.clocks.true
        held = machine.judge.held.get(name)
        if held is None or now - self._awake(name) <= SEEN:
            return False
        issued = machine.lightsails[name].issued[held]
        if not machine.lightsails[name].is_accepted(held) or self._was_set(issued):
            return False
        if now > self._stale_at(name, issued) - TICK:
            return False
        return all(self._is_well(name, path, held) for path in machine.paths_of(name))

    def _is_well(self, name: LoginName, path: str, held: Digest) -> bool:
        """Whether the place has long held what is held, and could be read all the time."""
        judge, now = self._machine.judge, self._machine.clocks.true
        shown = self._shown(name, path)
        if shown.digest != held or now - judge.edits[path] <= REPAIRED:
            return False
        faults = (*judge.spans["disk"], *judge.spans[f"file {path}"])
        if any(span.end > now - SEEN for span in faults):
            return False
        # Beats that are left out read nothing: what failed is only known to be well after one.
        failed = self._failing.get((name, path))
        return failed is None or self._machine.beat_at > failed + POLL

    def _judge_expiry(self, name: LoginName, place: PlaceReport) -> None:
        path, now = place.place.name, self._machine.clocks.true
        held, shown = self._machine.judge.held.get(name), self._shown(name, path)
        if held is None or now - max(shown.since, self._awake(name)) <= SEEN:
            return
        if (name, path) in self._failing:
            return
        issued = self._machine.lightsails[name].issued.get(shown.digest or Digest(""))
        if issued is not None and shown.digest != held:
            return  # of a former one the daemon may know or not
        true = EPOCH + timedelta(seconds=issued.born_to_expire) if issued else None
        if place.expires_at != true:
            self._blame(f"{path} is told to expire at {place.expires_at}, and does at {true}")

    def _shown(self, name: LoginName, path: str) -> Shown:
        host = self._machine.lightsails[name].host
        timeline = self._machine.judge.shown[path, host]
        return timeline[-1] if timeline else Shown(0.0, None, "", is_foreign=False)

    def _awake(self, name: LoginName) -> float:
        """Since when the daemon has run with what it holds, in true seconds."""
        spans = self._machine.judge.spans["machine"]
        return max(self._since, self._came.get(name, 0.0), spans[-1].end if spans else 0.0)

    def _stale_at(self, name: LoginName, issued: Issued) -> float:
        """When half of what a renewal in time leaves is left."""
        lifetime = self._machine.lightsails[name].lifetime
        return issued.born_to_expire - lifetime * (1 - self._machine.renew_at) / 2

    def _was_set(self, issued: Issued) -> bool:
        """Whether the wall clock was set since: one that is ahead makes us renew early."""
        steps = self._machine.judge.steps
        return bool(steps) and steps[-1] >= issued.issued_at

    def _has_doubtful_clock(self, issued: Issued) -> bool:
        """Whether a restart of the machine left only a wall clock that was set meanwhile."""
        cuts = self._machine.judge.cuts
        return bool(cuts) and cuts[-1] >= issued.issued_at and self._was_set(issued)

    def _is_known_to_be_refused(self, name: LoginName, held: Digest, issued: Issued) -> bool:
        machine, now = self._machine, self._machine.clocks.true
        if not machine.verify or held not in self._accepted or now < issued.expires + ASKED:
            return False
        downs = machine.judge.spans["registry"]
        up = max((span.end for span in downs), default=0.0)
        return now - max(issued.expires, up, self._awake(name)) > ASKED

    def _blame(self, what: str) -> None:
        self._machine.judge.blame(f"readiness: {what}")
