"""Have the running daemon renew logins now, and tell what came of it.

Within the floor between two attempts it says when, and waits.
"""

from __future__ import annotations

import argparse
import sys

from lightkeeper.cli import asking, settings
from lightkeeper.cli.main import DONE, FAILED, MISUSED
from lightkeeper.config.problem import ConfigErrors


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("logins", nargs="*", metavar="NAME", help="by default every login")
    asking.arguments(parser)
    parser.add_argument("--config", metavar="FILE", help="the configuration of the daemon meant")


def run(args: argparse.Namespace) -> int:
    """Ask, and print what the daemon says as it says it."""
    status = DONE
    try:
        for line in asking.ask(
            settings.named_socket(args), {"ask": "renew", "logins": args.logins}
        ):
            if "error" in line or "reason" in line:
                status = FAILED
            _print(line)
    except ConfigErrors as exc:
        settings.complain(exc)
        return MISUSED
    except asking.NotRunningError:
        return _cannot(asking.NOT_RUNNING)
    except asking.NotAllowedError as exc:
        return _cannot(f"{exc} belongs to another user; ask as that user, or as root")
    except OSError as exc:
        return _cannot(f"the daemon stopped answering ({exc}); look at its log")
    return status


def _print(line: dict[str, object]) -> None:
    match line:
        case {"error": error}:
            sys.stderr.write(f"lightkeeper renew: {error}\n")
        case {"login": login, "waits_seconds": float() | int() as seconds}:
            when = f"in {seconds:.0f} s, when the floor allows" if seconds > 0 else "now"
            sys.stdout.write(f"{login}: renews {when}\n")
        case {"login": login, "expires": expires}:
            sys.stdout.write(f"{login}: renewed, expires {expires}\n")
        case {"login": login, "reason": reason, "detail": detail, "advice": advice}:
            sys.stdout.write(f"{login}: failed, {reason}: {detail}\n  {advice}\n")
        case _:
            pass
    sys.stdout.flush()


def _cannot(why: str) -> int:
    sys.stderr.write(f"lightkeeper renew: {why}\n")
    return FAILED
