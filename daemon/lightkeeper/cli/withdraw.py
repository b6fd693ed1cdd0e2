"""Take our entries out of every place, of one login or of all that were ever kept here.

Other entries stay as they are. Of a login that a running daemon keeps, those are taken out whose
places it serves no more: the others would be back at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lightkeeper.cli import asking, settings, store
from lightkeeper.cli.main import DONE, FAILED, MISUSED
from lightkeeper.cli.words import cannot
from lightkeeper.config.problem import ConfigErrors

if TYPE_CHECKING:
    from lightkeeper.app import Withdrawn
    from lightkeeper.config.environment import Meant
    from lightkeeper.config.model import Config
    from lightkeeper.core.facts import LoginName, Place


_STAYS: Final = (
    "its entries stay where they are: `docker logout` takes one out; or withdraw with the"
    " Lightkeeper that saved it"
)

_LED: Final = (
    "{} leads, and would put each entry back that is taken out; run this in its pod, where it is"
    " asked which logins it serves, or stop all replicas first"
)
_UNKNOWN: Final = "state is kept nowhere: {} is known that could be taken out"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("logins", nargs="*", metavar="LOGIN", help="by default all that are kept")
    settings.arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Take them out, and say from where."""
    try:
        config = settings.loader(args)().config
    except ConfigErrors as exc:
        settings.complain(exc)
        return MISUSED
    from lightkeeper import app
    from lightkeeper.adapters.state_dir import StateDirTakenError
    from lightkeeper.core.file_failure import FileFailure

    try:
        served = _served_by_a_daemon(settings.configured(args))
    except asking.UnansweredError as exc:
        # Whichever replica leads would put each entry back, though this one were stopped.
        first = "all replicas" if config.leader_election else "it"
        cannot("withdraw", f"a daemon runs here and cannot be asked: {exc}; or stop {first} first")
        return FAILED
    if store.is_for_its_user(args, "withdraw", config):
        return FAILED
    try:
        if served is None and (leader := app.leader(config)):
            cannot("withdraw", _LED.format(leader))
            return FAILED
        with _alone(config, beside_a_daemon=served is not None):
            return _take_out(config, args.logins, served or {})
    except ConfigErrors as exc:  # of a cluster: what it takes to ask one is read now
        settings.complain(exc)
        return MISUSED
    except StateDirTakenError as exc:
        cannot("withdraw", store.owned(config, exc))
    except FileFailure as exc:
        cannot("withdraw", store.unusable(config, exc))
    return FAILED


def _alone(config: Config, *, beside_a_daemon: bool) -> AbstractContextManager[None]:
    """Keep others out meanwhile, but for a daemon that was asked, and where nothing is kept."""
    from lightkeeper.adapters.state_dir import taken

    is_new = config.state is not None or not Path(config.state_dir).exists()
    return nullcontext() if beside_a_daemon or is_new else taken(str(config.state_dir))


def _take_out(config: Config, names: Sequence[str], served: Mapping[str, set[Place]]) -> int:
    from lightkeeper import app

    lost: dict[LoginName, str] = {}

    def unreadable(login: LoginName, detail: str) -> None:
        if not names or login in names:
            lost[login] = detail

    # Whoever reads this may go before the work is done.
    every = app.withdraw(config, names, served, unreadable)
    for login, detail in lost.items():
        file = store.file_of(config, login)
        cannot(
            "withdraw",
            f"the state of {login} cannot be used ({detail}): {_STAYS}; then remove {file}",
        )
    told = [one for one in every if one.failure or one.was_there or one.login not in served]
    for one in told:
        sys.stdout.write(f"{one.login}: {_outcome(one, config)}\n")
    done = {one.login for one in every}
    for clean in sorted(done - {one.login for one in told}):
        sys.stdout.write(f"{clean}: nothing of it is left where the daemon serves it no more\n")
    status = FAILED if any(one.failure for one in told) else DONE
    missing = [name for name in names or served if name not in done | lost.keys()]
    held_back = [name for name in missing if name in served] if names or not done else []
    unknown = [name for name in missing if name not in served]
    if held_back:
        cannot(
            "withdraw",
            f"the running daemon serves {', '.join(held_back)}, and would put each entry back that"
            " is taken out; take the login out of the configuration and reload, or stop the daemon",
        )
    if unknown:
        cannot("withdraw", _nothing_kept_of(unknown, config))
    elif not done | lost.keys() and not held_back:
        kept, nothing = store.where(config), "nothing is to be taken out"
        said = f"nothing is kept in {kept}, so {nothing}" if kept else _UNKNOWN.format("no entry")
        sys.stdout.write(f"{said}\n")
    return FAILED if held_back or unknown or lost else status


def _nothing_kept_of(logins: Sequence[str], config: Config) -> str:
    names = ", ".join(logins)
    if kept := store.where(config):
        why = "its entries were taken out before, or it never had any here"
        return f"nothing is kept of {names} in {kept}: {why}"
    return _UNKNOWN.format(f"no entry of {names}")


def _outcome(one: Withdrawn, config: Config) -> str:
    from lightkeeper.core.reasons import DELIVERY
    from lightkeeper.core.upkeep import STORE

    if one.failure is None:
        if not one.place:
            return "nothing was ever delivered; it is forgotten"
        return f"{one.place}: taken out" if one.was_there else f"{one.place}: was not there"
    what = one.place or f"what is kept of it stays in {store.where(config)}, with its password"
    advice = (DELIVERY if one.place else STORE)[one.failure.reason].advice
    return f"{what}: failed, {one.failure.reason}: {one.failure.detail}\n  {advice}"


def _served_by_a_daemon(daemon: Meant) -> dict[str, set[Place]] | None:
    """The logins that the running daemon keeps, with their places; None if none runs."""
    try:
        document = asking.whole(asking.ask(daemon, {"ask": "status"}))
    except asking.NotRunningError:
        return None
    from lightkeeper.core.facts import Place

    return {
        login["login"]: {
            Place(output=output["output"], name=place["place"])
            for output in login["outputs"]
            for place in output["places"]
        }
        for login in document["logins"]
    }
