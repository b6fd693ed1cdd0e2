"""What the simulation takes Lightsail for is what the adapter makes of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from lightkeeper.adapters.lightsail import SharedAws
from lightkeeper.core.answer import Answer, Believed, Refusal, Verdict, believe
from lightkeeper.core.reasons import Reason
from tests.contract.playing import LIFETIME, PLAYED, Real, Simulated, Stage
from tests.simulation.world import HALF_ANSWERS, REFUSALS

SHARED = SharedAws()


@pytest.fixture(params=[Simulated(), Real(SHARED)], ids=["fake", "adapter"])
def stage(request: pytest.FixtureRequest) -> Stage:
    played: Stage = request.param
    return played


def test_a_good_answer_is_believed(stage: Stage) -> None:
    answer = stage.issue()

    assert isinstance(answer, Answer)
    believed = believe(answer, None)
    assert isinstance(believed, Believed)
    assert believed.oddities == frozenset()
    assert abs(believed.credential.lifetime - LIFETIME) <= timedelta(seconds=2)
    assert abs(believed.clock.skew) <= timedelta(seconds=2)


@pytest.mark.parametrize("fault", sorted(set(PLAYED) & set(REFUSALS)))
def test_a_refusal_has_its_reason(stage: Stage, fault: str) -> None:
    refusal = stage.issue(fault=fault)

    assert isinstance(refusal, Refusal)
    assert refusal.reason is REFUSALS[fault]
    assert refusal.detail


@pytest.mark.parametrize("fault", HALF_ANSWERS)
def test_half_an_answer_is_handed_on_and_not_believed(stage: Stage, fault: str) -> None:
    answer = stage.issue(fault=fault)

    assert isinstance(answer, Answer)
    outcome = believe(answer, None)
    assert isinstance(outcome, Refusal)
    assert outcome.reason is Reason.INVALID_RESPONSE


def test_what_hangs_is_a_timeout(stage: Stage) -> None:
    refusal = stage.issue(fault="hang")

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.TIMEOUT


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_wrong_clock_is_told_with_the_right_time(stage: Stage, minutes: int) -> None:
    off = timedelta(minutes=minutes)

    refusal = stage.issue(clock_off=off)

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.CLOCK_SKEW
    assert refusal.clock is not None
    assert abs(refusal.clock.skew - off) < timedelta(seconds=10)


def test_a_registry_takes_what_was_issued(stage: Stage) -> None:
    assert stage.verdict() is Verdict.ACCEPTED


def test_a_registry_refuses_what_was_ended(stage: Stage) -> None:
    assert stage.verdict(ended=True) is Verdict.REJECTED


def test_a_registry_that_is_down_says_nothing(stage: Stage) -> None:
    assert stage.verdict(is_down=True) is Verdict.INCONCLUSIVE
