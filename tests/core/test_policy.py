"""When a renewal is due, and every wait: the figures that are promised, and laws over them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lightkeeper.core import policy
from lightkeeper.core.credential import Credential
from lightkeeper.core.reasons import RENEWAL, Reason
from tests.core.making import (
    FIRST,
    HOUR,
    LIFETIME,
    MINUTE,
    NONE,
    NOON,
    POLICY,
    SECOND,
    a_credential,
)

DRAWS = st.floats(0, 1, exclude_max=True)
LIFETIMES = st.timedeltas(SECOND, 48 * HOUR)
CREDENTIALS = LIFETIMES.map(lambda lifetime: a_credential(lifetime=lifetime))
REASONS = st.sampled_from(list(RENEWAL))
POLICIES = st.builds(
    policy.Policy,
    renew_at=st.floats(0.2, 0.9),
    spread=st.floats(0, 0.15),
    verify=st.booleans(),
)
MICRO = timedelta.resolution


def wait(
    reason: Reason = Reason.SERVICE_ERROR,
    *,
    held: Credential | None = FIRST,
    remaining: timedelta = LIFETIME,
    attempts: int = 1,
    retry_after: timedelta = NONE,
    u: float = 0.0,
) -> timedelta:
    return policy.wait_after_failure(
        reason,
        held=held,
        remaining=remaining,
        attempts=attempts,
        retry_after=retry_after,
        u=u,
    )


@pytest.mark.parametrize(
    ("renew_at", "spread", "u", "hours"),
    [
        (0.5, 0.1, 0.0, 6.0),
        (0.5, 0.1, 0.5, 5.4),
        (0.5, 0.1, 0.75, 5.1),
        (0.5, 0.0, 0.9, 6.0),
        (0.9, 0.15, 0.0, 10.8),
        (0.2, 0.15, 0.5, 1.5),
    ],
)
def test_a_renewal_is_due_at_its_share_of_the_lifetime_and_earlier_by_the_draw(
    renew_at: float, spread: float, u: float, hours: float
) -> None:
    chosen = replace(POLICY, renew_at=renew_at, spread=spread)

    assert policy.due_at(FIRST, chosen, u) - NOON == timedelta(hours=hours)


@given(CREDENTIALS, POLICIES, DRAWS)
def test_a_renewal_is_never_due_after_its_share_nor_before_the_spread(
    credential: Credential, chosen: policy.Policy, u: float
) -> None:
    due = policy.due_at(credential, chosen, u)

    latest = credential.issued_at + credential.lifetime * chosen.renew_at
    assert latest - credential.lifetime * chosen.spread - MICRO <= due <= latest + MICRO
    assert credential.issued_at < due < credential.expires_at


@pytest.mark.parametrize(
    ("attempts", "seconds"),
    [(0, 2), (1, 2), (2, 4), (3, 8), (4, 16), (5, 30), (6, 30), (10**9, 30)],
)
def test_without_a_credential_the_floor_climbs_a_ladder(attempts: int, seconds: int) -> None:
    assert policy.floor(None, attempts, valid=False) == seconds * SECOND


@pytest.mark.parametrize(
    ("lifetime", "floor"),
    [
        (12 * HOUR, 30 * SECOND),
        (5 * MINUTE, 30 * SECOND),
        (4 * MINUTE, 24 * SECOND),
        (10 * SECOND, SECOND),
    ],
)
@pytest.mark.parametrize("attempts", [0, 1, 100])
def test_while_one_is_valid_the_floor_is_half_a_minute_or_a_tenth_of_a_short_lifetime(
    lifetime: timedelta, floor: timedelta, attempts: int
) -> None:
    held = a_credential(lifetime=lifetime)

    assert policy.floor(held, attempts, valid=True) == floor


@pytest.mark.parametrize(
    ("lifetime", "attempts", "seconds"),
    [(12 * HOUR, 1, 2), (12 * HOUR, 5, 30), (10 * SECOND, 1, 1), (40 * SECOND, 5, 4)],
)
def test_after_expiry_the_floor_is_the_lower_of_ladder_and_usual(
    lifetime: timedelta, attempts: int, seconds: int
) -> None:
    held = a_credential(lifetime=lifetime)

    assert policy.floor(held, attempts, valid=False) == seconds * SECOND


@given(held=st.none() | CREDENTIALS, attempts=st.integers(0, 1000), valid=st.booleans())
def test_the_floor_is_never_nothing_and_never_over_half_a_minute(
    held: Credential | None, attempts: int, *, valid: bool
) -> None:
    assert NONE < policy.floor(held, attempts, valid=valid) <= 30 * SECOND


@given(held=st.none() | CREDENTIALS, attempts=st.integers(0, 20), valid=st.booleans())
def test_the_floor_never_falls_with_another_attempt(
    held: Credential | None, attempts: int, *, valid: bool
) -> None:
    floors = [policy.floor(held, attempts + more, valid=valid) for more in range(3)]

    assert floors == sorted(floors)


@pytest.mark.parametrize("reason", RENEWAL)
@pytest.mark.parametrize("u", [0.0, 0.25, 0.75])
def test_while_one_is_valid_the_wait_is_drawn_between_the_floor_and_the_cap(
    reason: Reason, u: float
) -> None:
    low, high = 30 * SECOND, RENEWAL[reason].caps.while_valid

    assert wait(reason, u=u) == low + (high - low) * u


@pytest.mark.parametrize(
    ("remaining", "longest"),
    [
        (12 * HOUR, 30 * MINUTE),
        (2 * HOUR, 12 * MINUTE),
        (20 * MINUTE, 2 * MINUTE),
        (5 * MINUTE, 30 * SECOND),
        (MICRO, 30 * SECOND),
    ],
)
def test_a_tenth_of_what_remains_is_the_longest_wait_and_the_floor_the_shortest(
    remaining: timedelta, longest: timedelta
) -> None:
    """Retries come faster as expiry comes near."""
    waits = [wait(Reason.ACCESS_DENIED, remaining=remaining, u=u) for u in (0.0, 0.5)]

    assert waits == [30 * SECOND, 30 * SECOND + (longest - 30 * SECOND) / 2]


SOON = (Reason.NETWORK, Reason.TIMEOUT)


@pytest.mark.parametrize("reason", [reason for reason in RENEWAL if reason not in SOON])
@pytest.mark.parametrize(("attempts", "seconds"), [(1, 2), (2, 4), (3, 8), (4, 16), (5, 30)])
def test_without_a_valid_one_the_wait_is_drawn_between_the_ladder_and_the_cap(
    reason: Reason, attempts: int, seconds: int
) -> None:
    low, high = seconds * SECOND, RENEWAL[reason].caps.after_expiry

    waits = [wait(reason, held=None, remaining=NONE, attempts=attempts, u=u) for u in (0.0, 0.5)]

    assert waits == [low, low + (high - low) / 2]


@pytest.mark.parametrize("reason", SOON)
@pytest.mark.parametrize("u", [0.0, 0.99])
@pytest.mark.parametrize("held", [None, FIRST], ids=["none_held", "expired"])
def test_without_a_valid_one_a_lost_network_is_tried_by_the_ladder_alone(
    reason: Reason, u: float, held: Credential | None
) -> None:
    waits = [
        wait(reason, held=held, remaining=NONE, attempts=attempts, u=u) for attempts in range(1, 7)
    ]

    assert waits == [seconds * SECOND for seconds in (2, 4, 8, 16, 30, 30)]


@pytest.mark.parametrize(
    ("asked", "waits"),
    [
        (NONE, 30 * SECOND),
        (29 * SECOND, 30 * SECOND),
        (2 * MINUTE, 2 * MINUTE),
        (5 * MINUTE, 5 * MINUTE),
        (24 * HOUR, 5 * MINUTE),
        (-HOUR, 30 * SECOND),
    ],
)
def test_retry_after_raises_a_wait_up_to_the_cap(asked: timedelta, waits: timedelta) -> None:
    assert wait(Reason.THROTTLED, retry_after=asked) == waits


@pytest.mark.parametrize(
    ("reason", "longest"), [(Reason.THROTTLED, 5 * MINUTE), (Reason.NETWORK, MINUTE)]
)
def test_retry_after_raises_a_wait_without_a_valid_one_too(
    reason: Reason, longest: timedelta
) -> None:
    assert wait(reason, held=None, remaining=NONE, retry_after=20 * SECOND) == 20 * SECOND
    assert wait(reason, held=None, remaining=NONE, retry_after=HOUR) == longest


@given(
    REASONS,
    st.none() | CREDENTIALS,
    st.timedeltas(NONE, 48 * HOUR),
    st.integers(0, 50),
    st.timedeltas(-HOUR, 48 * HOUR),
    DRAWS,
)
def test_every_wait_lies_between_the_floor_and_the_cap(
    reason: Reason,
    held: Credential | None,
    remaining: timedelta,
    attempts: int,
    retry_after: timedelta,
    u: float,
) -> None:
    valid, caps = remaining > NONE, RENEWAL[reason].caps
    floor = policy.floor(held, attempts, valid=valid)
    cap = caps.while_valid if valid else caps.after_expiry

    waited = wait(
        reason,
        held=held,
        remaining=remaining,
        attempts=attempts,
        retry_after=retry_after,
        u=u,
    )

    assert floor <= waited <= max(floor, cap)


@given(REASONS, st.timedeltas(MICRO, 12 * HOUR), DRAWS)
def test_the_wait_never_grows_as_expiry_comes_near(
    reason: Reason, remaining: timedelta, u: float
) -> None:
    assert wait(reason, remaining=remaining / 2, u=u) <= wait(reason, remaining=remaining, u=u)


@given(REASONS, st.timedeltas(5 * MINUTE, 12 * HOUR), DRAWS)
def test_the_next_attempt_comes_before_expiry(
    reason: Reason, remaining: timedelta, u: float
) -> None:
    assert wait(reason, remaining=remaining, u=u) <= remaining / 10


@given(REASONS, st.integers(1, 20), DRAWS)
def test_without_a_valid_one_the_wait_never_falls_with_another_failure(
    reason: Reason, attempts: int, u: float
) -> None:
    waits = [
        wait(reason, held=None, remaining=NONE, attempts=attempts + more, u=u) for more in range(3)
    ]

    assert waits == sorted(waits)


@pytest.mark.parametrize(
    ("lifetime", "u", "seconds"),
    [
        (12 * HOUR, 0.0, 810),
        (12 * HOUR, 0.5, 900),
        (48 * HOUR, 0.5, 900),
        (8 * MINUTE, 0.5, 10),
    ],
)
def test_the_registry_is_asked_again_after_a_quarter_of_an_hour_jittered(
    lifetime: timedelta, u: float, seconds: int
) -> None:
    assert policy.check_after(lifetime, u) == seconds * SECOND


@given(LIFETIMES, DRAWS)
def test_the_registry_is_asked_several_times_in_each_lifetime(
    lifetime: timedelta, u: float
) -> None:
    assert NONE < policy.check_after(lifetime, u) < lifetime / 40


@pytest.mark.parametrize(
    ("lifetime", "pause"), [(48 * HOUR, HOUR), (12 * HOUR, HOUR), (12 * MINUTE, MINUTE)]
)
def test_one_that_was_ended_early_is_replaced_once_an_hour_at_most(
    lifetime: timedelta, pause: timedelta
) -> None:
    assert policy.early_end_pause(lifetime) == pause


def test_a_dispute_is_answered_ever_more_slowly_up_to_five_minutes() -> None:
    waits = [policy.repair_wait(repairs) for repairs in (0, 1, 2, 3, 4, 5, 6, 7, 10, 10**6)]

    assert [int(one.total_seconds()) for one in waits] == [5, 10, 20, 40, 80, 160] + [300] * 4


@pytest.mark.parametrize(("since", "is_over"), [(10 * MINUTE, False), (10 * MINUTE + MICRO, True)])
def test_a_dispute_is_over_after_ten_minutes_of_peace(since: timedelta, *, is_over: bool) -> None:
    assert policy.is_dispute_over(HOUR, HOUR + since) is is_over


@pytest.mark.parametrize(
    ("held", "deadline"),
    [
        (None, 30 * SECOND),
        (FIRST, 30 * SECOND),
        (a_credential(lifetime=40 * SECOND), 10 * SECOND),
        (a_credential(lifetime=4 * SECOND), 2 * SECOND),
    ],
)
def test_a_call_is_given_half_a_minute_or_a_quarter_of_a_short_lifetime(
    held: Credential | None, deadline: timedelta
) -> None:
    assert policy.call_deadline(held) == deadline


@pytest.mark.parametrize(
    ("lifetime", "deadline"), [(12 * HOUR, 5 * SECOND), (20 * SECOND, 2 * SECOND)]
)
def test_the_registry_is_given_five_seconds_or_a_tenth_of_a_short_lifetime(
    lifetime: timedelta, deadline: timedelta
) -> None:
    assert policy.verify_deadline(lifetime) == deadline


@pytest.mark.parametrize(
    ("renew_at", "hours", "is_fresh"),
    [
        (0.5, 9, True),
        (0.5, 9.001, False),
        (0.75, 10.5, True),
        (0.75, 10.501, False),
        (0.5, 13, False),
    ],
)
def test_a_credential_is_fresh_while_half_of_what_a_renewal_in_time_leaves_is_left(
    renew_at: float, hours: float, *, is_fresh: bool
) -> None:
    now = NOON + timedelta(hours=hours)

    assert policy.is_fresh(FIRST, replace(POLICY, renew_at=renew_at), now) is is_fresh


@given(CREDENTIALS, POLICIES, DRAWS)
def test_a_login_that_renews_in_time_is_always_fresh(
    credential: Credential, chosen: policy.Policy, u: float
) -> None:
    assert policy.is_fresh(credential, chosen, policy.due_at(credential, chosen, u))


def test_a_failed_delivery_is_due_again_at_the_next_heartbeat() -> None:
    assert (policy.HEARTBEAT, policy.POLL) == (15 * SECOND, MINUTE)
    assert NONE < policy.DELIVERY_RETRY < policy.HEARTBEAT
    for failures in (1, 2, 1000):
        assert policy.delivery_wait(failures, policy.POLL) == policy.DELIVERY_RETRY


def test_where_places_are_read_seldom_one_that_goes_on_failing_is_tried_ever_later() -> None:
    """Ten thousand are read each 5,000 s; if all of them failed, others would still have turns."""
    waits = [policy.delivery_wait(failures, 5000 * SECOND) for failures in (1, 2, 3, 7, 8, 10**9)]

    assert [wait // SECOND for wait in waits] == [10, 20, 40, 640, 833, 833]


def test_a_busy_place_is_left_alone_for_a_second() -> None:
    assert (policy.LOOK_PAUSE, policy.REMOVED_WAIT) == (SECOND, SECOND)
