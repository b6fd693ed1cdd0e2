"""Keep the logins: renew them ahead of expiry, deliver them, show how they stand.

Runs until SIGTERM or SIGINT. SIGHUP takes the configuration anew, all of it or nothing; SIGUSR1
renews every login now.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from functools import partial

from lightkeeper.cli import settings, store
from lightkeeper.cli.main import DONE, FAILED, MISUSED
from lightkeeper.cli.words import cannot, in_words
from lightkeeper.config.problem import ConfigErrors


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    settings.arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run the daemon."""
    load = settings.loader(args)
    try:
        loaded = load()
    except ConfigErrors as exc:
        settings.complain(exc)
        return MISUSED
    from lightkeeper import app
    from lightkeeper.adapters.state_dir import StateDirTakenError
    from lightkeeper.core.file_failure import FileFailure
    from lightkeeper.serve.control import ControlSocketTakenError

    config = loaded.config
    try:
        withdrawal = partial(settings.whole, args, config, "withdraw")
        asyncio.run(app.run(loaded, load=load, log=sys.stdout, withdrawal=withdrawal))
    except ConfigErrors as exc:  # of a cluster: what it takes to ask one is read now
        settings.complain(exc)
        return MISUSED
    except StateDirTakenError as exc:
        known = f" (process {exc})" if str(exc) else ""
        return _cannot(
            f"{config.state_dir} is served by another daemon{known}; two of them would end each"
            " other's logins: stop that one, or give this one a --state-dir of its own"
        )
    except ControlSocketTakenError as exc:
        return _cannot(f"another daemon answers at {exc}; give this one a --socket of its own")
    except FileFailure as exc:
        return _cannot(f"cannot start: {store.unusable(config, exc)}")
    except OSError as exc:
        return _cannot(f"cannot start: {in_words(exc)}; check socket, and who may write there")
    return DONE


def _cannot(why: str) -> int:
    cannot("run", why)
    return FAILED
