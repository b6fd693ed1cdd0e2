"""One login's life: on each bell ask the plan, start what it says, fold what comes of it.

The loop itself awaits nothing but the bell. Work runs in child tasks; each ends in facts. What an
adapter did not foresee is caught here, at one boundary, and delays no other login.
"""

from __future__ import annotations

import asyncio
import traceback
from collections import Counter
from collections.abc import Awaitable, Sequence
from datetime import timedelta
from random import Random
from typing import Final, assert_never

from msgspec import Struct
from msgspec.structs import replace

from lightkeeper.attempt import Source
from lightkeeper.core import facts
from lightkeeper.core.answer import Refusal, Verdict
from lightkeeper.core.facts import LoginFact, OutputName, Place
from lightkeeper.core.fold import fold
from lightkeeper.core.moment import Moment
from lightkeeper.core.news import is_news
from lightkeeper.core.place import PlaceState
from lightkeeper.core.plan import Deliver, Look, Renew, Save, Step, Verify, plan
from lightkeeper.core.policy import Policy
from lightkeeper.core.reasons import Reason
from lightkeeper.core.saved import put_down
from lightkeeper.core.state import LoginState
from lightkeeper.look import seen_at
from lightkeeper.ports import (
    Alarm,
    Clock,
    Delivery,
    Failed,
    Foreign,
    Found,
    IfForeign,
    Output,
    Pending,
    Put,
    Recorder,
    Store,
)

_AT_ONCE: Final = 8
"""Places of one output that are worked on at the same time."""


class World(Struct, frozen=True, kw_only=True):
    """What all keepers share of the edge."""

    clock: Clock
    alarm: Alarm
    store: Store
    recorder: Recorder
    random: Random
    boot_id: str


