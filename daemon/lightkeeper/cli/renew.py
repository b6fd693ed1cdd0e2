"""Have the running daemon renew logins now, and tell what came of it.

Within the floor between two attempts it says when, and waits.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from lightkeeper.cli import asking, settings
from lightkeeper.cli.main import DONE, FAILED, MISUSED
from lightkeeper.cli.standing import unsaved_of
from lightkeeper.cli.words import cannot
from lightkeeper.config.problem import ConfigErrors


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("logins", nargs="*", metavar="NAME", help="by default every login")
    asking.arguments(parser)
    parser.add_argument("--config", metavar="FILE", help="the configuration of the daemon meant")
    parser.add_argument("--state-dir", metavar="DIR", help="the state directory that it owns")


def run(args: argparse.Namespace) -> int:
    """Ask, and print what the daemon says as it says it."""
    status = DONE
    waiting = set[object]()
    request = {"ask": "renew", "logins": args.logins}
    try:
        for line in asking.ask_meant(args, request):
            (waiting.add if "waits_seconds" in line else waiting.discard)(line.get("login"))
            status = FAILED if "reason" in line or line.get("failing") else status
            _print(line)
    except ConfigErrors as exc:
        settings.complain(exc)
        return MISUSED
    except asking.UnansweredError as exc:
        cannot("renew", str(exc))
        return FAILED
    if waiting:
        names = ", ".join(sorted(map(str, waiting)))
        cannot("renew", f"the daemon ended before it told what came of {names}; look at its log")
        return FAILED
    return status


def _print(line: dict[str, Any]) -> None:
    match line:
        case {"login": login, "waits_seconds": float() | int() as seconds}:
            when = f"in {seconds:.0f} s, when the floor allows" if seconds > 0 else "now"
            sys.stdout.write(f"{login}: renews {when}\n")
        case {"login": login, "expires": expires}:
            sys.stdout.write(f"{login}: renewed, expires {expires}\n")
            for one in line.get("failing", ()):
                sys.stdout.write(f"  {one['place']}: {one['reason']}: {one['detail']}\n")
                sys.stdout.write(f"    {one['advice']}\n")
            if unsaved := line.get("unsaved"):
                cannot("renew", f"{login}: {unsaved_of(unsaved)}. {unsaved['advice']}")
        case {"login": login, "reason": reason, "detail": detail, "advice": advice}:
            sys.stdout.write(f"{login}: failed, {reason}: {detail}\n  {advice}\n")
        case _:
            pass
    sys.stdout.flush()
