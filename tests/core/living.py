"""A login's life without a daemon: the plan asked, its steps ended by chance, the facts folded.

It does what a keeper does, and checks at each step what must hold whatever comes. It knows the true
time, and counts for itself what it holds the plan to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from msgspec.structs import replace

from lightkeeper.core import facts
from lightkeeper.core.answer import Verdict
from lightkeeper.core.credential import Digest
from lightkeeper.core.facts import NO_DIGEST, Cause, LoginFact, Place, Why
from lightkeeper.core.fold import fold
from lightkeeper.core.moment import Moment, ServerClock
from lightkeeper.core.place import PlaceState, Proof
from lightkeeper.core.plan import Agenda, Plan, plan
from lightkeeper.core.policy import HEARTBEAT, Policy, due_at
from lightkeeper.core.reasons import DELIVERY, RENEWAL, Reason
from lightkeeper.core.saved import Saved, put_down, take_up
from lightkeeper.core.state import LoginState
from lightkeeper.core.step import Deliver, Look, Renew, Save, Step, Verify
from tests.core import making
from tests.core.making import HOUR, LOGIN, MINUTE, NONE, NOON, SECOND

_LADDER = (2, 4, 8, 16, 30)
_REASONS = sorted(RENEWAL.keys() - {Reason.SUPERSEDED})
"""Why an attempt may fail; the one left out is said of a verification."""
_AT_ONCE = 2
_LIFETIMES = (12 * HOUR, 12 * HOUR, 2 * HOUR, 5 * MINUTE, MINUTE)


@dataclass
class Life:
    """One login from its first minute on; `random` decides what the world does."""

    random: Random
    policy: Policy
    places: tuple[PlaceState, ...]
    passed: timedelta = NONE
    """True time since noon."""
    booted: timedelta = -making.BOOT
    """True time of the machine's start."""
    in_flight: list[Step] = field(default_factory=list)
    saved: Saved | None = None
    serial: int = 0
    attempts: int = 0
    last_attempt: timedelta | None = None
    """True time of the last attempt, whether or not the process lived to see it end."""
    last_early_end: timedelta | None = None
    state: LoginState = field(init=False)
    agenda: Agenda = field(default_factory=lambda: Agenda(_AT_ONCE))
    touched: set[Place] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.state = making.a_state(*self.places, policy=self.policy)

    @property
    def now(self) -> Moment:
        """Both clocks; neither is ever wrong here."""
        return Moment(wall=NOON + self.passed, boot=self.passed - self.booted)

    def live(self) -> None:
        """One turn of the keeper, and one event of the world."""
        self.turn()
        events: list[Callable[[], None]] = [self.wait, self.wait, self.sleep]
        events += [self.end_one] * 2 * len(self.in_flight)
        if self.random.random() < 0.1:
            events = [self.crash, self.request, self.touch]
        self.random.choice(events)()

    def turn(self) -> Plan:
        """Ask the plan, check it against the laws, start what it says."""
        planned = plan(self.state, self.now)
        self._check_agenda(planned)
        for step in planned.start:
            self._check(step)
            self._begin(step)
        if planned.is_round_over:
            self._happened(self.state.round_ended(self.now))
        again = plan(self.state, self.now)
        assert again.start == ()
        self._check_wake(again)
        return planned

    def wait(self, pace: timedelta = HEARTBEAT) -> None:
        """Until the bell or the next heartbeat."""
        wake = plan(self.state, self.now).wake
        heartbeat = self.now.wall + pace
        self.passed += min(wake or heartbeat, heartbeat) - self.now.wall

    def sleep(self) -> None:
        """The machine is suspended, or nobody has time for us."""
        self.passed += self.random.choice([MINUTE, HOUR, 7 * HOUR]) * self.random.random()

    def crash(self) -> None:
        """The process dies; the daemon starts again soon, or with the machine."""
        self.in_flight.clear()
        self.agenda = Agenda(_AT_ONCE)
        self.passed += self.random.choice([SECOND, MINUTE]) * self.random.random()
        if self.random.random() < 0.5:
            self.booted = self.passed - 20 * SECOND
        if self.saved is None:
            self.state = making.a_state(*self.places, policy=self.policy)
            return
        state = take_up(self.saved, self.policy, boot_id=self._boot_id(), now=self.now)
        self.state = state.with_places(self.places)

    def calm(self, span: timedelta, pace: timedelta = HEARTBEAT) -> None:
        """Everything that is tried succeeds from now on, and nobody else does anything."""
        end = self.passed + span
        while self.passed < end:
            self.turn()
            while self.in_flight:  # what ends may bring the next: a renewal its deliveries
                ended, self.in_flight = self.in_flight, []
                for step in ended:
                    self._ended(self._success(step))
                self.turn()
            self.wait(pace)

    def request(self) -> None:
        """A person wants a new credential."""
        self._happened(facts.RenewalRequested(login=LOGIN, at=self.now))

    def touch(self) -> None:
        """Somebody writes where a place is."""
        if self.places:
            place = self.random.choice(self.places).place
            self._happened(facts.PlaceTouched(login=LOGIN, at=self.now, place=place))

    def end_one(self) -> None:
        """Something that is in flight comes to its end."""
        step = self.in_flight.pop(self.random.randrange(len(self.in_flight)))
        self.passed += 30 * SECOND * self.random.random() ** 3
        match step:
            case Renew():
                self._end_attempt()
            case Verify():
                self._end_verification()
            case Look(place=place):
                self._end_look(self.state.places[place])
            case Deliver(place=place):
                self._end_delivery(self.state.places[place])
            case Save():
                self._ended(making.saved(self.passed, edition=self.state.edition))

    def _check_agenda(self, planned: Plan) -> None:
        """What is planned anew for what changed alone is what is planned from nothing."""
        touched, self.touched = self.touched, set()
        said = self.agenda.plan(self.state, self.now, touched)
        assert (said.wake, said.is_round_over) == (planned.wake, planned.is_round_over)
        assert set(said.start) <= set(planned.start)
        assert _elsewhere(said) == _elsewhere(planned)
        for kinds in (Deliver,), (Deliver, Look):
            every = Counter(step.place.output for step in planned.start if isinstance(step, kinds))
            some = Counter(step.place.output for step in said.start if isinstance(step, kinds))
            assert some == {output: min(count, _AT_ONCE) for output, count in every.items()}

    def _check(self, step: Step) -> None:
        match step:
            case Renew(why=why):
                self._check_attempt(why)
            case Verify():
                assert self.policy.verify
                assert Verify() not in self.in_flight
            case Look(place=place):
                assert not self.state.places[place].busy
            case Deliver(place=place, replace_foreign=replace_foreign):
                self._check_delivery(self.state.places[place], replace_foreign=replace_foreign)
            case Save():
                has_new_places = self.state.stored < self.state.edition
                assert has_new_places or self.state.unsaved is not None

    def _check_attempt(self, why: Why) -> None:
        """Not a storm."""
        assert not any(isinstance(step, Renew) for step in self.in_flight)
        if self.last_attempt is not None:
            assert self.passed - self.last_attempt >= self._floor()
        if self.state.next_attempt is not None and why is not Why.REQUESTED:
            assert self.now.boot >= self.state.next_attempt
        if why is Why.REFUSED and self.last_early_end is not None and self.state.held:
            pause = min(HOUR, self.state.held.lifetime / 12)
            assert self.passed - self.last_early_end >= pause

    def _floor(self) -> timedelta:
        """The promise, said once more: half a minute, or the ladder where nothing valid is held."""
        ladder = _LADDER[min(max(self.attempts, 1), 5) - 1] * SECOND
        held = self.state.held
        if held is None:
            return ladder
        usual = min(30 * SECOND, held.lifetime / 10)
        return usual if NOON + self.passed < held.expires_at else min(ladder, usual)

    def _check_delivery(self, place: PlaceState, *, replace_foreign: bool) -> None:
        """Never worse: nothing dead, and nothing over what may be the only good one."""
        assert not place.busy
        assert self.state.is_valid(self.now)
        assert not place.holds(self.state.held)
        assert place.is_read
        assert self.state.stored >= self.state.edition
        assert replace_foreign == (place.drift is Cause.REPLACED)
        if replace_foreign:
            assert place.may_replace(self.state.held)
            assert self.state.verdict is not Verdict.REJECTED or not self.policy.verify

    def _check_wake(self, planned: Plan) -> None:
        """Never late: while nothing is wrong, the bell is set for the renewal at the latest."""
        held = self.state.held
        if self.state.renewing or self.state.next_attempt is not None:
            return
        assert planned.wake is not None
        floor = NONE if self.last_attempt is None else self.last_attempt + self._floor()
        due = due_at(held, self.policy, self.state.draw) if held else NOON
        assert planned.wake <= max(due, NOON + floor)

    def _begin(self, step: Step) -> None:
        now = self.now
        self.in_flight.append(step)
        match step:
            case Renew(why=why):
                self.attempts += 1
                self.last_attempt = self.passed
                self._happened(facts.AttemptStarted(login=LOGIN, at=now, why=why))
                self._save(self.state)
            case Verify():
                self._happened(facts.VerificationStarted(login=LOGIN, at=now))
            case Look(place=place):
                self._happened(facts.LookStarted(login=LOGIN, at=now, place=place))
            case Deliver(place=place):
                self._happened(facts.DeliveryStarted(login=LOGIN, at=now, place=place))
            case Save():
                self._save(self.state)

    def _end_attempt(self) -> None:
        if self.random.random() < 0.5:
            ended: LoginFact = self._failed(self.random.choice(_REASONS))
        else:
            self.serial += 1
            self.attempts = 0
            if self.state.verdict is Verdict.REJECTED:
                self.last_early_end = self.passed
            ended = making.renewed(
                self.passed,
                making.a_credential(
                    f"simulated-{self.serial}",
                    issued=self.passed,
                    lifetime=self.random.choice(_LIFETIMES),
                    is_odd=self.random.random() < 0.1,
                ),
                verdict=self.random.choice(list(Verdict)) if self.policy.verify else None,
                draw=self.random.random(),
            )
        self._save(fold(self.state, self._by_our_clocks(ended)))
        self._ended(ended)

    def _failed(self, reason: Reason) -> LoginFact:
        retry_after = self.random.choice([NONE, NONE, SECOND, 10 * MINUTE])
        return making.failed(
            self.passed, reason, retry_after=retry_after, draw=self.random.random()
        )

    def _end_verification(self) -> None:
        held = self.state.held
        assert held is not None
        verdict = self.random.choice([Verdict.ACCEPTED, *Verdict])
        ended = making.verified(self.passed, verdict, digest=held.digest, draw=self.random.random())
        self._ended(ended)
        if self.state.is_superseded(self.now):
            self._ended(self._failed(Reason.SUPERSEDED))

    def _end_look(self, place: PlaceState) -> None:
        held = self.state.held
        assert held is not None
        digest = self.random.choice([held.digest, held.digest, None, making.FOREIGN])
        digest = self.random.choice([digest, *sorted(self.state.ours)])
        settled = digest == held.digest and self.random.random() < 0.9
        cause = self.state.drift_of(place, digest, settled=settled)
        seen: LoginFact = making.seen(self.passed, digest, place=place.place, settled=settled)
        if cause is not None:
            seen = making.drifted(self.passed, cause, place=place.place, digest=digest)
        elif settled and place.proof is not Proof.NEVER and self.random.random() < 0.3:
            self._ended(seen)
            seen = making.not_delivered(
                self.passed, Reason.ACCESS_DENIED, place=place.place, foreseen=True
            )
        self._place_ended(place, self._perhaps_not(place, seen))

    def _end_delivery(self, place: PlaceState) -> None:
        held = self.state.held
        assert held is not None
        ended: LoginFact = making.delivered(
            self.passed, held.digest, place=place.place, repaired=place.drift
        )
        if self.random.random() < 0.2:
            ended = making.drifted(self.passed, place=place.place, digest=Digest("stranger"))
        self._place_ended(place, self._perhaps_not(place, ended))

    def _success(self, step: Step) -> LoginFact:
        held = self.state.held
        match step:
            case Renew():
                self.serial += 1
                self.attempts = 0
                credential = making.a_credential(f"simulated-{self.serial}", issued=self.passed)
                return making.renewed(self.passed, credential)
            case Verify():
                return making.verified(self.passed, digest=held.digest if held else NO_DIGEST)
            case Look(place=place, proves=proves):
                known = self.state.places[place]
                return making.seen(
                    self.passed, known.digest, place=place, settled=known.settled, proven=proves
                )
            case Deliver(place=place):
                digest = held.digest if held else NO_DIGEST
                return making.delivered(self.passed, digest, place=place)
            case Save():
                return making.saved(self.passed, edition=self.state.edition)

    def _perhaps_not(self, place: PlaceState, ended: LoginFact) -> LoginFact:
        """Or else the place was out of reach."""
        chance = self.random.random()
        if chance < 0.05:
            return making.pending(self.passed, place=place.place)
        if chance < 0.25:
            reason = self.random.choice(sorted(DELIVERY))
            return making.not_delivered(self.passed, reason, place=place.place)
        return ended

    def _place_ended(self, place: PlaceState, fact: LoginFact) -> None:
        self._ended(fact)
        found = isinstance(fact, facts.PlaceRead | facts.Drifted)
        if found and self.state.places[place.place].is_in_conflict(self.state.held):
            self._ended(making.not_delivered(self.passed, Reason.CONFLICT, place=place.place))

    def _ended(self, fact: LoginFact) -> None:
        self._happened(self._by_our_clocks(fact))

    def _by_our_clocks(self, fact: LoginFact) -> LoginFact:
        """The same fact with the boot clock of this start of the machine."""
        if isinstance(fact, facts.Renewed):
            fact = replace(fact, clock=ServerClock(at=self.now.wall, seen=self.now))
        return replace(fact, at=self.now)

    def _happened(self, fact: LoginFact) -> None:
        self.state = fold(self.state, fact)
        if (place := getattr(fact, "place", None)) is not None:
            self.touched.add(place)

    def _save(self, state: LoginState) -> None:
        self._ended(making.saved(self.passed, edition=state.edition))
        self.saved = put_down(state, fingerprint="f", boot_id=self._boot_id(), now=self.now)

    def _boot_id(self) -> str:
        return str(self.booted)


def _elsewhere(planned: Plan) -> set[Step]:
    """Steps at no place."""
    return {step for step in planned.start if not isinstance(step, Deliver | Look)}
