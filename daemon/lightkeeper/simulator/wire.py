"""A fault as bytes on the wire, and how it is played there instead of an answer."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from enum import Enum, auto, unique
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from lightkeeper.simulator.credentials import Credential
from lightkeeper.simulator.errors import JSON, AwsError, written
from lightkeeper.simulator.requests import Endpoint

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


@unique
class End(Enum):
    """How a connection ends."""

    CLOSE = auto()
    RESET = auto()
    HANG = auto()


@unique
class Stage(Enum):
    """When a fault strikes."""

    ACCEPT = auto()
    """The next connection, before a byte of it is read, whoever makes it."""
    ANSWER = auto()
    """The next request to an endpoint, once it was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a fault may build its bytes from."""

    endpoint: Endpoint
    now: datetime
    elsewhere: str
    """URL of the second listener, without a path."""
    credential: Credential = field(repr=False)
    """A real one if the fault holds one, else one that no registry takes."""

    def head(self, status: int = 200, **headers: str | int | None) -> bytes:
        """Status line and headers; `content_type=…` is written Content-Type, None leaves it out."""
        usual: dict[str, str | int | None] = {
            "date": format_datetime(self.now, usegmt=True),
            "content_type": JSON,
            "connection": "close",
        }
        lines = [
            f"{name.replace('_', '-').title()}: {value}"
            for name, value in (usual | headers).items()
            if value is not None
        ]
        reason = HTTPStatus(status).phrase
        return "\r\n".join([f"HTTP/1.1 {status} {reason}", *lines, "", ""]).encode("latin-1")

    def answer(
        self, body: bytes = b"", status: int = 200, **headers: str | int | None
    ) -> list[bytes]:
        """A whole answer."""
        return [self.head(status, **{"content_length": len(body)} | headers) + body]

    def login(self, **changes: object) -> bytes:
        """The body of a good answer, with the named members of `registryLogin` changed."""
        return json.dumps({"registryLogin": self.credential.as_answer() | changes}).encode()

    def error(self, code: str, **headers: str | int | None) -> list[bytes]:
        """An AWS error as the endpoint writes it."""
        error = written(AwsError(code=code), self.endpoint)
        named = {name.lower().replace("-", "_"): value for name, value in error.headers.items()}
        return self.answer(error.body, error.status, **named | headers)


def _nothing(_: Scene) -> Iterable[bytes]:
    return ()


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong: its name, its sentence for people, and what is sent."""

    name: str
    sentence: str
    pieces: Callable[[Scene], Iterable[bytes]] = _nothing
    """What is sent, piece by piece; it may be endless."""
    end: End = field(default=End.CLOSE, kw_only=True)
    pause_seconds: float = field(default=0.0, kw_only=True)
    """Before each piece."""
    stage: Stage = field(default=Stage.ANSWER, kw_only=True)
    issues: bool = field(default=False, kw_only=True)
    """Whether the credential in it is a real one, which the registry takes."""


def reset_on_close(connection: socket.socket) -> None:
    """Let `connection` end with RST and not with FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)


class Played(web.StreamResponse):
    """A fault in the place of an answer: raw bytes past aiohttp's own writing."""

    def __init__(self, fault: Fault, scene: Scene) -> None:
        super().__init__()
        self._fault = fault
        self._scene = scene
        self.force_close()

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send the pieces, then end the connection as the fault says."""
        for piece in self._fault.pieces(self._scene):
            await asyncio.sleep(self._fault.pause_seconds)
            transport = _open_transport(request)
            transport.set_write_buffer_limits(high=0)
            transport.write(piece)
            await request.writer.drain()
        match self._fault.end:
            case End.CLOSE:
                pass
            case End.RESET:
                transport = _open_transport(request)
                reset_on_close(transport.get_extra_info("socket"))
                transport.abort()
            case End.HANG:
                await asyncio.Event().wait()  # until the client goes, which cancels this
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Add nothing: what the fault sent was all."""


def _open_transport(request: web.BaseRequest) -> asyncio.Transport:
    if request.transport is None or request.transport.is_closing():
        raise ConnectionResetError
    return request.transport
