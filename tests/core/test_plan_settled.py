"""When there is nothing left to wait for, as `lightkeeper once` asks."""

from __future__ import annotations

from lightkeeper.core.plan import is_settled
from tests.core.making import (
    HERE,
    LIFETIME,
    SECOND,
    a_state,
    after,
    at,
    delivered_to,
    drifted,
    failed,
    holding,
    not_delivered,
    pending,
    started,
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


def test_a_login_that_has_nothing_valid_is_settled_once_its_failure_waits() -> None:
    assert is_settled(after(a_state(HERE), started(), failed()), at())


def test_a_place_that_failed_or_cannot_be_there_yet_is_not_waited_for() -> None:
    assert is_settled(after(SERVED, not_delivered()), at(SECOND))
    assert is_settled(after(SERVED, pending()), at(SECOND))


def test_a_place_that_waits_for_its_repair_is_waited_for() -> None:
    assert not is_settled(after(SERVED, drifted()), at())
