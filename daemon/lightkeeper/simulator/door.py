"""The listening socket, where a connection can be struck before anybody has read from it.

asyncio accepts, and with TLS shakes hands, before a protocol sees the connection: what is to go
wrong earlier has to happen in `accept` itself.
"""

from __future__ import annotations

import re
import select
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

from lightkeeper.simulator.wire import End, Fault, reset_on_close

_CONTROL: Final = re.compile(rb"[A-Z]+ /_simulator/")
_FIRST_BYTES_SECONDS: Final = 0.02
"""How long a client of the control route may take to say so; it holds up all others meanwhile."""


Strike = Callable[[Callable[[], bool]], Fault | None]


class Door(socket.socket):
    """A listening socket that asks `strike` of each connection which fault it is to meet.

    `strike` may ask whether the client wants the control route, by which a fault is called off;
    with TLS that cannot be told, and is no.
    """

    def __init__(self, host: str, port: int, strike: Strike) -> None:
        super().__init__(socket.AF_INET, socket.SOCK_STREAM)
        self._strike = strike
        self._held: list[socket.socket] = []
        self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.settimeout(0)
        try:
            self.bind((host, port))
        except OSError:
            self.close()
            raise

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection; BlockingIOError for one that was struck, as if none had come."""
        connection, address = super().accept()
        fault = self._strike(partial(_asks_for_control, connection))
        if fault is None:
            return connection, address
        if fault.end is End.HANG:
            self._held.append(connection)
        else:
            if fault.end is End.RESET:
                reset_on_close(connection)
            else:
                _drain(connection)
            connection.close()
        raise BlockingIOError

    def close(self) -> None:
        """Stop listening, and let go of the connections that hang."""
        for connection in self._held:
            connection.close()
        super().close()


def _asks_for_control(connection: socket.socket) -> bool:
    """Whether the client's first bytes, which stay unread, are a request to the control route."""
    readable, _, _ = select.select([connection], [], [], _FIRST_BYTES_SECONDS)
    if not readable:
        return False
    with suppress(OSError):
        return _CONTROL.match(connection.recv(64, socket.MSG_PEEK)) is not None
    return False


def _drain(connection: socket.socket) -> None:
    """Leave nothing unread, for which the kernel would reset the connection at its close."""
    with suppress(OSError):
        connection.recv(1 << 16, socket.MSG_DONTWAIT)
