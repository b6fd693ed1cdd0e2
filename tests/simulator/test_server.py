from __future__ import annotations

import asyncio
from io import BytesIO

import aiohttp
import pytest

from lightkeeper.simulator import Endpoint, Simulator
from tests.simulator.asking import ask, registry_status, until


@pytest.mark.parametrize(
    ("method", "path", "endpoint"),
    [
        ("POST", "/", Endpoint.LIGHTSAIL),
        ("GET", "/anything", Endpoint.LIGHTSAIL),
        ("GET", "/v2/", Endpoint.REGISTRY),
        ("GET", "/v2/app/manifests/1", Endpoint.REGISTRY),
        ("GET", "/federation/credentials", Endpoint.SSO),
        ("GET", "/container", Endpoint.CONTAINER),
        ("GET", "/latest/meta-data/", Endpoint.IMDS),
        ("GET", "/latestnews", Endpoint.LIGHTSAIL),
    ],
)
async def test_the_path_tells_whom_a_request_is_for(
    simulator: Simulator,
    http: aiohttp.ClientSession,
    method: str,
    path: str,
    endpoint: Endpoint,
) -> None:
    async with http.request(method, simulator.endpoint_url + path):
        pass

    assert [one.endpoint for one in simulator.requests] == [endpoint]


async def test_a_form_is_for_sts(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    async with http.post(f"{simulator.endpoint_url}/", data={"Action": "AssumeRole"}):
        pass

    assert [(one.endpoint, one.action) for one in simulator.requests] == [
        (Endpoint.STS, "AssumeRole")
    ]


async def _tunnel(simulator: Simulator) -> bytes:
    """What a proxy's client reads after it asked for a tunnel, until nothing more comes."""
    host, _, port = simulator.registry.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"CONNECT lightsail.test:443 HTTP/1.1\r\nHost: lightsail.test:443\r\n\r\n")
    try:
        async with asyncio.timeout(5):
            return await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()


async def test_whoever_takes_it_for_a_proxy_is_refused(simulator: Simulator) -> None:
    answer = await _tunnel(simulator)

    assert answer.startswith(b"HTTP/1.1 502 ")
    assert simulator.requests.count(Endpoint.PROXY) == 1


async def test_a_proxy_may_grant_a_tunnel_and_stay_silent(simulator: Simulator) -> None:
    simulator.fail("connect_silence", at=Endpoint.PROXY)

    assert (await _tunnel(simulator)).startswith(b"HTTP/1.1 200 Connection established")


async def test_a_request_that_is_too_large_is_refused(
    simulator: Simulator, http: aiohttp.ClientSession
) -> None:
    async with http.post(f"{simulator.endpoint_url}/", data=BytesIO(bytes(2 << 20))) as response:
        assert response.status == 413


async def test_connections_are_kept_open_between_requests(simulator: Simulator) -> None:
    host, _, port = simulator.registry.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    statuses = []
    async with asyncio.timeout(5):
        for _ in range(3):
            writer.write(b"HEAD /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
            statuses.append((await reader.readuntil(b"\r\n\r\n")).split()[1])
    writer.close()

    assert statuses == [b"401"] * 3


async def test_many_are_answered_at_once(simulator: Simulator) -> None:
    simulator.fail("slow_answer")

    async with asyncio.TaskGroup() as tasks:
        slow = tasks.create_task(ask(simulator), name="slow")
        await until(lambda: simulator.requests.count() == 1)
        quick = await ask(simulator)
        assert not slow.done()

    assert (quick.status, slow.result().status) == (200, 200)


async def test_a_fault_meets_requests_whatever_is_wrong_with_them(simulator: Simulator) -> None:
    simulator.fail("status_500", times=2)

    assert (await ask(simulator, region="us-east-1")).status == 500
    assert await registry_status(simulator, {"username": "AWS", "password": "x"}) == 401
    assert (await ask(simulator)).status == 500
