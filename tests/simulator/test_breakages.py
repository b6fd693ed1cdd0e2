from __future__ import annotations

import asyncio
import ssl
from itertools import islice

import aiohttp
import pytest
from botocore.exceptions import BotoCoreError, ReadTimeoutError

from lightkeeper.simulator import Endpoint, Simulator
from lightkeeper.simulator.faults import FAULTS
from lightkeeper.simulator.wire import Scene
from tests.simulator.asking import ask, aws_client, login, registry_status

_REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"


async def _received(simulator: Simulator, *, seconds: float = 5.0) -> bytes:
    """All that comes on one connection until it is closed, or for `seconds`."""
    host, _, port = simulator.registry.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    received = bytearray()
    try:
        writer.write(_REQUEST)
        async with asyncio.timeout(seconds):
            while data := await reader.read(1 << 16):
                received += data
    except TimeoutError:
        received += b"<hangs>"
    except ConnectionResetError:
        received += b"<reset>"
    finally:
        writer.close()
    return bytes(received)


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("close_after_request", b""),
        ("reset_after_request", b"<reset>"),
        ("lost_answer", b"<reset>"),
        ("hang_before_status", b"<hangs>"),
    ],
)
async def test_nothing_of_an_answer_comes(simulator: Simulator, name: str, end: bytes) -> None:
    simulator.fail(name)

    assert await _received(simulator, seconds=0.3) == end


@pytest.mark.parametrize("name", ["close_in_headers", "reset_in_headers", "hang_in_headers"])
async def test_the_headers_break_off(simulator: Simulator, name: str) -> None:
    simulator.fail(name)

    received = await _received(simulator, seconds=0.3)

    assert b"\r\n\r\n" not in received
    assert name.startswith("reset") is received.endswith(b"<reset>")
    assert name.startswith("hang") is received.endswith(b"<hangs>")


@pytest.mark.parametrize("name", ["close_in_body", "reset_in_body", "hang_in_body"])
async def test_the_body_breaks_off(simulator: Simulator, name: str) -> None:
    simulator.fail(name)

    received = await _received(simulator, seconds=0.3)

    assert b'\r\n\r\n{"registryLogin"' in received
    assert b'"registry"' not in received
    assert name.startswith("reset") is received.endswith(b"<reset>")
    assert name.startswith("hang") is received.endswith(b"<hangs>")


async def test_the_body_may_never_come(simulator: Simulator) -> None:
    simulator.fail("hang_before_body")

    assert (await _received(simulator, seconds=0.3)).endswith(b"\r\n\r\n<hangs>")


async def test_a_lost_answer_held_a_credential(simulator: Simulator) -> None:
    simulator.fail("lost_answer")

    with pytest.raises(BotoCoreError):
        await login(simulator)

    assert len(simulator.account.credentials.issued) == 1
    lost = simulator.account.credentials.issued[0]
    assert await registry_status(simulator, lost.as_answer()) == 200


async def test_a_dripping_answer_comes_byte_by_byte(simulator: Simulator) -> None:
    simulator.fail("drip_headers")

    received = await _received(simulator, seconds=1.0)

    assert b"HTTP/1.1".startswith(received.removesuffix(b"<hangs>"))
    assert 1 <= len(received.removesuffix(b"<hangs>")) <= 4


async def test_a_dripping_body_comes_after_whole_headers(simulator: Simulator) -> None:
    simulator.fail("drip_body")

    received = await _received(simulator, seconds=1.0)

    body = received.partition(b"\r\n\r\n")[2].removesuffix(b"<hangs>")
    assert b'{"registryLogin"'.startswith(body)


@pytest.mark.parametrize("name", ["endless_headers", "endless_chunks", "endless_1xx"])
async def test_an_endless_answer_keeps_coming(simulator: Simulator, name: str) -> None:
    simulator.fail(name)

    received = await _received(simulator, seconds=0.3)

    assert received.endswith(b"<hangs>")
    assert len(received) > 200


@pytest.mark.parametrize("name", ["endless_headers", "endless_chunks", "endless_1xx"])
def test_an_endless_answer_is_made_as_it_is_sent(name: str, scene: Scene) -> None:
    pieces = islice(FAULTS[name].pieces(scene), 1000)

    assert sum(map(len, pieces)) > 1000


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("garbage", b"this is not HTTP"),
        ("bad_status_line", b"HTTP/1.1 abc OK"),
        ("bad_chunk_size", b"\r\n\r\nzz\r\n"),
        ("close_in_chunk", b"\r\n\r\nff\r\nhalf"),
        ("huge_header", b"X-Huge: " + b"x" * 20_000),
        ("header_not_utf8", b"X-Odd: \xff\xfe\r\n"),
        ("two_lengths", b"Content-Length: 2\r\nContent-Length: 3"),
        ("length_and_chunked", b"Transfer-Encoding: chunked"),
        ("switching_protocols", b"HTTP/1.1 101 Switching Protocols"),
        ("connect_silence", b"HTTP/1.1 200 Connection established"),
        ("continue_first", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"),
    ],
)
async def test_sends_the_odd_bytes_that_it_is_named_for(
    simulator: Simulator, name: str, part: bytes
) -> None:
    simulator.fail(name)

    assert part in await _received(simulator, seconds=0.3)


@pytest.mark.parametrize("name", ["garbage", "bad_status_line", "bad_chunk_size", "two_lengths"])
async def test_what_is_not_http_is_refused_by_aws_s_own_client(
    simulator: Simulator, name: str
) -> None:
    simulator.fail(name)

    with pytest.raises(BotoCoreError):
        await login(simulator)


async def test_a_client_s_patience_ends_what_hangs(simulator: Simulator) -> None:
    simulator.fail("hang_in_body")

    async with aws_client(simulator, timeout_seconds=0.2) as client:
        with pytest.raises(ReadTimeoutError):
            await client.create_container_service_registry_login()

    assert (await ask(simulator)).status == 200


@pytest.mark.parametrize("name", ["close_on_accept", "reset_on_accept"])
async def test_a_connection_is_struck_before_it_is_read(simulator: Simulator, name: str) -> None:
    simulator.fail(name)

    with pytest.raises(aiohttp.ClientConnectionError):
        await ask(simulator)

    assert simulator.requests.count() == 0
    assert [one.fault for one in simulator.requests.of(Endpoint.CONNECTION)] == [name]
    assert (await ask(simulator)).status == 200


async def test_a_connection_may_be_taken_and_never_read(simulator: Simulator) -> None:
    simulator.fail("hang_on_accept")

    assert await _received(simulator, seconds=0.3) == b"<hangs>"
    assert simulator.requests.count() == 0


async def test_a_tls_handshake_may_hang(secure_simulator: Simulator) -> None:
    secure_simulator.fail("hang_on_accept")
    assert secure_simulator.certificate is not None
    trust = ssl.create_default_context(cafile=secure_simulator.certificate.ca)
    host, _, port = secure_simulator.registry.partition(":")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await asyncio.open_connection(host, int(port), ssl=trust)
