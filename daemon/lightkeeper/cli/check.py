"""Validate the configuration and show the plan: which login would renew when, and what is written.

Writes nothing and asks nobody, unless with --online, which asks AWS who each login is.
"""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from lightkeeper.cli import settings, store
from lightkeeper.cli.main import DONE, FAILED, MISUSED, collect_seldom
from lightkeeper.cli.standing import WHY, noticed, places
from lightkeeper.cli.words import print_table
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
    from lightkeeper.adapters.state_dir import exposed

    for warning in (*loaded.warnings, *filter(None, [exposed(str(loaded.config.state_dir))])):
        sys.stderr.write(f"warning: {warning}\n")
    document = store.document(args, "check", loaded.config)
    if document is None:
        return FAILED
    rows = [row for login in document["logins"] for row in _rows(login, document["at"])]
    print_table(["login", "region", "renews", "place", "what would be written"], rows)
    for place in (place for login in document["logins"] for place in places(login)):
        for line in noticed(place):
            sys.stdout.write(f"{place['place']}: {line.text}\n")
    return _prove(loaded) if args.online else DONE


def _rows(login: Document, at: str) -> list[list[str]]:
    when = _when(login, at)
    return [
        [login["login"], login["region"], when, place["place"], _write(login, place)]
        for place in places(login)
    ]


def _when(login: Document, at: str) -> str:
    """When a daemon that begins now would renew, and why then."""
    why, attempt = WHY[login["next_attempt_why"]], login["next_attempt"]
    # Attempts stand on the server's clock.
    server_now = datetime.fromisoformat(at) - timedelta(seconds=login["clock_skew_seconds"])
    if datetime.fromisoformat(attempt) <= server_now + timedelta(seconds=1):
        return f"at once: {why}"
    if (failure := login["failure"]) and attempt != login["due"]:
        why = f"it waits after {failure['reason']}"
    return f"{attempt}: {why}"


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
