"""Renew what is due, deliver it, and end.

Beside a running daemon it asks that one. Status 0 if every login is valid and in every place, 1 if
some login or output failed, 2 if the configuration is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from lightkeeper.cli import asking, settings, store
from lightkeeper.cli.main import DONE, FAILED, MISUSED, collect_seldom
from lightkeeper.cli.standing import about, is_wanted, lacking, places
from lightkeeper.cli.words import cannot
from lightkeeper.config.problem import ConfigErrors
from lightkeeper.core import policy

if TYPE_CHECKING:
    from lightkeeper.adapters.state_dir import StateDirTakenError
    from lightkeeper.config.model import Config

Document = dict[str, Any]

_PAUSE: Final = timedelta(milliseconds=100)
_NAMED: Final = 20
"""Places in one sentence."""
_STARTING: Final = timedelta(seconds=3)
"""How long a daemon that owns the state directory may take until it answers."""


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
    from lightkeeper.core.file_failure import FileFailure

    if loaded.config.leader_election is not None:
        cannot("once", "leader_election is for `run`: without it two runs would both renew")
        return MISUSED
    try:
        document = _run(args, loaded.config)
    except ConfigErrors as exc:  # of a cluster: what it takes to ask one is read when it is asked
        settings.complain(exc)
        return MISUSED
    except asking.UnansweredError as exc:
        cannot("once", str(exc))
        return FAILED
    except FileFailure as exc:
        cannot("once", store.unusable(loaded.config, exc))
        return FAILED
    status = _told(document)
    if not (missing := _named(_unserved(document, loaded.config))):
        return status
    cannot(
        "once",
        f"the daemon that owns {loaded.config.state_dir} does not serve {missing}: reload it if its"
        " configuration was changed, restart it with the same flags, or give this run a --state-dir"
        " of its own",
    )
    return FAILED


def _run(args: argparse.Namespace, config: Config) -> Document:
    """What this run came to, or a daemon; another run is waited for, and goes before."""
    from lightkeeper import app
    from lightkeeper.adapters.clock import pause
    from lightkeeper.adapters.state_dir import StateDirTakenError, taken
    from lightkeeper.core.status import as_document
    from lightkeeper.telemetry import logs
    from lightkeeper.telemetry.recorder import FactRecorder

    logs.configure(config.log.format, config.log.level, sys.stderr)
    unreadable = store.unreadable("once", config)
    left = partial(_left, args, config)
    waited = timedelta(0)
    while True:
        try:
            with nullcontext() if config.state else taken(str(config.state_dir), ends_soon=True):
                _keep_off(config)
                done = asyncio.run(app.once(config, FactRecorder(), unreadable, left))
            return as_document(done)
        except StateDirTakenError as exc:
            owner = exc
        try:
            return asking.whole(asking.ask(settings.configured(args), {"ask": "settle"}))
        except asking.NotRunningError as exc:
            if waited >= (policy.SETTLE if owner.ends_soon else _STARTING):
                raise asking.UnansweredError(_owned(config, owner)) from exc
        pause(_PAUSE)
        waited += _PAUSE


def _keep_off(config: Config) -> None:
    """Refuse to serve places that a daemon serves by another state directory.

    Such as one whose configuration was changed and that was not restarted since.
    """
    from lightkeeper.config.model import FileOutput

    served = asking.served_apart(str(config.socket), str(config.state_dir))
    outputs = (output for login in config.logins for output in login.outputs)
    ours = [str(output.path) for output in outputs if isinstance(output, FileOutput)]
    if both := [place for place in ours if place in served]:
        msg = (
            f"a daemon answers at {config.socket} and serves {_named(both)}, and its state"
            f" directory is not {config.state_dir}: restart it if that was changed, or stop it"
        )
        raise asking.UnansweredError(msg)


def _named(places: Sequence[str]) -> str:
    return ", ".join(places[:_NAMED]) + (", …" if len(places) > _NAMED else "")


def _left(args: argparse.Namespace, config: Config, login: str, places: Sequence[str]) -> None:
    """Say that places are served no more, and what takes our entries out of them."""
    command = settings.whole(args, config, "withdraw", login)
    cannot(
        "once",
        f"{login} serves {_named(places)} no more, and its entries stay there until {command}",
    )


def _owned(config: Config, owner: StateDirTakenError) -> str:
    if owner.ends_soon:
        waited = f"{policy.SETTLE.total_seconds():.0f} s"
        return f"another `once` (process {owner}) works in {config.state_dir}, for {waited} now"
    return store.owned(config, owner)


def _unserved(document: Document, config: Config) -> list[str]:
    """What is configured and not in the document: a daemon's own configuration may be another."""
    from lightkeeper.config.model import FileOutput

    served = {
        (login["login"], login["region"]): {place["place"] for place in places(login)}
        for login in document["logins"]
    }
    missing = []
    for login in config.logins:
        known = served.get((login.name, login.region))
        paths = [str(output.path) for output in login.outputs if isinstance(output, FileOutput)]
        if known is None:
            missing.append(f"the login {login.name} of {login.region}")
        else:
            missing += [f"{path} for {login.name}" for path in paths if path not in known]
    return missing


def _told(document: Document) -> int:
    """Print a line a place, and say whether all is well."""
    well = bool(document["logins"])
    for login in document["logins"]:
        failure = login["failure"]
        # What failed before its time is tried again when it is due; until then the login is good.
        is_good = login["ready"] and not is_wanted(login)
        well = well and login["valid"] and (is_good or not failure)
        if not login["valid"]:
            # An earlier process may have died in its attempt: the floor after that holds too.
            waits = f"{login['sentence']}; the next attempt may begin at {login['next_attempt']}"
            why = f"{failure['reason']}: {failure['detail']}" if failure else waits
            sys.stdout.write(f"{login['login']}: failed, {why}\n")
            if failure:
                sys.stdout.write(f"  {failure['advice']}\n")
            continue
        sys.stdout.write(f"{login['login']}: valid until {login['expires']}\n")
        if failure:
            sys.stdout.write(f"  renewal failed, {failure['reason']}: {failure['detail']}\n")
            sys.stdout.write(f"    {failure['advice']}\n")
        for line in lacking(login):
            sys.stdout.write(f"  {line.text}\n")
        for place in places(login):
            well = well and place["state"] == "ok"
            sys.stdout.write(f"  {place['place']}: {place['state']}\n")
            for line in about(place):
                sys.stdout.write(f"    {line.text}\n")
    if (unlisted := document.get("namespaces")) is not None:
        well = False
        sys.stdout.write(f"{unlisted}\n")
    return DONE if well else FAILED
