"""`python -m benchmarks`: measure against the peers, and say what is over its bound.

Status 1 if something is, unless with --report.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import commands, daemons, secrets
from benchmarks.measuring import Row
from benchmarks.peers import awscli
from benchmarks.scene import Scene
from tests.integration.process import Simulated, simulator
from tests.real.cluster import lacking_api_server

_HEAD = ("what", "ours", "peer", "measured: median (min to max)", "bound", "")

Part = Callable[[Scene, Simulated, argparse.Namespace], list[Row]]


def main() -> int:
    """Print the table."""
    options = _parser().parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(Path(folder))
        with simulator(scene.folder) as lightsail:
            for name in options.only or _PARTS:
                sys.stderr.write(f"measuring: {name}\n")
                rows += _PARTS[name](scene, lightsail, options)
    for line in _table(rows):
        print(line)
    return 1 if any(row.is_over for row in rows) and not options.report else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs")
    parser.add_argument("--report", action="store_true", help="status 0 whatever comes out")
    parser.add_argument(
        "--only", action="append", choices=_PARTS, help="one part; may be given several times"
    )
    return parser


def _of_commands(scene: Scene, lightsail: Simulated, options: argparse.Namespace) -> list[Row]:
    aws = awscli()
    if aws is None:
        sys.stderr.write("skipped: awscli cannot be installed here, so commands have no peer\n")
        return []
    count = 3 if options.quick else 7
    return [
        *commands.once(scene, lightsail, aws, count),
        *commands.looking(scene, lightsail, aws, count),
    ]


def _of_memory(scene: Scene, lightsail: Simulated, options: argparse.Namespace) -> list[Row]:
    return daemons.memory(scene, lightsail, 1 if options.quick else 5)


def _of_idleness(scene: Scene, lightsail: Simulated, options: argparse.Namespace) -> list[Row]:
    return daemons.idle(scene, lightsail, 30 if options.quick else 60)


def _of_most(scene: Scene, lightsail: Simulated, _: argparse.Namespace) -> list[Row]:
    return daemons.most(scene, lightsail)


def _of_secrets(scene: Scene, lightsail: Simulated, options: argparse.Namespace) -> list[Row]:
    if lacking := lacking_api_server():
        sys.stderr.write(f"skipped: Secrets have no API server here: {lacking}\n")
        return []
    return secrets.secrets(scene, lightsail, 1_000 if options.quick else 10_000)


_PARTS: dict[str, Part] = {
    "commands": _of_commands,
    "memory": _of_memory,
    "idle": _of_idleness,
    "most": _of_most,
    "secrets": _of_secrets,
}


def _table(rows: list[Row]) -> Iterator[str]:
    cells = [
        (row.what, row.ours, row.peer, str(row.measured), _bound(row), _verdict(row))
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(_HEAD, *cells, strict=True)]
    for line in (_HEAD, *cells):
        yield "  ".join(
            cell.ljust(width) for cell, width in zip(line, widths, strict=True)
        ).rstrip()


def _bound(row: Row) -> str:
    if row.is_reported_only:
        return ""
    return f"{'≥' if row.is_least else '≤'} {row.bound:g}"


def _verdict(row: Row) -> str:
    if row.is_reported_only:
        return "for comparison"
    return "OVER" if row.is_over else "ok"


if __name__ == "__main__":
    sys.exit(main())
