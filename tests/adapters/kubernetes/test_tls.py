"""TLS with servers of a CA of one's own, as kubeconfigs tell of it, and its rotation."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
import subprocess
from asyncio import StreamReader, StreamWriter
from pathlib import Path

import aiohttp
import pytest

from lightkeeper.adapters.kubernetes.access import Access, ClusterConfigError
from lightkeeper.adapters.kubernetes.connections import check_hook
from lightkeeper.adapters.kubernetes.kubeconfig import Material
from lightkeeper.adapters.kubernetes.tls import ssl_context
from lightkeeper.cluster import SecretSeen
from lightkeeper.core.credential import Secret
from lightkeeper.core.reasons import Reason
from lightkeeper.ports import Failed
from lightkeeper.simulator.tls import Certificate, find_certificate
from tests.adapters.kubernetes.api import (
    SECRET,
    Asked,
    FakeApi,
    Reply,
    access,
    client_of,
    path_of,
    saying,
    serving,
    status,
)
from tests.simulator.asking import until

FINE = saying(Reply(body=SECRET))


@pytest.fixture
async def made(tmp_path: Path) -> Certificate:
    return await find_certificate(tmp_path / "tls")


def trusting(made: Certificate) -> Material:
    return Material(label="ca", path=made.ca)


def is_fine(outcome: object) -> bool:
    return isinstance(outcome, SecretSeen)


def _pem(path: Path) -> Secret:
    return Secret(path.read_text())


async def ask(where: Access) -> object:
    async with client_of(where) as cluster:
        return await cluster.read_secret("ci", "login")


async def test_a_ca_in_a_file_or_in_place(made: Certificate) -> None:
    async with serving(FINE, made.server_context()) as api:
        for ca in (trusting(made), Material(label="ca", data=_pem(made.ca))):
            assert is_fine(await ask(access(api.url, ca=ca)))


async def test_a_ca_of_a_cluster_needs_no_key_identifiers(made: Certificate) -> None:
    """From Python 3.13 on it would, and kubectl takes those that have none."""
    context = ssl_context(access("https://x", ca=trusting(made)))

    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


async def test_a_server_of_another_ca_is_a_matter_of_tls(made: Certificate, tmp_path: Path) -> None:
    other = await find_certificate(tmp_path / "other")
    async with serving(FINE, made.server_context()) as api:
        for where in (access(api.url), access(api.url, ca=trusting(other))):
            outcome = await ask(where)

            assert isinstance(outcome, Failed)
            assert outcome.reason is Reason.TLS
            assert "certificate" in outcome.detail
    assert api.asked == []


async def test_an_insecure_one_is_asked_all_the_same(made: Certificate) -> None:
    async with serving(FINE, made.server_context()) as api:
        assert is_fine(await ask(access(api.url, is_insecure=True)))


async def test_the_name_in_the_certificate_may_be_another_than_in_the_url(
    made: Certificate,
) -> None:
    async with serving(FINE, made.server_context()) as api:
        named = access(api.url, ca=trusting(made), server_name="localhost")
        other = access(api.url, ca=trusting(made), server_name="elsewhere")

        assert is_fine(await ask(named))
        outcome = await ask(other)
    assert isinstance(outcome, Failed)
    assert outcome.reason is Reason.TLS


async def test_no_tls_where_it_is_expected(made: Certificate) -> None:
    async def meet(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(meet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        outcome = await ask(access(f"https://127.0.0.1:{port}", ca=trusting(made)))

    assert isinstance(outcome, Failed)
    assert outcome.reason is Reason.TLS


async def test_a_handshake_that_does_not_end_is_a_time_out_and_leaves_nothing_open(
    made: Certificate,
) -> None:
    """What is made by then is closed, whoever cuts it."""
    async with serving(FINE) as api:
        where = access(api.url.replace("http:", "https:"), ca=trusting(made))
        async with client_of(where, deadline_seconds=1.5) as cluster:
            before = _open()
            outcomes = [await cluster.read_secret("ci", "login") for _ in range(3)]
            api.hang_up()
            await until(lambda: _open() == before)

    detail = "no connection was made in time"
    assert outcomes == [Failed(reason=Reason.TIMEOUT, detail=detail)] * 3


def _open() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208 - nothing to make paths of


def demanding(made: Certificate) -> ssl.SSLContext:
    """A server that wants to see a certificate of its CA."""
    context = made.server_context()
    context.load_verify_locations(made.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_certificate(folder: Path, ca: Path) -> tuple[Path, Path]:
    """One for a client, of the CA in a folder."""
    certificate, key, request = folder / "me.crt", folder / "me.key", folder / "me.csr"
    new = ("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    sign = ("x509", "-req", "-CA", ca, "-CAkey", ca.parent / "ca.key", "-CAcreateserial")
    for words in (
        (*new, "-keyout", key, "-out", request, "-subj", "/CN=me"),
        (*sign, "-days", "2", "-in", request, "-out", certificate),
    ):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)
    return certificate, key


async def test_a_client_certificate_in_files_or_in_place(made: Certificate, tmp_path: Path) -> None:
    certificate, key = client_certificate(tmp_path, made.ca)
    async with serving(FINE, demanding(made)) as api:
        for one, other in (
            (Material(label="c", path=certificate), Material(label="k", path=key)),
            (Material(label="c", data=_pem(certificate)), Material(label="k", data=_pem(key))),
        ):
            where = access(api.url, ca=trusting(made), certificate=one, key=other)
            assert is_fine(await ask(where))
        without = await ask(access(api.url, ca=trusting(made)))

    assert isinstance(without, Failed)
    assert without.reason in {Reason.TLS, Reason.NETWORK}


def test_no_key_is_left_on_a_disk_or_open(tmp_path: Path, made: Certificate) -> None:
    certificate, key = client_certificate(tmp_path, made.ca)
    before = _open()
    ssl_context(
        access(
            "https://x",
            certificate=Material(label="c", data=_pem(certificate)),
            key=Material(label="k", data=_pem(key)),
        )
    )

    assert _open() == before


async def test_a_ca_that_was_renewed_is_taken_up(made: Certificate, tmp_path: Path) -> None:
    """Without a restart, which lightkube needs."""
    other = await find_certificate(tmp_path / "other")
    ca = tmp_path / "ca.crt"
    ca.write_text(other.ca.read_text())
    async with (
        serving(FINE, made.server_context()) as api,
        client_of(access(api.url, ca=Material(label="ca", path=ca))) as cluster,
    ):
        before = await cluster.read_secret("ci", "login")
        (tmp_path / "new").write_text(made.ca.read_text())
        (tmp_path / "new").replace(ca)
        after = await cluster.read_secret("ci", "login")

    assert isinstance(before, Failed)
    assert is_fine(after)


async def test_a_ca_that_was_renewed_is_taken_up_by_all_calls_that_are_out(
    made: Certificate, tmp_path: Path
) -> None:
    """Not only by the first that is told of it."""
    other = await find_certificate(tmp_path / "other")
    ca = path_of(tmp_path, "ca.crt", other.ca.read_text())
    async with (
        serving(FINE, made.server_context()) as api,
        client_of(access(api.url, ca=Material(label="ca", path=ca))) as cluster,
    ):
        path_of(tmp_path, "ca.crt", made.ca.read_text())
        outcomes = await asyncio.gather(*(cluster.read_secret("ci", "login") for _ in range(8)))

    assert all(map(is_fine, outcomes)), outcomes


async def test_a_client_certificate_that_was_renewed_is_taken_up_by_all_calls_that_are_out(
    made: Certificate, tmp_path: Path
) -> None:
    """Connections with the former one are answered 401."""
    certificate, key = client_certificate(tmp_path, made.ca)

    def say(asked: Asked) -> Reply:
        is_new = asked.serial != api.asked[0].serial
        return Reply(body=SECRET) if is_new else status(401, "Unauthorized")

    api: FakeApi
    one, other = Material(label="c", path=certificate), Material(label="k", path=key)
    async with serving(say, demanding(made)) as api:
        where = access(api.url, ca=trusting(made), certificate=one, key=other)
        async with client_of(where) as cluster:
            client_certificate(tmp_path, made.ca)
            asking = (cluster.read_secret("ci", "login") for _ in range(8))
            outcomes = await asyncio.gather(*asking)

    assert all(map(is_fine, outcomes)), outcomes


async def test_a_client_certificate_that_was_renewed_is_taken_up(
    made: Certificate, tmp_path: Path
) -> None:
    """An API server takes a connection with one that has expired, and answers 401."""
    certificate, key = client_certificate(tmp_path, made.ca)
    connections_before_renewal = 1

    def say(_: Asked) -> Reply:
        is_new = api.connections > connections_before_renewal
        return Reply(body=SECRET) if is_new else status(401, "Unauthorized")

    api: FakeApi
    one, other = Material(label="c", path=certificate), Material(label="k", path=key)
    async with serving(say, demanding(made)) as api:
        where = access(api.url, ca=trusting(made), certificate=one, key=other)
        async with client_of(where) as cluster:
            before = await cluster.read_secret("ci", "login")
            client_certificate(tmp_path, made.ca)
            after = await cluster.read_secret("ci", "login")

    assert isinstance(before, Failed)
    assert before.reason is Reason.UNAUTHENTICATED
    assert is_fine(after)


async def test_a_ca_that_is_broken_while_it_runs_is_a_failure(
    made: Certificate, tmp_path: Path
) -> None:
    other = await find_certificate(tmp_path / "other")
    ca = tmp_path / "ca.crt"
    ca.write_text(other.ca.read_text())
    async with (
        serving(FINE, made.server_context()) as api,
        client_of(access(api.url, ca=Material(label="the CA", path=ca))) as cluster,
    ):
        ca.write_text("nothing")
        outcomes = await asyncio.gather(*(cluster.read_secret("ci", "login") for _ in range(8)))

    detail = f"the CA: {ca}: holds no certificate"
    assert outcomes == [Failed(reason=Reason.TLS, detail=detail)] * 8


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file or directory"),
        (b"nothing", "holds no certificate"),
        (b"\xff", "is not PEM"),
    ],
)
def test_a_ca_that_is_none(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "ca.crt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ClusterConfigError) as caught:
        ssl_context(access("https://x", ca=Material(label="K", path=path)))

    assert str(caught.value) == f"K: {path}: {said}"


async def test_a_certificate_and_a_key_that_are_no_pair(made: Certificate, tmp_path: Path) -> None:
    certificate, _ = client_certificate(tmp_path, made.ca)
    with pytest.raises(ClusterConfigError) as caught:
        ssl_context(
            access(
                "https://x",
                certificate=Material(label="C", path=certificate),
                key=Material(label="K", data=_pem(made.key)),
            )
        )

    assert str(caught.value) == f"C: {certificate} and K: are no pair that can be used"
    assert base64.b64encode(made.key.read_bytes()).decode() not in repr(caught.value)


class Tunnel:
    """A proxy."""

    def __init__(self) -> None:
        self.asked: list[list[bytes]] = []
        """The lines of each head."""
        self.shown: list[object] = []
        """The certificate of each client."""

    async def meet(self, reader: StreamReader, writer: StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        self.asked.append(head)
        self.shown.append(writer.get_extra_info("peercert"))
        port = int(head[0].split()[1].rpartition(b":")[2])
        there, back = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_pump(reader, back), name="there")
            tasks.create_task(_pump(there, writer), name="back")


async def test_a_proxy_is_asked_for_a_tunnel(made: Certificate) -> None:
    """What goes through it is TLS to the API server, whose certificate is checked."""
    tunnel = Tunnel()
    async with (
        serving(FINE, made.server_context()) as api,
        await asyncio.start_server(tunnel.meet, "127.0.0.1", 0) as server,
    ):
        proxy = f"http://fake:word@127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert is_fine(await ask(access(api.url, ca=trusting(made), proxy=Secret(proxy))))

    (head,) = tunnel.asked
    assert head[0] == f"CONNECT {api.url.removeprefix('https://')} HTTP/1.1".encode()
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"fake:word") in head


@pytest.mark.parametrize("code", [403, 407, 502])
async def test_a_proxy_that_makes_no_tunnel_is_a_matter_of_the_proxy(code: int) -> None:
    async def meet(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {code} No\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()

    async with await asyncio.start_server(meet, "127.0.0.1", 0) as server:
        proxy = f"http://fake:word@127.0.0.1:{server.sockets[0].getsockname()[1]}"
        outcome = await ask(access("https://127.0.0.1:1", proxy=Secret(proxy)))

    detail = f"the proxy answered {code} where it was asked for a tunnel"
    assert outcome == Failed(reason=Reason.PROXY, detail=detail)


async def test_a_proxy_that_cannot_be_reached_is_a_matter_of_the_proxy() -> None:
    async with serving(FINE) as api:
        proxy = api.url
    refused, nowhere = [
        await ask(access("https://127.0.0.1:1", proxy=Secret(one)))
        for one in (proxy, "http://name.invalid:3128")
    ]

    said = "the proxy could not be reached: "
    assert refused == Failed(reason=Reason.PROXY, detail=f"{said}Connection refused")
    assert isinstance(nowhere, Failed)
    assert nowhere.reason is Reason.PROXY
    assert nowhere.detail.startswith(said)


async def test_a_proxy_with_tls_is_trusted_as_the_host_does_and_shown_no_certificate(
    made: Certificate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, tunnel = await find_certificate(tmp_path / "other"), Tunnel()
    certificate, key = client_certificate(tmp_path, made.ca)
    asking = other.server_context()
    asking.load_verify_locations(made.ca)
    asking.verify_mode = ssl.CERT_OPTIONAL
    monkeypatch.setenv("SSL_CERT_FILE", str(other.ca))
    async with (
        serving(FINE, demanding(made)) as api,
        await asyncio.start_server(tunnel.meet, "127.0.0.1", 0, ssl=asking) as server,
    ):
        where = access(
            api.url,
            ca=trusting(made),
            certificate=Material(label="c", path=certificate),
            key=Material(label="k", path=key),
            proxy=Secret(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"),
        )
        assert is_fine(await ask(where))

    assert tunnel.shown == [None]


def test_a_proxy_with_tls_is_refused_where_it_cannot_be_told_from_the_api_server() -> None:
    """By an aiohttp that calls otherwise what is private there."""
    check_hook(aiohttp.TCPConnector)

    with pytest.raises(ClusterConfigError) as caught:
        check_hook(object)
    assert str(caught.value) == (
        f"a proxy with https:// cannot be used with aiohttp {aiohttp.__version__}; use one with"
        " http://, or the aiohttp of requirements-kubernetes.lock"
    )


async def _pump(reader: StreamReader, writer: StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()
