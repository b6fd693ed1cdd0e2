"""The configuration as a command's user gave it: file, flags and environment, or all errors."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lightkeeper.config.environment import Host, config_file
from lightkeeper.config.flags import SETTINGS, Flags
from lightkeeper.config.problem import ConfigErrors, Problem

if TYPE_CHECKING:
    from lightkeeper.config.load import Loaded


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the settings' flags."""
    group = parser.add_argument_group(
        "settings", "each also as a variable: --state-dir as LIGHTKEEPER_STATE_DIR and so on"
    )
    for setting in SETTINGS:
        group.add_argument(
            setting.flag,
            metavar=setting.metavar,
            help=setting.help.replace("%", "%%"),
            action="append" if setting.is_repeatable else "store",
        )


def loader(args: argparse.Namespace) -> Callable[[], Loaded]:
    """What reads the configuration, now and for each reload; raises `ConfigErrors`."""
    flags: Flags = {setting.name: getattr(args, setting.name, None) for setting in SETTINGS}
    return partial(_load, flags)


def named_socket(args: argparse.Namespace) -> str | None:
    """The control socket of the daemon that is meant; None for any that this machine has.

    A daemon is meant by its socket, or by a configuration or state directory that is named. Costs
    nothing where neither is; raises `ConfigErrors` where what is named cannot be read.
    """
    given = getattr(args, "socket", None) or os.environ.get("LIGHTKEEPER_SOCKET")
    if given:
        return str(given)
    if any(getattr(args, name, None) or os.environ.get(_VARIABLE[name]) for name in _MEAN_A_DAEMON):
        return str(loader(args)().config.socket)
    return None


_MEAN_A_DAEMON: Final = ("config", "state_dir")
_VARIABLE: Final = {setting.name: setting.variable for setting in SETTINGS}


def _load(flags: Flags) -> Loaded:
    from lightkeeper.config.load import load

    named = flags.get("config")
    path = config_file(named if isinstance(named, str) else None, os.environ, Path.exists)
    document = None
    if path is not None:
        from lightkeeper.config.document import MAX_BYTES

        try:
            with path.open("rb") as file:
                document = file.read(MAX_BYTES + 1)
        except OSError as exc:
            message = f"cannot be read: {exc.strerror}; expected the configuration's file"
            raise ConfigErrors([Problem(str(path), 0, "", message)]) from exc
    return load(
        document=document, filename=str(path or ""), flags=flags, environ=os.environ, host=_host()
    )


def _host() -> Host:
    home = None
    with suppress(RuntimeError):  # a user without a home
        home = Path.home()
    return Host(
        home=home,
        uid=os.geteuid(),
        is_directory=Path.is_dir,
        profile_region=_profile_region,
    )


def _profile_region(profile: str | None) -> str | None:
    from lightkeeper.adapters.lightsail import profile_region

    return profile_region(profile)


def complain(errors: ConfigErrors) -> None:
    """Say all that is wrong with a configuration."""
    for problem in errors.problems:
        sys.stderr.write(f"{problem}\n")
