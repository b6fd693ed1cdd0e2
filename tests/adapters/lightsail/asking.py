"""How tests ask: an issuer on its way to a simulator, or to a server of raw bytes."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

from lightkeeper.adapters.clock import SystemClock
from lightkeeper.adapters.lightsail import AwsSource, Callers, LightsailIssuer, SharedAws
from lightkeeper.core.answer import Answer, Refusal

REGION: Final = "eu-central-1"
AMPLE: Final = timedelta(seconds=20)
"""For what comes to an end by itself, on a machine that is busy with other tests."""
BRIEF: Final = timedelta(seconds=1)
"""For what never ends; enough to get that far when several do at once."""

CUT: Final = f"no complete answer within {BRIEF.total_seconds():g} s"
"""What is said of an attempt that `BRIEF` ended."""

ONE_CALL: Final = "tests.adapters.lightsail.one_call"

SECRET: Final = "simulated-word"
"""What an address may carry and nobody may be told."""

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def closed_port() -> int:
    """One that nobody listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def issuer_at(url: str | None, shared: SharedAws, **source: Any) -> LightsailIssuer:  # noqa: ANN401
    """An issuer for `url`, with what else `AwsSource` takes."""
    named = AwsSource(**{"region": REGION, "endpoint_url": url, **source})
    return LightsailIssuer(named, Callers(shared), SystemClock())


async def answer_of(issuer: LightsailIssuer) -> Answer:
    answer = await issuer.issue(AMPLE)
    assert isinstance(answer, Answer), answer
    return answer


async def refusal_of(issuer: LightsailIssuer, deadline: timedelta = AMPLE) -> Refusal:
    refusal = await issuer.issue(deadline)
    assert isinstance(refusal, Refusal), refusal
    return refusal


@asynccontextmanager
async def serving(handle: Handler) -> AsyncIterator[str]:
    """The HOST:PORT of a server on loopback that does `handle` with each connection."""
    writers = list[asyncio.StreamWriter]()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            await handle(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    try:
        host, port = server.sockets[0].getsockname()
        yield f"{host}:{port}"
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await server.wait_closed()


def saying(reply: bytes, heard: bytearray | None = None) -> Handler:
    """Answer the first bytes of each connection with `reply`, and close."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.read(65536)
        if heard is not None:
            heard.extend(request)
        writer.write(reply)
        await writer.drain()

    return handle


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Take all and say nothing, until the client goes."""
    while await reader.read(65536):
        pass


async def in_a_process(
    url: str, *profiles: str, seconds: float = 15, prelude: str = ""
) -> list[dict[str, str]]:
    """What comes of a call for each profile, in a process that ends by itself and in peace.

    `prelude` is Python to run there before.
    """
    program = f"{prelude}\nimport runpy\nrunpy.run_module({ONE_CALL!r}, run_name='__main__')"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", program, url, str(seconds), *profiles),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(seconds + AMPLE.total_seconds()):
        said, complained = await process.communicate()
    assert (process.returncode, complained) == (0, b"")
    return list(json.loads(said))
