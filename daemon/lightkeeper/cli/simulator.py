"""Serve a simulated Lightsail endpoint and registry on this machine, for tests of your own.

It prints its addresses and the environment that leads AWS clients to it, and serves until SIGINT or
SIGTERM. Faults are ordered over its control route while it runs.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import timedelta
from pathlib import Path
from typing import Final

from lightkeeper.cli.main import DONE, FAILED, MISUSED
from lightkeeper.cli.words import cannot

_LONGEST: Final = 10 * 365 * 86_400
_LAST_PORT: Final = 65_535


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="0 takes any that is free (0)")
    parser.add_argument("--region", default="eu-central-1", help="the region it is (eu-central-1)")
    parser.add_argument(
        "--lifetime", type=float, default=43200, metavar="SECONDS", help="of a credential (43200)"
    )
    parser.add_argument(
        "--ends-predecessor",
        action="store_true",
        help="a new credential ends the one before it at once",
    )
    parser.add_argument(
        "--registry", default="", metavar="HOST:PORT", help="name this registry instead of itself"
    )
    parser.add_argument(
        "--htpasswd", type=Path, metavar="FILE", help="keep a real registry's users in step"
    )
    parser.add_argument(
        "--tls", type=Path, metavar="DIR", help="serve https with a test CA made in this folder"
    )
    parser.add_argument("--list-faults", action="store_true", help="name every fault and end")


def run(args: argparse.Namespace) -> int:
    """Serve until stopped."""
    from lightkeeper import simulator

    if args.list_faults:
        sys.stdout.write(f"{simulator.listed_faults()}\n")
        return DONE
    if not 0 < args.lifetime <= _LONGEST:
        cannot("simulator", f"--lifetime is above 0 and up to {_LONGEST} seconds")
        return MISUSED
    if not 0 <= args.port <= _LAST_PORT:
        cannot("simulator", f"--port is a number from 0 to {_LAST_PORT}")
        return MISUSED
    validity = simulator.Validity
    settings = simulator.Settings(
        host=args.host,
        port=args.port,
        region=args.region,
        lifetime=timedelta(seconds=args.lifetime),
        validity=validity.END_PREDECESSOR if args.ends_predecessor else validity.KEEP,
        registry=args.registry,
        htpasswd=args.htpasswd,
        tls=args.tls,
    )
    try:
        asyncio.run(simulator.run(settings))
    except simulator.SetupError as exc:
        cannot("simulator", str(exc))
        return FAILED
    return DONE
