from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from lightkeeper.simulator import Settings, SetupError, Simulator, run
from lightkeeper.simulator.command import greeting
from lightkeeper.simulator.settings import SECRET_ACCESS_KEY

_SOURCE = Path(sys.modules[run.__module__].__file__ or "").parents[2]
_PROGRAM = (
    "import asyncio, sys; from pathlib import Path; from lightkeeper.simulator import *; "
    "asyncio.run(run(Settings(tls=Path(sys.argv[1]) if sys.argv[1:] else None)))"
)


@asynccontextmanager
async def _started(*arguments: str) -> AsyncIterator[tuple[Process, dict[str, str]]]:
    """A simulator in a process of its own, and what its first lines say."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _PROGRAM, *arguments), stdout=PIPE, stderr=PIPE, cwd=_SOURCE
    )
    try:
        assert process.stdout is not None
        said = {}
        async with asyncio.timeout(30):
            while not (line := (await process.stdout.readline()).decode()).startswith("Ends on"):
                assert line, "it ended before it said where it is"
                name, _, value = line.strip().partition("=" if "=" in line else ": ")
                said[name] = value.strip()
        yield process, said
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_serves_until_a_signal_and_ends_without_a_word(number: signal.Signals) -> None:
    async with _started() as (process, said):
        async with (
            aiohttp.ClientSession() as session,
            session.get(said["Control route"]) as response,
        ):
            state = await response.json()

        process.send_signal(number)
        output, complaint = await process.communicate()

    assert state["registry"] == said["Registry"]
    assert (process.returncode, output, complaint) == (0, b"", b"")


async def test_says_the_environment_in_which_clients_come_to_it() -> None:
    async with _started() as (_, said):
        assert said["AWS_ENDPOINT_URL"] == said["Lightsail endpoint"]
        assert said["AWS_SECRET_ACCESS_KEY"] == SECRET_ACCESS_KEY


async def test_says_which_ca_is_to_be_trusted(tmp_path: Path) -> None:
    async with _started(str(tmp_path)) as (_, said):
        assert said["AWS_CA_BUNDLE"] == str(tmp_path / "ca.pem")
        assert said["Lightsail endpoint"].startswith("https://")


async def test_a_greeting_is_plain_lines(simulator: Simulator) -> None:
    lines = greeting(simulator).splitlines()

    assert lines[0] == f"Lightsail endpoint: {simulator.endpoint_url}"
    assert lines[2].endswith(f"{simulator.endpoint_url}/_simulator/")
    assert all(line.isprintable() for line in lines)


async def test_a_simulator_that_cannot_start_raises_and_says_nothing(
    simulator: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    port = int(simulator.registry.partition(":")[2])

    with pytest.raises(SetupError):
        await run(Settings(port=port))

    assert capsys.readouterr().out == ""


async def test_a_fault_that_strikes_connections_can_be_called_off() -> None:
    async with _started() as (_, said), aiohttp.ClientSession() as client:
        route = next(one for one in said.values() if one.endswith("/_simulator/"))
        fault = {"name": "reset_on_accept", "times": 100}
        await client.post(f"{route}faults", json=fault, headers={"Connection": "close"})
        async with aiohttp.ClientSession() as another:
            assert (await another.delete(f"{route}faults")).status == 200
            assert (await another.get(f"{route.removesuffix('_simulator/')}v2/")).status == 401
