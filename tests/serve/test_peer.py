"""Who is at the other end of a unix socket."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from lightkeeper.serve.peer import Peer, peer_of

_CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"


def test_the_kernel_says_which_process_of_whom_has_connected(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        listening.listen()
        with subprocess.Popen([sys.executable, "-c", _CONNECT, tmp_path / "socket"]) as other:
            connection, _ = listening.accept()
            with connection:
                found = peer_of(connection)

    assert found == Peer(pid=other.pid, uid=os.geteuid(), gid=os.getegid())
