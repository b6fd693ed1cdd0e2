"""Connections, TLS and proxies that misbehave: what the simulator cannot play as an answer."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lightkeeper.adapters.lightsail import SharedAws
from lightkeeper.core.answer import Answer, Refusal, believe
from lightkeeper.core.reasons import Reason
from lightkeeper.simulator import Endpoint, Settings, Simulator, simulate
from tests.adapters.lightsail.asking import (
    BRIEF,
    CUT,
    answer_of,
    issuer_at,
    refusal_of,
    saying,
    serving,
    silent,
)

pytestmark = pytest.mark.usefixtures("_keys")


@pytest.fixture
async def secure(tmp_path: Path) -> AsyncIterator[Simulator]:
    async with simulate(Settings(tls=tmp_path / "tls")) as running:
        yield running


@pytest.fixture
def _trusted(secure: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(secure.certificate and secure.certificate.ca))


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def test_a_closed_port_is_a_matter_of_the_network(shared: SharedAws) -> None:
    refusal = await refusal_of(issuer_at(f"http://127.0.0.1:{closed_port()}", shared))

    assert refusal.reason is Reason.NETWORK
    assert "Connection refused" in refusal.detail


async def test_a_name_that_cannot_be_resolved_is_a_matter_of_the_network(
    shared: SharedAws,
) -> None:
    """Too long to be asked for, so that no resolver is."""
    name = ".".join(["x" * 62] * 4)

    refusal = await refusal_of(issuer_at(f"http://{name}", shared))

    assert refusal.reason is Reason.NETWORK
    assert "ClientConnectorDNSError" in refusal.detail


async def test_a_connection_that_is_never_made_is_cut(shared: SharedAws) -> None:
    """The queue of the listener is full, so that the next SYN is not answered."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)  # noqa: FBT003 - so it is spelt
            one.connect_ex(listener.getsockname())

        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        refusal = await refusal_of(issuer_at(url, shared), BRIEF)
        for one in waiting:
            one.close()

    assert refusal == Refusal(reason=Reason.TIMEOUT, detail=CUT)


@pytest.mark.usefixtures("_trusted")
async def test_https_works(secure: Simulator, shared: SharedAws) -> None:
    assert await answer_of(issuer_at(secure.endpoint_url, shared))


@pytest.mark.usefixtures("_trusted")
@pytest.mark.parametrize("name", ["close_on_accept", "reset_on_accept"])
async def test_a_handshake_that_is_broken_off(
    secure: Simulator, shared: SharedAws, name: str
) -> None:
    secure.fail(name)

    refusal = await refusal_of(issuer_at(secure.endpoint_url, shared))

    assert refusal.reason is Reason.NETWORK


async def test_a_handshake_that_is_never_answered_is_cut(shared: SharedAws) -> None:
    async with serving(silent) as address:
        refusal = await refusal_of(issuer_at(f"https://{address}", shared), BRIEF)

    assert refusal == Refusal(reason=Reason.TIMEOUT, detail=CUT)


async def test_an_untrusted_certificate_is_a_matter_of_tls(
    secure: Simulator, shared: SharedAws
) -> None:
    refusal = await refusal_of(issuer_at(secure.endpoint_url, shared))

    assert refusal.reason is Reason.TLS
    assert secure.requests.count() == 0


async def test_a_certificate_for_another_host_is_a_matter_of_tls(
    secure: Simulator, shared: SharedAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "tls" / "ca.pem"))
    async with simulate(Settings(host="127.0.0.2", tls=tmp_path / "tls")) as elsewhere:
        refusal = await refusal_of(issuer_at(elsewhere.endpoint_url, shared))

    assert refusal.reason is Reason.TLS


@pytest.mark.usefixtures("_trusted")
async def test_http_where_tls_is_spoken(secure: Simulator, shared: SharedAws) -> None:
    url = secure.endpoint_url.replace("https", "http")

    refusal = await refusal_of(issuer_at(url, shared))

    assert refusal.reason is Reason.NETWORK


