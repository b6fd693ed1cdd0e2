"""The connections to one API server, which aiohttp makes and keeps.

What lightkube sends would go out by httpx2, whose own connections cost two and a half times the
processor time.
"""

from __future__ import annotations

import socket
import ssl
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import httpx2
from yarl import URL

from lightkeeper.adapters.kubernetes.kubeconfig import ClusterConfigError
from lightkeeper.adapters.kubernetes.tls import ssl_context
from lightkeeper.adapters.kubernetes.trouble import NotConnectedError, ProxyError, cause_of

if TYPE_CHECKING:
    from lightkeeper.adapters.kubernetes.access import Access

_CONNECTING: Final = 0.8
"""What a connection may take of a deadline to be made."""
_KEEP_SECONDS: Final = 60.0
_LARGE: Final = 1024 * 1024
# A peer that is gone is found within a minute, on a watch that has nothing to tell as well.
_KEEPALIVE: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)


class Connections:
    """Made with the certificates that are there when this is; `ClusterConfigError` without."""

    def __init__(self, access: Access, deadline_seconds: float) -> None:
        self._proxy = None if access.proxy is None else access.proxy.reveal()
        self._server_name = access.server_name
        self._tls = ssl_context(access)
        is_tls = (self._proxy or "").startswith("https:")
        if is_tls:
            check_hook(aiohttp.TCPConnector)
        self._proxy_tls = ssl.create_default_context() if is_tls else None
        # So that it is told where no connection is made: then nothing can have been done.
        self._timeout = aiohttp.ClientTimeout(
            connect=deadline_seconds * _CONNECTING, ceil_threshold=deadline_seconds
        )
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, request: httpx2.Request) -> aiohttp.ClientResponse:
        """The head of the answer, whichever it is; whoever has the body releases it.

        `aiohttp.ClientError`, `OSError`, `NotConnectedError`, `ProxyError`.
        """
        if self._session is None:
            self._session = self._begin()
        try:
            return await self._session.request(
                request.method,
                URL(str(request.url), encoded=True),
                data=_body(request.content),
                headers=request.headers,
                allow_redirects=False,
                proxy=self._proxy,
                server_hostname=self._server_name,
            )
        except aiohttp.ConnectionTimeoutError as exc:
            message = "no connection was made in time"
            raise NotConnectedError(message) from exc
        except aiohttp.ClientHttpProxyError as exc:
            message = f"the proxy answered {exc.status} where it was asked for a tunnel"
            raise ProxyError(message) from exc
        except (aiohttp.ClientProxyConnectionError, aiohttp.ClientConnectorDNSError) as exc:
            if self._proxy is None:
                raise
            # Of the API server's name only the proxy asks.
            message = f"the proxy could not be reached: {cause_of(exc) or 'no connection was made'}"
            raise ProxyError(message) from exc

    async def close(self) -> None:
        """Let go of all."""
        if self._session is not None:
            await self._session.close()

    def _begin(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=_Connector(
                self._proxy_tls,
                ssl=self._tls,
                limit=0,  # the gate holds them
                keepalive_timeout=_KEEP_SECONDS,
                socket_factory=_socket,
            ),
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )


_HOOK: Final = "_update_proxy_auth_header_and_build_proxy_req"


def check_hook(connector: type[object]) -> None:
    """`ClusterConfigError` if a proxy with TLS would be met as the API server behind it.

    What `_Connector` overrides is private in aiohttp: one that calls it otherwise would show the
    proxy our client's certificate, and say nothing.
    """
    if not hasattr(connector, _HOOK):
        message = (
            f"a proxy with https:// cannot be used with aiohttp {aiohttp.__version__};"
            " use one with http://, or the aiohttp of requirements-kubernetes.lock"
        )
        raise ClusterConfigError(message)


class _Connector(aiohttp.TCPConnector):
    """One that trusts a proxy as this host does, and shows it no client's certificate.

    aiohttp meets it as the server behind it.
    """

    def __init__(self, proxy_tls: ssl.SSLContext | None, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        self._proxy_tls = proxy_tls

    def _update_proxy_auth_header_and_build_proxy_req(
        self, req: aiohttp.ClientRequest
    ) -> aiohttp.ClientRequest:
        made: aiohttp.ClientRequest = super()._update_proxy_auth_header_and_build_proxy_req(req)
        if self._proxy_tls is not None:
            made._ssl = self._proxy_tls  # noqa: SLF001 - as above
        return made


def _body(content: bytes) -> bytes | BytesIO | None:
    """A large one is sent piece by piece: aiohttp would hold up the loop with it."""
    return BytesIO(content) if len(content) > _LARGE else content or None


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    for option in _KEEPALIVE:
        made.setsockopt(*option)
    return made
