"""The HTTP session of every AWS client: no redirects, bounded answers, one SSL context for all.

aiobotocore's own follows redirects and sends the AWS session token along, reads bodies of any size
and builds an SSL context for each client.
"""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import aiohttp
from aiobotocore.httpsession import AIOHTTPSession
from botocore.httpsession import get_cert_path

if TYPE_CHECKING:
    from aiohttp.connector import Connection
    from yarl import URL

MAX_BODY_BYTES: Final = 256 * 1024
"""A hundred times what a login takes."""

_NO_ENDPOINT: Final = "the endpoint URL is not one like https://HOST"
_HOST: Final = re.compile(rb"[\w.:%-]+")

_ContextKey = tuple[object, ...]
_Contexts = tuple[ssl.SSLContext, ssl.SSLContext | None]


class GuardError(Exception):
    """What is refused here. The words are ours, for people, and without a secret."""


class RedirectedError(GuardError):
    """The answer points elsewhere, and is not followed."""


class AnswerTooLargeError(GuardError):
    """The answer is larger than any that is meant for us."""


class UnusableCertificatesError(GuardError):
    """A file of certificates or keys cannot be read, or is none."""


class UnusableProxyError(GuardError):
    """What the environment names is no proxy that can be asked."""


class UnusableEndpointError(GuardError):
    """What is to be asked is no URL of a host."""


class _GuardedResponse(aiohttp.ClientResponse):
    """An answer that may neither lead elsewhere nor fill the memory."""

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """Read the headers; raise before aiohttp could follow where they point."""
        await super().start(connection)
        if 300 <= self.status < 400:  # noqa: PLR2004 - the class of status that says "elsewhere"
            message = f"answered with status {self.status}, which leads elsewhere"
            raise RedirectedError(_by(self.url, message))
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
        raise AnswerTooLargeError(_by(self.url, f"sent more than {MAX_BODY_BYTES} bytes"))


class _GuardedSession(AIOHTTPSession):  # type: ignore[misc]  # aiobotocore ships no types
    """One client's session."""

    _contexts: dict[_ContextKey, tuple[int, _Contexts]]
    """With the time of the CA file when it was read; a megabyte each, so none of before is kept."""
    _scheme = "https"

    async def send(self, request: Any) -> Any:  # noqa: ANN401 - as inherited
        """As the parent does, but for what it would take for the URL of a host."""
        url = urlsplit(request.url)
        if url.scheme not in {"http", "https"} or not url.hostname:
            raise UnusableEndpointError(_NO_ENDPOINT)
        if "@" in url.netloc:
            message = f"the endpoint URL of {url.hostname} holds a user name or password"
            raise UnusableEndpointError(message)
        self._scheme = url.scheme
        return await super().send(request)

    async def _get_session(self, proxy_url: str | None) -> aiohttp.ClientSession:
        """As the parent makes it, with our kind of response; private there, pinned by a test."""
        session: aiohttp.ClientSession | None = self._sessions.get(proxy_url)
        if session is None:
            if proxy_url:
                _check_proxy(proxy_url, f"{self._scheme.upper()}_PROXY")
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
        """Those of an earlier client if nothing changed since; called in a thread.

        Where no TLS is spoken, one that trusts nobody: as with AWS's own tools, no CA file is read.
        """
        if self._scheme == "http" and not (proxy_url or "").startswith("https"):
            nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            return nobody, nobody
        trusted = get_cert_path(self._verify) if self._verify else None
        try:
            changed = Path(trusted).stat().st_mtime_ns if trusted else 0
            key = (trusted, self._cert_file, self._key_file, proxy_url)
            read_at, contexts = self._contexts.get(key, (None, None))
            if contexts is None or read_at != changed:
                contexts = super()._build_ssl_contexts(proxy_url)
                self._contexts[key] = changed, contexts
        except OSError as exc:  # an SSLError is one too
            said = "holds no certificate" if isinstance(exc, ssl.SSLError) else exc.strerror
            message = f"the CA file {exc.filename or trusted}: {said or type(exc).__name__}"
            raise UnusableCertificatesError(message) from exc
        return contexts


def guarded_session() -> type[AIOHTTPSession]:
    """A class of sessions that share their SSL contexts."""
    members: dict[str, Any] = {"_contexts": {}}
    return type("GuardedSession", (_GuardedSession,), members)


def _by(url: URL, message: str) -> str:
    return f"{url.host_port_subcomponent} {message}"


def _check_proxy(url: str, variable: str) -> None:
    """Refuse what would be looked up as a host: the library puts http:// ahead of `socks5://…`."""
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").encode("idna"), parts.port
        is_one = _HOST.fullmatch(host) is not None and not parts.path.startswith("//")
    except ValueError:  # a UnicodeError is one too
        host, is_one = b"", False
    if host.startswith(b"socks"):
        message = f"{variable}: a SOCKS proxy is not supported, only http:// and https://"
        raise UnusableProxyError(message)
    if not is_one:
        message = f"{variable} holds no URL of a proxy, such as http://HOST:PORT"
        raise UnusableProxyError(message)
