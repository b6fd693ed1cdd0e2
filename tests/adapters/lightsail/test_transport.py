"""Connections and TLS that misbehave: what the simulator cannot play as an answer."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from lightkeeper.adapters.lightsail import SharedAws
from lightkeeper.core.answer import Answer, Refusal, believe
from lightkeeper.core.reasons import Reason
from lightkeeper.simulator import Settings, Simulator, simulate
from lightkeeper.simulator.tls import find_certificate
from tests.adapters.lightsail.asking import (
    AMPLE,
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


@pytest.fixture
def _trusted(secure: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(secure.certificate and secure.certificate.ca))


async def test_a_closed_port_is_a_matter_of_the_network(shared: SharedAws) -> None:
    refusal = await refusal_of(issuer_at(f"http://127.0.0.1:{closed_port()}", shared))

    assert refusal.reason is Reason.NETWORK
    assert refusal.detail.startswith("127.0.0.1:")
    assert refusal.detail.endswith(": Connection refused")


async def test_a_name_that_cannot_be_resolved_is_a_matter_of_the_network(
    shared: SharedAws,
) -> None:
    """Too long to be asked for, so that no resolver is."""
    name = ".".join(["x" * 62] * 4)

    refusal = await refusal_of(issuer_at(f"http://{name}", shared))

    assert refusal.reason is Reason.NETWORK
    assert refusal.detail.startswith(name[:100])


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
    assert refusal.detail.startswith(secure.endpoint_url.removeprefix("https://"))
    assert "issuer certificate" in refusal.detail
    assert secure.requests.count() == 0


async def test_a_certificate_that_has_expired_is_a_matter_of_tls(
    shared: SharedAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    certificate = await find_certificate(tmp_path / "tls")
    _expire(tmp_path / "tls")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate.ca))

    async with simulate(Settings(tls=tmp_path / "tls")) as expired:
        refusal = await refusal_of(issuer_at(expired.endpoint_url, shared))

    host = expired.endpoint_url.removeprefix("https://")
    assert refusal == Refusal(reason=Reason.TLS, detail=f"{host}: certificate has expired")
    assert expired.requests.count() == 0


def _expire(folder: Path) -> None:
    """Put in place of the server's certificate one of the same CA that ended yesterday."""
    request = ("req", "-new", "-key", "server.key", "-subj", "/CN=localhost", "-config")
    sign = ("x509", "-req", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "-1", "-extensions")
    for arguments in (
        (*request, "openssl.cnf", "-out", "server.csr"),
        (*sign, "server", "-extfile", "openssl.cnf", "-in", "server.csr", "-out", "server.pem"),
    ):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


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
    said = "No such file or directory" if content is None else "holds no certificate"
    assert refusal.detail == f"the CA file {bundle}: {said}"


@pytest.mark.parametrize("name", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
@pytest.mark.parametrize("empty", ["", " "])
async def test_a_ca_file_without_a_name_is_a_matter_of_tls(
    simulator: Simulator,
    shared: SharedAws,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    empty: str,
) -> None:
    """AWS's own tools do not take an empty variable for one that is not set, either."""
    monkeypatch.setenv(name, empty)

    refusal = await refusal_of(issuer_at(simulator.endpoint_url, shared))

    assert refusal.reason is Reason.TLS
    assert name in refusal.detail


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


@pytest.mark.parametrize(
    "url",
    [
        *("lightsail.test", "http://", "http://a..b", "http://a b", "http://[::1", "ftp//x"),
        *("ftp://x", "//x", "/", " ", "http://x:port", "http://x:99999"),
        *(
            f"https://agent:{SECRET}@127.0.0.1:1",
            f"http://agent:{SECRET}@a b",
            f"http://agent:{SECRET}/1@a b",
        ),
    ],
)
@pytest.mark.parametrize("is_variable", [True, False])
async def test_an_endpoint_that_is_no_url_is_said_to_be_wrong(
    shared: SharedAws,
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    is_variable: bool,  # noqa: FBT001 - so a parameter is passed
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)

    refusal = await refusal_of(issuer_at(None if is_variable else url, shared))

    assert refusal.reason is Reason.INVALID_INPUT
    assert "Error" not in refusal.detail
    assert SECRET not in refusal.detail


async def test_an_empty_endpoint_is_none(
    simulator: Simulator, shared: SharedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "")
    monkeypatch.setenv("AWS_ENDPOINT_URL_LIGHTSAIL", simulator.endpoint_url)

    assert await answer_of(issuer_at(None, shared))


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
            outcome = await issuer_at(f"http://{address}", shared).issue(AMPLE)
        refusal = believe(outcome, None) if isinstance(outcome, Answer) else outcome
        assert isinstance(refusal, Refusal), reply
        assert refusal.reason in {Reason.NETWORK, Reason.INVALID_RESPONSE}, reply
