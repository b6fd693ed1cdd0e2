from __future__ import annotations

from datetime import timedelta

import pytest

from lightkeeper.simulator import Simulator, Throttle, Validity
from lightkeeper.simulator.changes import Json, change, current


async def test_changes_every_setting(simulator: Simulator) -> None:
    account = simulator.account

    change(
        account,
        {
            "lifetime_seconds": 60,
            "aws_lifetime_seconds": 1.5,
            "clock_offset_seconds": -30,
            "validity": "end_predecessor",
            "service_present": False,
            "throttle": {"burst": 2, "per_second": 0.5},
        },
    )

    assert account.lifetime == timedelta(minutes=1)
    assert account.aws_lifetime == timedelta(seconds=1.5)
    assert account.clock.offset == timedelta(seconds=-30)
    assert account.credentials.validity is Validity.END_PREDECESSOR
    assert account.service_present is False
    assert account.throttle == Throttle(burst=2, per_second=0.5)


async def test_lifts_the_throttle(simulator: Simulator) -> None:
    change(simulator.account, {"throttle": {"burst": 0, "per_second": 0}})
    change(simulator.account, {"throttle": None})

    assert simulator.account.throttle is None


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"speed": 1}, "not known: speed; known are lifetime_seconds"),
        ({"lifetime_seconds": 0}, "lifetime_seconds is 0.001 to"),
        ({"lifetime_seconds": 1e300}, "lifetime_seconds is 0.001 to"),
        ({"lifetime_seconds": float("nan")}, "lifetime_seconds is 0.001 to"),
        ({"lifetime_seconds": "60"}, "lifetime_seconds is a number"),
        ({"aws_lifetime_seconds": True}, "aws_lifetime_seconds is a number"),
        ({"clock_offset_seconds": -1e12}, "clock_offset_seconds is -3.1536e\\+08 to"),
        ({"validity": "whatever"}, 'validity is "keep" or "end_predecessor"'),
        ({"validity": None}, 'validity is "keep" or "end_predecessor"'),
        ({"service_present": 1}, "service_present is true or false"),
        ({"throttle": {"burst": 1}}, "throttle is null or"),
        ({"throttle": {"burst": -1, "per_second": 1}}, "zero or more"),
        ({"throttle": 5}, "throttle is null or"),
    ],
)
async def test_refuses_what_makes_no_sense_and_changes_nothing(
    simulator: Simulator, wanted: Json, said: str
) -> None:
    before = current(simulator.account)

    with pytest.raises((ValueError, TypeError), match=said):
        change(simulator.account, {"service_present": False} | wanted)

    assert current(simulator.account) == before
