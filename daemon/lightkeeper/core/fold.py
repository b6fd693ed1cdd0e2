"""How a fact moves the state. Total: any fact in any order is taken."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Final, TypeVar, assert_never

from msgspec.structs import replace

from lightkeeper.core import facts, policy
from lightkeeper.core import place as places
from lightkeeper.core.answer import Verdict
from lightkeeper.core.facts import LoginFact
from lightkeeper.core.failure import DETAIL, Failure, failed
from lightkeeper.core.news import is_news
from lightkeeper.core.place import PlaceState
from lightkeeper.core.places import Places
from lightkeeper.core.reasons import OF_VERIFICATION, Reason
from lightkeeper.core.state import LoginState, Note, OutputCounts, Round, remember

_NOTES: Final = 20

_Word = TypeVar("_Word")


def fold(state: LoginState, fact: LoginFact) -> LoginState:  # noqa: C901 - one row a fact
    """The state after `fact`; the same state for a fact about a place that is gone."""
    match fact:
        case facts.AttemptStarted():
            return _attempt_started(state, fact)
        case facts.Renewed():
            return _noted(_renewed(state, fact), fact, fact.verdict or "")
        case facts.RenewalFailed():
            return _renewal_failed(state, fact)
        case facts.RenewalRequested():
            return state if state.requested else _noted(replace(state, requested=True), fact, "")
        case facts.VerificationStarted():
            return replace(state, verifying=True)
        case facts.Verified():
            return _verified(state, fact)
        case facts.StateNotSaved():
            at = state.clock.moment(fact.at)
            failure = failed(state.unsaved, fact.reason, fact.detail, at)
            again = fact.at.boot + policy.SAVE_RETRY
            return replace(state, unsaved=failure, save_again=again, stored=fact.edition)
        case facts.StateSaved():
            return replace(state, unsaved=None, stored=fact.edition)
        case facts.Surprised():
            return _surprised(state, fact)
        case facts.RoundEnded():
            return replace(state, round=None)
        case _:
            return _fold_place(state, fact)


def _attempt_started(state: LoginState, fact: facts.AttemptStarted) -> LoginState:
    return replace(
        state,
        renewing=True,
        requested=False,
        attempts=state.attempts + 1,
        last_attempt=fact.at.boot,
        next_attempt=None,
    )


def _renewed(state: LoginState, fact: facts.Renewed) -> LoginState:
    held = fact.credential
    was_refused = state.verdict is Verdict.REJECTED
    if state.held is not None and state.held.registry != held.registry:
        state = replace(state, places=Places.of(map(places.unread, state.places.values())))
    return replace(
        state,
        renewing=False,
        held=held,
        clock=fact.clock,
        draw=fact.draw,
        known=remember(state.known, held),
        verdict=fact.verdict,
        once_accepted=fact.verdict is Verdict.ACCEPTED,
        checked_at=fact.at.boot,
        next_check=fact.at.boot + policy.check_after(held.lifetime, fact.draw),
        attempts=0,
        next_attempt=None,
        refused_attempt=fact.at.boot if was_refused else state.refused_attempt,
        failure=None,
        is_end_told=False,
        last_success=fact.at.wall,
        round=Round(),
        renewals=state.renewals + 1,
        verifications=_counted(state.verifications, fact.verdict),
    )


def _renewal_failed(state: LoginState, fact: facts.RenewalFailed) -> LoginState:
    clock = fact.clock or state.clock
    wait = policy.wait_after_failure(
        fact.reason,
        held=state.held,
        remaining=replace(state, clock=clock).remaining(fact.at),
        attempts=state.attempts,
        retry_after=fact.retry_after,
        u=fact.draw,
    )
    failure = failed(state.failure, fact.reason, fact.detail, clock.moment(fact.at))
    after = replace(
        state,
        renewing=state.renewing and _is_of_verification(failure),
        clock=clock,
        next_attempt=fact.at.boot + wait,
        failure=failure,
        is_end_told=fact.remaining == timedelta(0),
        renewal_failures=_counted(state.renewal_failures, fact.reason),
    )
    return _noted(after, fact, fact.reason, detail=fact.detail) if is_news(state, fact) else after


def _verified(state: LoginState, fact: facts.Verified) -> LoginState:
    counted = _counted(state.verifications, fact.verdict)
    after = replace(state, verifying=False, verifications=counted)
    if state.held is None or state.held.digest != fact.digest:
        return after
    news = is_news(state, fact)
    conclusive = fact.verdict is not Verdict.INCONCLUSIVE
    after = replace(
        after,
        verdict=fact.verdict if conclusive else state.verdict,
        once_accepted=state.once_accepted or fact.verdict is Verdict.ACCEPTED,
        checked_at=fact.at.boot,
        next_check=fact.at.boot + policy.check_after(state.held.lifetime, fact.draw),
    )
    if fact.verdict is Verdict.ACCEPTED and _is_of_verification(state.failure):
        after = replace(after, failure=None, next_attempt=None)
    return _noted(after, fact, fact.verdict) if news else after


def _is_of_verification(failure: Failure | None) -> bool:
    """Whether it was said of a verification: an attempt may be in flight beside it."""
    return failure is not None and failure.reason in OF_VERIFICATION


def _surprised(state: LoginState, fact: facts.Surprised) -> LoginState:
    if not is_news(state, fact):
        return state
    bug = failed(None, Reason.INTERNAL_ERROR, fact.doing, state.clock.moment(fact.at))
    return _noted(replace(state, bug=bug), fact, Reason.INTERNAL_ERROR, detail=fact.doing)


def _fold_place(
    state: LoginState,
    fact: facts.LookStarted
    | facts.PlaceRead
    | facts.PlaceTouched
    | facts.PlacePending
    | facts.Drifted
    | facts.DeliveryStarted
    | facts.Delivered
    | facts.DeliveryFailed,
) -> LoginState:
    place = state.places.get(fact.place)
    if place is None:
        return state
    match fact:
        case facts.LookStarted() | facts.DeliveryStarted():
            return _with(state, places.started(place))
        case facts.PlaceTouched():
            return _with(state, replace(place, touched=True))
        case facts.PlaceRead():
            return _complete(_with(state, places.read(place, fact, state.held)), place, fact)
        case facts.PlacePending():
            return _with(state, places.pending(place, fact))
        case facts.Drifted():
            after = _with(state, places.drifted(place, fact, state.held))
            return _noted(after, fact, fact.cause) if is_news(state, fact) else after
        case facts.Delivered():
            return _delivered(state, place, fact)
        case facts.DeliveryFailed():
            told = replace(fact, at=state.clock.moment(fact.at))
            after = _with(state, places.not_delivered(place, told))
            counted = _count_output(after, place, failure=fact.reason)
            if not is_news(state, fact):
                return counted
            return _noted(counted, fact, fact.reason, detail=fact.detail)
        case _:
            assert_never(fact)


def _delivered(state: LoginState, place: PlaceState, fact: facts.Delivered) -> LoginState:
    after = _complete(_with(state, places.delivered(place, fact)), place, fact)
    after = _count_output(after, place, fact=fact)
    if after.round is not None:
        counted = (
            replace(after.round, changed=after.round.changed + 1)
            if fact.changed
            else replace(after.round, unchanged=after.round.unchanged + 1)
        )
        after = replace(after, round=counted)
    return _noted(after, fact, fact.repaired or "") if is_news(state, fact) else after


def _complete(
    after: LoginState, before: PlaceState, fact: facts.PlaceRead | facts.Delivered
) -> LoginState:
    """With the time if this was the last place that lacked what is held."""
    is_new = after.places[before.place].holds(after.held) and not before.holds(after.held)
    if not (is_new and after.places.all_hold(after.held)):
        return after
    return replace(after, delivered_at=fact.at.wall)


def _with(state: LoginState, place: PlaceState) -> LoginState:
    return replace(state, places=state.places.with_one(place))


def _count_output(
    state: LoginState,
    place: PlaceState,
    *,
    failure: Reason | None = None,
    fact: facts.Delivered | None = None,
) -> LoginState:
    counts = state.outputs.get(place.place.output, OutputCounts())
    if failure is not None:
        counts = replace(counts, failures=_counted(counts.failures, failure))
    if fact is not None:
        counts = replace(
            counts,
            changed=counts.changed + fact.changed,
            unchanged=counts.unchanged + (not fact.changed),
            repairs=_counted(counts.repairs, fact.repaired),
        )
    return replace(state, outputs=MappingProxyType({**state.outputs, place.place.output: counts}))


def _counted(counts: Mapping[_Word, int], word: _Word | None) -> Mapping[_Word, int]:
    if word is None:
        return counts
    return MappingProxyType({**counts, word: counts.get(word, 0) + 1})


def _noted(state: LoginState, fact: LoginFact, word: str, detail: str = "") -> LoginState:
    place = getattr(fact, "place", None)
    note = Note(
        at=state.server_now(fact.at),
        fact=fact.event,
        word=word,
        place=place.name if place else "",
        detail=detail[:DETAIL],
    )
    return replace(state, notes=(*state.notes[1 - _NOTES :], note))
