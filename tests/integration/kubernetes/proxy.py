"""An HTTP proxy of loopback before an API server, which does to requests what a test orders.

Requests and answers pass through it whole, but for those that an order is meant for; the events of
a watch pass as they come. It speaks plain HTTP with the daemon and TLS with the API server.
"""

from __future__ import annotations

import http.client
import re
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import urlsplit

from tests.real.cluster import ApiServer

_HOP: Final = frozenset({"connection", "transfer-encoding", "content-length", "host"})


class Do(Enum):
    """What becomes of a request."""

    PASS = auto()
    HANG = auto()
    """It is read, and nothing else happens."""
    CLOSE = auto()
    """The connection is closed without an answer; the API server hears nothing."""
    SWALLOW = auto()
    """The API server does it, and the connection is closed without an answer."""
    CUT = auto()
    """The API server does it, and half of its answer comes."""
    LATE = auto()
    """The answer comes a second late."""
    BUSY = auto()
    """429 in plain text with `Retry-After: 1`, as an API server sends it."""
    HOLD = auto()
    """It waits for `release`, and is then sent on, whoever still waits for its answer."""


@dataclass
class Order:
    """What is to be done to requests whose line, such as `GET /api`, has a pattern in it."""

    pattern: str
    do: Do
    times: int
    """For so many of them; below zero for all."""
    answered: list[int] = field(default_factory=list)
    """What the API server answered to those that reached it."""
    met: int = 0
    released: threading.Event = field(default_factory=threading.Event)

    def release(self) -> None:
        """Let go on what is held."""
        self.released.set()


class Proxy:
    """One that runs."""

    def __init__(self, api: ApiServer) -> None:
        self.asked: list[str] = []
        """The line of each request that came."""
        self.connections = 0
        """Made so far."""
        self.is_deaf = threading.Event()
        """While it is set, nothing of a watch passes, not even its end."""
        self.over = threading.Event()
        self._orders: list[Order] = []
        self._lock = threading.Lock()
        address = urlsplit(api.url)
        self._host, self._port = address.hostname or "", address.port
        self._trusting = ssl.create_default_context(cafile=api.ca)
        self._trusting.verify_flags &= ~ssl.VERIFY_X509_STRICT  # as in `ApiServer.ask`
        proxy = self

        class Handler(_Handler):
            def proxy(self) -> Proxy:
                return proxy

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def order(self, pattern: str, do: Do, times: int = -1) -> Order:
        """Do this from now on; what was ordered first goes first."""
        made = Order(pattern, do, times)
        with self._lock:
            self._orders.append(made)
        return made

    def forget(self) -> None:
        """Pass everything on again."""
        with self._lock:
            left, self._orders = self._orders, []
        for one in left:
            one.release()

    def count(self, pattern: str) -> int:
        """How many requests came whose line has this in it."""
        return sum(re.search(pattern, line) is not None for line in tuple(self.asked))

    def meant_for(self, line: str) -> Order:
        """What is ordered for a request, which came just now."""
        with self._lock:
            self.asked.append(line)
            for one in self._orders:
                if one.times and re.search(one.pattern, line):
                    one.times -= 1
                    one.met += 1
                    return one
        return Order("", Do.PASS, 1)

    def connect(self) -> http.client.HTTPSConnection:
        """To the API server."""
        return http.client.HTTPSConnection(
            self._host, self._port, context=self._trusting, timeout=600
        )


class _Handler(BaseHTTPRequestHandler):
    """One connection of the daemon's."""

    protocol_version = "HTTP/1.1"

    def proxy(self) -> Proxy:
        raise NotImplementedError

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._pass_on()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - as the library asks for them

    def handle(self) -> None:
        self.proxy().connections += 1
        with suppress(OSError):
            super().handle()

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        proxy = self.proxy()
        order = proxy.meant_for(f"{self.command} {self.path}")
        match order.do:
            case Do.HANG:
                proxy.over.wait()
                self.close_connection = True
            case Do.CLOSE:
                self.close_connection = True
            case Do.BUSY:
                said = b"Too many requests, please try again later.\n"
                kind = {"Content-Type": "text/plain; charset=utf-8", "Retry-After": "1"}
                self._answer(429, kind, said, len(said))
            case _:
                if order.do is Do.HOLD:
                    order.released.wait()
                self._forward(order, body)

    def _forward(self, order: Order, body: bytes) -> None:
        upstream = self.proxy().connect()
        headers = {name: one for name, one in self.headers.items() if name.lower() not in _HOP}
        try:
            upstream.request(self.command, self.path, body or None, headers)
            answer = upstream.getresponse()
            if "watch=true" in self.path and answer.status == http.client.OK:
                self._stream(answer)
                return
            said = answer.read()
        except (OSError, http.client.HTTPException):
            self.close_connection = True
            return
        finally:
            upstream.close()
        order.answered.append(answer.status)
        if order.do is Do.SWALLOW:
            self.close_connection = True
            return
        if order.do is Do.LATE:
            self.proxy().over.wait(1)
        sent = said[: len(said) // 2] if order.do is Do.CUT else said
        self._answer(answer.status, dict(answer.getheaders()), sent, len(said))
        self.close_connection = self.close_connection or order.do is Do.CUT

    def _stream(self, answer: http.client.HTTPResponse) -> None:
        proxy = self.proxy()
        self.close_connection = True
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while piece := answer.read1(65536):
            if proxy.is_deaf.is_set():
                proxy.over.wait()
                return
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes, length: int) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in {*_HOP, "date"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def proxying(api: ApiServer) -> Iterator[Proxy]:
    """One until the end."""
    proxy = Proxy(api)
    thread = threading.Thread(target=proxy.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield proxy
    finally:
        proxy.over.set()
        proxy.forget()
        proxy.server.shutdown()
        proxy.server.server_close()
        thread.join()
