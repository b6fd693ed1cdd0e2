"""`lightkeeper COMMAND`: which command runs, and what its exit status is.

Nothing is imported before it is known to be needed: `status` and `--help` do without AWS's library.
"""

from __future__ import annotations

import argparse
import errno
import gc
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from types import ModuleType
from typing import Final, NamedTuple, NoReturn

from lightkeeper import __version__

DONE: Final = 0
FAILED: Final = 1
"""Something that was asked for did not happen."""
MISUSED: Final = 2
"""The configuration or the command line is wrong."""
INTERRUPTED: Final = 130
"""Ctrl-C ended it: what a shell says of SIGINT."""
UNREAD: Final = 141
"""Whoever read its output is gone: what a shell says of SIGPIPE."""
TERMINATED: Final = 143
"""SIGTERM ended it: what a shell says of that."""

_UNWRITTEN: Final = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF, errno.ENXIO}
)
"""What a stream says that takes nothing; with files of ours a command deals itself."""

_INIT: Final = 1
"""A container's first process: no signal ends it that it does not ask for."""
_GARBAGE: Final = 50_000
"""Objects before a command that ends soon looks for garbage: imports make many, and all stay."""


class Command(NamedTuple):
    """One command: its module of the same name has `arguments(parser)` and `run(args)`."""

    name: str
    help: str


COMMANDS: Final = (
    Command("run", "keep the logins, until stopped"),
    Command("once", "renew what is due, deliver it, and end"),
    Command("check", "validate the configuration and show the plan; writes nothing"),
    Command("status", "how the logins stand, and why"),
    Command("renew", "have the running daemon renew now"),
    Command("withdraw", "take our entries out of the places"),
    Command("schema", "print the JSON Schema of the configuration"),
    Command("demo", "watch it work on a simulated Lightsail; no AWS account needed"),
    Command("simulator", "serve a simulated Lightsail and registry, for tests of your own"),
    Command("version", "print the version"),
)

_EPILOG: Final = """\
Exit status: 0 done; 1 something that was asked for did not happen; 2 the configuration or the
command line is wrong; 130 interrupted; 141 nobody reads the output; 143 terminated.

Begin with `lightkeeper demo`. With an AWS account, `lightkeeper run --region eu-central-1` keeps
the Docker config of the user that runs it; `lightkeeper COMMAND --help` tells the rest.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` names; its exit status."""
    _open_missing()
    if os.getpid() == _INIT:
        signal.signal(signal.SIGTERM, _end)
    words = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a path may hold any byte
    try:
        try:
            return _run(words)
        finally:
            sys.stdout.flush()  # here, where it can be caught that nobody reads
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _give_up_output()
        return UNREAD
    except OSError as exc:
        if exc.errno not in _UNWRITTEN or exc.filename is not None:
            raise
        _give_up_output()
        name = f"lightkeeper {_first(words)}".rstrip()
        sys.stderr.write(f"{name}: its output cannot be written: {exc.strerror}\n")
        return FAILED


def _end(*_: object) -> NoReturn:
    raise SystemExit(TERMINATED)


def _open_missing() -> None:
    """Have all standard streams, where whoever started this closed some of them.

    Else the next file that is opened would get the number of one, and what is written to it.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, os.O_RDWR)  # the lowest that is free: the missing one's
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def _give_up_output() -> None:
    """Drop what is left in the buffer: it would fail once more at the interpreter's end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _first(words: Sequence[str]) -> str:
    return next((word for word in words if not word.startswith("-")), "")


def _run(words: list[str]) -> int:
    parser = _parser()
    name = _first(words)
    if name == "help":
        words.remove(name)
        name = _first(words)
        words.append("--help")
    if any(command.name == name for command in COMMANDS):
        at = words.index(name)
        args = parser_of(name).parse_args(words[:at] + words[at + 1 :])
        return int(_module(name).run(args))
    args = parser.parse_args(words)
    if args.version:
        sys.stdout.write(f"lightkeeper {__version__}\n")
        return DONE
    parser.print_help(sys.stderr if args.command is None else sys.stdout)
    return MISUSED


def collect_seldom() -> None:
    """Spare a command that ends soon a tenth of its processor time."""
    gc.set_threshold(_GARBAGE)


def parser_of(name: str) -> argparse.ArgumentParser:
    """The parser of one command; only that one is imported, and tells its arguments."""
    module = _module(name)
    parser = argparse.ArgumentParser(
        prog=f"lightkeeper {name}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.arguments(parser)
    return parser


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"lightkeeper.cli.{name}")


def _parser() -> argparse.ArgumentParser:
    width = max(len(command.name) for command in COMMANDS)
    listed = "\n".join(f"  {command.name:<{width}}  {command.help}" for command in COMMANDS)
    parser = argparse.ArgumentParser(
        prog="lightkeeper",
        description="Keeps Docker registry logins for Amazon Lightsail container services alive."
        f"\n\ncommands:\n{listed}",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="lightkeeper COMMAND [OPTIONS]",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    names = [command.name for command in COMMANDS]
    parser.add_argument("command", nargs="?", choices=names, help=argparse.SUPPRESS)
    return parser
