"""What nobody can do to the listener: hold it, flood it, or fill the log through it."""

from __future__ import annotations

import asyncio
import select
import socket
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serve.asking import (
    LOOPBACK,
    SECURITY,
    Daemon,
    ask,
    connected,
    head_of,
    rest_of,
    say,
    serving,
)

SHORT = timedelta(seconds=0.2)
REQUEST = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    "said",
    [b"", b"G", b"GET /livez HTTP/1.1\r\nHost: loc", REQUEST[:-2]],
    ids=["nothing", "a letter", "half a header", "all but the end"],
)
async def test_whoever_says_too_little_is_let_go(said: bytes) -> None:
    async with serving(Daemon(), idle=SHORT) as port:
        assert await say(port, said) == b""


async def test_whoever_speaks_slowly_is_let_go() -> None:
    """A byte whenever the server has read the last one does not keep a connection."""
    async with serving(Daemon(), idle=SHORT) as port, connected(port) as (reader, writer):
        ended = False
        for byte in b"GET /livez HTTP/1.1\r\n" + b"A: " + b"b" * 4000:
            writer.write(bytes([byte]))
            try:
                async with asyncio.timeout(0.02):
                    ended = await reader.read() == b""
            except TimeoutError:
                continue
            except ConnectionResetError:
                ended = True
            break

        assert ended


class Flood:
    """A scrape that no socket buffer holds."""

    def render(self, accept: str) -> tuple[list[bytes], str]:
        return [b"x 1\n" * (8 << 20)], "text/plain"


async def test_whoever_does_not_read_is_cut_off() -> None:
    daemon = Daemon(scrape=Flood())
    async with serving(daemon, deadline=timedelta(seconds=0.5)) as port:
        with socket.create_connection((LOOPBACK, port)) as stuck:
            stuck.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            poll = select.poll()
            poll.register(stuck, 0)
            ended = await asyncio.to_thread(poll.poll, 10_000)

    assert ended
    assert ended[0][1] & (select.POLLHUP | select.POLLERR)


async def test_there_are_only_so_many_connections() -> None:
    """Of 200 that say nothing 136 are refused at once, and the others are served."""
    async with serving(Daemon()) as port, AsyncExitStack() as stack:
        open_ = [await stack.enter_async_context(connected(port)) for _ in range(200)]
        waiting = {asyncio.ensure_future(rest_of(reader)): writer for reader, writer in open_}
        refused = set[asyncio.Future[bytes]]()
        while len(refused) < 200 - 64:
            done, _ = await asyncio.wait(
                waiting.keys() - refused, timeout=10, return_when=asyncio.FIRST_COMPLETED
            )
            assert done
            refused |= done
        assert {task.result() for task in refused} == {b""}
        for task, writer in waiting.items():
            if task not in refused:
                writer.write(REQUEST)
        answers = [await task for task in waiting if task not in refused]
        after = await ask(port, "/livez")

    assert [head_of(answer)[0] for answer in answers] == [200] * 64
    assert after.status == 200


NONSENSE = [
    (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nA: " + b"a" * 20_000 + b"\r\n\r\n", "long header"),
    (b"GET /livez HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 200 + b"\r\n", "many headers"),
    (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", "long path"),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "TLS"),
    (b"GET / HTTP/9.9\r\n\r\n", "another version"),
    (b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "two hosts"),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", "negative length"),
]


@pytest.mark.parametrize("said", [said for said, _ in NONSENSE], ids=[name for _, name in NONSENSE])
async def test_nonsense_is_refused_without_a_line_in_the_log(
    said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(Daemon()) as port:
        answer = await say(port, said)
        alive = await ask(port, "/livez")

    status, headers = head_of(answer)
    assert status == 400
    assert SECURITY.items() <= headers.items()
    assert answer.endswith(b"\r\n\r\nthis is not a request\n")
    assert alive.status == 200
    assert caplog.records == []


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nab", 405),
        (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n", 200),
        (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n", 200),
        (b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n", 405),
        (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\r\n", 200),
    ],
    ids=["announced", "with get", "chunked", "asked for", "another protocol"],
)
async def test_a_body_is_not_waited_for(said: bytes, status: int) -> None:
    async with serving(Daemon()) as port:
        answer = await say(port, said)

    assert head_of(answer)[0] == status


async def test_a_connection_is_one_request() -> None:
    async with serving(Daemon()) as port:
        answer = await say(port, REQUEST * 3)

    assert answer.count(b"HTTP/1.1 200") == 1


_WORDS = st.sampled_from(
    [
        *(b"GET", b"HEAD", b"POST", b" ", b"/", b"/livez", b"/metrics", b"*"),
        *(b" HTTP/1.1", b" HTTP/1.0", b"\r\n", b"\n", b"\r\n\r\n", b":", b"\0"),
        *(b"Host: localhost", b"Host:", b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        *(b"0\r\n\r\n", b"Accept: \xff", b"Connection: keep-alive", REQUEST),
    ]
)


@settings(max_examples=40, deadline=None)
@given(said=st.lists(_WORDS | st.binary(max_size=8), max_size=12).map(b"".join))
def test_whatever_is_said_the_listener_lives_on(said: bytes) -> None:
    async def talk() -> tuple[bytes, int]:
        async with serving(Daemon(), idle=SHORT) as port:
            answer = await say(port, said)
            return answer, (await ask(port, "/livez")).status

    answer, alive = asyncio.run(talk())

    assert alive == 200
    if answer:
        status, headers = head_of(answer)
        assert status in {200, 400, 404, 405, 421}
        assert SECURITY.items() <= headers.items()
