"""What people are told: a failure once and then each hour, a day without trouble in few lines."""

from __future__ import annotations

from typing import get_args

import pytest
from msgspec.structs import replace

from lightkeeper.core.answer import Verdict
from lightkeeper.core.facts import Cause, LoginFact
from lightkeeper.core.news import failure_of, is_news
from lightkeeper.core.notices import Notice
from lightkeeper.core.reasons import Reason
from lightkeeper.core.state import LoginState
from tests.core.making import (
    HERE,
    HOUR,
    MINUTE,
    NONE,
    NOWHERE,
    SECOND,
    SECOND_ONE,
    a_state,
    after,
    delivered,
    delivered_to,
    delivering,
    drifted,
    failed,
    holding,
    looking,
    not_delivered,
    not_saved,
    pending,
    renewed,
    requested,
    round_ended,
    saved,
    seen,
    started,
    surprised,
    touched,
    verified,
    verifying,
)

FAILURES = [
    pytest.param(
        [failed(when, detail="a") for when in (SECOND, MINUTE, HOUR, 2 * HOUR)],
        failed(2 * HOUR + SECOND, Reason.TLS),
        id="renewal",
    ),
    pytest.param(
        [not_delivered(when) for when in (SECOND, MINUTE, HOUR, 2 * HOUR)],
        not_delivered(2 * HOUR + SECOND, Reason.NO_SPACE),
        id="delivery",
    ),
    pytest.param(
        [not_saved(when) for when in (SECOND, MINUTE, HOUR, 2 * HOUR)],
        not_saved(2 * HOUR + SECOND, Reason.READ_ONLY),
        id="store",
    ),
    pytest.param(
        [surprised(when) for when in (SECOND, MINUTE, HOUR, 2 * HOUR)],
        surprised(2 * HOUR + SECOND, "look"),
        id="bug",
    ),
]


def told(state: LoginState, *happened: LoginFact) -> list[bool]:
    """For each of these facts, one after the other, whether it is news."""
    news = []
    for fact in happened:
        news.append(is_news(state, fact))
        state = after(state, fact)
    return news


@pytest.mark.parametrize(("same", "other"), FAILURES)
def test_a_failure_is_said_when_it_begins_each_hour_and_when_its_reason_changes(
    same: list[LoginFact], other: LoginFact
) -> None:
    assert told(holding(HERE), *same, other) == [True, False, False, True, True]


def test_the_hour_is_counted_from_when_it_was_last_said() -> None:
    times = (SECOND, HOUR, HOUR + SECOND, 2 * HOUR, 2 * HOUR + SECOND)

    assert told(holding(), *map(failed, times)) == [True, False, True, False, True]


def test_the_end_of_the_held_credential_is_news_once_for_each() -> None:
    """A failure that lasts is said each hour only; that nothing valid is held, at once."""
    lives, ended = replace(failed(), remaining=SECOND), replace(failed(SECOND), remaining=NONE)

    said = told(holding(), lives, lives, ended, ended, renewed(), lives, ended)

    assert said == [True, False, True, False, True, True, True]


def test_where_nothing_was_ever_held_nothing_ends() -> None:
    assert told(a_state(), failed(), failed(SECOND)) == [True, False]


def test_a_failure_is_what_the_state_has_of_it() -> None:
    state = holding(HERE)
    for fact in (failed(), not_saved(), not_delivered()):
        for times in (1, 2, 3):
            state = after(state, fact)
            failure = failure_of(state, fact)
            assert failure is not None
            assert (failure.reason, failure.count) == (fact.reason, times)
    assert failure_of(state, not_delivered(place=NOWHERE)) is None
    assert failure_of(state, seen()) is None


def test_a_failure_that_returns_after_a_success_is_news_again() -> None:
    assert told(holding(), failed(), renewed(), failed()) == [True, True, True]
    assert told(holding(HERE), not_delivered(), delivered(), not_delivered()) == [True] * 3


def test_a_bug_elsewhere_is_another_bug() -> None:
    assert told(
        holding(), surprised(doing="look"), surprised(doing="renew"), surprised(doing="look")
    ) == [True, True, True]


def test_that_the_state_is_saved_is_news_only_after_it_was_not() -> None:
    assert told(holding(), saved(), not_saved(), saved(), saved()) == [False, True, True, False]


def test_a_verdict_is_news_when_it_differs() -> None:
    verdicts = [Verdict.ACCEPTED, Verdict.REJECTED, Verdict.REJECTED, Verdict.ACCEPTED]

    assert told(holding(), *(verified(SECOND, one) for one in verdicts)) == [
        False,
        True,
        False,
        True,
    ]


