"""Print the version of Lightkeeper."""

from __future__ import annotations

import argparse
import sys

from lightkeeper import __version__
from lightkeeper.cli.main import DONE


def arguments(parser: argparse.ArgumentParser) -> None:
    """It has none."""
    del parser


def run(args: argparse.Namespace) -> int:
    """Print it."""
    del args
    sys.stdout.write(f"lightkeeper {__version__}\n")
    return DONE
