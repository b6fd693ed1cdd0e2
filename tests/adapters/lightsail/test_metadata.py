"""An instance metadata service that keeps silent is told from one that is not there."""

from __future__ import annotations

import asyncio

import pytest

from lightkeeper.adapters.lightsail import SharedAws
from lightkeeper.core.reasons import Reason
from lightkeeper.simulator import Endpoint, Simulator
from tests.adapters.lightsail.asking import (
    Handler,
    closed_port,
    issuer_at,
    refusal_of,
    saying,
    serving,
    silent,
)

UNREACHABLE = Reason.IMDS_UNREACHABLE
MISSING = Reason.AWS_CREDENTIALS_MISSING


async def _refusal_with(
    monkeypatch: pytest.MonkeyPatch, shared: SharedAws, endpoint: str
) -> Reason:
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint)
    return (await refusal_of(issuer_at("http://127.0.0.1:1", shared))).reason


async def _hang_up(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read(65536)


@pytest.mark.parametrize(
    ("handle", "reason"),
    [
        (silent, UNREACHABLE),
        (_hang_up, UNREACHABLE),
        (saying(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"), UNREACHABLE),
        (saying(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), MISSING),
        (saying(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"), MISSING),
    ],
    ids=["silent", "hangs up", "502", "404", "403"],
)
async def test_one_that_is_there(
    shared: SharedAws, monkeypatch: pytest.MonkeyPatch, handle: Handler, reason: Reason
) -> None:
    async with serving(handle) as address:
        assert await _refusal_with(monkeypatch, shared, f"http://{address}") is reason


async def test_one_that_is_not_there(shared: SharedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = f"http://127.0.0.1:{closed_port()}"

    assert await _refusal_with(monkeypatch, shared, endpoint) is MISSING


async def test_one_behind_a_proxy_that_is_not_there(
    shared: SharedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy that was meant for the internet is asked for the metadata, too, and is named."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port()}")

    assert await _refusal_with(monkeypatch, shared, "http://127.0.0.1:9") is Reason.PROXY


async def test_one_without_a_role(
    simulator: Simulator, shared: SharedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator.fail("status_404", times=2, at=Endpoint.IMDS)

    assert await _refusal_with(monkeypatch, shared, simulator.endpoint_url) is MISSING


async def test_one_that_is_switched_off_is_not_asked(
    simulator: Simulator, shared: SharedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", simulator.endpoint_url)

    refusal = await refusal_of(issuer_at(simulator.endpoint_url, shared))

    assert refusal.reason is MISSING
    assert simulator.requests.count(Endpoint.IMDS) == 0
