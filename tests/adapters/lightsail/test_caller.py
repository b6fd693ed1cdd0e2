"""Logins of one AWS identity share its session and its thread, and none waits for another."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta

import pytest

from lightkeeper.adapters.clock import SystemClock
from lightkeeper.adapters.lightsail import AwsSource, Callers, LightsailIssuer, SharedAws
from lightkeeper.adapters.lightsail.caller import AT_ONCE, keys_of
from lightkeeper.simulator import Endpoint, Simulator
from lightkeeper.simulator.settings import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from tests.adapters.lightsail.asking import AMPLE, BRIEF, REGION, answer_of

ROLE = "arn:aws:iam::123456789012:role/push"
SOURCE = AwsSource(region=REGION)


def issuers(
    simulator: Simulator, callers: Callers, count: int, role_arn: str | None = None
) -> list[LightsailIssuer]:
    """Those of as many logins: of one identity, each at a path of its own."""
    sources = [
        AwsSource(
            region=REGION, role_arn=role_arn, endpoint_url=f"{simulator.endpoint_url}/{number}"
        )
        for number in range(count)
    ]
    return [LightsailIssuer(source, callers, SystemClock()) for source in sources]


@pytest.mark.usefixtures("_keys")
async def test_a_role_is_assumed_once_for_all_who_call_by_it(
    simulator: Simulator, shared: SharedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", simulator.endpoint_url)
    asking = issuers(simulator, Callers(shared), 2 * AT_ONCE, ROLE)

    await asyncio.gather(*map(answer_of, asking))
    await asyncio.gather(*map(answer_of, asking))

    assert [one.action for one in simulator.requests.of(Endpoint.STS)] == ["AssumeRole"]


@pytest.mark.usefixtures("_keys")
async def test_aws_credentials_can_be_renewed_in_every_thread_that_comes(
    simulator: Simulator, shared: SharedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library's locks belong to the loop that first had to wait for them."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", simulator.endpoint_url)
    simulator.account.aws_lifetime = timedelta(minutes=5)  # too little to be used without renewal
    asking = issuers(simulator, Callers(shared), AT_ONCE, ROLE)

    for _ in range(3):
        await asyncio.gather(*map(answer_of, asking))

    assert simulator.requests.count(Endpoint.STS) >= 3


async def test_keys_that_were_rotated_are_read_once_for_all(
    simulator: Simulator, shared: SharedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call finds out for itself that the keys have gone; the first opens the new session."""
    opened = []

    class Counting(SharedAws):
        def open(self, source: AwsSource) -> object:
            opened.append(source)
            return shared.open(source)

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASIMULATEDGONE001")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "simulated-gone")
    callers = Callers(Counting())
    asking = issuers(simulator, callers, AT_ONCE)
    await keys_of(callers.of(SOURCE).session())
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)

    await asyncio.gather(*map(answer_of, asking))

    assert len(opened) <= 2


def test_one_region_s_sts_answers_for_the_logins_of_that_region_alone(shared: SharedAws) -> None:
    callers = Callers(shared)
    here = callers.of(SOURCE)

    assert callers.of(AwsSource(region=REGION, endpoint_url="http://127.0.0.1:1")) is here
    assert callers.of(AwsSource(region="us-east-1")) is not here
    assert callers.of(AwsSource(region=REGION, profile="build")) is not here
    assert callers.of(AwsSource(region=REGION, role_arn=ROLE)) is not here


async def test_calls_go_on_side_by_side_in_one_thread(shared: SharedAws) -> None:
    both_are_in = asyncio.Event()
    inside = []

    async def work(_: asyncio.Lock) -> int:
        inside.append(threading.get_ident())
        if len(inside) == 2:
            both_are_in.set()
        await both_are_in.wait()
        return threading.get_ident()

    caller = Callers(shared).of(SOURCE)
    one, other = await asyncio.gather(caller.run(work, AMPLE), caller.run(work, AMPLE))

    assert one == other
    assert one != threading.get_ident()


async def test_few_begin_at_once(shared: SharedAws) -> None:
    caller = Callers(shared).of(SOURCE)
    at_work, most = 0, 0

    async def work(_: asyncio.Lock) -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        for _turn in range(10):
            await asyncio.sleep(0)
        at_work -= 1

    await asyncio.gather(*(caller.run(work, AMPLE) for _ in range(5 * AT_ONCE)))

    assert 1 < most <= AT_ONCE


async def test_waiting_for_a_turn_is_not_part_of_the_deadline(shared: SharedAws) -> None:
    caller = Callers(shared).of(SOURCE)

    async def hang(_: asyncio.Lock) -> None:
        await asyncio.Event().wait()

    async def work(_: asyncio.Lock) -> str:
        return "done"

    async with asyncio.TaskGroup() as tasks:
        stuck = [tasks.create_task(caller.run(hang, AMPLE), name="hanging") for _ in range(AT_ONCE)]
        await asyncio.sleep(0)
        assert await caller.run(work, BRIEF / 2) == "done"
        for task in stuck:
            task.cancel()


@pytest.mark.usefixtures("_keys")
async def test_no_cut_leaves_a_thread_whenever_it_comes(
    simulator: Simulator, shared: SharedAws
) -> None:
    """Also one that comes before the work has begun, while others go on in the same thread."""
    callers = Callers(shared)
    for microseconds in range(0, 4000, 200):
        asking = issuers(simulator, callers, AT_ONCE)
        deadline = timedelta(microseconds=microseconds)
        await asyncio.gather(answer_of(asking[0]), *(one.issue(deadline) for one in asking[1:]))

    assert [thread for thread in threading.enumerate() if thread.name == "lane"] == []