class Keeper:
    """Keeps one login; owns its state, and is the only one that changes it."""

    def __init__(
        self,
        state: LoginState,
        *,
        fingerprint: str,
        source: Source,
        outputs: Sequence[Output],
        world: World,
    ) -> None:
        self.state: LoginState = state
        self.turns = 0
        self._fingerprint = fingerprint
        self._source = source
        self._world = world
        self._bell = asyncio.Event()
        self._busy = Counter[OutputName]()
        self._storing = asyncio.Lock()
        self._outputs: dict[OutputName, Output] = {}
        self.adopt(state.policy, outputs)

    def adopt(self, policy: Policy, outputs: Sequence[Output]) -> None:
        """Go on under another policy and with other outputs; what is held stays, without a call."""
        self._outputs = {output.name: output for output in outputs}
        places = (
            PlaceState(place=place, replaces_foreign=output.replaces_foreign)
            for output in outputs
            for place in output.places()
        )
        self.state = self.state.under(policy).with_places(places)
        self._bell.set()

    def ring(self) -> None:
        """Ask the plan again."""
        self._bell.set()

    def request_renewal(self) -> None:
        """Renew as soon as the floor allows."""
        self._happened(facts.RenewalRequested(login=self.state.login, at=self._now()))
        self._bell.set()

    def touched(self, place: Place) -> None:
        """Somebody wrote where `place` is: look there."""
        self._happened(facts.PlaceTouched(login=self.state.login, at=self._now(), place=place))
        self._bell.set()

    async def run(self) -> None:
        """Keep the login until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    await self._bell.wait()
                    self._bell.clear()
                    await self._bounded(self._turn(tasks), None)
        finally:
            self._world.alarm.cancel(self.state.login)

    async def _turn(self, tasks: asyncio.TaskGroup) -> Sequence[LoginFact]:
        self.turns += 1
        now = self._now()
        planned = plan(self.state, now)
        self._world.alarm.set(self.state.login, planned.wake, self._bell.set)
        if planned.is_round_over:
            self._happened(self.state.round_ended(now))
        for step in planned.start:
            if self._has_room(step):
                for fact in self._started(step, now):
                    self._happened(fact)
                tasks.create_task(self._work(step, now), name=f"{_word(step)}:{self.state.login}")
        return ()

    def _has_room(self, step: Step) -> bool:
        """Whether `step` may start now.

        Else the bell that is rung at the end of what is under way brings it up again.
        """
        match step:
            case Look(place=place) | Deliver(place=place):
                if self._busy[place.output] >= _AT_ONCE:
                    return False
                self._busy[place.output] += 1
                return True
            case Save():
                return not self._storing.locked()
            case _:
                return True

    def _started(self, step: Step, now: Moment) -> Sequence[LoginFact]:
        """What is to be told of a `step` that begins."""
        login = self.state.login
        match step:
            case Renew(why=why):
                return [facts.AttemptStarted(login=login, at=now, why=why)]
            case Verify():
                return [facts.VerificationStarted(login=login, at=now)]
            case Look(place=place):
                return [facts.LookStarted(login=login, at=now, place=place)]
            case Deliver(place=place):
                return [facts.DeliveryStarted(login=login, at=now, place=place)]
            case Save():
                return ()
            case _:
                assert_never(step)

    async def _work(self, step: Step, started: Moment) -> None:
        try:
            await self._bounded(self._do(step, started), step)
        finally:
            if isinstance(step, Look | Deliver):
                self._busy[step.place.output] -= 1
        self._bell.set()

    async def _do(self, step: Step, started: Moment) -> Sequence[LoginFact]:
        match step:
            case Renew():
                return await self._renew(started)
            case Verify():
                return await self._verify()
            case Look():
                return await self._look(step)
            case Deliver():
                return await self._deliver(step)
            case Save():
                await self._save(self.state)
                return ()
            case _:
                assert_never(step)

    async def _bounded(self, work: Awaitable[Sequence[LoginFact]], step: Step | None) -> None:
        """The boundary: fold what `work` ends in; a bug in it is told and backed off from."""
        try:
            ended = await work
        except Exception as exc:
            ended = self._surprised(step, exc)
        for fact in ended:
            self._happened(fact)

    async def _renew(self, started: Moment) -> Sequence[LoginFact]:
        login = self.state.login
        await self._save(self.state)
        outcome = await self._source.renew(self.state.held, verify=self.state.policy.verify)
        now = self._now()
        took = now.boot - started.boot
        fact: LoginFact
        if isinstance(outcome, Refusal):
            fact = self._renewal_failed(outcome, now, took)
        else:
            fact = facts.Renewed(
                login=login,
                at=now,
                credential=outcome.believed.credential,
                clock=outcome.believed.clock,
                verdict=outcome.verdict,
                oddities=outcome.believed.oddities,
                took=took,
                draw=self._draw(),
            )
        # Saved before anybody is given it: a crash in between must not make it a stranger's.
        await self._save(fold(self.state, fact))
        return [fact]

    async def _verify(self) -> Sequence[LoginFact]:
        held = self.state.held
        if held is None:
            return ()
        verdict = await self._source.ask(held)
        login, now = self.state.login, self._now()
        verified = facts.Verified(
            login=login, at=now, digest=held.digest, verdict=verdict, draw=self._draw()
        )
        if not fold(self.state, verified).is_superseded(now):
            return [verified]
        detail = f"{held.registry} refuses a login that it took before"
        refusal = Refusal(reason=Reason.SUPERSEDED, detail=detail)
        return [verified, self._renewal_failed(refusal, now)]

    async def _look(self, step: Look) -> Sequence[LoginFact]:
        place, held = step.place, self.state.held
        if held is None:
            return ()
        spared = None if self._may_replace(place) else self.state.ours
        seen = await self._outputs[place.output].read(place, held, spared)
        login, now = self.state.login, self._now()
        if isinstance(seen, Found):
            seen = replace(seen, settled=seen.settled and self.state.held is held)
            known = self.state.places.get(place)
            digest = seen.digest
            cause = known and self.state.drift_of(known, digest, settled=seen.settled)
            if cause:
                return [facts.Drifted(login=login, at=now, place=place, cause=cause, digest=digest)]
        return [seen_at(login, place, seen, now)]

    async def _deliver(self, step: Deliver) -> Sequence[LoginFact]:
        place, held = step.place, self.state.held
        if held is None:
            return ()
        delivery = Delivery(
            login=self.state.login,
            credential=held,
            ours=self.state.ours,
            former=self.state.former_registries,
            if_foreign=self._if_foreign(step),
        )
        outcome = await self._outputs[place.output].deliver(place, delivery)
        login, now = self.state.login, self._now()
        match outcome:
            case Put(changed=changed, notices=notices):
                known = self.state.places.get(place)
                return [
                    facts.Delivered(
                        login=login,
                        at=now,
                        place=place,
                        digest=held.digest,
                        changed=changed,
                        repaired=known.drift if known and changed else None,
                        notices=notices,
                    )
                ]
            case Foreign(digest=digest):
                cause = facts.Cause.REPLACED
                return [facts.Drifted(login=login, at=now, place=place, cause=cause, digest=digest)]
            case Pending() | Failed():
                return [seen_at(login, place, outcome, now)]
            case _:
                assert_never(outcome)

    def _may_replace(self, place: Place) -> bool:
        known = self.state.places.get(place)
        return known is None or known.may_replace(self.state.held)

    def _if_foreign(self, step: Deliver) -> IfForeign:
        if step.replace_foreign:
            return IfForeign.REPLACE
        return IfForeign.ASK if self._may_replace(step.place) else IfForeign.SPARE

    async def _save(self, state: LoginState) -> None:
        async with self._storing:
            now = self._now()
            failed = await self._world.store.save(
                put_down(state, fingerprint=self._fingerprint, boot_id=self._world.boot_id, now=now)
            )
        login = state.login
        if failed is None:
            self._happened(facts.StateSaved(login=login, at=now))
        else:
            reason, detail = failed.reason, failed.detail
            self._happened(facts.StateNotSaved(login=login, at=now, reason=reason, detail=detail))

    def _surprised(self, step: Step | None, exc: Exception) -> Sequence[LoginFact]:
        """What a bug is told as. Its message stays untold: it may hold what we must not print."""
        login, now = self.state.login, self._now()
        frames = "".join(traceback.format_tb(exc.__traceback__))
        doing = "plan" if step is None else _word(step)
        surprised = facts.Surprised(
            login=login, at=now, doing=doing, traceback=f"{frames}{type(exc).__name__}"
        )
        match step:
            case Renew():
                refusal = Refusal(reason=Reason.INTERNAL_ERROR, detail=f"a bug in {doing}")
                return [surprised, self._renewal_failed(refusal, now)]
            case Verify():
                digest = self.state.held.digest if self.state.held else facts.NO_DIGEST
                verdict = Verdict.INCONCLUSIVE
                unasked = facts.Verified(
                    login=login, at=now, digest=digest, verdict=verdict, draw=self._draw()
                )
                return [surprised, unasked]
            case Look(place=place) | Deliver(place=place):
                bug = Failed(reason=Reason.INTERNAL_ERROR, detail=f"a bug in {doing}")
                return [surprised, seen_at(login, place, bug, now)]
            case Save():
                detail = f"a bug in {doing}"
                unsaved = facts.StateNotSaved(
                    login=login, at=now, reason=Reason.INTERNAL_ERROR, detail=detail
                )
                return [surprised, unsaved]
            case _:
                return [surprised]

    def _renewal_failed(
        self, refusal: Refusal, now: Moment, took: timedelta = timedelta(0)
    ) -> LoginFact:
        return facts.RenewalFailed(
            login=self.state.login,
            at=now,
            reason=refusal.reason,
            detail=refusal.detail,
            retry_after=refusal.retry_after,
            clock=refusal.clock,
            took=took,
            draw=self._draw(),
            remaining=self.state.remaining(now) if self.state.held else None,
        )

    def _happened(self, fact: LoginFact) -> None:
        news = is_news(self.state, fact)
        self.state = fold(self.state, fact)
        self._world.recorder.record(fact, news=news)

    def _draw(self) -> float:
        return self._world.random.random()

    def _now(self) -> Moment:
        return self._world.clock.now()


def _word(step: Step) -> str:
    return type(step).__name__.lower()
