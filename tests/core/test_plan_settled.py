"""When there is nothing left to wait for, as `lightkeeper once` asks."""

from __future__ import annotations

from msgspec.structs import replace

from lightkeeper.core.answer import Verdict
from lightkeeper.core.facts import Why
from lightkeeper.core.place import PlaceState
from lightkeeper.core.plan import is_delivering, is_settled, plan
from tests.core.making import (
    BOOT,
    HERE,
    LIFETIME,
    OUTPUT,
    SECOND,
    a_state,
    after,
    at,
    delivered,
    delivered_to,
    drifted,
    failed,
    holding,
    not_delivered,
    pending,
    requested,
    round_ended,
    started,
    verified,
)

SERVED = delivered_to(HERE)


def test_a_login_whose_places_hold_its_credential_is_settled() -> None:
    assert is_settled(SERVED, at(SECOND))


def test_a_login_with_something_to_start_is_not() -> None:
    assert not is_settled(a_state(HERE), at())
    assert not is_settled(holding(HERE), at())
    assert not is_settled(SERVED, at(LIFETIME))


def test_a_login_with_something_under_way_is_not() -> None:
    assert not is_settled(after(a_state(HERE), started()), at())


def test_a_list_of_places_that_is_still_to_come_is_not_waited_for_but_what_is_known_is() -> None:
    state = holding(HERE).with_places([PlaceState(place=HERE)], unlisted=frozenset({OUTPUT}))
    assert is_delivering(state)
    assert not is_settled(state, at(SECOND))

    state = after(state, delivered())
    assert state.round is not None
    assert not is_delivering(state)
    assert is_settled(state, at(SECOND))


def test_a_round_that_was_not_told_yet_is_waited_for() -> None:
    state = after(holding(HERE), delivered())

    assert is_delivering(state)
    assert not is_settled(state, at(SECOND))
    assert not is_delivering(after(state, round_ended(SECOND)))


def test_a_login_that_has_nothing_valid_is_settled_once_its_failure_waits() -> None:
    assert is_settled(after(a_state(HERE), started(), failed()), at())


def test_a_place_that_failed_or_cannot_be_there_yet_is_not_waited_for() -> None:
    assert is_settled(after(SERVED, not_delivered()), at(SECOND))
    assert is_settled(after(SERVED, pending()), at(SECOND))


def test_a_login_that_somebody_wants_renewed_is_waited_for_past_the_floor() -> None:
    waiting = after(a_state(HERE), started(), failed(), requested(SECOND))

    assert plan(waiting, at(SECOND)).start == ()
    assert not is_settled(waiting, at(SECOND))


def test_a_place_that_waits_for_its_repair_is_waited_for() -> None:
    assert not is_settled(after(SERVED, drifted()), at())


REFUSED = after(SERVED, verified(SECOND, Verdict.REJECTED))


def test_a_login_that_the_registry_refuses_is_waited_for_past_the_floor() -> None:
    assert plan(REFUSED, at(SECOND)).start == ()
    assert not is_settled(REFUSED, at(SECOND))


def test_a_refused_login_is_settled_once_its_attempt_failed_or_has_to_wait_for_long() -> None:
    failing = after(REFUSED, started(30 * SECOND, Why.REFUSED), failed(30 * SECOND))
    ended = replace(REFUSED, refused_attempt=BOOT)

    assert is_settled(failing, at(31 * SECOND))
    assert is_settled(ended, at(SECOND))
