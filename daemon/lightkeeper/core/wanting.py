"""What one place needs, given what its login has come to."""

from __future__ import annotations

from datetime import timedelta

from lightkeeper.core import policy
from lightkeeper.core.answer import Verdict
from lightkeeper.core.facts import Cause
from lightkeeper.core.moment import Moment
from lightkeeper.core.place import PlaceState, Proof
from lightkeeper.core.reasons import Reason
from lightkeeper.core.state import LoginState
from lightkeeper.core.step import Deliver, Look, Step


def is_answered(state: LoginState, place: PlaceState) -> bool:
    """Whether the registry was asked since a foreign credential was found in the place."""
    return (
        place.drift is Cause.REPLACED
        and state.checked_at is not None
        and state.checked_at >= place.drifted_at
    )


def next_step(state: LoginState, place: PlaceState, now: Moment) -> tuple[Step, timedelta] | None:
    """What the place needs next, and from when on (boot clock); None while it is worked on."""
    if place.busy or state.held is None:
        return None
    look = Look(place.place, proves=_is_to_be_proven(state, place))
    if not place.is_read:
        return look, place.not_before
    if place.touched and not _may_deliver_unseen(state, place, now):
        return look, max(place.read_at + policy.LOOK_PAUSE, place.not_before)
    is_wanting = not place.holds(state.held) and state.is_valid(now)
    if is_wanting and _may_deliver(state, place):
        return Deliver(place.place, place.drift is Cause.REPLACED), place.not_before
    return look, _next_look(state, place)


def _next_look(state: LoginState, place: PlaceState) -> timedelta:
    """When it is read again although nobody wrote there; soon if the last try at it failed."""
    failure = place.failure
    if failure is None or failure.reason is Reason.CONFLICT:
        return place.read_at + place.poll
    if place.is_failing_ahead(state.held) and not _are_few(state, place):
        return place.read_at + place.poll
    return place.read_at + policy.delivery_wait(failure.count, place.poll)


def _is_to_be_proven(state: LoginState, place: PlaceState) -> bool:
    is_open = place.proof is Proof.DUE or place.proof is Proof.REFUSED
    return is_open and (place.is_read or _are_few(state, place))


def _are_few(state: LoginState, place: PlaceState) -> bool:
    is_round_quick = place.poll <= policy.POLL  # of all logins that ask the same API server
    return is_round_quick and len(state.places) <= policy.PROVEN_AT_ONCE


def _may_deliver_unseen(state: LoginState, place: PlaceState, now: Moment) -> bool:
    """Whether it needs a delivery now, and no look at what somebody wrote there before.

    A delivery looks itself: somebody who keeps writing there must not hold it up. Where a foreign
    credential may be replaced, that was allowed for the one that was seen.
    """
    return (
        state.is_valid(now)
        and not place.holds(state.held)
        and place.drift is not Cause.REPLACED
        and place.not_before <= now.boot
    )


def _may_deliver(state: LoginState, place: PlaceState) -> bool:
    if place.drift is not Cause.REPLACED:
        return True
    if not place.may_replace(state.held):
        return False
    if not state.policy.verify:
        return True
    return is_answered(state, place) and state.verdict is not Verdict.REJECTED


def asks_registry(state: LoginState, place: PlaceState) -> bool:
    """Whether the registry is to be asked before a foreign credential there is replaced."""
    return (
        place.drift is Cause.REPLACED
        and place.may_replace(state.held)
        and not is_answered(state, place)
    )


def is_done(state: LoginState, place: PlaceState) -> bool:
    """Whether what a new credential set going there has come to its end."""
    return not place.busy and (
        place.holds(state.held)
        or place.failure is not None
        or place.disputed is not None
        or (is_answered(state, place) and state.verdict is Verdict.REJECTED)
        or bool(place.pending)
    )
