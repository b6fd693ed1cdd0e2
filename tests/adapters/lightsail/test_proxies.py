"""Proxies that are none, refuse, break off or fall silent: each is told from the endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from lightkeeper.adapters.lightsail import SharedAws
from lightkeeper.core.answer import Refusal
from lightkeeper.core.reasons import Reason
from lightkeeper.simulator import Endpoint, Simulator
from tests.adapters.lightsail.asking import (
    BRIEF,
    CUT,
    SECRET,
    answer_of,
    closed_port,
    issuer_at,
    refusal_of,
    saying,
    serving,
    silent,
)

pytestmark = pytest.mark.usefixtures("_keys")


@asynccontextmanager
async def _proxied(
    monkeypatch: pytest.MonkeyPatch, reply: bytes | None, scheme: str = "http"
) -> AsyncIterator[None]:
    """A proxy that answers `reply` to CONNECT; None for one that never does."""
    async with serving(silent if reply is None else saying(reply)) as address:
        monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://agent:{SECRET}@{address}")
        yield


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", Reason.PROXY),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", Reason.PROXY),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", Reason.PROXY),
        (b"", Reason.NETWORK),
        (b"nothing like HTTP\r\n\r\n", Reason.INVALID_RESPONSE),
    ],
)
async def test_a_proxy_that_refuses_the_tunnel(
    shared: SharedAws, monkeypatch: pytest.MonkeyPatch, reply: bytes, reason: Reason
) -> None:
    async with _proxied(monkeypatch, reply):
        refusal = await refusal_of(issuer_at("https://lightsail.test", shared))

    assert refusal.reason is reason
    assert SECRET not in refusal.detail


@pytest.mark.parametrize("reply", [None, b"HTTP/1.1 200 Connection established\r\n\r\n"])
async def test_a_proxy_that_falls_silent_is_cut(
    shared: SharedAws, monkeypatch: pytest.MonkeyPatch, reply: bytes | None
) -> None:
    async def grant(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if reply is not None:
            writer.write(reply)
        await silent(reader, writer)

    async with serving(grant) as address:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{address}")
        refusal = await refusal_of(issuer_at("https://lightsail.test", shared), BRIEF)

    assert refusal == Refusal(reason=Reason.TIMEOUT, detail=CUT)


async def test_a_proxy_that_is_not_there(
    shared: SharedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://agent:{SECRET}@127.0.0.1:{closed_port()}")

    refusal = await refusal_of(issuer_at("https://lightsail.test", shared))

    assert refusal.reason is Reason.PROXY
    assert refusal.detail.startswith("proxy 127.0.0.1:")
    assert SECRET not in refusal.detail


NO_PROXIES = {
    "socks5://127.0.0.1:1": "a SOCKS proxy is not supported",
    f"socks5h://agent:{SECRET}@127.0.0.1:1": "a SOCKS proxy is not supported",
    "ftp://127.0.0.1:1": "holds no URL of a proxy",
    "http://": "holds no URL of a proxy",
    "http://:3128": "holds no URL of a proxy",
    "http://127.0.0.1:port": "holds no URL of a proxy",
    "http://127.0.0.1:99999": "holds no URL of a proxy",
    f"http://agent:{SECRET}@[::1": "holds no URL of a proxy",
    "http://a b": "holds no URL of a proxy",
    f"http://{'x' * 64}:1": "holds no URL of a proxy",
    " http://127.0.0.1:1": "holds no URL of a proxy",
}


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(("proxy", "said"), NO_PROXIES.items())
async def test_what_is_no_proxy_is_not_looked_up_as_a_host(
    shared: SharedAws, monkeypatch: pytest.MonkeyPatch, scheme: str, proxy: str, said: str
) -> None:
    """The library would take `socks5` for the name of a machine."""
    monkeypatch.setenv(f"{scheme.upper()}_PROXY", proxy)

    refusal = await refusal_of(issuer_at(f"{scheme}://lightsail.test", shared))

    assert refusal.reason is Reason.PROXY
    assert refusal.detail.startswith(f"{scheme.upper()}_PROXY")
    assert said in refusal.detail
    assert SECRET not in refusal.detail


async def test_a_proxy_that_cannot_be_resolved_is_told_from_the_endpoint(
    shared: SharedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too long to be asked for, so that no resolver is."""
    name = ".".join(["x" * 62] * 4)
    monkeypatch.setenv("HTTPS_PROXY", f"http://agent:{SECRET}@{name}:3128")

    refusal = await refusal_of(issuer_at("https://lightsail.test", shared))

    assert refusal.reason is Reason.PROXY
    assert refusal.detail.startswith(f"proxy {name[:100]}")


async def test_an_empty_proxy_is_none(
    simulator: Simulator, shared: SharedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.setenv(name, "")

    assert await answer_of(issuer_at(simulator.endpoint_url, shared))


async def test_a_proxy_whose_certificate_is_not_trusted_is_named(
    secure: Simulator, shared: SharedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", secure.endpoint_url)

    refusal = await refusal_of(issuer_at("http://lightsail.test", shared))

    assert refusal.reason is Reason.TLS
    assert refusal.detail.startswith(f"proxy {secure.endpoint_url.removeprefix('https://')}: ")


async def test_a_proxy_that_wants_a_password_on_plain_http(
    simulator: Simulator, shared: SharedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", simulator.endpoint_url)
    simulator.fail("status_407")

    refusal = await refusal_of(issuer_at("http://lightsail.test", shared))

    assert refusal.reason is Reason.PROXY
    assert simulator.requests.count() == 1


async def test_a_tunnel_is_used_where_the_environment_names_a_proxy(
    simulator: Simulator, shared: SharedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", simulator.endpoint_url)

    refusal = await refusal_of(issuer_at("https://lightsail.test", shared))

    assert refusal.reason is Reason.PROXY
    assert simulator.requests.count(Endpoint.PROXY) == 1
