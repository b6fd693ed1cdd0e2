"""How each fact about a login moves its state; those about places have their own module."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from lightkeeper.core.answer import Verdict
from lightkeeper.core.credential import Digest
from lightkeeper.core.facts import Verified, Why
from lightkeeper.core.failure import failed as failure_of
from lightkeeper.core.moment import ServerClock
from lightkeeper.core.place import PlaceState
from lightkeeper.core.reasons import Reason
from lightkeeper.core.state import LoginState, Round
from tests.core.making import (
    BOOT,
    FIRST,
    HERE,
    HOUR,
    MINUTE,
    NOON,
    SECOND,
    SECOND_ONE,
    THERE,
    a_credential,
    a_state,
    after,
    at,
    delivered,
    delivered_to,
    failed,
    holding,
    not_saved,
    renewed,
    requested,
    round_ended,
    saved,
    started,
    surprised,
    touched,
    verified,
    verifying,
)


def test_an_attempt_in_flight_is_known_and_counted_from_its_start() -> None:
    state = after(a_state(), failed(), requested(), started(MINUTE))

    assert (state.renewing, state.requested) == (True, False)
    assert (state.attempts, state.last_attempt, state.next_attempt) == (1, BOOT + MINUTE, None)


def test_attempts_are_counted_until_one_succeeds() -> None:
    state = after(a_state(), started(), failed(), started(MINUTE), failed(MINUTE))
    assert state.attempts == 2

    assert after(state, started(HOUR), renewed(HOUR)).attempts == 0


def test_a_renewal_is_held_from_its_moment_on() -> None:
    state = after(a_state(), started(), failed(), started(MINUTE), renewed(MINUTE, draw=0.25))

    assert (state.held, state.draw) == (FIRST, 0.25)
    assert (state.renewing, state.failure, state.next_attempt) == (False, None, None)
    assert (state.last_success, state.renewals) == (NOON + MINUTE, 1)
    assert state.clock == ServerClock(at=NOON + MINUTE, seen=at(MINUTE))
    assert [known.digest for known in state.known] == [FIRST.digest]


@pytest.mark.parametrize("verdict", [*Verdict, None])
def test_what_the_registry_said_of_a_new_credential_is_its_verdict(verdict: Verdict | None) -> None:
    state = after(holding(), started(HOUR), renewed(HOUR, SECOND_ONE, verdict=verdict))

    assert state.verdict is verdict
    assert state.once_accepted is (verdict is Verdict.ACCEPTED)
    assert state.checked_at == BOOT + HOUR


@pytest.mark.parametrize(("draw", "minutes"), [(0.0, 13.5), (0.5, 15.0)])
def test_the_registry_is_asked_again_a_quarter_of_an_hour_after_a_renewal(
    draw: float, minutes: float
) -> None:
    state = after(a_state(), started(), renewed(draw=draw))

    assert state.next_check == BOOT + minutes * MINUTE


def test_a_renewal_sets_a_round_of_deliveries_going() -> None:
    state = after(holding(HERE), delivered(), started(HOUR), renewed(HOUR, SECOND_ONE))

    assert state.round == Round()
    assert not state.places[HERE].holds(SECOND_ONE)


def test_places_are_read_anew_when_the_registry_is_another() -> None:
    """What was read there was an entry of the former registry."""
    moved = a_credential("simulated-2", registry="moved.test")
    state = after(delivered_to(HERE, THERE), touched(), renewed(HOUR, moved))

    assert state.places[HERE] == PlaceState(place=HERE)
    assert state.places[THERE] == PlaceState(place=THERE)


def test_what_is_known_of_places_stays_when_the_registry_is_the_same() -> None:
    before = delivered_to(HERE)

    assert after(before, renewed(HOUR, SECOND_ONE)).places == before.places


def test_a_failure_changes_nothing_of_what_is_held() -> None:
    """Never worse: not the credential, not its due, not a place."""
    before = delivered_to(HERE)

    state = after(before, started(HOUR), failed(HOUR))

    for kept in ("held", "draw", "known", "verdict", "once_accepted", "clock", "places", "round"):
        assert getattr(state, kept) == getattr(before, kept)


@pytest.mark.parametrize(
    ("draw", "waits"), [(0.0, 30 * SECOND), (0.5, 45 * SECOND), (0.99, 59.7 * SECOND)]
)
def test_the_next_attempt_waits_from_the_failure_on(draw: float, waits: timedelta) -> None:
    state = after(holding(), started(HOUR), failed(HOUR + SECOND, draw=draw))

    assert state.next_attempt == BOOT + HOUR + SECOND + waits
    assert not state.renewing


def test_what_the_server_asks_for_is_waited() -> None:
    state = after(holding(), failed(HOUR, Reason.THROTTLED, retry_after=4 * MINUTE, draw=0.0))

    assert state.next_attempt == BOOT + HOUR + 4 * MINUTE


def test_without_a_credential_the_waits_climb_the_ladder() -> None:
    state, waits = a_state(), []
    for _ in range(6):
        state = after(state, started(), failed())
        assert state.next_attempt is not None
        waits.append((state.next_attempt - BOOT).total_seconds())

    assert waits == [2, 4, 8, 16, 30, 30]


def test_a_failure_about_time_sets_the_clock_right() -> None:
    """And what remains is counted by it: this credential is dead, so the ladder holds."""
    clock = ServerClock(at=NOON + 13 * HOUR, seen=at(HOUR))

    state = after(holding(), started(HOUR), failed(HOUR, clock=clock))

    assert state.clock == clock
    assert state.next_attempt == BOOT + HOUR + 2 * SECOND


def test_failures_are_counted_by_their_reason() -> None:
    state = after(holding(), failed(), failed(), failed(reason=Reason.TLS))

    assert state.renewal_failures == {Reason.NETWORK: 2, Reason.TLS: 1}
    assert state.failure == failure_of(None, Reason.TLS, "no route", at())


def test_that_a_login_is_superseded_says_nothing_of_the_attempt_in_flight() -> None:
    """It comes of a verification; two attempts at a time would be the first step to a storm."""
    state = after(holding(), started(HOUR), failed(HOUR, Reason.SUPERSEDED))

    assert state.renewing
    assert state.failure is not None


def superseded() -> LoginState:
    refused = after(holding(), verified(HOUR, Verdict.REJECTED), started(HOUR, Why.REFUSED))
    again = after(refused, renewed(HOUR, SECOND_ONE), verifying(80 * MINUTE))
    rejected = verified(80 * MINUTE, Verdict.REJECTED, digest=SECOND_ONE.digest)
    return after(again, rejected, failed(80 * MINUTE, Reason.SUPERSEDED))


def test_a_registry_that_accepts_again_ends_that_a_login_is_superseded() -> None:
    """And the wait that came with it: what is held is as good as any."""
    state = after(superseded(), verified(95 * MINUTE, digest=SECOND_ONE.digest))

    assert (state.failure, state.next_attempt) == (None, None)


@pytest.mark.parametrize(
    "other",
    [
        verified(95 * MINUTE, Verdict.INCONCLUSIVE, digest=SECOND_ONE.digest),
        verified(95 * MINUTE, Verdict.REJECTED, digest=SECOND_ONE.digest),
        verified(95 * MINUTE, digest=FIRST.digest),
    ],
    ids=["says nothing", "refuses it still", "accepts another"],
)
def test_nothing_else_that_a_registry_says_ends_it(other: Verified) -> None:
    before = superseded()
    state = after(before, other)

    assert before.failure is not None
    assert (state.failure, state.next_attempt) == (before.failure, before.next_attempt)


def test_that_a_registry_accepts_ends_no_failure_of_an_attempt() -> None:
    before = after(holding(), started(HOUR), failed(HOUR, Reason.THROTTLED))
    state = after(before, verified(HOUR + SECOND))

    assert (state.failure, state.next_attempt) == (before.failure, before.next_attempt)


def test_a_refused_credential_that_was_replaced_is_remembered_by_its_time() -> None:
    refused = after(holding(), verified(HOUR, Verdict.REJECTED), started(HOUR, Why.REFUSED))

    state = after(refused, renewed(HOUR + SECOND, SECOND_ONE))

    assert state.refused_attempt == BOOT + HOUR + SECOND


def test_an_attempt_that_failed_replaced_nothing() -> None:
    """The hour between two such renewals must not begin with one that never came."""
    refused = after(holding(), verified(HOUR, Verdict.REJECTED), started(HOUR, Why.REFUSED))

    assert after(refused, failed(HOUR + SECOND)).refused_attempt is None


def test_a_renewal_in_the_course_of_things_is_no_early_end() -> None:
    assert after(holding(), started(HOUR, Why.DUE), renewed(HOUR)).refused_attempt is None


def test_a_request_is_remembered_until_an_attempt_begins() -> None:
    state = after(holding(), requested())

    assert state.requested
    assert not after(state, started(MINUTE, Why.REQUESTED)).requested


def test_a_request_during_an_attempt_asks_for_another_one() -> None:
    assert after(holding(), started(), requested(SECOND), renewed(MINUTE)).requested


def test_a_verification_in_flight_is_known() -> None:
    assert after(holding(), verifying()).verifying
    assert not after(holding(), verifying(), verified()).verifying


@pytest.mark.parametrize("verdict", [Verdict.ACCEPTED, Verdict.REJECTED])
def test_a_verdict_counts_until_the_next_one(verdict: Verdict) -> None:
    state = after(holding(), verified(HOUR, verdict, draw=0.0))

    assert state.verdict is verdict
    assert (state.checked_at, state.next_check) == (BOOT + HOUR, BOOT + HOUR + 13.5 * MINUTE)


def test_a_registry_that_says_nothing_leaves_the_last_verdict() -> None:
    state = after(holding(), verified(HOUR, Verdict.INCONCLUSIVE))

    assert (state.verdict, state.checked_at) == (Verdict.ACCEPTED, BOOT + HOUR)


def test_what_was_once_accepted_stays_so() -> None:
    state = after(holding(), verified(HOUR, Verdict.REJECTED))
    assert state.once_accepted

    late = after(a_state(), started(), renewed(verdict=None), verified(HOUR))
    assert late.once_accepted


def test_a_verdict_on_a_credential_that_is_held_no_more_says_nothing() -> None:
    state = after(holding(), verifying(), renewed(HOUR, SECOND_ONE))

    late = after(state, verified(HOUR + SECOND, Verdict.REJECTED, digest=FIRST.digest))

    assert late == replace(state, verifying=False, verifications=late.verifications)
    assert after(a_state(), verified()).verdict is None


def test_verdicts_are_counted_those_of_renewals_included() -> None:
    state = after(
        a_state(),
        renewed(),
        renewed(verdict=None),
        verified(),
        verified(verdict=Verdict.INCONCLUSIVE),
        verified(digest=Digest("former")),
    )

    assert state.verifications == {Verdict.ACCEPTED: 3, Verdict.INCONCLUSIVE: 1}


def test_a_store_that_takes_nothing_is_known_until_it_takes_something() -> None:
    state = after(holding(), not_saved(SECOND), not_saved(MINUTE))
    assert state.unsaved is not None
    assert (state.unsaved.reason, state.unsaved.count) == (Reason.NO_SPACE, 2)

    assert after(state, saved(HOUR)).unsaved is None


def test_a_bug_is_known_by_what_was_being_done() -> None:
    state = after(holding(), surprised(SECOND, "look"))

    assert state.bug == failure_of(None, Reason.INTERNAL_ERROR, "look", at(SECOND))


def test_the_same_bug_within_the_hour_is_the_same() -> None:
    state = after(holding(), surprised(SECOND, "look"))

    assert after(state, surprised(MINUTE, "look")) is state


def test_the_end_of_a_round_ends_it() -> None:
    assert after(holding(HERE), round_ended()).round is None
