"""The listening socket, where a connection can be struck before anybody has read from it.

asyncio accepts, and with TLS shakes hands, before a protocol sees the connection: what is to go
wrong earlier has to happen in `accept` itself.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from lightkeeper.simulator.wire import End, Fault, reset_on_close


class Door(socket.socket):
    """A listening socket that asks `strike` of each connection which fault it is to meet."""

    def __init__(self, host: str, port: int, strike: Callable[[], Fault | None]) -> None:
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
        fault = self._strike()
        if fault is None:
            return connection, address
        if fault.end is End.HANG:
            self._held.append(connection)
        else:
            if fault.end is End.RESET:
                reset_on_close(connection)
            connection.close()
        raise BlockingIOError

    def close(self) -> None:
        """Stop listening, and let go of the connections that hang."""
        for connection in self._held:
            connection.close()
        super().close()
