"""A call that its caller gives up leaves no socket open, wherever it stood."""

from __future__ import annotations

import asyncio
import socket
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.adapters.kubernetes.api import access, client_of
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
