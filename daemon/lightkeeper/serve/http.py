"""Metrics and probes over HTTP. Nothing that is asked here changes anything.

A listener beyond loopback tells less: /status names paths and people. Reads no body, waits for
nobody, and holds no more connections than it was built for, so that it cannot starve renewals.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final

from aiohttp import hdrs, web

from lightkeeper.core.report import Report, unready
from lightkeeper.core.status import as_document
from lightkeeper.telemetry.metrics import Metrics

_CONNECTIONS: Final = 64
_IDLE_SECONDS: Final = 5.0
_LARGE: Final = 2000
"""Series above which rendering would stall the loop for longer than it may."""

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
_INDEX: Final = "lightkeeper: /metrics /livez /readyz /readyz?places=all /status\n"


class Web:
    """One listener."""

    def __init__(
        self, *, view: Callable[[], Report], metrics: Metrics, is_alive: Callable[[], bool]
    ) -> None:
        self.port = 0
        self._view = view
        self._metrics = metrics
        self._is_alive = is_alive
        self._is_local = True
        self._server: asyncio.Server | None = None
        self._web = web.Server(
            self._answer,
            access_log=None,
            keepalive_timeout=_IDLE_SECONDS,
            lingering_time=0,
            max_line_size=4096,
            max_field_size=4096,
        )

    async def start(self, host: str, port: int) -> None:
        """Listen; `OSError` if that cannot be."""
        self._is_local = is_loopback(host)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, host, port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Listen no more, and let go of who is connected."""
        if self._server is not None:
            self._server.close()
        await self._web.shutdown(timeout=0.2)

    def _connection(self) -> asyncio.BaseProtocol:
        if len(self._web.connections) >= _CONNECTIONS:
            return _Refusal()
        return self._web()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        response = await self._response(request)
        response.headers.update(_HEADERS)
        if request.body_exists:
            response.force_close()  # nobody reads it
        return response

    async def _response(self, request: web.BaseRequest) -> web.Response:
        if request.method not in (hdrs.METH_GET, hdrs.METH_HEAD):
            return web.Response(status=405, headers={hdrs.ALLOW: "GET, HEAD"})
        if self._is_local and not is_loopback(request.host.rpartition(":")[0] or request.host):
            # A page of another site, whose name was made to lead here.
            return web.Response(status=421, text="this listener answers to loopback names\n")
        match request.path:
            case "/metrics":
                return await self._scraped(request)
            case "/livez":
                is_alive = self._is_alive()
                return _json({"alive": is_alive}, status=200 if is_alive else 503)
            case "/readyz":
                return self._readiness(request.query.get("places") == "all")
            case "/status" if self._is_local:
                return _json(as_document(self._view()))
            case "/" if self._is_local:
                return web.Response(text=_INDEX)
            case _:
                return web.Response(status=404)

    async def _scraped(self, request: web.BaseRequest) -> web.Response:
        snapshot = self._metrics.snapshot()
        accept = request.headers.get(hdrs.ACCEPT, "")
        if snapshot.series > _LARGE:
            body, content_type = await asyncio.to_thread(snapshot.render, accept)
        else:
            body, content_type = snapshot.render(accept)
        response = web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type})
        response.enable_compression()
        return response

    def _readiness(self, every_place: bool) -> web.Response:  # noqa: FBT001 - one caller, above
        wrong = unready(self._view(), every_place=every_place)
        body = {
            "ready": not wrong,
            "failing": [
                {
                    "login": one.login,
                    "output": one.output,
                    "place": one.place,
                    "reason": one.reason,
                    **({"sentence": one.sentence} if self._is_local else {}),
                }
                for one in wrong
            ],
        }
        return _json(body, status=503 if wrong else 200)


class _Refusal(asyncio.Protocol):
    """For one connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            transport.abort()


def _json(body: object, status: int = 200) -> web.Response:
    text = json.dumps(body, indent=1, default=str) + "\n"
    return web.Response(status=status, text=text, content_type="application/json")


def is_loopback(host: str) -> bool:
    """Whether a name or an address, in brackets or not, is this machine's own."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