async def test_https_where_plain_http_is_spoken(simulator: Simulator, shared: SharedAws) -> None:
    url = simulator.endpoint_url.replace("http", "https")

    refusal = await refusal_of(issuer_at(url, shared))

    assert refusal.reason is Reason.TLS


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_a_ca_file_that_cannot_be_used_is_a_matter_of_tls(
    shared: SharedAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
) -> None:
    bundle = tmp_path / "ca.pem"
    if content is not None:
        bundle.write_text(content)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))

    refusal = await refusal_of(issuer_at("https://127.0.0.1:1", shared))

    assert refusal.reason is Reason.TLS


async def test_a_ca_file_that_was_mended_is_read_again(
    secure: Simulator, shared: SharedAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("no certificate")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    issuer = issuer_at(secure.endpoint_url, shared)
    assert (await refusal_of(issuer)).reason is Reason.TLS

    bundle.write_bytes((tmp_path / "tls" / "ca.pem").read_bytes())

    assert await answer_of(issuer)


@asynccontextmanager
async def _proxied(
    monkeypatch: pytest.MonkeyPatch, reply: bytes | None, scheme: str = "http"
) -> AsyncIterator[None]:
    """A proxy that answers `reply` to CONNECT; None for one that never does."""
    async with serving(silent if reply is None else saying(reply)) as address:
        monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://agent:simulated-word@{address}")
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
    assert "simulated-word" not in refusal.detail


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
    monkeypatch.setenv("HTTPS_PROXY", f"http://agent:simulated-word@127.0.0.1:{closed_port()}")

    refusal = await refusal_of(issuer_at("https://lightsail.test", shared))

    assert refusal.reason is Reason.PROXY
    assert "simulated-word" not in refusal.detail


async def test_a_socks_proxy_is_not_mistaken_for_one_of_ours(
    shared: SharedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library does not speak SOCKS; it fails as it may, in time."""
    monkeypatch.setenv("HTTPS_PROXY", f"socks5://127.0.0.1:{closed_port()}")

    refusal = await refusal_of(issuer_at("https://lightsail.test", shared), BRIEF)

    assert refusal.reason in {Reason.PROXY, Reason.NETWORK, Reason.INVALID_INPUT}


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


@pytest.mark.parametrize(
    "url", ["lightsail.test", "http://", "http://a..b", "http://a b", "http://[::1", "ftp//x"]
)
async def test_an_endpoint_that_is_no_url_is_said_to_be_wrong(shared: SharedAws, url: str) -> None:
    refusal = await refusal_of(issuer_at(url, shared))

    assert refusal.reason is Reason.INVALID_INPUT


async def test_a_region_that_is_none_is_said_to_be_wrong(shared: SharedAws) -> None:
    for region in ("bad_region!", ""):
        refusal = await refusal_of(issuer_at(None, shared, region=region))
        assert refusal.reason is Reason.INVALID_INPUT


async def test_a_cut_answer_is_never_half_believed(simulator: Simulator, shared: SharedAws) -> None:
    """Cut anywhere, with and without a length: a refusal, whole, or not believed."""
    body = simulator.account.draft().as_answer()
    text = str({"registryLogin": body}).replace("'", '"').encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\n"
    whole = head + b"Content-Length: %d\r\n\r\n" % len(text) + text
    endless = head + b"\r\n" + text
    replies = [whole[:end] for end in range(1, len(whole), 97)]
    replies += [endless[:end] for end in range(1, len(endless), 97)]

    for reply in replies:
        async with serving(saying(reply)) as address:
            outcome = await issuer_at(f"http://{address}", shared).issue(BRIEF)
        refusal = believe(outcome, None) if isinstance(outcome, Answer) else outcome
        assert isinstance(refusal, Refusal), reply
        assert refusal.reason in {Reason.NETWORK, Reason.INVALID_RESPONSE}, reply
