"""What lightkube sends goes through here: turns, tokens, deadlines and caps, which it has not.

An answer that is none of success is raised as one of ours before lightkube could look at it: it
takes its Content-Type for granted.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus
from typing import Final

import httpx2
from httpcore2 import AsyncNetworkStream

from lightkeeper import __version__
from lightkeeper.adapters.kubernetes.access import Access
from lightkeeper.adapters.kubernetes.bearer import Bearer
from lightkeeper.adapters.kubernetes.gate import AT_ONCE, Gate, Rank
from lightkeeper.adapters.kubernetes.tls import ssl_context, stamp
from lightkeeper.adapters.kubernetes.trouble import (
    AnsweredError,
    AnswerTooLargeError,
    NoAnswerError,
    NotSentError,
    WatchEndedError,
    retry_after,
)

DEADLINE_SECONDS: Final = 10.0
"""Of a call, from its turn on."""
_QUEUE_SECONDS: Final = 600.0
"""For a turn: of 1,500 outputs that all begin at once, eight calls each, the last waits so long."""
WATCH_MARGIN_SECONDS: Final = 30.0
"""How much later than the API server a watch ends by itself, if that one is silent."""
MAX_BODY_BYTES: Final = 4 * 1024 * 1024
"""Of an answer, and of one event of a watch."""

_MAYBE: Final = "it may have been done all the same"
_CONNECTING: Final = 0.4
"""What TCP and TLS may take of a deadline, each."""
_KEEP_SECONDS: Final = 60.0
_USER_AGENT: Final = f"lightkeeper/{__version__}"
_URGENT: Final = re.compile(rb"/leases(/|\?|$)|/namespaces(\?|$)")
_TIMEOUT: Final = re.compile(rb"[?&]timeoutSeconds=(\d+)")
# A peer that is gone is found within a minute, on a watch that has nothing to tell as well.
_KEEPALIVE: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)

Dial = Callable[[], httpx2.AsyncBaseTransport]


def dialling(access: Access) -> Dial:
    """What makes connections with the certificates that are there when it is called."""

    def dial() -> httpx2.AsyncBaseTransport:
        return httpx2.AsyncHTTPTransport(
            verify=ssl_context(access),
            trust_env=False,
            proxy=access.proxy,
            limits=httpx2.Limits(
                max_connections=None,  # the gate holds them
                max_keepalive_connections=AT_ONCE,
                keepalive_expiry=_KEEP_SECONDS,
            ),
            socket_options=_KEEPALIVE,
        )

    return dial


class GuardedTransport(httpx2.AsyncBaseTransport):
    """One API server's."""

    def __init__(
        self,
        access: Access,
        bearer: Bearer,
        gate: Gate,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        watch_margin_seconds: float = WATCH_MARGIN_SECONDS,
    ) -> None:
        self._access = access
        self._bearer = bearer
        self._gate = gate
        self._deadline = deadline_seconds
        self._margin = watch_margin_seconds
        self._dial = dialling(access)
        self._stamp = stamp(access)
        self._inner = self._dial()
        self._former: httpx2.AsyncBaseTransport | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer, if it is one of success, with its whole body; a watch gives its lines."""
        target = request.url.raw_path
        is_watch = b"watch=true" in target
        await self._enter(_rank(request.method, target))
        try:
            async with asyncio.timeout(self._deadline):
                response = await self._send(request)
                if not is_watch:
                    return await self._whole(response)
        except TimeoutError as exc:
            message = f"no whole answer came within {self._deadline:g} s; {_MAYBE}"
            raise NoAnswerError(message) from exc
        finally:
            self._gate.leave()
        return self._watching(response, target)

    async def aclose(self) -> None:
        """Let go of every connection."""
        for transport in (self._inner, self._former):
            if transport is not None:
                await transport.aclose()

    async def _enter(self, rank: Rank) -> None:
        # To wait for others of ours is no failure; what goes first, or is told to wait, says so.
        is_told = bool(self._gate.pause_left) or rank is Rank.FIRST
        patience = self._deadline if is_told else _QUEUE_SECONDS
        try:
            async with asyncio.timeout(patience):
                await self._gate.enter(rank)
        except TimeoutError as exc:
            left = self._gate.pause_left.total_seconds()
            why = "the API server asked for patience" if left else "others go first"
            message = f"not sent within {patience:g} s: {why}"
            raise NotSentError(message) from exc

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        """The answer; once more where a newer token or certificate is at hand.

        Its body is not read yet.
        """
        token = await self._bearer.token()
        # So that it is told where no connection is made: then nothing can have been done.
        request.extensions["timeout"] = {"connect": self._deadline * _CONNECTING}
        _dress(request, token, self._access.server_name)
        try:
            response = await self._ask(request)
        except (httpx2.TransportError, OSError) as exc:
            if tls_error(exc) is None or not await self._renewed():
                raise
            response = await self._ask(request)
        if response.status_code == HTTPStatus.UNAUTHORIZED and (
            other := await self._other(token, response)
        ):
            _dress(request, other.token, self._access.server_name)
            response = await self._ask(request)
        if not response.is_success:
            await self._refuse(response)
        return response

    async def _ask(self, request: httpx2.Request) -> httpx2.Response:
        made = request.extensions["trace"] = _Made()
        response = None
        try:
            response = await self._inner.handle_async_request(request)
        finally:
            if response is None:
                await made.close()
        return response

    async def _other(self, token: str | None, response: httpx2.Response) -> _Other | None:
        """What to come with instead of what was refused; only if nothing, it is still open."""
        is_kept = False
        try:
            if token is None:
                found = _Other(None) if await self._renewed() else None
            else:
                newer = await self._bearer.other_than(token)
                found = None if newer is None else _Other(newer)
            is_kept = found is None
        finally:
            if not is_kept:
                await response.aclose()
        return found

    async def _renewed(self) -> bool:
        """Whether a file of certificates was written anew; connections are made with it then."""
        now = stamp(self._access)
        if now == self._stamp:
            return False
        self._stamp = now
        dialled, former = self._dial(), self._former
        self._former, self._inner = self._inner, dialled
        if former is not None:
            await former.aclose()
        return True

    async def _refuse(self, response: httpx2.Response) -> None:
        if (seconds := retry_after(response.headers)) is not None:
            self._gate.pause(seconds)
        body = (await self._whole(response)).content
        raise AnsweredError.of(response.status_code, body)

    async def _whole(self, response: httpx2.Response) -> httpx2.Response:
        """With its body, so that its connection is free and its turn over."""
        body = bytearray()
        try:
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > MAX_BODY_BYTES:
                    message = f"sent more than {MAX_BODY_BYTES} bytes"
                    raise AnswerTooLargeError(message)
        finally:
            await response.aclose()
        return httpx2.Response(
            response.status_code,
            headers={"Content-Type": "application/json"},
            content=bytes(body),
            extensions={"http_version": b"HTTP/1.1"},
        )

    def _watching(self, response: httpx2.Response, target: bytes) -> httpx2.Response:
        told = _TIMEOUT.search(target)
        seconds = (float(told[1]) if told else 0.0) + self._margin
        until = asyncio.get_running_loop().time() + seconds
        return httpx2.Response(
            response.status_code,
            headers={"Content-Type": "application/json"},
            stream=_Events(response, until),
            extensions={"http_version": b"HTTP/1.1"},
        )


class _Other:
    """What else to come with."""

    __slots__ = ("token",)

    def __init__(self, token: str | None) -> None:
        self.token = token


class _Made:
    """The connection that is made for a request, as httpcore2 tells of it.

    It leaves the socket open if it is cancelled in the middle of a handshake: by a caller that has
    less patience than the deadline.
    """

    def __init__(self) -> None:
        self._stream: AsyncNetworkStream | None = None

    async def __call__(self, event: str, info: Mapping[str, AsyncNetworkStream]) -> None:
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self._stream = info["return_value"]

    async def close(self) -> None:
        """Close it; that was done already unless it was in a handshake."""
        if self._stream is not None:
            await self._stream.aclose()


class _Events(httpx2.AsyncByteStream):
    """A watch's body; its end is said, which lightkube would go over and ask again at once."""

    def __init__(self, response: httpx2.Response, until: float) -> None:
        self._response = response
        self._until = until

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = aiter(self._response.aiter_raw())
        line_bytes = 0
        while (piece := await self._piece(pieces)) is not None:
            end = piece.rfind(b"\n")
            line_bytes = line_bytes + len(piece) if end < 0 else len(piece) - end - 1
            if line_bytes > MAX_BODY_BYTES:
                message = f"sent an event of more than {MAX_BODY_BYTES} bytes"
                raise AnswerTooLargeError(message)
            yield piece
        message = "the watch has ended"
        raise WatchEndedError(message)

    async def _piece(self, pieces: AsyncIterator[bytes]) -> bytes | None:
        """The next one, in time; None at the end."""
        try:
            async with asyncio.timeout_at(self._until):
                return await anext(pieces, None)
        except TimeoutError as exc:
            message = "the watch fell silent and did not end in time"
            raise NoAnswerError(message) from exc

    async def aclose(self) -> None:
        await self._response.aclose()


def tls_error(exc: BaseException | None) -> ssl.SSLError | None:
    """What TLS said, if it was that, and not only cut short."""
    while exc is not None:
        if isinstance(exc, ssl.SSLError) and not isinstance(exc, ssl.SSLWantReadError):
            return exc
        exc = exc.__cause__ or exc.__context__
    return None


def _rank(method: str, target: bytes) -> Rank:
    if _URGENT.search(target):
        return Rank.FIRST
    is_read = method == "GET" or b"dryRun=" in target
    return Rank.READ if is_read else Rank.WRITE


def _dress(request: httpx2.Request, token: str | None, server_name: str | None) -> None:
    headers = request.headers
    headers["User-Agent"] = _USER_AGENT
    headers["Accept-Encoding"] = "identity"  # so that the cap on the body is one on the memory
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    if server_name is not None:
        request.extensions["sni_hostname"] = server_name
