"""How the logins stand: asked of the running daemon, or read from its store where none runs.

With a LOGIN it tells the last facts: why now, what it waits for, which failure, which clock.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from lightkeeper.cli import asking, settings, store
from lightkeeper.cli.main import DONE, FAILED, MISUSED, collect_seldom
from lightkeeper.cli.standing import attempt, lines, mark
from lightkeeper.cli.words import cannot, is_painted, told
from lightkeeper.config.problem import ConfigErrors

Document = dict[str, Any]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("login", nargs="?", metavar="LOGIN", help="tell more of this one")
    parser.add_argument(
        "--places", action="store_true", help="every place, where an output has many"
    )
    parser.add_argument("--json", action="store_true", help="print the document of /status")
    settings.arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print how they stand; 1 if one of those that are shown is not ready."""
    collect_seldom()
    try:
        document, missing = _document(args)
    except ConfigErrors as exc:
        settings.complain(exc)
        return MISUSED
    except asking.UnansweredError as exc:
        cannot("status", str(exc))
        return FAILED
    if document is None:
        return FAILED
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
        _print(logins, missing, is_one=bool(args.login), every_place=args.places)
    return DONE if all(login["ready"] for login in logins) else FAILED


def _document(args: argparse.Namespace) -> tuple[Document | None, str]:
    """The status document, and which daemon it is not of; None if nothing can be read."""
    try:
        return asking.whole(asking.ask_meant(args, {"ask": "status"})), ""
    except asking.NotRunningError as exc:
        missing = exc.what
    config = settings.loader(args)().config
    where = store.where(config)
    kept = (
        f"this is what {where} holds"
        if where
        else "state is kept nowhere: this is how a start finds it"
    )
    said = f"{missing}; {kept}"
    return store.document(args, "status", config), said


def _print(logins: list[Document], missing: str, *, is_one: bool, every_place: bool) -> None:
    if missing:
        sys.stdout.write(f"{missing}\n")
    for login in logins:
        if is_painted():
            _paint(login, every_place=every_place)
        else:
            _write(login, every_place=every_place)
        if is_one:
            for line in _more(login):
                sys.stdout.write(f"  {line}\n")


def _paint(login: Document, *, every_place: bool) -> None:
    from rich.console import Console

    from lightkeeper.cli.painting import Painted

    Console().print(Painted(login, every_place=every_place))


def _write(login: Document, *, every_place: bool) -> None:
    sys.stdout.write(f"{login['login']}  {mark(login).text}  {login['sentence']}\n")
    for line in lines(login, every_place=every_place):
        sys.stdout.write(f"{'  ' * line.depth}{line.text}\n")


def _more(login: Document) -> list[str]:
    lines = [] if login["failure"] else [attempt(login)]  # which is said of a failure anyway
    if failed := login["consecutive_failures"]:
        attempts = "1 attempt" if failed == 1 else f"{failed} attempts"
        lines.append(f"{attempts} failed since the last success")
    if abs(login["clock_skew_seconds"]) >= 1:
        skew = login["clock_skew_seconds"]
        ahead = "ahead of" if skew > 0 else "behind"
        lines.append(f"the clock here is {abs(skew):.1f} s {ahead} AWS's")
    lines.append("what happened last:" if login["facts"] else "nothing is known to have happened")
    return lines + [f"  {'  '.join((fact['at'], *told(fact)))}" for fact in login["facts"]]
