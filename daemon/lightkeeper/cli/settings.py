"""The configuration as a command's user gave it: file, flags and environment, or all errors."""

from __future__ import annotations

import argparse
import os
import pwd
import shlex
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lightkeeper.config.environment import Environment, Host, Meant, config_file
from lightkeeper.config.flags import SETTINGS, Flags, Setting, told
from lightkeeper.config.problem import ConfigErrors, Problem

if TYPE_CHECKING:
    from lightkeeper.config.load import Loaded
    from lightkeeper.config.model import Config

_PATIENCE: Final = timedelta(seconds=15)
"""For reading the configuration; a daemon that reloads gives up a little later."""


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
    return partial(_load, _flags(args))


def meant(args: argparse.Namespace) -> Meant | None:
    """The daemon that is meant; None for any that this machine has.

    A daemon is meant by its socket, or by a configuration or state directory that is named. Costs
    nothing where neither is; raises `ConfigErrors` where what is named does not say where it is.
    """
    if given := _given(args, "socket"):
        return Meant(given)
    return configured(args) if _given(args, "config") or _given(args, "state_dir") else None


def configured(args: argparse.Namespace) -> Meant:
    """The daemon of the configuration, whichever that is; else `ConfigErrors`."""
    from lightkeeper.config import load

    flags = _flags(args)
    document, name = _document(flags)
    return load.meant(
        document=document, filename=name, flags=flags, environ=os.environ, host=_host()
    )


def _given(args: argparse.Namespace, name: str) -> str | None:
    flag = _flags(args)[name]
    return flag if isinstance(flag, str) and flag else os.environ.get(_VARIABLE[name])


_VARIABLE: Final = {setting.name: setting.variable for setting in SETTINGS}


def _flags(args: argparse.Namespace) -> Flags:
    """What the flags say; a path as the shell's user means it, from the current directory."""
    given = {setting: getattr(args, setting.name, None) for setting in SETTINGS}
    return {
        setting.name: _from_here(said) if said and setting.metavar in _PATHS else said
        for setting, said in given.items()
    }


_PATHS: Final = ("PATH", "DIR")


def _from_here(said: str | list[str]) -> str | list[str]:
    if isinstance(said, list):
        return [str(_from_here(one)) for one in said]
    if not said or said.startswith(("/", "~", "$")):
        return said
    try:
        return f"{Path.cwd()}/{said}"  # a slash at its end still means a directory
    except FileNotFoundError:  # it was removed
        return said


def _load(flags: Flags) -> Loaded:
    from lightkeeper.config.load import load

    document, name = _document(flags)
    return load(document=document, filename=name, flags=flags, environ=os.environ, host=_host())


def _document(flags: Flags) -> tuple[bytes | None, str]:
    """What the file holds, and its name; None and nothing where there is none."""
    named = flags.get("config")
    path = config_file(named if isinstance(named, str) else None, os.environ, may_be_there)
    if path is None or str(path) == os.devnull:
        return None, ""
    return content(path), str(path)


def content(path: Path, patience: timedelta = _PATIENCE) -> bytes:
    """What the file holds, up to a byte more than one may; else `ConfigErrors`.

    A pipe is read to its end: a shell gives one for `--config <(...)`.
    """
    from lightkeeper.adapters.workers import in_time
    from lightkeeper.config.document import MAX_BYTES

    def read() -> bytes:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)

    try:
        found = in_time(read, patience)
    except OSError as exc:
        why, advice = exc.strerror, "correct the path"
        if isinstance(exc, PermissionError):
            advice = f"let uid {os.geteuid()} read it"
        elif isinstance(exc, FileNotFoundError):
            advice = "make it by what `lightkeeper schema --example` prints"
    else:
        if isinstance(found, bytes):
            return found
        why, advice = found.detail, "look whether its mount hangs, or who should write this pipe"
    message = f"cannot be read: {why}; {advice}, or name another with --config"
    raise ConfigErrors([Problem(str(path), 0, "", message)])


def may_be_there(path: Path) -> bool:
    """Whether something is there, or cannot be looked at: then it is not passed over unread."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def home() -> Path | None:
    """The user's home; an empty HOME says none."""
    if said := os.environ.get("HOME"):
        return Path(said)
    with suppress(KeyError):  # a user whom nobody knows
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    return None


def _host() -> Host:
    return Host(
        home=home(),
        uid=os.geteuid(),
        is_directory=os.path.isdir,  # Path.is_dir raises where this user may not look
        profile_region=_profile_region,
        owns=_owns,
    )


def _owns(path: str) -> bool:
    return owner_of(path) == os.geteuid()


def owner_of(path: str) -> int | None:
    """The user id that a path belongs to; None if it is not there, or not to be seen."""
    try:
        return Path(path).stat().st_uid
    except OSError:
        return None


def _profile_region(profile: str | None) -> str | None:
    from lightkeeper.adapters.lightsail import profile_region

    return profile_region(profile)


def whole(args: argparse.Namespace, config: Config, *words: str) -> str:
    """The command line that does for this state what `words` say, from any shell of the machine.

    It names what this process was given or has from systemd, and the user whose state it is.
    """
    program = sys.argv[0] if Path(sys.argv[0]).name == "lightkeeper" else "lightkeeper"
    if "/" in program:
        program = str(_from_here(program))
    line = [program, *words]
    if config.state is None:
        line += ["--state-dir", str(config.state_dir)]
    flags = _flags(args)
    if not (_given(args, "region") or _has_file(_given(args, "config"))):
        line += ["--region", config.logins[0].region]  # of AWS's own settings
    for setting in SETTINGS:
        if setting.name not in _UNREPEATED:
            for text in told(setting, flags, os.environ):
                line += [setting.flag, _in_any_shell(setting, text.text)]
    owner = owner_of(str(config.state_dir))
    if owner is not None and (owner != os.geteuid() or os.environ.get("STATE_DIRECTORY")):
        line = ["sudo", "-u", _user(owner), *line]
    return shlex.join(line)


_UNREPEATED: Final = ("state_dir", "listen", "log_level", "log_format")
"""The first is told by itself, and only a daemon heeds the others."""


def _has_file(named: str | None) -> bool:
    return str(config_file(named, {}, may_be_there) or os.devnull) != os.devnull


def _in_any_shell(setting: Setting, said: str) -> str:
    """The same value where another directory is current, and other variables are set."""
    if setting.name == "config":
        return str(Path(said).absolute())
    if setting.metavar not in _PATHS:
        return said
    path = Environment(os.environ, _host()).path(said)
    return f"{path}/" if said.endswith("/") else path  # a slash still means a directory


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def complain(errors: ConfigErrors) -> None:
    """Say all that is wrong with a configuration."""
    for problem in errors.problems:
        sys.stderr.write(f"{problem}\n")
