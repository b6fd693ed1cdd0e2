"""Take our entries out of every place, of one login or of all that were ever kept here.

Other entries stay as they are. A login that a running daemon keeps is refused: it would be back at
once.
"""

from __future__ import annotations

import argparse
import sys

from lightkeeper.cli import asking, settings
from lightkeeper.cli.main import DONE, FAILED, MISUSED
from lightkeeper.cli.words import cannot
from lightkeeper.config.problem import ConfigErrors


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("logins", nargs="*", metavar="LOGIN", help="by default all that are kept")
    settings.arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Take them out, and say from where."""
    try:
        loaded = settings.loader(args)()
    except ConfigErrors as exc:
        settings.complain(exc)
        return MISUSED
    from lightkeeper import app
    from lightkeeper.paths import FileFailure

    try:
        kept = _kept_by_a_daemon(str(loaded.config.socket))
    except (asking.NotAllowedError, OSError) as exc:
        cannot("withdraw", f"a daemon runs here and cannot be asked ({exc}); stop it first")
        return FAILED
    held_back = sorted(kept if not args.logins else kept.intersection(args.logins))
    if held_back:
        cannot(
            "withdraw",
            f"the running daemon keeps {', '.join(held_back)} and would put it back; take it out"
            " of the configuration and reload, or stop the daemon",
        )
        return FAILED
    done = set()
    status = DONE
    try:
        for one in app.withdraw(loaded.config, args.logins):
            done.add(one.login)
            outcome = one.failure or ("taken out" if one.was_there else "was not there")
            status = FAILED if one.failure else status
            sys.stdout.write(f"{one.login}: {one.place}: {outcome}\n")
    except FileFailure as exc:
        cannot("withdraw", f"the state directory cannot be read: {exc.detail}")
        return FAILED
    unknown = [name for name in args.logins if name not in done]
    if unknown:
        cannot("withdraw", f"nothing is kept of {', '.join(unknown)} in {loaded.config.state_dir}")
        return FAILED
    if not done:
        sys.stdout.write(f"nothing was ever delivered from {loaded.config.state_dir}\n")
    return status


def _kept_by_a_daemon(socket: str) -> set[str]:
    try:
        documents = list(asking.ask(socket, {"ask": "status"}))
    except asking.NotRunningError:
        return set()
    return {login["login"] for document in documents for login in document["logins"]}
