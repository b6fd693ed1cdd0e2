"""Metrics and probes over HTTP. Nothing that is asked here changes anything.

A listener beyond loopback tells less: there is no /status, which names paths and people, and
/readyz names logins and reasons alone. A connection is one request and one answer within a
deadline, no body is read, and there are only so many connections: nobody who sends or reads slowly
can hold what renewals need.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from typing import Final, Protocol, TypeVar

from aiohttp import hdrs, web
from msgspec import to_builtins

from lightkeeper.core.credential import is_loopback
from lightkeeper.core.report import Report, unready
from lightkeeper.core.status import heading, login_documents

_CONNECTIONS: Final = 64
_IDLE: Final = timedelta(seconds=2)
"""For a whole request line and all headers to come."""
_DEADLINE: Final = timedelta(seconds=10)
"""For a connection from its first to its last byte; Prometheus gives up then, too."""
_LONGEST_LINE: Final = 4096
_GZIP: Final = 16 + zlib.MAX_WBITS
"""How zlib is told to write gzip's frame."""

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Server": "lightkeeper",
    "X-Content-Type-Options": "nosniff",
}
_INDEX: Final = "lightkeeper: /metrics /livez /readyz /readyz?places=all /status\n"
_HOST: Final = re.compile(r"(?P<name>\[[^\]]*\]|[^:]*)(:[0-9]*)?")


Look = Callable[[], Report]
"""Makes the report of what stood when it was given out, in any thread."""

T = TypeVar("T")


class Scrape(Protocol):
    """The metrics of one moment; they do not change while they are rendered."""

    def render(self, accept: str) -> tuple[Iterable[bytes], str]:
        """The exposition that `accept` asks for, part by part, and its content type."""
        ...


class Web:
    """One listener; made inside a running loop."""

    def __init__(
        self,
        *,
        look: Callable[[], Look],
        scrape: Callable[[], Scrape],
        is_alive: Callable[[], bool],
        idle: timedelta = _IDLE,
        deadline: timedelta = _DEADLINE,
    ) -> None:
        self.port = 0
        self._look = look
        self._scrape = scrape
        self._is_alive = is_alive
        self._idle = idle
        self._deadline = deadline
        self._is_local = True
        self._making = asyncio.Lock()
        self._server: asyncio.Server | None = None
        self._web = web.Server(self._answer)

    async def start(self, host: str, port: int, addresses: Sequence[str] = ()) -> None:
        """Listen on these addresses, or else on those of `host`; `OSError` if that cannot be."""
        self._is_local = is_loopback(host)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, addresses or host, port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Listen no more, and let go of who is connected."""
        if self._server is not None:
            self._server.close()
        await self._web.shutdown(timeout=0.2)

    def _connection(self) -> asyncio.BaseProtocol:
        return _Connection(self._web, idle=self._idle, deadline=self._deadline)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        return _final(await self._response(request))

    async def _response(self, request: web.BaseRequest) -> web.Response:
        if request.method not in (hdrs.METH_GET, hdrs.METH_HEAD):
            headers = {hdrs.ALLOW: "GET, HEAD"}
            return web.Response(status=405, text="nothing can be changed here\n", headers=headers)
        if self._is_local and not _is_meant_for_loopback(request):
            return web.Response(status=421, text="this listener answers to loopback names\n")
        match request.path:
            case "/metrics":
                return await self._scraped(request)
            case "/livez":
                is_alive = self._is_alive()
                return _json({"alive": is_alive}, status=200 if is_alive else 503)
            case "/readyz":
                every_place = request.query.get("places") == "all"
                return await self._aside(partial(self._readiness, self._look(), every_place))
            case "/status" if self._is_local:
                return await self._aside(partial(_status, self._look()))
            case "/" if self._is_local:
                return web.Response(text=_INDEX)
            case _:
                return web.Response(status=404, text="there is nothing here\n")

    async def _scraped(self, request: web.BaseRequest) -> web.Response:
        accept = request.headers.get(hdrs.ACCEPT, "")
        is_packed = "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, "").lower()
        return await self._aside(partial(_metrics, self._scrape(), accept, is_packed))

    async def _aside(self, make: Callable[[], T]) -> T:
        """Make an answer beside the loop, which many logins would stall; one at a time."""
        async with self._making:
            return await asyncio.to_thread(make)

    def _readiness(self, look: Look, every_place: bool) -> web.Response:  # noqa: FBT001 - as above
        report = look()
        wrong = unready(report, every_place=every_place)
        if self._is_local:
            failing = [to_builtins(one) for one in wrong]
        else:
            told = dict.fromkeys((one.login, one.reason) for one in wrong)
            failing = [{"login": login, "reason": reason} for login, reason in told]
        said = {"ready": not wrong, **report.part.document(), "failing": failing}
        return _json(said, status=503 if wrong else 200)


class _Connection(web.RequestHandler):
    """aiohttp's, with the limits that it does not know."""

    __slots__ = ("_cut", "_deadline")

    def __init__(self, server: web.Server, *, idle: timedelta, deadline: timedelta) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # how it is turned off
            keepalive_timeout=idle.total_seconds(),
            lingering_time=0,
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
        )
        self._deadline = deadline
        self._cut: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream's always is one
        if self._manager is None or len(self._manager.connections) >= _CONNECTIONS:
            transport.abort()
            return
        super().connection_made(transport)
        self._cut = self._loop.call_later(self._deadline.total_seconds(), _reset, transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._cut is not None:
            self._cut.cancel()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if status < 500:  # noqa: PLR2004 - somebody else's nonsense is not worth a line in the log
            return _final(web.Response(status=status, text="this is not a request\n"))
        return _final(super().handle_error(request, status, exc, message))


def _reset(transport: asyncio.Transport) -> None:
    """Cut off, and take back from the kernel what nobody read."""
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _final(response: web.StreamResponse) -> web.StreamResponse:
    """The last one of its connection."""
    response.headers.update(_HEADERS)
    response.force_close()
    return response


def _is_meant_for_loopback(request: web.BaseRequest) -> bool:
    """Whether the client was asked to come here: it names this machine as loopback, or not at all.

    A browser that was made to by a name of another site (DNS rebinding) sends that name.
    """
    host = _HOST.fullmatch(request.headers.get(hdrs.HOST, "localhost"))
    return host is not None and is_loopback(host["name"])


def _metrics(scrape: Scrape, accept: str, is_packed: bool) -> web.Response:  # noqa: FBT001 - as above
    """Packed part by part, because the whole is megabytes."""
    parts, content_type = scrape.render(accept)
    headers = {hdrs.CONTENT_TYPE: content_type}
    if is_packed:
        headers[hdrs.CONTENT_ENCODING] = "gzip"
        parts = _packed(parts)
    return web.Response(body=b"".join(parts), headers=headers)


def _packed(parts: Iterable[bytes]) -> Iterator[bytes]:
    pack = zlib.compressobj(wbits=_GZIP)
    for part in parts:
        yield pack.compress(part)
    yield pack.flush()


def _status(look: Look) -> web.Response:
    """A login a line, made one by one: a thousand at once, indented, take 40 MB for a moment."""
    report = look()
    lines = ",\n".join(map(json.dumps, login_documents(report)))
    head = json.dumps(heading(report)).removesuffix("}")
    text = f'{head}, "logins": [\n{lines}\n]}}\n'
    return web.Response(text=text, content_type="application/json")


def _json(body: object, status: int = 200) -> web.Response:
    text = json.dumps(body, indent=1) + "\n"
    return web.Response(status=status, text=text, content_type="application/json")
