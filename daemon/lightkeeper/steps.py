"""What a plan says, done: each step goes out to the edge and ends in facts. Knows no plan.

A step may take long and the state moves meanwhile: after each wait it is looked at anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from functools import partial, reduce
from typing import Final, assert_never

from msgspec import Struct
from msgspec.structs import replace

from lightkeeper.attempt import Source
from lightkeeper.core import facts
from lightkeeper.core.answer import Refusal, Verdict
from lightkeeper.core.credential import Credential, Digest
from lightkeeper.core.facts import LoginFact, OutputName, Place
from lightkeeper.core.fold import fold
from lightkeeper.core.moment import Moment
from lightkeeper.core.reasons import Reason
from lightkeeper.core.saved import put_down
from lightkeeper.core.state import LoginState
from lightkeeper.core.step import Deliver, Look, Renew, Save, Step, Verify
from lightkeeper.history import Broke, History
from lightkeeper.look import delivery_of, drifted, looked, proof_of, seen_at, spared
from lightkeeper.pace import pause
from lightkeeper.ports import (
    Failed,
    Foreign,
    Found,
    IfForeign,
    Output,
    Pending,
    Put,
    World,
)

_ASIDE: Final = timedelta(seconds=30)
"""Another has gone on without us: if it leads in our place, we hear of that by then."""


class Work(Struct, frozen=True):
    """A step on its way."""

    word: str
    begins: LoginFact | None
    """What is told before."""
    do: Callable[[], Awaitable[Sequence[LoginFact]]]
    broke: Broke


class Steps:
    """Does the steps of one login."""

    def __init__(
        self,
        history: History,
        *,
        fingerprint: str,
        source: Source,
        outputs: Sequence[Output],
        world: World,
    ) -> None:
        self._history = history
        self._fingerprint = fingerprint
        self._world = world
        self._storing = asyncio.Lock()
        self.adopt(source, outputs)

    def adopt(self, source: Source, outputs: Sequence[Output]) -> None:
        """Ask this source and deliver to these outputs from the next step on."""
        self._source = source
        self._outputs: dict[OutputName, Output] = {output.name: output for output in outputs}

    @property
    def outputs(self) -> Iterable[Output]:
        """Where is delivered to."""
        return self._outputs.values()

    @property
    def _state(self) -> LoginState:
        return self._history.state

    @property
    def is_saving(self) -> bool:
        """Whether the store is being written."""
        return self._storing.locked()

    def work(self, step: Step, now: Moment) -> Work:
        """What `step` is when it begins `now`."""
        login = self._state.login
        match step:
            case Renew(why=why):
                attempt = facts.AttemptStarted(login=login, at=now, why=why)
                return Work("renew", attempt, partial(self._renew, now), self._renewal_broke)
            case Verify():
                question = facts.VerificationStarted(login=login, at=now)
                return Work("verify", question, self._verify, self._verification_broke)
            case Look(place=place):
                look = facts.LookStarted(login=login, at=now, place=place)
                broke = partial(self._place_broke, place, "a bug in look")
                read = partial(self._look, self._outputs[place.output], step)
                return Work("look", look, read, broke)
            case Deliver(place=place):
                delivery = facts.DeliveryStarted(login=login, at=now, place=place)
                broke = partial(self._place_broke, place, "a bug in deliver")
                deliver = partial(self._deliver, self._outputs[place.output], step)
                return Work("deliver", delivery, deliver, broke)
            case Save():
                return Work("save", None, self._save_now, self._saving_broke)
            case _:
                assert_never(step)

    async def _renew(self, started: Moment) -> Sequence[LoginFact]:
        unsaved = await self._save()
        if unsaved is not None and unsaved.reason is Reason.SUPERSEDED:
            await pause(_ASIDE)
        await self._lead()
        outcome = await self._source.renew(self._state.held, verify=self._state.policy.verify)
        now = self._now()
        took = now.boot - started.boot
        ended: LoginFact
        if isinstance(outcome, Refusal):
            ended = self._renewal_failed(outcome, now, took)
        else:
            ended = facts.Renewed(
                login=self._state.login,
                at=now,
                credential=outcome.believed.credential,
                clock=outcome.believed.clock,
                verdict=outcome.verdict,
                oddities=outcome.believed.oddities,
                took=took,
                draw=self._draw(),
            )
        # Saved before anybody is given it: a crash in between must not make it a stranger's.
        await self._save(ended)
        return [ended]

    async def _verify(self) -> Sequence[LoginFact]:
        held = self._state.held
        if held is None:
            return ()
        verdict = await self._source.ask(held)
        login, now = self._state.login, self._now()
        verified = facts.Verified(
            login=login, at=now, digest=held.digest, verdict=verdict, draw=self._draw()
        )
        told: list[LoginFact] = [verified]
        before, after = self._state, fold(self._state, verified)
        if after.is_superseded(now):
            detail = f"{held.registry} refuses a login that it took before"
            refusal = Refusal(reason=Reason.SUPERSEDED, detail=detail)
            told.append(self._renewal_failed(refusal, now))
            after = fold(after, told[-1])
        is_new = (after.is_refused, after.failure) != (before.is_refused, before.failure)
        if is_new:
            await self._save(*told)
        return told

    async def _look(self, output: Output, step: Look) -> Sequence[LoginFact]:
        place, held = step.place, self._state.held
        if held is None:
            return ()
        seen = await output.read(place, held, spared(self._state, place))
        proof = None
        if isinstance(seen, Found):
            is_open = seen.settled and seen.obstacle is None
            if step.proves and is_open and output.prove is not None:
                proof = proof_of(await output.prove(place, delivery_of(self._state, place, held)))
            seen = replace(seen, settled=seen.settled and self._state.held is held)
        return looked(self._state, place, seen, self._now(), proof=proof)

    async def _deliver(self, output: Output, step: Deliver) -> Sequence[LoginFact]:
        place, held = step.place, self._state.held
        if held is None:
            return ()
        delivery = replace(delivery_of(self._state, place, held), newer=partial(self._newer, held))
        if step.replace_foreign:
            delivery = replace(delivery, if_foreign=IfForeign.REPLACE)
        await self._lead()
        outcome = await output.deliver(place, delivery)
        login, now = self._state.login, self._now()
        match outcome:
            case Put(changed=changed, notices=notices):
                known = self._state.places.get(place)
                return [
                    facts.Delivered(
                        login=login,
                        at=now,
                        place=place,
                        digest=held.digest,
                        changed=changed,
                        repaired=known.disputed if known and changed else None,
                        notices=notices,
                    )
                ]
            case Foreign():
                return drifted(self._state, place, facts.Cause.REPLACED, outcome, now)
            case Pending() | Failed():
                return [seen_at(login, place, outcome, now)]
            case _:
                assert_never(outcome)

    async def _newer(self, held: Credential) -> frozenset[Digest] | Failed:
        """What expires later than `held`: whoever shares our store may have gone on without us."""
        known = await self._world.store.known(self._state.login)
        if isinstance(known, Failed):
            return known
        return frozenset(one.digest for one in known if one.expires_at > held.expires_at)

    async def _save_now(self) -> Sequence[LoginFact]:
        await self._save()
        return ()

    async def _save(self, *ended: LoginFact) -> Failed | None:
        """Have the state kept, as it is after these; where that fails, nothing else is lost."""
        failed = None
        with self._history.bounded("save", self._saving_broke):
            async with self._storing:
                now, state = self._now(), reduce(fold, ended, self._state)
                saved = put_down(
                    state, fingerprint=self._fingerprint, boot_id=self._world.boot_id, now=now
                )
                await self._lead()
                failed = await self._world.store.save(saved)
            if failed is None:
                self._history.happened(
                    facts.StateSaved(login=state.login, at=now, edition=state.edition)
                )
            else:
                self._history.happened(self._not_saved(failed, now, state.edition))
        return failed

    async def _lead(self) -> None:
        """Go on if it is for us to act: who stood still may lead no more, and not know it yet.

        Else wait for the end, which comes as soon as a timer tells what the clocks do.
        """
        if not self._world.leads():
            await asyncio.Event().wait()

    def _renewal_failed(
        self, refusal: Refusal, now: Moment, took: timedelta = timedelta(0)
    ) -> LoginFact:
        return facts.RenewalFailed(
            login=self._state.login,
            at=now,
            reason=refusal.reason,
            detail=refusal.detail,
            retry_after=refusal.retry_after,
            clock=refusal.clock,
            took=took,
            draw=self._draw(),
            remaining=self._state.remaining(now) if self._state.held else None,
        )

    def _not_saved(self, failed: Failed, now: Moment, edition: int) -> LoginFact:
        return facts.StateNotSaved(
            login=self._state.login,
            at=now,
            reason=failed.reason,
            detail=failed.detail,
            edition=edition,
        )

    # What a bug in a step is told as.

    def _renewal_broke(self, now: Moment) -> LoginFact:
        refusal = Refusal(reason=Reason.INTERNAL_ERROR, detail="a bug in renew")
        return self._renewal_failed(refusal, now)

    def _verification_broke(self, now: Moment) -> LoginFact:
        return facts.Verified(
            login=self._state.login,
            at=now,
            digest=self._state.held.digest if self._state.held else facts.NO_DIGEST,
            verdict=Verdict.INCONCLUSIVE,
            draw=self._draw(),
        )

    def _place_broke(self, place: Place, detail: str, now: Moment) -> LoginFact:
        bug = Failed(reason=Reason.INTERNAL_ERROR, detail=detail)
        return seen_at(self._state.login, place, bug, now)

    def _saving_broke(self, now: Moment) -> LoginFact:
        bug = Failed(reason=Reason.INTERNAL_ERROR, detail="a bug in save")
        return self._not_saved(bug, now, self._state.edition)

    def _draw(self) -> float:
        return self._world.random.random()

    def _now(self) -> Moment:
        return self._world.clock.now()
