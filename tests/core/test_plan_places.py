"""What the places of a login need now, and when a round of deliveries is over."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from lightkeeper.core.answer import Verdict
from lightkeeper.core.facts import Cause, LoginFact, Why
from lightkeeper.core.place import PlaceState
from lightkeeper.core.plan import plan
from lightkeeper.core.reasons import Reason
from lightkeeper.core.state import LoginState, Round
from lightkeeper.core.step import Deliver, Look, Renew, Step, Verify
from tests.core.making import (
    HERE,
    HOUR,
    LIFETIME,
    MINUTE,
    NOON,
    OUTPUT,
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
    delivering,
    drifted,
    holding,
    looking,
    not_delivered,
    pending,
    renewed,
    requested,
    round_ended,
    seen,
    started,
    touched,
    verified,
)

MICRO = timedelta.resolution
KEEPS_FOREIGN = PlaceState(place=HERE, replaces_foreign=False)
ODD = a_credential("simulated-odd", is_odd=True)
LOOK = Look(HERE)
DELIVER = Deliver(HERE, replace_foreign=False)
OVERWRITE = Deliver(HERE, replace_foreign=True)


def steps(state: LoginState, when: timedelta) -> tuple[Step, ...]:
    """What starts at places."""
    return tuple(step for step in plan(state, at(when)).start if isinstance(step, Look | Deliver))


def wakes(state: LoginState, when: timedelta) -> timedelta | None:
    wake = plan(state, at(when)).wake
    return None if wake is None else wake - NOON


def test_nothing_is_done_at_a_place_before_anything_is_held() -> None:
    assert steps(a_state(HERE), HOUR) == ()


def test_a_place_is_read_before_anything_is_written_there() -> None:
    assert steps(holding(HERE), SECOND) == (LOOK,)


def test_a_place_that_holds_something_else_is_given_what_is_held() -> None:
    state = after(holding(HERE), seen(SECOND, None, settled=False))

    assert steps(state, SECOND) == (DELIVER,)


def test_a_place_that_holds_it_in_the_wrong_way_is_given_it_again() -> None:
    assert steps(after(holding(HERE), seen(SECOND, settled=False)), SECOND) == (DELIVER,)


def test_a_new_credential_goes_to_every_place_at_once() -> None:
    state = after(delivered_to(HERE, THERE), started(HOUR), renewed(HOUR, SECOND_ONE))

    assert steps(state, HOUR) == (DELIVER, Deliver(THERE, replace_foreign=False))


def test_a_place_that_holds_it_is_read_each_minute() -> None:
    state = delivered_to(HERE)

    assert steps(state, MINUTE - MICRO) == ()
    assert steps(state, MINUTE) == (LOOK,)
    assert wakes(state, SECOND) == wakes(delivered_to(), SECOND)


@pytest.mark.parametrize("foreign", [(), (drifted(SECOND), verified(SECOND))])
def test_a_look_that_failed_is_made_again_at_the_next_heartbeat(
    foreign: tuple[LoginFact, ...],
) -> None:
    """What was written there meanwhile must not wait for the next poll."""
    state = after(holding(KEEPS_FOREIGN), delivered(), round_ended(), *foreign)
    state = after(state, touched(HOUR), looking(HOUR), not_delivered(HOUR, Reason.TIMEOUT))

    assert steps(state, HOUR + 10 * SECOND - MICRO) == ()
    assert wakes(state, HOUR) == wakes(delivered_to(), HOUR), "it needs no bell of its own"
    assert steps(state, HOUR + 10 * SECOND) == (LOOK,)


def test_a_conflict_that_lasts_is_looked_at_each_minute() -> None:
    state = after(holding(KEEPS_FOREIGN), delivered(), drifted(HOUR))
    state = after(state, not_delivered(HOUR, Reason.CONFLICT))

    assert steps(state, HOUR + MINUTE - MICRO) == ()
    assert steps(state, HOUR + MINUTE) == (LOOK,)


@pytest.mark.parametrize("fact", [looking(SECOND), delivering(SECOND)])
def test_a_place_that_is_worked_on_is_left_alone(fact: LoginFact) -> None:
    state = after(delivered_to(HERE), touched(), fact, touched(SECOND), renewed(HOUR, SECOND_ONE))

    assert steps(state, HOUR) == ()


def test_a_place_that_somebody_wrote_is_read_at_once() -> None:
    state = after(delivered_to(HERE), touched(30 * SECOND))

    assert steps(state, 30 * SECOND) == (LOOK,)


def test_a_place_that_somebody_keeps_writing_is_read_once_a_second() -> None:
    state = after(delivered_to(HERE), seen(30 * SECOND), touched(30 * SECOND))

    assert steps(state, 31 * SECOND - MICRO) == ()
    assert wakes(state, 30 * SECOND) == 31 * SECOND
    assert steps(state, 31 * SECOND) == (LOOK,)


def test_a_new_credential_does_not_wait_for_a_look_at_what_somebody_wrote() -> None:
    """It looks itself; else somebody who keeps writing there could hold it up for ever."""
    state = after(delivered_to(HERE), seen(HOUR), renewed(HOUR, SECOND_ONE), touched(HOUR))

    assert steps(state, HOUR) == (DELIVER,)


def test_what_somebody_wrote_over_a_foreign_credential_is_looked_at_first() -> None:
    """What may be replaced is the one that was seen."""
    state = after(delivered_to(HERE), drifted(MINUTE, Cause.REPLACED), verified(MINUTE))
    state = after(state, touched(HOUR))

    assert steps(state, HOUR) == (LOOK,)


def test_an_expired_credential_is_delivered_nowhere() -> None:
    """And what others put there stays."""
    state = after(holding(HERE), seen(SECOND, None, settled=False))

    assert steps(state, LIFETIME - MICRO) == (DELIVER,)
    assert steps(state, LIFETIME) == (LOOK,)


def test_a_failed_delivery_is_tried_again_at_a_heartbeat() -> None:
    state = after(holding(HERE), seen(SECOND, None, settled=False), not_delivered(MINUTE))

    assert steps(state, MINUTE + 10 * SECOND - MICRO) == ()
    assert steps(state, MINUTE + 10 * SECOND) == (DELIVER,)
    assert wakes(state, MINUTE) == wakes(holding(), MINUTE)


def test_a_place_that_could_not_be_read_is_read_again() -> None:
    state = after(holding(HERE), not_delivered(SECOND))

    assert steps(state, 11 * SECOND - MICRO) == ()
    assert steps(state, 11 * SECOND) == (LOOK,)


def test_a_place_that_cannot_be_there_yet_is_tried_again() -> None:
    state = after(holding(HERE), pending(SECOND))

    assert steps(state, 11 * SECOND) == (DELIVER,)


@pytest.mark.parametrize(
    ("cause", "waits"),
    [(Cause.REMOVED, SECOND), (Cause.REVERTED, 5 * SECOND), (Cause.ALTERED, 5 * SECOND)],
)
def test_a_drift_is_repaired_after_its_wait_for_which_the_bell_is_set(
    cause: Cause, waits: timedelta
) -> None:
    state = after(delivered_to(HERE), drifted(MINUTE, cause))

    assert steps(state, MINUTE + waits - MICRO) == ()
    assert wakes(state, MINUTE) == MINUTE + waits
    assert steps(state, MINUTE + waits) == (DELIVER,)


@pytest.mark.parametrize("verdict", [Verdict.ACCEPTED, Verdict.INCONCLUSIVE])
def test_a_foreign_credential_is_written_over_once_the_registry_was_asked(verdict: Verdict) -> None:
    met = after(delivered_to(HERE), drifted(MINUTE))
    assert steps(met, MINUTE + 30 * SECOND) == ()

    state = after(met, verified(MINUTE + SECOND, verdict))
    assert steps(state, MINUTE + 5 * SECOND - MICRO) == ()
    assert steps(state, MINUTE + 5 * SECOND) == (OVERWRITE,)


def test_a_foreign_credential_stays_while_the_registry_refuses_ours() -> None:
    """Never worse: the other one may be the only one that is taken."""
    state = after(delivered_to(HERE), drifted(MINUTE), verified(MINUTE, Verdict.REJECTED))

    assert steps(state, MINUTE + 30 * SECOND) == ()


def test_a_verdict_from_before_says_nothing_about_a_foreign_credential() -> None:
    state = after(delivered_to(HERE), verified(30 * SECOND), drifted(MINUTE))

    assert OVERWRITE not in steps(state, MINUTE + 30 * SECOND)


def test_a_new_credential_that_was_accepted_may_go_over_a_foreign_one() -> None:
    state = after(delivered_to(HERE), drifted(MINUTE), renewed(HOUR, SECOND_ONE))

    assert steps(state, HOUR) == (OVERWRITE,)


def test_where_the_registry_is_not_asked_a_foreign_credential_is_written_over() -> None:
    unasked = replace(POLICY, verify=False)
    state = after(delivered_to(HERE, policy=unasked), drifted(MINUTE))

    assert steps(state, MINUTE + 5 * SECOND) == (OVERWRITE,)


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(after(holding(KEEPS_FOREIGN), delivered()), id="nowhere"),
        pytest.param(
            after(a_state(HERE), renewed(credential=ODD), delivered(digest=ODD.digest)), id="odd"
        ),
    ],
)
def test_a_foreign_credential_that_must_stay_is_looked_at_each_minute(state: LoginState) -> None:
    state = after(state, drifted(MINUTE), verified(MINUTE + SECOND))

    assert steps(state, 2 * MINUTE - MICRO) == ()
    assert steps(state, 2 * MINUTE) == (LOOK,)


def test_a_place_in_trouble_delays_no_other() -> None:
    state = after(holding(HERE, THERE), not_delivered(SECOND), seen(SECOND, None, place=THERE))

    assert steps(state, SECOND) == (Deliver(THERE, replace_foreign=False),)


def is_over(state: LoginState, when: timedelta = SECOND) -> bool:
    return plan(state, at(when)).is_round_over


def test_a_round_is_over_when_every_place_holds_the_credential() -> None:
    state = holding(HERE, THERE)
    assert not is_over(state)

    state = after(state, delivered())
    assert not is_over(state)

    assert is_over(after(state, delivered(place=THERE)))


def test_a_round_is_over_at_once_where_there_are_no_places() -> None:
    assert is_over(holding())


def test_a_round_waits_for_an_output_that_is_still_to_be_told_its_places() -> None:
    state = holding().with_places([], unlisted=frozenset({OUTPUT}))
    assert not is_over(state)

    state = state.with_places([PlaceState(place=HERE)])
    assert not is_over(state)

    assert is_over(after(state, delivered()))
    assert is_over(state.with_places([]))


def test_a_round_that_waits_to_be_told_of_places_is_over_when_the_next_renewal_begins() -> None:
    """What was delivered is told then, though it be no more than what was known."""
    served = after(holding(HERE), delivered())
    state = served.with_places(served.places.values(), unlisted=frozenset({OUTPUT}))
    assert not is_over(state, HOUR)

    state = after(state, requested(HOUR))
    assert Renew(Why.REQUESTED) in plan(state, at(HOUR)).start
    assert is_over(state, HOUR)

    assert not is_over(after(state, round_ended(HOUR), started(HOUR)), HOUR)


def test_a_place_that_is_not_done_keeps_a_round_open_whatever_begins() -> None:
    state = after(holding(HERE), requested(HOUR))
    state = state.with_places(state.places.values(), unlisted=frozenset({OUTPUT}))

    assert not is_over(state, HOUR)


@pytest.mark.parametrize(
    "fact",
    [
        not_delivered(SECOND),
        drifted(SECOND, Cause.REMOVED, digest=None),
        pending(SECOND),
    ],
)
def test_a_round_does_not_wait_for_a_place_in_trouble(fact: LoginFact) -> None:
    assert is_over(after(holding(HERE), fact))


def test_a_round_waits_for_what_is_to_replace_a_login_that_was_there_before() -> None:
    """It is a first delivery, and no repair that comes when the dispute lets it."""
    met, ours = after(holding(HERE), drifted(SECOND)), replace(delivered_to(HERE), round=Round())

    assert not is_over(met)
    assert is_over(after(ours, drifted(SECOND)))
    assert is_over(after(met, verified(2 * SECOND, Verdict.REJECTED)))


def test_a_login_that_was_there_before_is_replaced_once_the_registry_was_asked() -> None:
    met = after(holding(HERE), drifted(SECOND))

    assert plan(met, at(SECOND)).start == (Verify(),)
    assert steps(after(met, verified(SECOND)), SECOND) == (OVERWRITE,)


@pytest.mark.parametrize("fact", [looking(SECOND), delivering(SECOND)])
def test_a_round_waits_for_what_is_under_way(fact: LoginFact) -> None:
    assert not is_over(after(holding(HERE), not_delivered(), fact))


def test_a_round_waits_for_a_delivery_that_starts_now() -> None:
    state = after(holding(HERE), seen(SECOND, None, settled=False), not_delivered(SECOND))

    assert is_over(state, 2 * SECOND)
    assert not is_over(state, MINUTE)


def test_a_round_ends_once() -> None:
    assert not is_over(after(holding(HERE), delivered(), round_ended()))


def test_without_a_renewal_there_is_no_round() -> None:
    assert not is_over(a_state(HERE))
    assert not is_over(after(delivered_to(HERE), started(HOUR, Why.DUE)), HOUR)
