"""Whether a fact is news to people: a failure is said once, and again each hour while it lasts."""

from __future__ import annotations

from lightkeeper.core import facts
from lightkeeper.core.answer import Verdict
from lightkeeper.core.facts import LoginFact
from lightkeeper.core.failure import Failure
from lightkeeper.core.moment import Moment
from lightkeeper.core.place import PlaceState
from lightkeeper.core.reasons import Reason
from lightkeeper.core.state import LoginState


def is_news(state: LoginState, fact: LoginFact) -> bool:
    """Whether people are told of `fact`, given the state before it.

    A failure is said when it begins, when its reason changes and once each hour; what goes as
    planned is said by one line a renewal.
    """
    match fact:
        case facts.RenewalFailed(reason=reason, at=at):
            return _is_new(state.failure, reason, at)
        case facts.StateNotSaved(reason=reason, at=at):
            return _is_new(state.unsaved, reason, at)
        case facts.StateSaved():
            return state.unsaved is not None
        case facts.Verified(verdict=verdict):
            return verdict is not Verdict.INCONCLUSIVE and state.verdict is not verdict
        case facts.Surprised(doing=doing, at=at):
            bug = state.bug
            return bug is None or bug.detail != doing or _is_new(bug, bug.reason, at)
        case facts.Renewed() | facts.RenewalRequested() | facts.RoundEnded():
            return True
        case _:
            return _is_place_news(state, fact)


def _is_place_news(state: LoginState, fact: LoginFact) -> bool:
    match fact:
        case facts.Drifted():
            return True
        case facts.DeliveryFailed(place=place, reason=reason, at=at):
            known = state.places.get(place)
            return _is_new(known.failure if known else None, reason, at)
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
