"""The HTTP session of every AWS client: no redirects, bounded answers, one SSL context for all.

aiobotocore's own follows redirects and sends the AWS session token along, reads bodies of any size
and builds an SSL context for each client.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from aiobotocore.httpsession import AIOHTTPSession
from botocore.httpsession import get_cert_path

if TYPE_CHECKING:
    from aiohttp.connector import Connection

MAX_BODY_BYTES: Final = 256 * 1024
"""A hundred times what a login takes."""

_ContextKey = tuple[object, ...]
_Contexts = tuple[ssl.SSLContext, ssl.SSLContext | None]


class RedirectedError(Exception):
    """The answer points elsewhere, and is not followed."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")


class AnswerTooLargeError(Exception):
    """The answer is larger than any that is meant for us."""

    def __init__(self) -> None:
        super().__init__(f"more than {MAX_BODY_BYTES} bytes")


class UnusableCertificatesError(Exception):
    """A file of certificates or keys cannot be read, or is none."""


class _GuardedResponse(aiohttp.ClientResponse):
    """An answer that may neither lead elsewhere nor fill the memory."""

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """Read the headers; raise before aiohttp could follow where they point."""
        await super().start(connection)
        if 300 <= self.status < 400:  # noqa: PLR2004 - the class of status that says "elsewhere"
            raise RedirectedError(self.status)
        return self

    async def read(self) -> bytes:
        """The body, up to the limit; the connection is closed if it does not come whole."""
        body = bytearray()
        try:
            async for piece in self.content.iter_any():
                body += piece
                if len(body) > MAX_BODY_BYTES:
                    break
            else:
                return bytes(body)
        except BaseException:
            self.close()
            raise
        self.close()
        raise AnswerTooLargeError


class _GuardedSession(AIOHTTPSession):  # type: ignore[misc]  # aiobotocore ships no types
    """One client's session."""

    _contexts: dict[_ContextKey, _Contexts]

    async def _get_session(self, proxy_url: str | None) -> aiohttp.ClientSession:
        """As the parent makes it, with our kind of response; private there, pinned by a test."""
        session: aiohttp.ClientSession | None = self._sessions.get(proxy_url)
        if session is None:
            session = aiohttp.ClientSession(
                connector=await self._create_connector(proxy_url),
                timeout=self._timeout,
                skip_auto_headers={"CONTENT-TYPE"},
                auto_decompress=False,
                response_class=_GuardedResponse,
            )
            self._sessions[proxy_url] = await self._exit_stack.enter_async_context(session)
        return session

    def _build_ssl_contexts(self, proxy_url: str | None) -> _Contexts:
        """Those of an earlier client if nothing changed since; called in a thread."""
        try:
            trusted = get_cert_path(self._verify) if self._verify else None
            changed = Path(trusted).stat().st_mtime_ns if trusted else 0
            key = (trusted, changed, self._cert_file, self._key_file, proxy_url)
            if key not in self._contexts:
                self._contexts[key] = super()._build_ssl_contexts(proxy_url)
        except OSError as exc:  # an SSLError is one too
            raise UnusableCertificatesError(exc.strerror or type(exc).__name__) from exc
        return self._contexts[key]


def guarded_session() -> type[AIOHTTPSession]:
    """A class of sessions that share their SSL contexts."""
    contexts: dict[_ContextKey, _Contexts] = {}
    members: dict[str, Any] = {"_contexts": contexts}
    return type("GuardedSession", (_GuardedSession,), members)
