"""A call that is given up, or is refused and cannot come again, leaves no socket open."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from lightkeeper.adapters.kubernetes.access import Material
from lightkeeper.core.reasons import Reason
from lightkeeper.ports import Failed
from lightkeeper.simulator.tls import find_certificate
from tests.adapters.kubernetes.api import (
    SECRET,
    TOKEN,
    Reply,
    access,
    client_of,
    first,
    path_of,
    saying,
    serving,
    status,
)
from tests.adapters.kubernetes.test_bearer import plugin, printing, runs
from tests.simulator.asking import until

CALLS = 50
PATIENCE_SECONDS = 0.02
"""Of the caller: far less than what a call may take."""


def sockets() -> int:
    """How many this process has open."""
    return sum(map(Path.is_socket, Path("/proc/self/fd").iterdir()))


@asynccontextmanager
async def mute() -> AsyncIterator[str]:
    """A server that takes connections and never says a word; its address."""

    async def meet(reader: StreamReader, writer: StreamWriter) -> None:
        while await reader.read(1000):
            pass
        writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@asynccontextmanager
async def deaf() -> AsyncIterator[str]:
    """A server that takes no connection: its queue is full; its address."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        address = server.getsockname()
        with socket.create_connection(address):
            yield f"127.0.0.1:{address[1]}"


@pytest.mark.parametrize(
    ("server", "scheme"),
    [(mute, "https"), (mute, "http"), (deaf, "http")],
    ids=["no handshake", "no answer", "no connection"],
)
async def test_calls_that_are_given_up_leave_no_socket(server: object, scheme: str) -> None:
    async with server() as address, client_of(access(f"{scheme}://{address}")) as cluster:  # type: ignore[operator]
        before = sockets()
        for _ in range(CALLS):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await cluster.read_lease("ci", "lightkeeper")

        await until(lambda: sockets() <= before)


async def test_a_peer_that_is_gone_is_found_though_nobody_asks_it() -> None:
    """By the kernel, on a watch that has nothing to tell."""
    async with serving(saying(Reply(body=SECRET))) as api, client_of(api.url) as cluster:
        await cluster.read_secret("ci", "login")
        (ours,) = _connected_to(int(api.url.rpartition(":")[2]))
        options = [
            ours.getsockopt(level, name)
            for level, name in (
                (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
                (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
                (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
            )
        ]
        ours.close()

    assert options == [1, 30, 10, 3]


async def test_a_watch_that_is_given_up_waits_for_no_farewell_of_a_server_that_is_gone(
    tmp_path: Path,
) -> None:
    made = await find_certificate(tmp_path / "tls")
    context, begun, over = made.server_context(), threading.Event(), threading.Event()

    def serve(listener: socket.socket) -> None:
        """A list and the beginning of a watch; it hears nothing after that."""
        peer = context.wrap_socket(listener.accept()[0], server_side=True)
        listing = b'{"metadata": {"resourceVersion": "1"}, "items": []}'
        heads = (b"Content-Length: %d" % len(listing), b"Transfer-Encoding: chunked")
        for head, body in zip(heads, (listing, b""), strict=True):
            peer.recv(65536)
            kind = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            peer.sendall(kind + head + b"\r\n\r\n" + body)
        begun.set()
        over.wait()
        peer.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        ca = Material(label="ca", path=made.ca)
        async with (
            client_of(access(f"https://127.0.0.1:{port}", ca=ca)) as cluster,
            asyncio.TaskGroup() as tasks,
        ):
            watching = tasks.create_task(first(2, cluster.watch_namespaces("")), name="watch")
            await until(begun.is_set)
            watching.cancel()
            await asyncio.wait([watching])

            await until(lambda: not _count(_connected_to(port)))
        over.set()
        thread.join()


def _count(found: list[socket.socket]) -> int:
    for one in found:
        one.close()
    return len(found)


def _connected_to(port: int) -> list[socket.socket]:
    """Another number for each socket of this process that leads there."""
    found = []
    for path in [*filter(Path.is_socket, Path("/proc/self/fd").iterdir())]:
        one = socket.socket(fileno=os.dup(int(path.name)))
        with suppress(OSError):
            if one.getpeername()[1:2] == (port,):
                found.append(one)
                continue
        one.close()
    return found


REFUSED = saying(status(401, "Unauthorized"))
LEAKS = 12
KEPT = 2
"""Both ends of the one connection that the next call goes by."""


async def test_a_token_that_is_refused_leaves_no_socket_where_its_command_fails(
    tmp_path: Path,
) -> None:
    """As when the session that it stands on has ended: each call comes with the old one."""
    once = f"[ $(wc -l <{tmp_path}/runs) = 1 ] || exit 1\n{printing(TOKEN)}"
    bearer = plugin(tmp_path, once)
    async with serving(REFUSED) as api, client_of(access(api.url, bearer=bearer)) as cluster:
        before = sockets()
        for _ in range(LEAKS):
            outcome = await cluster.read_secret("ci", "login")
            assert isinstance(outcome, Failed)
            assert outcome.detail.endswith("ended with status 1")

        assert len(api.asked) == LEAKS
        await until(lambda: sockets() <= before + KEPT)


async def test_a_token_that_is_refused_leaves_no_socket_where_its_command_hangs(
    tmp_path: Path,
) -> None:
    once = f"[ $(wc -l <{tmp_path}/runs) = 1 ] || exec sleep 60\n{printing(TOKEN)}"
    bearer = plugin(tmp_path, once)
    async with (
        serving(REFUSED) as api,
        client_of(access(api.url, bearer=bearer), deadline_seconds=600) as cluster,
        asyncio.TaskGroup() as tasks,
    ):
        before = sockets()
        for serial in range(LEAKS):
            call = tasks.create_task(cluster.read_lease("ci", "lightkeeper"), name="call")
            await until(lambda had=serial: len(api.asked) > had and runs(tmp_path) > 1)  # type: ignore[misc]
            call.cancel()
            await asyncio.wait([call])

        await until(lambda: sockets() <= before + KEPT)


async def test_who_is_refused_leaves_no_socket_where_the_new_certificates_are_none(
    tmp_path: Path,
) -> None:
    authority = (await find_certificate(tmp_path / "tls")).ca.read_text()
    ca = Material(label="ca", path=path_of(tmp_path, "ca.crt", authority))
    async with serving(REFUSED) as api, client_of(access(api.url, ca=ca)) as cluster:
        before = sockets()
        for serial in range(LEAKS):
            path_of(tmp_path, "ca.crt", f"none {serial}")
            outcome = await cluster.read_secret("ci", "login")
            assert isinstance(outcome, Failed)
            assert outcome.reason is Reason.TLS

        assert len(api.asked) == LEAKS
        await until(lambda: sockets() <= before + KEPT)
