"""Where the web is served: how an address is opened, tried again and moved.

A name that nobody resolves holds up nobody but whoever waits for the listener.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from ipaddress import ip_address
from typing import Final, NamedTuple

from lightkeeper.ports import Failed, Workers
from lightkeeper.serve.http import Web

_RESOLVE: Final = timedelta(seconds=5)
"""For the addresses of a host name."""


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int


class ListenError(Exception):
    """Nobody can listen there; the message says why."""


class Listener:
    """The one listener."""

    def __init__(self, at: Address | None, web: Callable[[], Web], workers: Workers) -> None:
        self._at = at
        self._make = web
        self._workers = workers
        self._web: Web | None = None
        self._changing = asyncio.Lock()

    @property
    def port(self) -> int:
        """Where it listens; 0 if nowhere, or not yet."""
        return self._web.port if self._web else 0

    async def open(self) -> None:
        """Listen, unless it does; `ListenError` if that cannot be."""
        async with self._changing:
            await self._reopen()

    async def close(self) -> None:
        """Listen no more."""
        if self._web is not None:
            await self._web.close()

    @asynccontextmanager
    async def moving(self, to: Address | None) -> AsyncIterator[None]:
        """Listen at `to` in the block and from then on; as before, if the block raises.

        `ListenError`, before the block, if nobody can. A listener at the same port makes room
        first: no other can be had beside one of every address.
        """
        async with self._changing:
            if to == self._at:
                yield
                return
            former = self._web
            is_in_the_way = former is not None and to is not None and former.port == to.port
            if former is not None and is_in_the_way:
                self._web = None
                await former.close()
            web = None
            try:
                web = await self._opened(to)
                yield
            except BaseException:
                if web is not None:
                    await web.close()
                with suppress(ListenError):  # it is tried again, as after a start without one
                    await self._reopen()
                raise
            self._at, self._web = to, web
            if former is not None and not is_in_the_way:
                await former.close()

    async def _reopen(self) -> None:
        if self._web is None:
            self._web = await self._opened(self._at)

    async def _opened(self, at: Address | None) -> Web | None:
        if at is None:
            return None
        try:
            web = self._make()
            await web.start(at.host, at.port, await self._addresses(at.host))
        except OSError as exc:
            raise ListenError(exc.strerror or str(exc)) from exc
        return web

    async def _addresses(self, host: str) -> Sequence[str]:
        try:
            return [str(ip_address(host))]
        except ValueError:
            found = await self._workers.run("listener", partial(_resolved, host), _RESOLVE)
        if isinstance(found, Failed):
            msg = f"{host} cannot be resolved: {found.detail}"
            raise ListenError(msg)
        return found


def _resolved(host: str) -> Sequence[str]:
    infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys(str(address[0]) for *_, address in infos))
