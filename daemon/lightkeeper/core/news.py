"""Whether a fact is news to people: a failure is said once, and again each hour while it lasts."""

from __future__ import annotations

from datetime import timedelta

from lightkeeper.core import facts
from lightkeeper.core.answer import Verdict
from lightkeeper.core.facts import Cause, LoginFact
from lightkeeper.core.failure import Failure
from lightkeeper.core.moment import Moment
from lightkeeper.core.place import PlaceState
from lightkeeper.core.reasons import Reason
from lightkeeper.core.state import LoginState


def is_news(state: LoginState, fact: LoginFact) -> bool:
    """Whether people are told of `fact`, given the state before it.

    A failure is said when it begins, when its reason changes, once each hour, and when nothing
    valid is held any more; what goes as planned is said by one line a renewal.
    """
    match fact:
        case facts.RenewalFailed(reason=reason, at=at, remaining=remaining):
            ends = remaining == timedelta(0) and not state.is_end_told
            return ends or _is_new(failure_of(state, fact), reason, at)
        case facts.StateNotSaved(reason=reason, at=at):
            return _is_new(failure_of(state, fact), reason, at)
        case facts.StateSaved():
            return state.unsaved is not None
        case facts.Verified(verdict=verdict):
            return verdict is not Verdict.INCONCLUSIVE and state.verdict is not verdict
        case facts.Surprised(doing=doing, at=at):
            bug = state.bug
            return bug is None or bug.detail != doing or _is_new(bug, bug.reason, at)
        case facts.RenewalRequested():
            return not state.requested
        case facts.Renewed() | facts.RoundEnded():
            return True
        case _:
            return _is_place_news(state, fact)


def failure_of(state: LoginState, fact: LoginFact) -> Failure | None:
    """The failure in `state` that `fact` is one more occurrence of, if it is one."""
    match fact:
        case facts.RenewalFailed():
            return state.failure
        case facts.StateNotSaved():
            return state.unsaved
        case facts.DeliveryFailed(place=place):
            known = state.places.get(place)
            return known.failure if known else None
        case _:
            return None


def _is_place_news(state: LoginState, fact: LoginFact) -> bool:
    match fact:
        case facts.Drifted(place=place, cause=cause):
            # A conflict is told as the failure that it is, and what was there first is no drift.
            known = state.places.get(place)
            is_ours = known is None or (known.had_ours and known.may_replace(state.held))
            return cause is not Cause.REPLACED or is_ours
        case facts.DeliveryFailed(reason=reason, at=at):
            return _is_new(failure_of(state, fact), reason, at)
        case facts.Delivered(place=place):
            return _is_delivery_news(state, state.places.get(place), fact)
        case facts.PlaceRead(place=place, notices=notices):
            known = state.places.get(place)
            return known is not None and bool(notices - known.notices)
        case facts.PlacePending(place=place):
            known = state.places.get(place)
            return known is not None and not known.pending
        case _:
            return False


def _is_new(before: Failure | None, reason: Reason, at: Moment) -> bool:
    return before is None or not before.is_said(reason, at.boot)


def _is_delivery_news(state: LoginState, place: PlaceState | None, fact: facts.Delivered) -> bool:
    if place is None:
        return False
    healed = place.failure is not None or bool(place.pending)
    alone = fact.changed and state.round is None
    return healed or alone or fact.repaired is not None or bool(fact.notices - place.notices)
