"""The laws that the core keeps, over lives that chance decides and over facts in any order."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightkeeper.core import facts, policy
from lightkeeper.core.answer import Oddity, Verdict
from lightkeeper.core.facts import Cause, LoginFact, Why
from lightkeeper.core.fold import fold
from lightkeeper.core.moment import Moment, ServerClock
from lightkeeper.core.news import is_news
from lightkeeper.core.notices import Notice
from lightkeeper.core.place import PlaceState, Proof
from lightkeeper.core.plan import plan
from lightkeeper.core.policy import Policy
from lightkeeper.core.reasons import RENEWAL, Reason
from lightkeeper.core.state import LoginState
from lightkeeper.core.step import Deliver, Renew
from tests.core.living import Life
from tests.core.making import (
    FIRST,
    FOREIGN,
    HERE,
    HOUR,
    LOGIN,
    MINUTE,
    NONE,
    NOON,
    NOWHERE,
    SECOND_ONE,
    THERE,
    a_credential,
    a_state,
    at,
)

pytestmark = pytest.mark.timeout(240)  # coverage counts each line of weeks, beside other tests

PLACES = st.sampled_from(
    [
        (),
        (PlaceState(place=HERE),),
        (PlaceState(place=HERE), PlaceState(place=THERE, replaces_foreign=False, proof=Proof.DUE)),
    ]
)
POLICIES = st.builds(
    Policy,
    renew_at=st.sampled_from([0.2, 0.5, 0.9]),
    spread=st.sampled_from([0.0, 0.1, 0.15]),
    verify=st.booleans(),
)
SEEDS = st.integers(0, 2**32)


def a_life(seed: int, chosen: Policy, places: tuple[PlaceState, ...], events: int) -> Life:
    """A login after so many events; `Life` holds each of its steps to the laws."""
    life = Life(random=Random(seed), policy=chosen, places=places)  # noqa: S311 - the same run again
    for _ in range(events):
        life.live()
    return life


@settings(max_examples=200, deadline=None)
@given(SEEDS, POLICIES, PLACES)
def test_no_life_sees_a_storm_a_late_renewal_or_a_worse_credential(
    seed: int, chosen: Policy, places: tuple[PlaceState, ...]
) -> None:
    a_life(seed, chosen, places, events=120)


@settings(deadline=None)
@given(SEEDS, POLICIES, PLACES)
def test_a_login_is_well_within_the_hour_once_nothing_is_wrong(
    seed: int, chosen: Policy, places: tuple[PlaceState, ...]
) -> None:
    life = a_life(seed, chosen, places, events=60)

    life.calm(70 * MINUTE)

    held = life.state.held
    assert held is not None
    assert policy.is_fresh(held, chosen, life.now.wall)
    for place in life.state.places.values():
        assert place.holds(held) or place.is_in_conflict(held)
        assert place.failure is None or place.is_in_conflict(held)


@settings(max_examples=20, deadline=None)
@given(SEEDS, POLICIES)
def test_a_quiet_week_has_a_call_at_each_half_life_and_no_other(seed: int, chosen: Policy) -> None:
    life = a_life(seed, chosen, (PlaceState(place=HERE),), events=0)

    life.calm(7 * 24 * HOUR, pace=15 * MINUTE)

    longest = chosen.renew_at * 12 * HOUR
    shortest = (chosen.renew_at - chosen.spread) * 12 * HOUR
    week = 7 * 24 * HOUR
    assert week // longest <= life.serial <= week // shortest + 1


MOMENTS = st.builds(
    lambda wall, boot: Moment(wall=NOON + wall, boot=boot),
    st.timedeltas(-1000 * HOUR, 1000 * HOUR),
    st.timedeltas(NONE, 1000 * HOUR),
)
CLOCKS = st.builds(ServerClock, at=st.timedeltas(-HOUR, HOUR).map(NOON.__add__), seen=MOMENTS)
CREDENTIALS = st.sampled_from(
    [
        FIRST,
        SECOND_ONE,
        a_credential("simulated-3", lifetime=MINUTE),
        a_credential("simulated-4", registry="other.test"),
        a_credential("simulated-5", is_odd=True),
    ]
)
SOME_PLACES = st.sampled_from([HERE, THERE, NOWHERE])
DIGESTS = st.sampled_from([FIRST.digest, SECOND_ONE.digest, FOREIGN])
DRAWS = st.floats(0, 1, exclude_max=True)
NOTICES = st.frozensets(st.sampled_from(Notice))
SPANS = st.timedeltas(NONE, HOUR)


def any_fact() -> st.SearchStrategy[LoginFact]:
    """Any fact, at any time, in any order; mypy sees to it that none is misspelt."""
    of_login = {"login": st.just(LOGIN), "at": MOMENTS}
    of_place = {**of_login, "place": SOME_PLACES}
    return st.one_of(
        st.builds(facts.AttemptStarted, **of_login, why=st.sampled_from(Why)),
        st.builds(
            facts.Renewed,
            **of_login,
            credential=CREDENTIALS,
            clock=CLOCKS,
            verdict=st.none() | st.sampled_from(Verdict),
            oddities=st.frozensets(st.sampled_from(Oddity)),
            took=SPANS,
            draw=DRAWS,
        ),
        st.builds(
            facts.RenewalFailed,
            **of_login,
            reason=st.sampled_from(sorted(RENEWAL)),
            detail=st.text(max_size=300),
            retry_after=SPANS,
            clock=st.none() | CLOCKS,
            took=SPANS,
            draw=DRAWS,
        ),
        st.builds(facts.RenewalRequested, **of_login),
        st.builds(facts.VerificationStarted, **of_login),
        st.builds(
            facts.Verified,
            **of_login,
            digest=DIGESTS,
            verdict=st.sampled_from(Verdict),
            draw=DRAWS,
        ),
        st.builds(facts.LookStarted, **of_place),
        st.builds(
            facts.PlaceRead,
            **of_place,
            digest=st.none() | DIGESTS,
            settled=st.booleans(),
            notices=NOTICES,
            proven=st.booleans(),
        ),
        st.builds(facts.PlaceTouched, **of_place),
        st.builds(facts.PlacePending, **of_place, detail=st.text(min_size=1, max_size=5)),
        st.builds(
            facts.Drifted, **of_place, cause=st.sampled_from(Cause), digest=st.none() | DIGESTS
        ),
        st.builds(facts.DeliveryStarted, **of_place),
        st.builds(
            facts.Delivered,
            **of_place,
            digest=DIGESTS,
            changed=st.booleans(),
            repaired=st.none() | st.sampled_from(Cause),
            notices=NOTICES,
        ),
        st.builds(
            facts.DeliveryFailed,
            **of_place,
            reason=st.sampled_from(Reason),
            detail=st.text(max_size=300),
            foreseen=st.booleans(),
        ),
        st.builds(
            facts.RoundEnded,
            **of_login,
            changed=st.just(1),
            unchanged=st.just(0),
            failing=st.just(0),
        ),
        st.builds(
            facts.StateNotSaved, **of_login, reason=st.sampled_from(Reason), detail=st.text()
        ),
        st.builds(facts.StateSaved, **of_login),
        st.builds(
            facts.Surprised,
            **of_login,
            doing=st.sampled_from(["renew", "look"]),
            traceback=st.text(max_size=5),
        ),
    )


FACTS = st.lists(any_fact(), max_size=30)


def folded(happened: list[LoginFact]) -> LoginState:
    state = a_state(HERE, PlaceState(place=THERE, replaces_foreign=False))
    for fact in happened:
        state = fold(state, fact)
    return state


@given(FACTS, any_fact(), MOMENTS)
def test_any_fact_in_any_order_is_taken_and_the_plan_answers(
    happened: list[LoginFact], last: LoginFact, now: Moment
) -> None:
    state = folded(happened)

    assert isinstance(is_news(state, last), bool)
    state = fold(state, last)
    assert plan(state, now) == plan(state, now)
    assert state.remaining(now) >= NONE
    assert state.is_superseded(now) in {True, False}


@settings(deadline=None)
@given(FACTS)
def test_what_is_kept_of_the_past_is_bounded(happened: list[LoginFact]) -> None:
    state = folded(happened * 3)

    assert len(state.notes) <= 20
    assert len(state.known) <= 8
    assert all(len(note.detail) <= 200 for note in state.notes)
    assert set(state.places) == {HERE, THERE}
    assert len(state.outputs) <= 1


@given(FACTS)
def test_only_a_renewal_changes_what_is_held(happened: list[LoginFact]) -> None:
    state = folded([])
    for fact in happened:
        before, state = state, fold(state, fact)

        if isinstance(fact, facts.Renewed):
            assert state.held == fact.credential
        else:
            assert (state.held, state.draw, state.known) == (
                before.held,
                before.draw,
                before.known,
            )


@given(FACTS, st.timedeltas(NONE, 1000 * HOUR))
def test_an_attempt_never_comes_before_the_floor_of_the_last_one(
    happened: list[LoginFact], when: timedelta
) -> None:
    now = at(when)
    state = folded([*happened, facts.AttemptStarted(login=LOGIN, at=now, why=Why.DUE)])
    state = fold(state, facts.StateSaved(login=LOGIN, at=now))
    floor = policy.floor(state.held, state.attempts, valid=state.is_valid(now))

    for early in (NONE, floor / 2, floor - timedelta.resolution):
        steps = plan(state, at(when + early)).start
        assert not any(isinstance(step, Renew) for step in steps)


@given(FACTS, MOMENTS)
def test_nothing_is_delivered_that_has_expired_nor_over_what_may_not_go(
    happened: list[LoginFact], now: Moment
) -> None:
    state = folded(happened)

    for step in plan(state, now).start:
        if isinstance(step, Deliver):
            place = state.places[step.place]
            assert state.is_valid(now)
            assert not place.busy
            assert not place.is_in_conflict(state.held)
            assert step.replace_foreign == (place.drift is Cause.REPLACED)


@given(FACTS)
def test_no_state_gives_a_password_away(happened: list[LoginFact]) -> None:
    assert "simulated-" not in repr(folded(happened))
