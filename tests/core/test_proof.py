"""Whether the next write would be taken: when that is proven, and what it means if it would not."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from lightkeeper.core.facts import LoginFact, OutputName, Place
from lightkeeper.core.news import is_news
from lightkeeper.core.place import PlaceState, Proof
from lightkeeper.core.plan import plan
from lightkeeper.core.policy import POLL, PROVEN_AT_ONCE
from lightkeeper.core.reasons import Reason
from lightkeeper.core.report import Standing, report, unready
from lightkeeper.core.state import LoginState
from lightkeeper.core.step import Deliver, Look
from tests.core.making import (
    HERE,
    HOUR,
    LIFETIME,
    MINUTE,
    SECOND,
    SECOND_ONE,
    a_credential,
    after,
    at,
    delivered,
    holding,
    not_delivered,
    renewed,
    seen,
    started,
)

DENIED = Reason.ACCESS_DENIED
HEARTBEAT = 15 * SECOND


def a_place(number: int = 0) -> PlaceState:
    name = HERE if number == 0 else Place(OutputName("it"), f"n{number}/secret")
    return PlaceState(place=name, proof=Proof.DUE)


FEW = holding(a_place())
MANY = holding(*map(a_place, range(PROVEN_AT_ONCE + 1)))


def next_look(state: LoginState, when: int) -> Look | None:
    """What is done there by then, so many seconds after noon."""
    steps = [one for one in plan(state, at(when * SECOND)).start if isinstance(one, Look | Deliver)]
    mine = [one for one in steps if one.place == HERE]
    assert not any(isinstance(one, Deliver) for one in mine)
    return mine[0] if mine and isinstance(mine[0], Look) else None


def refused(seconds: int = 1) -> tuple[LoginFact, LoginFact]:
    when = seconds * SECOND
    return seen(when), not_delivered(when, DENIED, foreseen=True)


def test_the_first_look_proves_where_there_are_few_and_the_second_where_there_are_many() -> None:
    assert next_look(FEW, 1) == Look(HERE, proves=True)
    assert next_look(MANY, 1) == Look(HERE, proves=False)

    assert next_look(after(MANY, seen(SECOND)), 60) is None
    assert next_look(after(MANY, seen(SECOND)), 61) == Look(HERE, proves=True)


def test_few_of_a_login_are_many_where_others_ask_the_same_api_server() -> None:
    state = holding(replace(a_place(), poll=2 * POLL))

    assert next_look(state, 1) == Look(HERE, proves=False)
    assert next_look(after(state, *refused()), 61) is None


def test_what_has_no_dry_run_is_never_proven() -> None:
    state = holding(PlaceState(place=HERE))
    assert next_look(state, 1) == Look(HERE)

    for fact in (seen(proven=False), delivered(), not_delivered(reason=DENIED)):
        assert after(state, fact).places[HERE].proof is Proof.NEVER


@pytest.mark.parametrize("fact", [seen(SECOND, proven=True), delivered(SECOND)], ids=["dry", "did"])
def test_what_was_proven_or_done_is_not_proven_again(fact: LoginFact) -> None:
    proven = after(FEW, fact)

    assert next_look(proven, 61) == Look(HERE, proves=False)
    assert next_look(proven.unproven(), 61) == Look(HERE, proves=True)


def test_a_dry_run_that_told_nothing_is_made_again_with_the_next_look() -> None:
    assert next_look(after(FEW, seen(SECOND)), 60) is None
    assert next_look(after(FEW, seen(SECOND)), 61) == Look(HERE, proves=True)


@pytest.mark.parametrize(
    ("reason", "proves"), [(Reason.NETWORK, False), (DENIED, True), (Reason.NOT_FOUND, True)]
)
def test_a_failure_that_a_person_mends_asks_for_another_proof(
    reason: Reason, *, proves: bool
) -> None:
    state = after(FEW, seen(SECOND, proven=True), not_delivered(2 * SECOND, reason))

    assert next_look(state, 12) == Look(HERE, proves=proves)


def test_a_dry_run_that_fails_is_a_failure_of_a_place_that_holds_what_is_held() -> None:
    state = after(FEW, *refused())
    place = state.places[HERE]

    assert place.holds(state.held)
    assert place.is_failing_ahead(state.held)
    assert place.failure is not None
    assert place.failure.reason is DENIED


def test_it_is_said_once_however_often_it_is_found_again() -> None:
    state = after(FEW, *refused())
    read, failure = refused(16)

    again = after(state, read)
    assert not is_news(again, failure)
    found = after(again, failure).places[HERE].failure
    assert found is not None
    assert found.count == 2


def test_it_leaves_ready_who_holds_it_and_every_place_tells() -> None:
    told = report([(after(FEW, *refused()), "")], at(MINUTE))

    (place,) = told.logins[0].outputs[0].places
    assert place.standing is Standing.FAILING
    assert unready(told, every_place=False) == ()
    (one,) = unready(told, every_place=True)
    assert one.reason == DENIED


def test_it_is_tried_again_soon_where_there_are_few_and_on_the_slow_round_where_many() -> None:
    few, many = after(FEW, *refused()), after(MANY, *refused())

    assert next_look(few, 11) == Look(HERE, proves=True)
    assert next_look(many, 11) is None
    assert next_look(many, 1 + int(POLL.total_seconds())) == Look(HERE, proves=True)


def test_what_was_refused_is_well_only_when_it_is_proven_or_done() -> None:
    state = after(FEW, *refused())

    assert after(state, seen(MINUTE)).places[HERE].failure is not None
    assert after(state, seen(MINUTE, proven=True)).places[HERE].failure is None
    assert after(state, delivered(MINUTE)).places[HERE].failure is None


def test_a_look_that_fails_in_between_is_not_taken_for_the_dry_run() -> None:
    state = after(FEW, *refused(), not_delivered(HEARTBEAT, Reason.NETWORK))

    assert not state.places[HERE].is_failing_ahead(state.held)
    assert after(state, seen(MINUTE)).places[HERE].failure is None
    assert next_look(state, 25) == Look(HERE, proves=True)


def test_it_delays_no_delivery() -> None:
    state = after(FEW, *refused(), started(2 * SECOND), renewed(2 * SECOND, SECOND_ONE, draw=0.0))

    assert Deliver(HERE, replace_foreign=False) in plan(state, at(2 * SECOND)).start
    assert not state.places[HERE].is_failing_ahead(state.held)


def test_a_registry_that_is_another_leaves_the_proof_as_it_was() -> None:
    moved = a_credential("simulated-2", issued=HOUR, lifetime=LIFETIME, registry="other.test")
    state = after(FEW, seen(SECOND, proven=True), started(HOUR), renewed(HOUR, moved))

    assert state.places[HERE].proof is Proof.GIVEN
