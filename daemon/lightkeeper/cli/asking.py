"""Asks the running daemon over its control socket. Imports nothing that costs."""

from __future__ import annotations

import argparse
import json
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

_PATIENCE_SECONDS: Final = 150.0
"""For one line of an answer: longer than an attempt, and than the floor before it."""

NOT_RUNNING: Final = (
    "no daemon answers here; start one with `lightkeeper run`, or name its socket with --socket"
)


class NotRunningError(Exception):
    """No daemon answers."""


class NotAllowedError(Exception):
    """The daemon that is there may not be asked by this user; the message is its socket."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flag that names the socket."""
    parser.add_argument(
        "--socket",
        metavar="PATH",
        help="the daemon's control socket; by default where a daemon of this machine has it",
    )


def ask(named: str | None, request: Mapping[str, object]) -> Iterator[dict[str, Any]]:
    """The lines of the daemon's answer, as they come.

    `NotRunningError`, `NotAllowedError`; `OSError` if the daemon ends while it answers.
    """
    with _connected(named) as connection:
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile("rb") as lines:
            for line in lines:
                yield json.loads(line)


def _connected(named: str | None) -> socket.socket:
    for path in _candidates(named):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_PATIENCE_SECONDS)
        try:
            connection.connect(str(path))
        except PermissionError as exc:
            connection.close()
            raise NotAllowedError(str(path)) from exc
        except OSError:
            connection.close()
            continue
        return connection
    raise NotRunningError


def _candidates(named: str | None) -> Iterator[Path]:
    """Where the control socket may be, the most likely first."""
    if named:
        yield Path(named).expanduser()
        return
    yield Path("/run/lightkeeper/control.sock")
    for variable in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):
        if directory := os.environ.get(variable):
            yield Path(directory, "lightkeeper", "control.sock")
            yield Path(directory, "control.sock")
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    yield Path(state, "lightkeeper", "control.sock").expanduser()
