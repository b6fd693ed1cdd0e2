"""Renew what is due, deliver it, and end.

Beside a running daemon it asks that one. Status 0 if every login is valid and in every place, 1 if
some login or output failed, 2 if the configuration is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any

from lightkeeper.cli import asking, settings
from lightkeeper.cli.main import DONE, FAILED, MISUSED, collect_seldom
from lightkeeper.cli.words import cannot
from lightkeeper.config.load import Loaded
from lightkeeper.config.problem import ConfigErrors

Document = dict[str, Any]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    settings.arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Renew, deliver and tell."""
    collect_seldom()
    try:
        loaded = settings.loader(args)()
    except ConfigErrors as exc:
        settings.complain(exc)
        return MISUSED
    try:
        document = _run(loaded)
    except (asking.NotRunningError, asking.NotAllowedError, OSError) as exc:
        cannot("once", f"a daemon owns {loaded.config.state_dir} and cannot be asked: {exc}")
        return FAILED
    return _told(document)


def _run(loaded: Loaded) -> Document:
    from lightkeeper import app
    from lightkeeper.adapters.state_dir import StateDirTakenError
    from lightkeeper.core.status import as_document
    from lightkeeper.telemetry import logs
    from lightkeeper.telemetry.recorder import FactRecorder

    config = loaded.config
    logs.configure(config.log.format, config.log.level, sys.stderr)
    try:
        return as_document(asyncio.run(app.once(config, FactRecorder())))
    except StateDirTakenError:
        return next(asking.ask(str(config.socket), {"ask": "settle"}), {"logins": []})


def _told(document: Document) -> int:
    """Print a line a place, and say whether all is well."""
    well = bool(document["logins"])
    for login in document["logins"]:
        if not login["valid"]:
            well = False
            failure = login["failure"]
            # An earlier process may have failed a moment ago: the wait after that holds here too.
            waits = f"{login['sentence']}; the next attempt may begin at {login['next_attempt']}"
            why = f"{failure['reason']}: {failure['detail']}" if failure else waits
            sys.stdout.write(f"{login['login']}: failed, {why}\n")
            if failure:
                sys.stdout.write(f"  {failure['advice']}\n")
            continue
        sys.stdout.write(f"{login['login']}: valid until {login['expires']}\n")
        for place in (place for output in login["outputs"] for place in output["places"]):
            well = well and place["state"] == "ok"
            sys.stdout.write(f"  {place['place']}: {place['state']}\n")
            if failure := place["failure"]:
                sys.stdout.write(f"    {failure['reason']}: {failure['detail']}\n")
                sys.stdout.write(f"    {failure['advice']}\n")
    return DONE if well else FAILED
