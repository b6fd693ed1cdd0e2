"""Where the web is served: opened, tried again, moved, and left as it was where that fails."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

import aiohttp
import pytest

from lightkeeper.core.reasons import Reason
from lightkeeper.ports import Failed
from lightkeeper.serve.http import Web
from lightkeeper.serve.listener import Address, Listener, ListenError
from tests.serve.asking import LOOPBACK, Daemon, ask

T = TypeVar("T")

ELSEWHERE = "192.0.2.1"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - what it excludes is the test
ANYWHERE = Address(LOOPBACK, 0)


@dataclass
class Inline:
    """Workers that run everything at once, or find that it takes too long."""

    hangs: bool = False
    asked: list[timedelta] = field(default_factory=list)

    async def run(self, name: str, work: Callable[[], T], deadline: timedelta) -> T | Failed:
        self.asked.append(deadline)
        return Failed(reason=Reason.TIMEOUT, detail="no answer") if self.hangs else work()


@asynccontextmanager
async def listening(at: Address | None, workers: Inline | None = None) -> AsyncIterator[Listener]:
    daemon = Daemon()

    def web() -> Web:
        return Web(look=lambda: daemon.view, scrape=lambda: daemon.scrape, is_alive=lambda: True)

    listener = Listener(at, web, workers or Inline())
    try:
        yield listener
    finally:
        await listener.close()


async def is_served(port: int) -> bool:
    try:
        return (await ask(port, "/livez")).status == 200
    except aiohttp.ClientConnectionError:
        return False


async def is_local(port: int) -> bool:
    """Whether it tells what only this machine may know."""
    return (await ask(port, "/status")).status == 200


async def test_it_listens_once_it_is_opened_and_no_more_once_it_is_closed() -> None:
    workers = Inline()
    async with listening(ANYWHERE, workers) as listener:
        assert listener.port == 0
        await listener.open()
        port = listener.port
        await listener.open()

        assert listener.port == port
        assert await is_served(port)
    assert not await is_served(port)
    assert workers.asked == [], "an address has nothing to resolve"


async def test_where_nothing_is_to_be_served_nothing_is_opened() -> None:
    async with listening(None) as listener:
        await listener.open()

        assert listener.port == 0


async def test_a_port_in_use_is_said_and_had_once_it_is_free() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        async with listening(Address(LOOPBACK, port)) as listener:
            with pytest.raises(ListenError, match="in use"):
                await listener.open()
            taken.close()
            await listener.open()

            assert await is_served(port)


async def test_a_name_is_resolved_within_a_deadline() -> None:
    workers = Inline()
    async with listening(Address("localhost", 0), workers) as listener:
        await listener.open()

        assert await is_served(listener.port)
    assert workers.asked == [timedelta(seconds=5)]


async def test_a_name_that_nobody_resolves_is_said() -> None:
    async with listening(Address("metrics.test", 0), Inline(hangs=True)) as listener:
        with pytest.raises(ListenError, match=r"metrics\.test cannot be resolved: no answer"):
            await listener.open()


async def test_it_moves_to_another_port() -> None:
    async with listening(ANYWHERE) as listener:
        await listener.open()
        before = listener.port
        async with listener.moving(Address("127.0.0.2", 0)):
            assert await is_served(before)
        with socket.create_connection(("127.0.0.2", listener.port)):
            pass

        assert not await is_served(before)


async def test_it_moves_from_loopback_to_every_address_at_the_same_port_and_back() -> None:
    async with listening(ANYWHERE) as listener:
        await listener.open()
        port = listener.port
        async with listener.moving(Address(EVERYWHERE, port)):
            pass
        assert listener.port == port
        assert await is_served(port)
        assert not await is_local(port)
        async with listener.moving(Address(LOOPBACK, port)):
            pass
        assert await is_local(port)


@pytest.mark.parametrize("same_port", [True, False])
async def test_where_nobody_can_listen_it_stays_where_it_was(*, same_port: bool) -> None:
    async with listening(Address("127.0.0.1", 0)) as listener:
        await listener.open()
        port = listener.port
        # Another port 0 would be the one that is there.
        async with listener.moving(Address(LOOPBACK, port)):
            pass
        with pytest.raises(ListenError, match=r"192\.0\.2\.1"):
            async with listener.moving(Address(ELSEWHERE, port if same_port else port + 1)):
                pytest.fail("the block is not entered")

        assert listener.port == port
        assert await is_served(port)


@pytest.mark.parametrize("host", [EVERYWHERE, "127.0.0.2"])
async def test_where_the_block_breaks_it_stays_where_it_was(host: str) -> None:
    async with listening(ANYWHERE) as listener:
        await listener.open()
        port = listener.port
        async with listener.moving(Address(LOOPBACK, port)):
            pass
        with pytest.raises(LookupError):
            async with listener.moving(Address(host, port)):
                raise LookupError

        assert listener.port == port
        assert await is_local(port)


async def test_it_stays_where_it_is_told_to_stay() -> None:
    async with listening(ANYWHERE) as listener:
        await listener.open()
        port = listener.port
        async with listener.moving(ANYWHERE):
            assert await is_served(port)

        assert listener.port == port
        assert await is_served(port)


async def test_it_ends_where_nothing_is_to_be_served_any_more_and_begins_again() -> None:
    async with listening(ANYWHERE) as listener:
        await listener.open()
        port = listener.port
        async with listener.moving(None):
            pass
        assert not await is_served(port)
        assert listener.port == 0
        async with listener.moving(ANYWHERE):
            pass

        assert await is_served(listener.port)


async def test_one_that_never_opened_may_move() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        at = Address(LOOPBACK, taken.getsockname()[1])
        async with listening(at) as listener:
            with pytest.raises(ListenError):
                await listener.open()
            async with listener.moving(ANYWHERE):
                pass

            assert await is_served(listener.port)
