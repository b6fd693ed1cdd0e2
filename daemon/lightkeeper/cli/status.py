"""How the logins stand: asked of the running daemon, or read from its store where none runs.

With a LOGIN it tells the last facts: why now, what it waits for, which failure, which clock.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from lightkeeper.cli import asking, settings
from lightkeeper.cli.main import DONE, FAILED, MISUSED, collect_seldom
from lightkeeper.cli.words import cannot, told

if TYPE_CHECKING:
    from lightkeeper.config.model import Config

Document = dict[str, Any]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("login", nargs="?", metavar="LOGIN", help="tell more of this one")
    parser.add_argument("--json", action="store_true", help="print the document of /status")
    settings.arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print how they stand; 1 if one of them is not ready."""
    collect_seldom()
    try:
        document, is_running = _document(args)
    except asking.NotAllowedError as exc:
        cannot("status", f"{exc} belongs to another user; ask as that user, or as root")
        return FAILED
    except OSError as exc:
        cannot("status", f"the daemon stopped answering ({exc}); look at its log")
        return FAILED
    if document is None:
        return MISUSED
    logins = document["logins"]
    if args.login:
        logins = [login for login in logins if login["login"] == args.login]
        if not logins:
            known = ", ".join(login["login"] for login in document["logins"])
            cannot("status", f"there is no login {args.login!r}; there are: {known}")
            return FAILED
    if args.json:
        sys.stdout.write(json.dumps({**document, "logins": logins}, indent=1) + "\n")
    else:
        _print(logins, is_running=is_running, is_one=bool(args.login))
    return DONE if all(login["valid"] for login in logins) else FAILED


def _document(args: argparse.Namespace) -> tuple[Document | None, bool]:
    """The status document, and whether a running daemon gave it; None if settings are wrong."""
    from lightkeeper.config.problem import ConfigErrors

    try:
        socket = settings.named_socket(args)
        if document := _asked(socket):
            return document, True
        config = settings.loader(args)().config
    except ConfigErrors as exc:
        settings.complain(exc)
        return None, False
    # The system's configuration may name a socket that no daemon has by default.
    if socket is None and (document := _asked(str(config.socket))):
        return document, True
    return _stored(config), False


def _asked(socket: str | None) -> Document | None:
    """What the daemon says; None where none runs."""
    try:
        return next(asking.ask(socket, {"ask": "status"}), None)
    except asking.NotRunningError:
        return None


def _stored(config: Config) -> Document | None:
    from lightkeeper import app
    from lightkeeper.core.status import as_document
    from lightkeeper.paths import FileFailure

    try:
        return as_document(app.stored(config))
    except FileFailure as exc:
        cannot("status", f"the state directory cannot be read: {exc.detail}")
        return None


def _print(logins: list[Document], *, is_running: bool, is_one: bool) -> None:
    if not is_running:
        sys.stdout.write("no daemon is running here; this is what its store holds\n")
    for login in logins:
        if sys.stdout.isatty():
            _paint(login)
        else:
            _write(login)
        if is_one:
            for line in _more(login):
                sys.stdout.write(f"  {line}\n")


def _paint(login: Document) -> None:
    from rich.console import Console

    from lightkeeper.cli.painting import painted

    Console().print(painted(login))


def _write(login: Document) -> None:
    mark = "ok" if login["fresh"] else "low" if login["valid"] else "NO LOGIN"
    sys.stdout.write(f"{login['login']}  [{mark}]  {login['sentence']}\n")
    for line in _lines(login):
        sys.stdout.write(f"  {line}\n")


def _lines(login: Document) -> list[str]:
    lines = [f"registry {login['registry'] or 'not known yet'}, region {login['region']}"]
    if login["due"]:
        lines.append(f"expires {login['expires']}, renewal due {login['due']}")
    if failure := login["failure"]:
        lines.append(f"failing since {failure['since']}: {failure['reason']}: {failure['detail']}")
        lines += [failure["advice"], f"next attempt {login['next_attempt']}"]
    return lines + [_place(place) for output in login["outputs"] for place in output["places"]]


def _place(place: Document) -> str:
    holds = f"holds a login until {place['expires']}" if place["expires"] else "holds none of ours"
    said = f"{place['place']}  [{place['state']}]  {holds}"
    if failure := place["failure"]:
        said += f"\n    {failure['reason']}: {failure['detail']}\n    {failure['advice']}"
    return said + (f"\n    {place['pending']}" if place["pending"] else "")


def _more(login: Document) -> list[str]:
    why = {
        "first": "no login is held",
        "due": "it is the time that was drawn when the login came",
        "expired": "the login expired",
        "refused": "the registry refuses the login",
        "requested": "somebody asked for it",
    }[login["next_attempt_why"]]
    lines = [f"next attempt {login['next_attempt']}: {why}"]
    if failed := login["consecutive_failures"]:
        attempts = "1 attempt" if failed == 1 else f"{failed} attempts"
        lines.append(f"{attempts} failed since the last success")
    if abs(login["clock_skew_seconds"]) >= 1:
        skew = login["clock_skew_seconds"]
        ahead = "ahead of" if skew > 0 else "behind"
        lines.append(f"the clock here is {abs(skew):.1f} s {ahead} AWS's")
    if unsaved := login["unsaved"]:
        lines.append(f"the state cannot be saved: {unsaved['reason']}: {unsaved['detail']}")
    lines.append("what happened last:" if login["facts"] else "nothing is known to have happened")
    return lines + [f"  {'  '.join((fact['at'], *told(fact)))}" for fact in login["facts"]]
