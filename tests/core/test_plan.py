"""What one login needs now: renewals and verdicts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from lightkeeper.core.answer import Verdict
from lightkeeper.core.facts import Why
from lightkeeper.core.moment import Moment
from lightkeeper.core.place import PlaceState
from lightkeeper.core.plan import Agenda, next_renewal, plan
from lightkeeper.core.policy import HEARTBEAT
from lightkeeper.core.state import LoginState
from lightkeeper.core.step import Deliver, Renew, Save, Step, Verify
from tests.core.making import (
    BOOT,
    HERE,
    HOUR,
    LIFETIME,
    MINUTE,
    NOON,
    POLICY,
    SECOND,
    SECOND_ONE,
    THERE,
    a_credential,
    a_state,
    after,
    at,
    delivered,
    delivered_to,
    drifted,
    failed,
    holding,
    not_saved,
    renewed,
    requested,
    saved,
    seen,
    started,
    verified,
    verifying,
)

MICRO = timedelta.resolution
DUE = LIFETIME * 0.45
"""When the renewal of `holding` is due: the draw is 0.5."""
UNASKED = replace(POLICY, verify=False)


def steps(state: LoginState, when: timedelta) -> tuple[Step, ...]:
    return plan(state, at(when)).start


def renews(state: LoginState, when: timedelta) -> Why | None:
    """Why an attempt starts then; None if none does."""
    whys = [step.why for step in steps(state, when) if isinstance(step, Renew)]
    assert len(whys) <= 1
    return whys[0] if whys else None


def wakes(state: LoginState, when: timedelta) -> timedelta | None:
    """When the bell is to be rung, as the time past noon."""
    wake = plan(state, at(when)).wake
    return None if wake is None else wake - NOON


def test_the_first_attempt_is_made_at_once() -> None:
    assert plan(a_state(), at()).start == (Renew(Why.FIRST),)


@pytest.mark.parametrize("draw", [0.0, 0.5, 0.999])
def test_a_renewal_starts_when_it_is_due_and_the_bell_is_set_for_that(draw: float) -> None:
    state = after(a_state(policy=UNASKED), started(), renewed(draw=draw))
    due = LIFETIME * (0.5 - 0.1 * draw)

    assert wakes(state, HOUR) == due
    assert renews(state, due - MICRO) is None
    assert renews(state, due) is Why.DUE


def test_another_policy_moves_the_renewal_without_a_call() -> None:
    state = holding().under(replace(POLICY, renew_at=0.9, spread=0.0), frozenset())

    assert wakes(state, HOUR) == LIFETIME * 0.9


def test_a_renewal_is_due_as_soon_as_the_wall_clock_says_so() -> None:
    """However it came to be ahead: a renewal too early costs one call."""
    ahead = Moment(wall=NOON + DUE, boot=BOOT + MINUTE)

    assert plan(holding(policy=UNASKED), ahead).start == (Renew(Why.DUE),)


def test_a_renewal_is_due_as_soon_as_the_boot_clock_says_so() -> None:
    """A wall clock that was set back delays nothing."""
    behind = Moment(wall=NOON - 24 * HOUR, boot=BOOT + DUE)

    assert plan(holding(policy=UNASKED), behind).start == (Renew(Why.DUE),)


def test_the_bell_is_set_by_the_wall_clock_as_it_stands_now() -> None:
    """The boot clock has an hour ahead of the wall clock, which somebody set back."""
    now = Moment(wall=NOON, boot=BOOT + HOUR)

    assert plan(holding(), now).wake == NOON + DUE - HOUR


def test_one_that_expired_is_renewed_at_once_and_called_so() -> None:
    assert renews(holding(), LIFETIME - MICRO) is Why.DUE
    assert renews(holding(), LIFETIME) is Why.EXPIRED


def test_only_one_attempt_is_made_at_a_time() -> None:
    state = after(holding(), started(DUE, Why.DUE), requested(DUE))

    for when in (DUE, DUE + HOUR, 100 * HOUR):
        assert renews(state, when) is None
    assert wakes(after(a_state(), started()), SECOND) is None


def test_an_attempt_after_a_failure_waits_as_was_drawn() -> None:
    state = after(holding(), started(DUE, Why.DUE), failed(DUE))
    assert state.next_attempt is not None
    then = state.next_attempt - BOOT

    assert wakes(state, DUE) == then
    assert renews(state, then - MICRO) is None
    assert renews(state, then) is Why.DUE


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 2), (2, 4), (3, 8), (4, 16), (5, 30)])
def test_a_crash_in_each_first_attempt_climbs_the_ladder(attempts: int, seconds: int) -> None:
    state = replace(after(a_state(), *[started()] * attempts), renewing=False)

    assert wakes(state, SECOND) == seconds * SECOND
    assert renews(state, seconds * SECOND - MICRO) is None
    assert renews(state, seconds * SECOND) is Why.FIRST


def test_a_request_is_met_at_once() -> None:
    state = after(holding(), requested(HOUR))

    assert renews(state, HOUR) is Why.REQUESTED


def test_a_request_does_not_break_the_floor() -> None:
    state = after(holding(), requested(SECOND))

    assert renews(state, 30 * SECOND - MICRO) is None
    assert wakes(state, SECOND) == 30 * SECOND
    assert renews(state, 30 * SECOND) is Why.REQUESTED


def test_a_request_does_not_wait_for_what_a_failure_drew() -> None:
    """A person has mended something and wants to see it."""
    state = after(holding(), started(DUE), failed(DUE, draw=0.99), requested(DUE + SECOND))

    assert renews(state, DUE + 30 * SECOND) is Why.REQUESTED


def refused() -> LoginState:
    """A login whose credential was accepted, and is refused an hour later."""
    return after(holding(), verified(HOUR, Verdict.REJECTED))


def test_one_that_the_registry_took_and_now_refuses_is_replaced_at_once() -> None:
    assert renews(refused(), HOUR) is Why.REFUSED


def test_one_that_the_registry_never_took_is_not_replaced_for_its_refusal() -> None:
    state = after(a_state(), started(), renewed(verdict=Verdict.REJECTED))
    state = after(state, verified(HOUR, Verdict.REJECTED))

    assert renews(state, HOUR) is None


def again_refused() -> LoginState:
    """The one that replaced a refused one is refused as well."""
    state = after(refused(), started(HOUR, Why.REFUSED), renewed(HOUR, SECOND_ONE))
    return after(state, verified(90 * MINUTE, Verdict.REJECTED, digest=SECOND_ONE.digest))


def test_one_that_is_ended_again_is_replaced_an_hour_after_the_last_one() -> None:
    """Somebody else ends our logins: answering each time would be a fight."""
    assert renews(again_refused(), 2 * HOUR - MICRO) is None
    assert wakes(again_refused(), 90 * MINUTE) == 2 * HOUR
    assert renews(again_refused(), 2 * HOUR) is Why.REFUSED


def test_a_renewal_that_is_due_within_that_hour_is_not_put_off() -> None:
    state = again_refused().under(replace(POLICY, renew_at=0.06, spread=0.0), frozenset())

    assert wakes(state, 90 * MINUTE) == HOUR + LIFETIME * 0.06
    assert renews(state, HOUR + LIFETIME * 0.06) is Why.DUE


def test_a_refused_login_whose_attempt_failed_is_tried_again_as_after_any_failure() -> None:
    """A lost packet must not cost an hour without a login."""
    state = after(refused(), started(HOUR, Why.REFUSED), failed(HOUR + SECOND))
    assert state.next_attempt is not None

    assert wakes(state, HOUR + SECOND) == state.next_attempt - BOOT
    assert renews(state, HOUR + 2 * MINUTE) is Why.REFUSED


def test_one_that_is_refused_where_another_is_in_its_place_is_replaced() -> None:
    """Ours was never accepted, the other is unknown: a new one may be the better of the three."""
    state = after(a_state(HERE), started(), renewed(verdict=Verdict.INCONCLUSIVE), delivered())
    state = after(state, drifted(HOUR), verified(HOUR, Verdict.REJECTED))

    assert renews(state, HOUR) is Why.REFUSED


def test_the_registry_is_asked_again_when_it_is_time() -> None:
    state = delivered_to()

    assert Verify() not in steps(state, 15 * MINUTE - MICRO)
    assert Verify() in steps(state, 15 * MINUTE)


def test_checks_at_the_registry_wait_for_a_heartbeat() -> None:
    """The bell is for what must not be late."""
    assert wakes(delivered_to(), MINUTE) == DUE


def test_nothing_is_asked_of_a_registry_before_a_check_was_set() -> None:
    assert Verify() not in steps(replace(holding(), next_check=None), HOUR)


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(after(holding(), verifying(HOUR)), id="it is being asked"),
        pytest.param(after(holding(), started(HOUR)), id="another one may come"),
        pytest.param(holding(policy=UNASKED), id="it is not to be asked"),
        pytest.param(a_state(), id="nothing is held"),
        pytest.param(
            after(a_state(), renewed(credential=a_credential(lifetime=HOUR))), id="it expired"
        ),
    ],
)
def test_the_registry_is_not_asked_while(state: LoginState) -> None:
    assert Verify() not in steps(state, HOUR)


def test_the_registry_is_asked_at_once_when_a_foreign_credential_is_met() -> None:
    """Is ours still good? Only then may it go over the other one."""
    state = after(delivered_to(HERE), drifted(MINUTE))

    assert Verify() in steps(state, MINUTE)


@pytest.mark.parametrize("verdict", Verdict)
def test_the_registry_is_asked_once_for_a_foreign_credential(verdict: Verdict) -> None:
    state = after(delivered_to(HERE), drifted(MINUTE), verified(MINUTE + SECOND, verdict))

    assert Verify() not in steps(state, MINUTE + SECOND)


def test_the_registry_is_asked_again_when_the_foreign_credential_comes_back() -> None:
    state = after(delivered_to(HERE), drifted(MINUTE), verified(MINUTE + SECOND))

    assert Verify() in steps(after(state, drifted(2 * MINUTE)), 2 * MINUTE)


def test_the_registry_is_not_asked_for_what_may_not_be_replaced_anyway() -> None:
    state = holding(PlaceState(place=HERE, replaces_foreign=False))
    state = after(state, delivered(), drifted(MINUTE))

    assert Verify() not in steps(state, MINUTE)


def test_why_and_when_are_known_for_people_at_any_time() -> None:
    assert next_renewal(holding(), at(HOUR)) == (Why.DUE, BOOT + DUE)
    assert next_renewal(a_state(), at(HOUR)) == (Why.FIRST, BOOT + HOUR)
    assert next_renewal(after(holding(), started(DUE)), at(DUE)) == (
        Why.DUE,
        BOOT + DUE + 30 * SECOND,
    )


def test_a_state_that_could_not_be_saved_is_saved_at_the_next_heartbeat() -> None:
    """A crash would make strangers of our entries, and of the floor a memory."""
    state = after(holding(), not_saved(MINUTE))

    assert Save() not in steps(state, MINUTE)
    assert Save() in steps(state, MINUTE + HEARTBEAT)


def test_a_new_place_is_saved_before_anything_is_delivered_there() -> None:
    """A withdrawal knows what is kept, and nothing else."""
    deliver = Deliver(THERE, replace_foreign=False)
    both = [PlaceState(place=HERE), PlaceState(place=THERE)]
    state = after(delivered_to(HERE).with_places(both), seen(SECOND, None, place=THERE))
    assert steps(state, SECOND) == (Save(),)

    for ended in saved, not_saved:
        told = after(state, ended(SECOND, edition=state.edition))
        assert deliver in steps(told, SECOND)
        again = told.with_places([PlaceState(place=HERE)]).with_places(both)
        assert again.edition == told.edition


def test_a_state_that_was_saved_at_last_is_left_alone() -> None:
    state = after(holding(), not_saved(MINUTE), saved(2 * MINUTE))

    assert Save() not in steps(state, 3 * MINUTE)


def test_an_attempt_that_is_under_way_saves_the_state_itself() -> None:
    state = after(holding(), not_saved(MINUTE), started(HOUR))

    assert Save() not in steps(state, HOUR + MINUTE)


def test_a_place_that_was_left_meanwhile_is_planned_for_no_more() -> None:
    agenda, state = Agenda(8), delivered_to(HERE)
    agenda.plan(state, at(SECOND))

    planned = agenda.plan(state, at(SECOND), {HERE, THERE})

    assert planned == plan(state, at(SECOND))
