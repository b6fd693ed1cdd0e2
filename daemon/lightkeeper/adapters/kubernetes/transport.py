"""What lightkube sends goes through here: turns, tokens, deadlines and caps, which it has not.

An answer that is none of success is raised as one of ours before lightkube could look at it: it
takes its Content-Type for granted.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Final, NamedTuple

import aiohttp
import httpx2

from lightkeeper import __version__
from lightkeeper.adapters.kubernetes.access import Access
from lightkeeper.adapters.kubernetes.bearer import Bearer
from lightkeeper.adapters.kubernetes.connections import Connections
from lightkeeper.adapters.kubernetes.gate import Gate, Rank
from lightkeeper.adapters.kubernetes.tls import stamp
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
_USER_AGENT: Final = f"lightkeeper/{__version__}"
_URGENT: Final = re.compile(rb"/leases(/|\?|$)|/namespaces(\?|$)")
_TIMEOUT: Final = re.compile(rb"[?&]timeoutSeconds=(\d+)")


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
        self._stamp = stamp(access)
        self._connections = Connections(access, deadline_seconds)
        self._former: Connections | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer, if it is one of success, with its whole body; a watch gives its lines."""
        await self._bearer.ready()  # before its turn: who waits for a command holds up nobody
        answer = await self._in_turn(request)
        if isinstance(answer, _Refused) and await self._has_other(answer):
            answer = await self._in_turn(request)
        if isinstance(answer, _Refused):
            raise answer.error
        return answer

    async def _in_turn(self, request: httpx2.Request) -> httpx2.Response | _Refused:
        target = request.url.raw_path
        await self._enter(_rank(request.method, target))
        try:
            async with asyncio.timeout(self._deadline):
                token = self._bearer.token()
                _dress(request, token)
                response, asked = await self._ask(request)
                if not HTTPStatus(200) <= response.status < HTTPStatus(300):
                    error = await self._error(response)
                    if response.status == HTTPStatus.UNAUTHORIZED:
                        return _Refused(error, token, asked)
                    raise error
                if b"watch=true" not in target:
                    return await self._whole(response)
        except TimeoutError as exc:
            message = f"no whole answer came within {self._deadline:g} s; {_MAYBE}"
            raise NoAnswerError(message) from exc
        finally:
            self._gate.leave()
        return self._watching(response, target)

    async def aclose(self) -> None:
        """Let go of every connection, and of a command that is under way."""
        for connections in (self._connections, self._former):
            if connections is not None:
                await connections.close()
        await self._bearer.close()

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

    async def _ask(self, request: httpx2.Request) -> tuple[aiohttp.ClientResponse, Connections]:
        """The answer, and who got it; its body is not read yet.

        Asked once more where a newer certificate is at hand.
        """
        asked = self._connections
        try:
            return await asked.ask(request), asked
        except (aiohttp.ClientError, OSError) as exc:
            if tls_error(exc) is None or not await self._renewed(asked):
                raise
        asked = self._connections
        return await asked.ask(request), asked

    async def _has_other(self, refused: _Refused) -> bool:
        """Whether there is something else to come with."""
        if refused.token is None:
            return await self._renewed(refused.asked)
        return await self._bearer.has_other_than(refused.token)

    async def _renewed(self, asked: Connections) -> bool:
        """Whether there are other connections than those, made with a certificate written since.

        They are made by the first of all calls that were out.
        """
        if asked is not self._connections:
            return True
        now = stamp(self._access)
        if now == self._stamp:
            return False
        made, former = Connections(self._access, self._deadline), self._former
        self._stamp = now
        self._former, self._connections = self._connections, made
        if former is not None:
            await former.close()
        return True

    async def _error(self, response: aiohttp.ClientResponse) -> AnsweredError:
        if (seconds := retry_after(response.headers)) is not None:
            self._gate.pause(seconds)
        body = (await self._whole(response)).content
        return AnsweredError.of(response.status, body)

    async def _whole(self, response: aiohttp.ClientResponse) -> httpx2.Response:
        """With its body, so that its connection is free and its turn over."""
        body = bytearray()
        try:
            async for piece in response.content.iter_any():
                body += piece
                if len(body) > MAX_BODY_BYTES:
                    message = f"sent more than {MAX_BODY_BYTES} bytes"
                    raise AnswerTooLargeError(message)
        finally:
            response.release()
        return httpx2.Response(
            response.status,
            headers={"Content-Type": "application/json"},
            content=bytes(body),
            extensions={"http_version": b"HTTP/1.1"},
        )

    def _watching(self, response: aiohttp.ClientResponse, target: bytes) -> httpx2.Response:
        told = _TIMEOUT.search(target)
        seconds = (float(told[1]) if told else 0.0) + self._margin
        until = asyncio.get_running_loop().time() + seconds
        return httpx2.Response(
            response.status,
            headers={"Content-Type": "application/json"},
            stream=_Events(response, until),
            extensions={"http_version": b"HTTP/1.1"},
        )


class _Refused(NamedTuple):
    """The API server does not know us, so that nothing was done."""

    error: AnsweredError
    token: str | None
    """What was come with."""
    asked: Connections


class _Events(httpx2.AsyncByteStream):
    """A watch's body; its end is said, which lightkube would go over and ask again at once."""

    def __init__(self, response: aiohttp.ClientResponse, until: float) -> None:
        self._response = response
        self._until = until

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = aiter(self._response.content.iter_any())
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
        # Without TLS's farewell: an API server that has gone would be waited for.
        connection = self._response.connection
        if connection is not None and connection.transport is not None:
            connection.transport.abort()
        self._response.close()


def tls_error(exc: BaseException | None) -> ssl.SSLError | None:
    """What TLS said, if it was that, and not only cut short."""
    while exc is not None:
        is_said = not isinstance(exc, ssl.SSLWantReadError | aiohttp.ClientError)
        if isinstance(exc, ssl.SSLError) and is_said:
            return exc
        exc = exc.__cause__ or exc.__context__
    return None


def _rank(method: str, target: bytes) -> Rank:
    if _URGENT.search(target):
        return Rank.FIRST
    is_read = method == "GET" or b"dryRun=" in target
    return Rank.READ if is_read else Rank.WRITE


def _dress(request: httpx2.Request, token: str | None) -> None:
    headers = request.headers
    headers["User-Agent"] = _USER_AGENT
    headers["Accept-Encoding"] = "identity"  # so that the cap on the body is one on the memory
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
