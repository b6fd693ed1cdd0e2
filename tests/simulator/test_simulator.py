from __future__ import annotations

import asyncio
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest
from aiobotocore.session import get_session

from lightkeeper import simulator as package
from lightkeeper.simulator import Endpoint, Settings, SetupError, Simulator, simulate
from tests.simulator.asking import ask, login, until


def test_the_public_names_are_these() -> None:
    assert sorted(package.__all__) == [
        "Endpoint",
        "Settings",
        "SetupError",
        "Simulator",
        "Throttle",
        "Validity",
        "listed_faults",
        "run",
        "simulate",
    ]
    assert all(hasattr(package, name) for name in package.__all__)


def test_it_knows_nothing_of_the_rest_of_lightkeeper() -> None:
    modules = [f"{package.__name__}.{one.name}" for one in pkgutil.iter_modules(package.__path__)]
    probe = (
        f"import sys, {', '.join(modules)}\n"
        "print([name for name in sys.modules if name.split('.')[0] == 'rich'"
        " or name.startswith('lightkeeper.')"
        " and not name.startswith('lightkeeper.simulator')])"
    )

    said = subprocess.run(
        [sys.executable, "-c", probe],
        capture_output=True,
        check=True,
        text=True,
        env={"PYTHONPATH": str(Path(package.__path__[0]).parent.parent)},
    )

    assert len(modules) > 20
    assert said.stdout.strip() == "[]"
    assert importlib.import_module(modules[0])


async def test_names_itself_as_the_registry_on_loopback(simulator: Simulator) -> None:
    assert simulator.endpoint_url == f"http://{simulator.registry}"
    assert simulator.registry.startswith("127.0.0.1:")


async def test_its_environment_is_all_that_a_client_needs(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in simulator.environment().items():
        monkeypatch.setenv(name, value)
    session = get_session()
    region = simulator.environment()["AWS_REGION"]

    async with session.create_client("lightsail", region_name=region) as client:
        answer = await client.create_container_service_registry_login()

    assert answer["registryLogin"]["registry"] == simulator.registry


async def test_two_simulators_have_nothing_to_do_with_one_another() -> None:
    async with simulate() as one, simulate() as other:
        one.fail("html")
        credential = await login(other)

        assert one.registry != other.registry
        assert one.requests.count() == 0
        assert not one.accepts("AWS", credential["password"])


async def test_stops_failing_when_told_to(simulator: Simulator) -> None:
    simulator.fail("ThrottlingException", times=3)
    refused = await ask(simulator)

    simulator.stop_failing()

    assert (refused.status, (await ask(simulator)).status) == (400, 200)


async def test_a_port_can_be_chosen_and_is_free_again_at_the_end() -> None:
    async with simulate() as first:
        port = int(first.registry.partition(":")[2])

    async with simulate(Settings(port=port)) as second:
        assert second.registry == f"127.0.0.1:{port}"
        assert (await ask(second)).status == 200


async def test_a_port_that_is_taken_is_told(simulator: Simulator) -> None:
    port = int(simulator.registry.partition(":")[2])

    with pytest.raises(SetupError, match=rf"cannot listen on 127\.0\.0\.1:{port}: Address already"):
        async with simulate(Settings(port=port)):
            pass


async def test_a_host_that_is_not_here_is_told() -> None:
    with pytest.raises(SetupError, match=r"cannot listen on 192\.0\.2\.1:0"):
        async with simulate(Settings(host="192.0.2.1")):
            pass


async def test_it_ends_soon_though_answers_hang() -> None:
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks, simulate() as simulator:
        simulator.fail("hang_before_status", times=2)
        simulator.fail("hang_on_accept")
        asked = [tasks.create_task(_outcome(simulator), name=f"ask:{n}") for n in range(3)]
        await until(lambda: len(simulator.requests) == 3)

    assert [task.result() for task in asked] == ["cut", "cut", "cut"]


async def _outcome(simulator: Simulator) -> str:
    try:
        await ask(simulator)
    except aiohttp.ClientConnectionError:
        return "cut"
    return "answered"


async def test_a_client_that_goes_leaves_no_hanging_answer_behind(simulator: Simulator) -> None:
    simulator.fail("hang_before_status")
    before = asyncio.all_tasks()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await ask(simulator)

    await until(lambda: asyncio.all_tasks() <= before)
    assert simulator.requests.count(Endpoint.LIGHTSAIL) == 1