def test_a_registry_that_says_nothing_is_no_news() -> None:
    """It is a metric; and the next word that counts is compared with the last one."""
    verdicts = [Verdict.INCONCLUSIVE, Verdict.ACCEPTED]

    assert told(holding(), *(verified(SECOND, one) for one in verdicts)) == [False, False]


@pytest.mark.parametrize("fact", [renewed(), requested(), round_ended(), drifted()])
def test_what_changes_the_course_of_things_is_always_said(fact: LoginFact) -> None:
    assert is_news(delivered_to(HERE), fact)


def test_what_was_there_before_any_of_ours_is_no_news() -> None:
    assert not is_news(holding(HERE), drifted())


@pytest.mark.parametrize(
    "fact", [started(), verifying(), looking(), delivering(), touched(), seen()]
)
def test_what_begins_or_goes_as_planned_is_not_said(fact: LoginFact) -> None:
    assert not is_news(delivered_to(HERE), fact)


def test_deliveries_of_a_renewal_are_said_by_the_line_that_sums_them_up() -> None:
    state = holding(HERE)

    assert not is_news(state, delivered())
    assert not is_news(state, delivered(changed=False))


def test_a_delivery_of_its_own_is_said_if_it_changed_something() -> None:
    """Such as into a place that a reload brought."""
    state = replace(holding(HERE), round=None)

    assert is_news(state, delivered())
    assert not is_news(state, delivered(changed=False))


@pytest.mark.parametrize("before", [not_delivered(), pending()])
def test_a_place_that_is_well_again_is_said(before: LoginFact) -> None:
    assert is_news(after(holding(HERE), before), delivered(changed=False))


@pytest.mark.parametrize("cause", list(Cause))
def test_a_repair_is_said(cause: Cause) -> None:
    assert is_news(delivered_to(HERE), delivered(repaired=cause))


def test_what_is_to_be_said_of_a_place_is_said_once() -> None:
    one = frozenset({Notice.WIDE_MODE})
    two = one | {Notice.HELPER_SHADOWS}
    state = delivered_to(HERE)

    assert told(state, seen(notices=one), seen(notices=one), seen(notices=two), seen()) == [
        True,
        False,
        True,
        False,
    ]
    assert told(holding(HERE), delivered(notices=one), delivered(notices=one)) == [True, False]


def test_a_place_that_cannot_be_there_yet_is_said_once() -> None:
    assert told(holding(HERE), pending(), pending(MINUTE), delivered(), pending()) == [
        True,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize(
    "fact",
    [
        delivered(place=NOWHERE, repaired=Cause.REMOVED),
        seen(place=NOWHERE, notices=frozenset({Notice.WIDE_MODE})),
        pending(place=NOWHERE),
    ],
)
def test_nothing_good_is_said_of_a_place_that_is_gone(fact: LoginFact) -> None:
    assert not is_news(holding(HERE), fact)


def test_a_failure_at_a_place_that_is_gone_is_said() -> None:
    assert is_news(holding(HERE), not_delivered(place=NOWHERE))


def test_a_quiet_day_is_a_few_lines() -> None:
    """Two renewals, each delivered; a check at the registry each quarter of an hour."""
    facts: list[LoginFact] = []
    for hour, credential in ((5, SECOND_ONE), (11, SECOND_ONE)):
        start = hour * HOUR
        facts += [started(start), saved(start), renewed(start, credential), saved(start)]
        facts += [delivering(start), delivered(start, credential.digest), round_ended(start)]
        for quarter in range(20):
            when = start + quarter * 15 * MINUTE
            facts += [verifying(when), verified(when, digest=credential.digest)]
            facts += [looking(when), seen(when, credential.digest)]

    assert sum(told(delivered_to(HERE), *facts)) == 4


def test_every_fact_is_known() -> None:
    """One that is added is either news or not; nobody is told of it by chance."""
    examples: list[LoginFact] = [
        started(),
        renewed(),
        failed(),
        requested(),
        verifying(),
        verified(),
        looking(),
        seen(),
        touched(),
        pending(),
        drifted(),
        delivering(),
        delivered(),
        not_delivered(),
        round_ended(),
        not_saved(),
        saved(),
        surprised(),
    ]

    assert {type(fact) for fact in examples} == set(get_args(LoginFact))
    assert all(isinstance(is_news(a_state(), fact), bool) for fact in examples)


def test_who_asks_again_for_what_is_to_come_anyway_is_not_told_again() -> None:
    """Two hundred signals are one renewal; the notes of a login are twenty."""
    state = after(holding(), requested(MINUTE))

    assert not is_news(state, requested(2 * MINUTE))
    assert after(state, requested(2 * MINUTE)) == state
