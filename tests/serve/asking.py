"""How tests ask a listener: with aiohttp's client, and byte by byte."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import aiohttp

from lightkeeper.core.report import Report
from lightkeeper.serve.http import Scrape, Web
from tests.telemetry.scrape import SERVED, an_hour_later, metrics_of

LOOPBACK = "127.0.0.1"
SECURITY = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Server": "lightkeeper",
}


@dataclass
class Daemon:
    """What a listener asks when it is asked."""

    report: Report = field(default_factory=lambda: an_hour_later(SERVED))
    scrape: Scrape = field(default_factory=lambda: metrics_of(SERVED).snapshot())
    is_alive: bool = True
    is_broken: bool = False
    viewed_by: threading.Thread | None = None

    def view(self) -> Report:
        """The report, unless there is a bug."""
        self.viewed_by = threading.current_thread()
        if self.is_broken:
            msg = "a bug, and simulated-1 beside it"
            raise LookupError(msg)
        return self.report


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@asynccontextmanager
async def serving(
    daemon: Daemon,
    *,
    host: str = LOOPBACK,
    idle: timedelta = timedelta(seconds=20),
    deadline: timedelta = timedelta(seconds=20),
) -> AsyncIterator[int]:
    """A listener at a port of its own, with the patience of this test."""
    web = Web(
        look=lambda: daemon.view,
        scrape=lambda: daemon.scrape,
        is_alive=lambda: daemon.is_alive,
        idle=idle,
        deadline=deadline,
    )
    await web.start(host, 0)
    try:
        yield web.port
    finally:
        await web.close()


async def ask(
    port: int, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None
) -> Reply:
    """One request of a well-behaved client; the body as it came over the wire."""
    url = f"http://{LOOPBACK}:{port}{path}"
    plain = {"Accept-Encoding": "identity", **(headers or {})}
    async with (
        aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=10), auto_decompress=False
        ) as session,
        session.request(method, url, headers=plain) as answer,
    ):
        body = await answer.read()
        return Reply(status=answer.status, headers=answer.headers, body=body)


@asynccontextmanager
async def connected(
    port: int,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection that says nothing yet."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def rest_of(reader: asyncio.StreamReader) -> bytes:
    """Everything until the other side is done; what it cut off ends there, too."""
    got = b""
    try:
        async with asyncio.timeout(10):
            while chunk := await reader.read(65536):
                got += chunk
    except ConnectionResetError:
        pass
    return got


async def say(port: int, said: bytes) -> bytes:
    """All that is answered to these bytes."""
    async with connected(port) as (reader, writer):
        writer.write(said)
        return await rest_of(reader)


def head_of(answer: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers of an answer."""
    first, *lines = answer.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    named = (line.partition(": ") for line in lines)
    return int(first.split()[1]), {name: value for name, _, value in named}
