"""The guard of every AWS client: nothing follows a redirect, fills the memory or tries again."""

from __future__ import annotations

import inspect
import os
import ssl
import weakref
from pathlib import Path

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import AioSession
from aiohttp import ClientResponse
from botocore.httpsession import get_cert_path

from lightkeeper.adapters.lightsail import SharedAws
from lightkeeper.adapters.lightsail.guard import MAX_BODY_BYTES, guarded_session
from lightkeeper.core.reasons import Reason
from lightkeeper.simulator import Endpoint, Settings, Simulator, simulate
from tests.adapters.lightsail.asking import (
    AMPLE,
    answer_of,
    issuer_at,
    refusal_of,
    saying,
    serving,
)

pytestmark = pytest.mark.usefixtures("_keys")

ROLE = "arn:aws:iam::123456789012:role/push"
SESSION_TOKEN = "simulated-session-token"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_takes_nothing_to_the_other_host(
    shared: SharedAws, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", SESSION_TOKEN)
    here, elsewhere = bytearray(), bytearray()
    async with serving(saying(b"HTTP/1.1 200 OK\r\n\r\n{}", elsewhere)) as other:
        reply = f"HTTP/1.1 {status} Elsewhere\r\nLocation: http://{other}/\r\n\r\n".encode()
        async with serving(saying(reply, here)) as address:
            refusal = await refusal_of(issuer_at(f"http://{address}", shared))

    assert refusal.reason is Reason.REDIRECTED
    assert refusal.detail == f"{address} answered with status {status}, which leads elsewhere"
    assert SESSION_TOKEN.encode() in here
    assert elsewhere == b""


async def test_sts_is_not_followed_elsewhere_either(
    simulator: Simulator, shared: SharedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", simulator.endpoint_url)
    simulator.fail("redirect_307", at=Endpoint.STS)

    refusal = await refusal_of(issuer_at(simulator.endpoint_url, shared, role_arn=ROLE))

    assert refusal.reason is Reason.REDIRECTED
    assert simulator.requests.count(Endpoint.ELSEWHERE) == 0
    assert simulator.requests.count() == 0


@pytest.mark.parametrize("framing", ["length", "chunks", "close"])
@pytest.mark.parametrize("excess", [0, 1])
async def test_a_body_is_read_up_to_the_limit_and_no_further(
    simulator: Simulator, shared: SharedAws, framing: str, excess: int
) -> None:
    login = str({"registryLogin": simulator.account.draft().as_answer()}).replace("'", '"')
    body = login.encode().ljust(MAX_BODY_BYTES + excess)
    head, text = {
        "length": (b"Content-Length: %d\r\n" % len(body), body),
        "chunks": (
            b"Transfer-Encoding: chunked\r\n",
            b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body),
        ),
        "close": (b"", body),
    }[framing]
    reply = b"HTTP/1.1 200 OK\r\n%s\r\n%s" % (head, text)

    async with serving(saying(reply)) as address:
        issuer = issuer_at(f"http://{address}", shared)
        if excess:
            refusal = await refusal_of(issuer)
            assert refusal.reason is Reason.INVALID_RESPONSE
            assert refusal.detail == f"{address} sent more than {MAX_BODY_BYTES} bytes"
        else:
            assert await answer_of(issuer)


@pytest.mark.parametrize("fault", ["InternalFailure", "close_after_request", "Throttling"])
@pytest.mark.parametrize("maximum", [None, "4"])
async def test_lightsail_is_asked_once(
    simulator: Simulator,
    shared: SharedAws,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    maximum: str | None,
) -> None:
    """Whatever the environment wishes: retries are the core's business."""
    if maximum:
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", maximum)
        monkeypatch.setenv("AWS_RETRY_MODE", "legacy")
    simulator.fail(fault, times=5)

    await refusal_of(issuer_at(simulator.endpoint_url, shared))

    assert simulator.requests.count() == 1


@pytest.mark.parametrize("source", ["role_arn", "profile", "web_identity"])
@pytest.mark.parametrize("fault", ["InternalFailure", "close_after_request"])
async def test_sts_is_asked_once(
    simulator: Simulator,
    shared: SharedAws,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    source: str,
    fault: str,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", simulator.endpoint_url)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "4")
    said: dict[str, str] = {}
    match source:
        case "role_arn":
            said = {"role_arn": ROLE}
        case "profile":
            config = tmp_path / "config"
            config.write_text(
                f"[profile role]\nrole_arn = {ROLE}\ncredential_source = Environment\n"
            )
            monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
            said = {"profile": "role"}
        case _:
            token = tmp_path / "token"
            token.write_text("e30.e30.e30")
            monkeypatch.delenv("AWS_ACCESS_KEY_ID")
            monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
            monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    simulator.fail(fault, times=5, at=Endpoint.STS)

    refusal = await refusal_of(issuer_at(simulator.endpoint_url, shared, **said))

    assert refusal.reason in {Reason.SERVICE_ERROR, Reason.NETWORK}
    assert simulator.requests.count(Endpoint.STS) == 1
    assert simulator.requests.count() == 0


def _contexts(session: AIOHTTPSession) -> tuple[ssl.SSLContext, ssl.SSLContext | None]:
    built: tuple[ssl.SSLContext, ssl.SSLContext | None] = session._build_ssl_contexts(None)  # noqa: SLF001 - the override is what is tested
    return built


async def test_clients_share_one_ssl_context(tmp_path: Path) -> None:
    async with simulate(Settings(tls=tmp_path / "tls")) as simulator:
        assert simulator.certificate is not None
        trusted = str(simulator.certificate.ca)
    guarded = guarded_session()
    sessions = [guarded(verify=trusted) for _ in range(3)]

    first = _contexts(sessions[0])

    assert all(_contexts(session) is first for session in sessions)
    assert _contexts(guarded(verify=False))[0].verify_mode is ssl.CERT_NONE
    assert first[0].verify_mode is ssl.CERT_REQUIRED
    assert first[0].check_hostname
    assert _contexts(guarded_session()(verify=trusted)) is not first


def test_what_was_read_of_certificates_before_they_were_replaced_is_not_kept(
    tmp_path: Path,
) -> None:
    """A megabyte each: a bundle that something writes anew each day would fill the memory."""
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(Path(get_cert_path(verify=True)).read_bytes())
    session = guarded_session()(verify=str(bundle))
    first = weakref.ref(_contexts(session)[0])

    os.utime(bundle, (1, 1))
    latest = _contexts(session)

    assert first() is None
    assert _contexts(session) is latest


async def test_certificates_that_were_replaced_are_read_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shared: SharedAws
) -> None:
    """A CA that is renewed while we run must not need a restart."""
    bundle = tmp_path / "ca.pem"
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    async with simulate(Settings(tls=tmp_path / "one")) as first:
        assert first.certificate is not None
        bundle.write_bytes(first.certificate.ca.read_bytes())
        assert await answer_of(issuer_at(first.endpoint_url, shared))
    async with simulate(Settings(tls=tmp_path / "two")) as second:
        assert second.certificate is not None
        issuer = issuer_at(second.endpoint_url, shared)
        assert (await refusal_of(issuer)).reason is Reason.TLS

        bundle.write_bytes(second.certificate.ca.read_bytes())

        assert await answer_of(issuer)


async def test_a_ca_file_is_not_asked_for_where_no_tls_is_spoken(
    simulator: Simulator, shared: SharedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/nonexistent/ca.pem")

    assert await answer_of(issuer_at(simulator.endpoint_url, shared))


async def test_what_speaks_no_tls_would_trust_nobody(tmp_path: Path) -> None:
    """Were its context ever used, no certificate would be good enough."""
    async with simulate(Settings(tls=tmp_path / "tls")) as simulator:
        assert simulator.certificate is not None
        guarded = guarded_session()(verify=str(simulator.certificate.ca))
        guarded._scheme = "http"  # noqa: SLF001 - what `send` notes

        for context in (_contexts(guarded)[0], guarded._build_ssl_contexts("http://x")[1]):  # noqa: SLF001
            assert context.verify_mode is ssl.CERT_REQUIRED
            assert context.check_hostname
            assert context.get_ca_certs() == []
        assert guarded._build_ssl_contexts("https://x")[1].get_ca_certs() != []  # noqa: SLF001


def test_the_library_still_has_what_the_guard_overrides() -> None:
    """Private names: an upgrade that drops one would drop a guard with it, silently."""
    assert set(inspect.signature(AIOHTTPSession._get_session).parameters) == {"self", "proxy_url"}  # noqa: SLF001
    for name in ("_create_connector", "_build_ssl_contexts"):
        assert set(inspect.signature(getattr(AIOHTTPSession, name)).parameters) == {
            "self",
            "proxy_url",
        }
    assert {
        *("_sessions", "_exit_stack", "_timeout", "_verify", "_cert_file", "_key_file"),
    } <= set(vars(AIOHTTPSession()))
    assert {"start", "read"} <= set(vars(ClientResponse))


async def test_the_library_asks_by_way_of_the_guard(simulator: Simulator) -> None:
    """`send` goes through `_get_session`, and `_create_connector` through the contexts."""
    called = list[str]()

    class Noting(guarded_session()):  # type: ignore[misc]  # made at run time
        async def _get_session(self, proxy_url: str | None) -> object:
            called.append("session")
            return await super()._get_session(proxy_url)

        def _build_ssl_contexts(self, proxy_url: str | None) -> object:
            called.append("contexts")
            return super()._build_ssl_contexts(proxy_url)

    async with AioSession().create_client(
        "lightsail",
        region_name="eu-central-1",
        endpoint_url=simulator.endpoint_url,
        config=AioConfig(http_session_cls=Noting, connect_timeout=AMPLE.total_seconds()),
    ) as client:
        await client.create_container_service_registry_login()

    assert called == ["session", "contexts"]
