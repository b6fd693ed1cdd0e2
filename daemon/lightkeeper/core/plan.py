"""The one place where "what now?" is answered."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec import Struct

from lightkeeper.core import policy
from lightkeeper.core.answer import Verdict
from lightkeeper.core.facts import Cause, Place, Why
from lightkeeper.core.moment import Moment
from lightkeeper.core.place import PlaceState
from lightkeeper.core.reasons import Reason
from lightkeeper.core.state import LoginState


class Renew(Struct, frozen=True):
    """Ask Lightsail for a new credential."""

    why: Why


class Verify(Struct, frozen=True):
    """Ask the registry about the held credential."""


class Look(Struct, frozen=True):
    """Read what a place holds."""

    place: Place


class Deliver(Struct, frozen=True):
    """Put the held credential into a place."""

    place: Place
    replace_foreign: bool
    """What is there was not written by us, the registry was asked, and it may go."""


class Save(Struct, frozen=True):
    """Keep what a restart needs: it could not be kept before, or has new places."""


Step = Renew | Verify | Look | Deliver | Save


class Plan(Struct, frozen=True, kw_only=True):
    """What to start now, and when to ask again at the latest."""

    start: tuple[Step, ...]
    wake: datetime | None
    """Wall clock; None if only a heartbeat or an answer can bring something new."""
    is_round_over: bool
    """Whether everything that a new credential set going has come to its end."""


def plan(state: LoginState, now: Moment) -> Plan:
    """What one login needs at `now`: the same answer however often it is asked.

    Polls, checks at the registry and retries of deliveries and of saving wait for a heartbeat:
    `wake` is for what must not be late.
    """
    start: list[Step] = []
    wakes: list[timedelta] = []
    why, at = next_renewal(state, now)
    if not state.renewing:
        if at <= now.boot:
            start.append(Renew(why))
        else:
            wakes.append(at)
    if _wants_verdict(state, now):
        start.append(Verify())
    has_new_places = state.held is not None and state.stored < state.edition
    if has_new_places or _saves_again(state, now):
        start.append(Save())
    for place in state.places.values():
        if (wanted := _next_step(state, place, now)) is None:
            continue
        step, at = wanted
        if has_new_places and isinstance(step, Deliver):
            continue  # whoever takes our entries out again finds them by what is kept
        if at <= now.boot:
            start.append(step)
        elif (place.drift and isinstance(step, Deliver)) or place.touched:
            wakes.append(at)
    delivers = (isinstance(step, Deliver) for step in start)
    return Plan(
        start=tuple(start),
        wake=now.wall_at(min(wakes)) if wakes else None,
        is_round_over=_is_round_over(state) and not any(delivers),
    )


def is_settled(state: LoginState, now: Moment) -> bool:
    """Whether nothing is under way, and nothing will be before a failure has had its wait."""
    if state.renewing or state.verifying or state.requested or state.round is not None:
        return False
    if plan(state, now).start or _waits_to_replace(state, now):
        return False
    if not state.is_valid(now):
        return True
    return all(
        place.holds(state.held) or place.failure is not None or bool(place.pending)
        for place in state.places.values()
    )


def _saves_again(state: LoginState, now: Moment) -> bool:
    return state.unsaved is not None and not state.renewing and state.save_again <= now.boot


def _waits_to_replace(state: LoginState, now: Moment) -> bool:
    """Whether the registry refuses what is held, and the floor alone keeps another from coming."""
    why, wanted = _wanted_renewal(state, now)
    return why is Why.REFUSED and wanted <= now.boot and not is_backing_off(state, now)


def next_renewal(state: LoginState, now: Moment) -> tuple[Why, timedelta]:
    """Why and when (boot clock) the next attempt may start, were none in flight."""
    why, at = _wanted_renewal(state, now)
    earliest = at
    if state.next_attempt is not None and not state.requested:
        earliest = max(earliest, state.next_attempt)
    return why, max(earliest, _floor_end(state, now))


def is_backing_off(state: LoginState, now: Moment) -> bool:
    """Whether the next attempt would be wanted now, but for the wait after a failure."""
    _, wanted = _wanted_renewal(state, now)
    return wanted <= now.boot and state.next_attempt is not None and state.next_attempt > now.boot


def _wanted_renewal(state: LoginState, now: Moment) -> tuple[Why, timedelta]:
    held = state.held
    if state.requested:
        return Why.REQUESTED, now.boot
    if held is None:
        return Why.FIRST, now.boot
    if not state.is_valid(now):
        return Why.EXPIRED, now.boot
    due = policy.due_at(held, state.policy, state.draw)
    at = now.boot + (due - state.server_now(now))
    if not (state.is_refused or _is_refused_in_dispute(state)):
        return Why.DUE, at
    refused = now.boot
    if state.refused_attempt is not None:
        refused = state.refused_attempt + policy.early_end_pause(held.lifetime)
    return (Why.DUE, at) if at <= refused else (Why.REFUSED, refused)


def _floor_end(state: LoginState, now: Moment) -> timedelta:
    if state.last_attempt is None:
        return now.boot
    floor = policy.floor(state.held, state.attempts, valid=state.is_valid(now))
    return state.last_attempt + floor


def _is_refused_in_dispute(state: LoginState) -> bool:
    return state.verdict is Verdict.REJECTED and any(
        _is_answered(state, place) for place in state.places.values()
    )


def _wants_verdict(state: LoginState, now: Moment) -> bool:
    if state.verifying or state.renewing or not state.policy.verify:
        return False
    is_due = state.next_check is not None and now.boot >= state.next_check
    is_asked_for = is_due or any(
        place.drift is Cause.REPLACED
        and place.may_replace(state.held)
        and not _is_answered(state, place)
        for place in state.places.values()
    )
    return is_asked_for and state.is_valid(now)


def _is_answered(state: LoginState, place: PlaceState) -> bool:
    """Whether the registry was asked since a foreign credential was found in the place."""
    return (
        place.drift is Cause.REPLACED
        and state.checked_at is not None
        and state.checked_at >= place.drifted_at
    )


def _next_step(state: LoginState, place: PlaceState, now: Moment) -> tuple[Step, timedelta] | None:
    """What the place needs next, and from when on (boot clock); None while it is worked on."""
    if place.busy or state.held is None:
        return None
    look = Look(place.place)
    if not place.is_read:
        return look, place.not_before
    if place.touched and not _may_deliver_unseen(state, place, now):
        return look, max(place.read_at + policy.LOOK_PAUSE, place.not_before)
    is_wanting = not place.holds(state.held) and state.is_valid(now)
    if is_wanting and _may_deliver(state, place):
        return Deliver(place.place, place.drift is Cause.REPLACED), place.not_before
    return look, _next_look(place)


def _next_look(place: PlaceState) -> timedelta:
    """When it is read again although nobody wrote there; soon if the last try at it failed."""
    failing = place.failure is not None and place.failure.reason is not Reason.CONFLICT
    return place.read_at + (policy.DELIVERY_RETRY if failing else policy.POLL)


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
    return _is_answered(state, place) and state.verdict is not Verdict.REJECTED


def _is_round_over(state: LoginState) -> bool:
    return state.round is not None and all(
        not place.busy
        and (
            place.holds(state.held)
            or place.failure is not None
            or place.disputed is not None
            or (_is_answered(state, place) and state.verdict is Verdict.REJECTED)
            or bool(place.pending)
        )
        for place in state.places.values()
    )
