"""Validate the configuration and show the plan: which login would renew when, and what is written.

Writes nothing and asks nobody, unless with --online, which asks AWS who each login is.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from lightkeeper.cli import settings
from lightkeeper.cli.main import DONE, FAILED, MISUSED, collect_seldom
from lightkeeper.cli.words import cannot, print_table
from lightkeeper.config.problem import ConfigErrors

if TYPE_CHECKING:
    from lightkeeper.config.load import Loaded

Document = dict[str, Any]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("--online", action="store_true", help="prove each login's AWS identity")
    settings.arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print the plan."""
    collect_seldom()
    try:
        loaded = settings.loader(args)()
    except ConfigErrors as exc:
        settings.complain(exc)
        return MISUSED
    for warning in loaded.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    from lightkeeper import app
    from lightkeeper.core.status import as_document
    from lightkeeper.paths import FileFailure

    try:
        document = as_document(app.stored(loaded.config))
    except FileFailure as exc:
        cannot("check", f"the state directory cannot be read: {exc.detail}")
        return FAILED
    rows = [row for login in document["logins"] for row in _rows(login)]
    print_table(["login", "region", "renews", "place", "what would be written"], rows)
    return _prove(loaded) if args.online else DONE


def _rows(login: Document) -> list[list[str]]:
    when = f"{login['due']} ({login['next_attempt_why']})" if login["valid"] else "at once"
    return [
        [login["login"], login["region"], when, place["place"], _write(login, place)]
        for output in login["outputs"]
        for place in output["places"]
    ]


def _write(login: Document, place: Document) -> str:
    if failure := place["failure"]:
        return f"nothing: {failure['reason']}: {failure['detail']}"
    if place["pending"]:
        return f"nothing yet: {place['pending']}"
    if not login["valid"]:
        return "an entry, once a credential is issued"
    registry = login["registry"]
    return "nothing, it is current" if place["state"] == "ok" else f"the entry for {registry}"


def _prove(loaded: Loaded) -> int:
    import asyncio

    from lightkeeper import app
    from lightkeeper.core.answer import Refusal
    from lightkeeper.core.reasons import RENEWAL

    status = DONE
    for name, said in asyncio.run(app.identities(loaded.config)).items():
        if isinstance(said, Refusal):
            status = FAILED
            sys.stdout.write(f"{name}: {said.reason}: {said.detail}\n")
            sys.stdout.write(f"  {RENEWAL[said.reason].advice}\n")
        else:
            sys.stdout.write(f"{name}: AWS knows it as {said}\n")
    return status
