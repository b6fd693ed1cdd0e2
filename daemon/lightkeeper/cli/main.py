"""`lightkeeper COMMAND`: which command runs, and what its exit status is.

Nothing is imported before it is known to be needed: `status` and `--help` do without AWS's library.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Final, NamedTuple

from lightkeeper import __version__

DONE: Final = 0
FAILED: Final = 1
"""Something that was asked for did not happen."""
MISUSED: Final = 2
"""The configuration or the command line is wrong."""


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
command line is wrong.

Begin with `lightkeeper demo`. With an AWS account, `lightkeeper run --region eu-central-1` keeps
the Docker config of the user that runs it; `lightkeeper COMMAND --help` tells the rest.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` names; its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = _parser()
    name = next((word for word in words if not word.startswith("-")), "")
    if any(command.name == name for command in COMMANDS):
        # Only the one that is called is imported, and tells its arguments.
        module = importlib.import_module(f"lightkeeper.cli.{name}")
        at = words.index(name)
        command = argparse.ArgumentParser(
            prog=f"lightkeeper {name}",
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        module.arguments(command)
        args = command.parse_args(words[:at] + words[at + 1 :])
        return int(module.run(args))
    args = parser.parse_args(words)
    if args.version:
        sys.stdout.write(f"lightkeeper {__version__}\n")
        return DONE
    parser.print_help(sys.stderr if args.command is None else sys.stdout)
    return MISUSED


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
