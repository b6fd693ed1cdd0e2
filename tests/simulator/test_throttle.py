from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lightkeeper.simulator import Settings, Throttle, simulate
from lightkeeper.simulator.throttle import Bucket
from tests.simulator.asking import ask

START = datetime(2026, 3, 1, tzinfo=UTC)


def _after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_a_burst_passes_and_the_next_call_does_not() -> None:
    bucket = Bucket(Throttle(burst=3, per_second=1), START)

    assert [bucket.take(START) for _ in range(4)] == [True, True, True, False]


def test_time_puts_tokens_back() -> None:
    bucket = Bucket(Throttle(burst=1, per_second=0.5), START)
    bucket.take(START)

    assert [bucket.take(_after(1)), bucket.take(_after(2)), bucket.take(_after(3))] == [
        False,
        True,
        False,
    ]


def test_no_more_than_the_burst_gathers() -> None:
    bucket = Bucket(Throttle(burst=2, per_second=10), START)

    assert [bucket.take(_after(3600)) for _ in range(3)] == [True, True, False]


def test_a_clock_that_is_set_back_takes_no_tokens_away() -> None:
    bucket = Bucket(Throttle(burst=2, per_second=1), START)
    bucket.take(START)

    assert bucket.take(_after(-3600))


@pytest.mark.parametrize(("burst", "per_second"), [(-1, 1.0), (1, -1.0)])
def test_negative_numbers_are_refused(burst: int, per_second: float) -> None:
    with pytest.raises(ValueError, match="zero or more"):
        Throttle(burst=burst, per_second=per_second)


async def test_calls_beyond_the_throttle_are_answered_with_its_error() -> None:
    settings = Settings(throttle=Throttle(burst=2, per_second=0))
    async with simulate(settings) as simulator:
        answers = [await ask(simulator) for _ in range(3)]

        simulator.account.set_throttle(None)
        freed = await ask(simulator)

    assert [answer.status for answer in answers] == [200, 200, 400]
    assert answers[-1].code == "ThrottlingException"
    assert freed.status == 200


async def test_calls_that_are_not_signed_well_take_no_token() -> None:
    settings = Settings(throttle=Throttle(burst=1, per_second=0))
    async with simulate(settings) as simulator:
        await ask(simulator, region="us-east-1")

        assert (await ask(simulator)).status == 200
