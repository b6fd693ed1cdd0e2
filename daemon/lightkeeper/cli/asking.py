"""Asks the running daemon over its control socket. Imports nothing that costs."""

from __future__ import annotations

import argparse
import json
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from lightkeeper.cli import settings
from lightkeeper.cli.standing import places
from lightkeeper.config.environment import Environment, Host, Meant
from lightkeeper.config.problem import ConfigErrors
from lightkeeper.serve.peer import peer_of

PATIENCE_SECONDS: Final = 150.0
"""For one line of an answer: longer than an attempt after its floor, and than a settling."""
_AT_ONCE_SECONDS: Final = 15.0
"""For what a daemon tells without waiting for anything, and for the connection: a heartbeat."""


class UnansweredError(Exception):
    """The daemon that is meant cannot be asked; the message says why, and what to do."""


class NotRunningError(UnansweredError):
    """No daemon is there."""

    def __init__(self, meant: Meant | None) -> None:
        here = "here"
        if meant is not None:
            here = f"at {meant.socket}"
            here += f" for {meant.state_dir}" if meant.state_dir else ""
        self.what = f"no daemon answers {here}"
        super().__init__(
            f"{self.what}; start one with `lightkeeper run`, or name its socket with --socket"
        )


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flag that names the socket."""
    parser.add_argument(
        "--socket",
        metavar="PATH",
        help="the daemon's control socket; by default where a daemon of this machine has it",
    )


def ask(meant: Meant | None, request: Mapping[str, object]) -> Iterator[dict[str, Any]]:
    """The lines of the daemon's answer, as they come: at least one, and none with an error.

    Where none is meant, of any daemon of this machine. `UnansweredError`, of which
    `NotRunningError` is one.
    """
    with _connected(meant) as connection:
        yield from _answer(connection, request)


def ask_meant(args: argparse.Namespace, request: Mapping[str, object]) -> Iterator[dict[str, Any]]:
    """The same of the daemon that the arguments mean.

    Where they mean none, of any of this machine, and then of the configuration's: that may name a
    socket where no daemon has it by default. `ConfigErrors` as well, if what is named is wrong.
    """
    meant = settings.meant(args)
    try:
        yield from ask(meant, request)
    except NotRunningError as exc:
        if meant is not None:
            raise
        try:
            meant = settings.configured(args)
        except ConfigErrors:
            raise exc from None
        yield from ask(meant, request)


def served_apart(path: str, state_dir: str) -> set[str]:
    """The places of the daemon that answers there, unless it owns the state directory.

    None of one that cannot be asked: nothing is known of it.
    """
    try:
        with _connected(Meant(path)) as connection:
            if _owns(connection, state_dir):
                return set()
            logins = whole(_answer(connection, {"ask": "status"}))["logins"]
    except UnansweredError:
        return set()
    return {place["place"] for login in logins for place in places(login)}


def whole(documents: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One status document of those that a daemon answers with, which are of a login each."""
    each = list(documents)
    return {
        "at": each[0]["at"],
        "ready": all(one["ready"] for one in each),
        "logins": [login for one in each for login in one["logins"]],
    }


def _answer(connection: socket.socket, request: Mapping[str, object]) -> Iterator[dict[str, Any]]:
    is_answered = False
    for line in _lines(connection, request):
        if "error" in line:
            raise UnansweredError(line["error"])
        is_answered = True
        yield line
    if not is_answered:
        msg = "the daemon hung up without an answer; look at its log"
        raise UnansweredError(msg)


def _lines(connection: socket.socket, request: Mapping[str, object]) -> Iterator[dict[str, Any]]:
    patience = _AT_ONCE_SECONDS if request["ask"] == "status" else PATIENCE_SECONDS
    connection.settimeout(patience)
    try:
        with suppress(BrokenPipeError):  # it said already that too many ask
            connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile("rb") as lines:
            for line in lines:
                yield json.loads(line)
    except TimeoutError as exc:
        msg = f"the daemon has not answered for {patience:.0f} s; look at its log"
        raise UnansweredError(msg) from exc
    except (OSError, ValueError) as exc:
        msg = "the daemon stopped in the middle of its answer; look at its log"
        raise UnansweredError(msg) from exc


def _connected(meant: Meant | None) -> socket.socket:
    """The connection to the first daemon that lets us."""
    closed = None
    for path in [_expanded(meant.socket)] if meant else _candidates():
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_AT_ONCE_SECONDS)
        try:
            connection.connect(str(path))
        except OSError as exc:
            connection.close()
            if isinstance(exc, PermissionError):
                closed = closed or path
            continue
        if meant and meant.state_dir and not _owns(connection, meant.state_dir):
            connection.close()
            continue
        return connection
    if closed is None:
        raise NotRunningError(meant)
    from lightkeeper.config.model import Web  # only here: it costs

    msg = (
        f"{closed} belongs to another user; ask as that user, or as root; what `status` tells it"
        " tells everybody here at its listener, unless configured otherwise:"
        f" curl -fsS http://{Web().listen}/status"
    )
    raise UnansweredError(msg)


def _owns(connection: socket.socket, state_dir: str) -> bool:
    """Whether who answers serves the state directory; also where that cannot be told."""
    pid = peer_of(connection).pid
    try:
        owner = Path(state_dir, "lock").read_text(encoding="ascii").split(maxsplit=1)
    except FileNotFoundError:
        return False
    except (OSError, UnicodeDecodeError):
        return True
    return not pid or not owner or owner[0] == str(pid)


def _candidates() -> Iterator[Path]:
    """Where the control socket may be by default, the most likely first: root's, then others'.

    A daemon may lack variables that are set here.
    """
    yield from _default({}, uid=0)
    environ = dict(os.environ)
    for name in ("", "RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR", "STATE_DIRECTORY", "XDG_STATE_HOME"):
        environ.pop(name, None)
        yield from _default(environ, uid=1)


def _default(environ: Mapping[str, str], uid: int) -> Iterator[Path]:
    """Where the control socket of such a user is, if that can be said."""
    host = Host(
        home=settings.home(), uid=uid, is_directory=os.path.isdir, profile_region=lambda _: None
    )
    here = Environment(environ, host)
    with suppress(ValueError):  # no home, or a variable that holds no path
        yield Path(here.path(here.socket(here.state_dir())))


def _expanded(path: str) -> Path:
    """The path with its home, which `Path.expanduser` raises without."""
    return Path(os.path.expanduser(path))  # noqa: PTH111
