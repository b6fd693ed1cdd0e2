"""Print the JSON Schema of the configuration, for editors and validators.

lightkeeper schema > lightkeeper.schema.json
"""

from __future__ import annotations

import argparse
import json
import sys

from lightkeeper.cli.main import DONE


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("--example", action="store_true", help="print a commented example instead")


def run(args: argparse.Namespace) -> int:
    """Print it."""
    from lightkeeper.config import schema

    text = schema.example() if args.example else json.dumps(schema.json_schema(), indent=2) + "\n"
    sys.stdout.write(text)
    return DONE
