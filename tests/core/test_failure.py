"""A failure that lasts: counted from its first time on, and said once an hour."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from lightkeeper.core.failure import DETAIL, Failure, failed
from lightkeeper.core.reasons import Reason
from tests.core.making import BOOT, HOUR, MINUTE, NONE, NOON, at

MICRO = timedelta.resolution


def lasting(*times: timedelta) -> Failure:
    """A network failure that was met at these times."""
    failure = failed(None, Reason.NETWORK, "no route", at(times[0]))
    for time in times[1:]:
        failure = failed(failure, Reason.NETWORK, "no route", at(time))
    return failure


def test_a_failure_begins_with_its_first_time() -> None:
    assert lasting(MINUTE) == Failure(
        reason=Reason.NETWORK,
        detail="no route",
        since=NOON + MINUTE,
        count=1,
        said=BOOT + MINUTE,
    )


def test_a_failure_that_lasts_keeps_its_beginning_and_is_counted() -> None:
    failure = lasting(NONE, MINUTE, 2 * MINUTE)

    assert (failure.since, failure.count, failure.said) == (NOON, 3, BOOT)
    assert failure.lasts == 2 * MINUTE
    assert lasting(MINUTE, NONE).lasts == NONE


def test_the_last_detail_is_the_one_that_is_known() -> None:
    failure = failed(lasting(NONE), Reason.NETWORK, "no name", at(MINUTE))

    assert failure.detail == "no name"


def test_another_reason_begins_another_failure() -> None:
    failure = failed(lasting(NONE, MINUTE), Reason.TLS, "not trusted", at(2 * MINUTE))

    assert failure == failed(None, Reason.TLS, "not trusted", at(2 * MINUTE))


def test_a_failure_is_said_again_after_an_hour_and_the_hour_begins_anew() -> None:
    failure = lasting(NONE, HOUR - MICRO)
    assert failure.said == BOOT

    failure = failed(failure, Reason.NETWORK, "no route", at(HOUR))
    assert failure.said == BOOT + HOUR

    failure = failed(failure, Reason.NETWORK, "no route", at(2 * HOUR - MICRO))
    assert failure.said == BOOT + HOUR


def test_what_was_said_is_no_news_for_an_hour() -> None:
    failure = lasting(NONE)

    assert failure.is_said(Reason.NETWORK, BOOT + HOUR - MICRO)
    assert not failure.is_said(Reason.NETWORK, BOOT + HOUR)
    assert not failure.is_said(Reason.TLS, BOOT)


@given(st.text(max_size=DETAIL * 2))
def test_a_detail_is_kept_up_to_a_bound(detail: str) -> None:
    first = failed(None, Reason.TLS, detail, at())
    second = failed(first, Reason.TLS, detail, at(MINUTE))

    assert first.detail == second.detail == detail[:200]


@given(st.lists(st.timedeltas(NONE, 2 * HOUR), min_size=1, max_size=20))
def test_a_failure_that_lasts_is_said_at_least_each_hour(pauses: list[timedelta]) -> None:
    """At every occurrence: said now, or within the hour before."""
    failure, when = lasting(NONE), NONE

    for pause in pauses:
        when += pause
        failure = failed(failure, Reason.NETWORK, "no route", at(when))

        assert BOOT + when - failure.said < HOUR
    assert failure.count == len(pauses) + 1
