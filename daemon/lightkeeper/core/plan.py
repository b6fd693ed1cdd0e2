"""The one place where "what now?" is answered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import chain, islice

from msgspec import Struct, field

from lightkeeper.core import policy
from lightkeeper.core.answer import Verdict
from lightkeeper.core.facts import OutputName, Place, Why
from lightkeeper.core.moment import Moment
from lightkeeper.core.place import PlaceState
from lightkeeper.core.state import LoginState
from lightkeeper.core.step import Deliver, Renew, Save, Step, Verify
from lightkeeper.core.wanting import asks_registry, is_answered, is_done, next_step


class Plan(Struct, frozen=True, kw_only=True):
    """What to start now, and when to ask again at the latest."""

    start: tuple[Step, ...]
    wake: datetime | None
    """Wall clock; None if only a heartbeat or an answer can bring something new."""
    is_round_over: bool
    """Whether everything that a new credential set going has come to its end.

    That waits for an output that is still to be told its places, until the next renewal begins.
    """


def plan(state: LoginState, now: Moment) -> Plan:
    """What one login needs at `now`: the same answer however often it is asked.

    Polls, checks at the registry and retries of deliveries and of saving wait for a heartbeat:
    `wake` is for what must not be late.
    """
    return Agenda().plan(state, now)


class _Ready(Struct):
    """What the places of one output need now, in the order in which they came to need it."""

    deliveries: dict[Place, Step] = field(default_factory=dict)
    looks: dict[Place, Step] = field(default_factory=dict)


class Agenda:
    """A plan that is made anew only for the places that changed: of ten thousand a few at a time.

    It has to be asked with each place that changed since it was asked last, by `touched`.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        """How many steps at places of one output are planned at once; deliveries first."""
        self._key: object = None
        """All but the places that a place's plan hangs on."""
        self._clear()

    def _clear(self) -> None:
        """Know of no place."""
        self._ready = defaultdict[OutputName, _Ready](_Ready)
        self._later: list[tuple[timedelta, int, Place]] = []
        self._wakes: list[tuple[timedelta, int, Place]] = []
        self._entries: dict[Place, int] = {}
        """Which entry in these two is the last of a place; the others are stale."""
        self._count = 0
        self._undone: set[Place] = set()
        self._asking: set[Place] = set()

    def plan(
        self, state: LoginState, now: Moment, touched: Collection[Place] | None = None
    ) -> Plan:
        """What `plan` says; without `touched`, of places that are not known yet."""
        has_new_places = state.held is not None and state.stored < state.edition
        self._review(state, now, touched)
        why, at = next_renewal(state, now)
        start: list[Step] = []
        wakes = list(self._next_wake())
        renews = not state.renewing and at <= now.boot
        if renews:
            start.append(Renew(why))
        elif not state.renewing:
            wakes.append(at)
        if self._wants_verdict(state, now):
            start.append(Verify())
        if has_new_places or _saves_again(state, now):
            start.append(Save())
        # Whoever takes our entries out again finds them by what is kept.
        delivers = not has_new_places and any(each.deliveries for each in self._ready.values())
        for each in self._ready.values():
            deliveries = each.deliveries.values() if delivers else ()
            start.extend(islice(chain(deliveries, each.looks.values()), self._most))
        is_delivered = not self._undone and not delivers and (renews or not state.unlisted)
        return Plan(
            start=tuple(start),
            wake=now.wall_at(min(wakes)) if wakes else None,
            is_round_over=state.round is not None and is_delivered,
        )

    def _review(self, state: LoginState, now: Moment, touched: Collection[Place] | None) -> None:
        key = (
            state.held and state.held.digest,
            state.is_valid(now),
            state.verdict,
            state.checked_at,
            state.policy,
        )
        if touched is None or key != self._key:
            self._clear()
            self._key = key
            for place in state.places.values():
                self._note(state, place, now)
        else:
            for name in touched:
                if name in state.places:
                    self._note(state, state.places[name], now)
        while self._later and self._later[0][0] <= now.boot:
            _, number, name = heappop(self._later)
            if self._entries.get(name) == number:
                self._note(state, state.places[name], now)

    def _note(self, state: LoginState, place: PlaceState, now: Moment) -> None:
        """Plan for one place anew."""
        name, ready = place.place, self._ready[place.place.output]
        ready.deliveries.pop(name, None)
        ready.looks.pop(name, None)
        self._count += 1
        self._entries[name] = self._count
        (self._undone.discard if is_done(state, place) else self._undone.add)(name)
        (self._asking.add if asks_registry(state, place) else self._asking.discard)(name)
        if (wanted := next_step(state, place, now)) is None:
            return
        step, at = wanted
        if at > now.boot:
            heappush(self._later, (at, self._count, name))
            if (place.drift and isinstance(step, Deliver)) or place.touched:
                heappush(self._wakes, (at, self._count, name))
        else:
            (ready.deliveries if isinstance(step, Deliver) else ready.looks)[name] = step

    def _next_wake(self) -> Iterator[timedelta]:
        while self._wakes and self._entries.get(self._wakes[0][2]) != self._wakes[0][1]:
            heappop(self._wakes)
        if self._wakes:
            yield self._wakes[0][0]

    def _wants_verdict(self, state: LoginState, now: Moment) -> bool:
        if state.verifying or state.renewing or not state.policy.verify:
            return False
        is_due = state.next_check is not None and now.boot >= state.next_check
        return (is_due or bool(self._asking)) and state.is_valid(now)


def is_settled(state: LoginState, now: Moment) -> bool:
    """Whether nothing is under way, and nothing will be before a failure has had its wait.

    A list of places that is still to come may be long in coming: it is not waited for.
    """
    if state.renewing or state.verifying or state.requested or is_delivering(state):
        return False
    if plan(state, now).start or _waits_to_replace(state, now):
        return False
    if not state.is_valid(now):
        return True
    return all(
        place.holds(state.held) or place.failure is not None or bool(place.pending)
        for place in state.places.values()
    )


def is_delivering(state: LoginState) -> bool:
    """Whether a new credential is on its way into places, as far as these are known."""
    if state.round is None:
        return False
    return not (state.unlisted and all(is_done(state, one) for one in state.places.values()))


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
        is_answered(state, place) for place in state.places.values()
    )
