"""Who is at the other end of a unix socket. Imports nothing that costs: commands ask it too."""

from __future__ import annotations

import socket
import struct
from typing import Final, NamedTuple

_CREDENTIALS: Final = struct.Struct("3i")


class Peer(NamedTuple):
    """A process, as the kernel knew it when it connected or listened."""

    pid: int
    """0 if it is of a namespace that is not seen from here."""
    uid: int
    gid: int


def peer_of(connection: socket.socket) -> Peer:
    """The process at the other end."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return Peer(*_CREDENTIALS.unpack(raw))
