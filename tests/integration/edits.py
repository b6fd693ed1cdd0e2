"""How many edits of somebody else get lost while we deliver: `python -m tests.integration.edits`.

A writer of its own process edits the file as fast as it can. Beside our way, swap and look, the two
ways that others use are measured in the same run: rename, and a second look before the rename.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from random import Random

from lightkeeper.adapters.docker_file import FileOptions, FileWriters
from lightkeeper.adapters.posix import Posix
from lightkeeper.core.docker_config import parse
from lightkeeper.files import Files
from lightkeeper.paths import Paths
from lightkeeper.ports import Failed, Put, Stat
from tests.core.making import FIRST, SECOND_ONE
from tests.filing import a_delivery

EDITS = 10_000
PAUSE = 0.2
"""Seconds between two deliveries, where there is a pause."""
BOUNDS = {PAUSE: 0, 0.0: 5}
"""How many edits may get lost at which pause."""
OURS = "swap, look, undo"
_WRITER = Path(__file__).with_name("foreign_writer.py")


class SecondLook(Posix):
    """A second look at the file, then a rename: what is left where names cannot be swapped."""

    def exchange(self, directory: int, one: str, other: str) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


class PlainRename(SecondLook):
    """No second look: the file seems as it was read, and nobody at it, whatever is so."""

    def __init__(self) -> None:
        super().__init__()
        self._seen = dict[str, Stat]()

    def read(self, directory: int, name: str, limit: int) -> tuple[bytes, Stat]:
        data, found = super().read(directory, name, limit)
        self._seen[name] = found
        return data, found

    def stat(self, directory: int, name: str) -> Stat:
        return self._seen.get(name) or super().stat(directory, name)

    def names(self, directory: int) -> list[str]:
        """None: nobody is waited for."""
        return []


WAYS: dict[str, type[Posix]] = {
    "rename": PlainRename,
    "second look, rename": SecondLook,
    OURS: Posix,
}


def in_memory() -> str | None:
    """A directory without a disk, if there is one: there a writer is at its fastest."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - new names below


@dataclass(kw_only=True)
class Campaign:
    """What came of one."""

    way: str
    pause: float
    edits: int
    lost: int = 0
    unreadable: int = 0
    """How often the other met a file that it could not read."""
    deliveries: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    is_held: bool = False
    """Whether the file held our credential at the end."""


def campaign(
    directory: str, *, way: str = OURS, pause: float, edits: int, how: str = "rename"
) -> Campaign:
    """Deliver into a file for as long as somebody else edits it, another credential each time."""
    path = f"{directory}/config.json"
    Path(path).write_text("{}")
    fs = WAYS[way]()
    # One writer for all of it, as a daemon has.
    files = Files(fs, uid=os.getuid(), random=Random(0))  # noqa: S311 - names, not secrets
    writers = FileWriters(files, Paths(fs, uid=os.getuid()))
    done = Campaign(way=way, pause=pause, edits=edits)
    credentials = cycle((FIRST, SECOND_ONE))

    def deliver() -> None:
        held = next(credentials)
        outcome = writers.deliver(path, a_delivery(held), FileOptions())
        done.deliveries += 1
        done.outcomes[outcome.reason if isinstance(outcome, Failed) else "held"] += 1
        done.is_held = isinstance(outcome, Put) and _holds(path, held.digest)

    with _editing(path, edits, how) as writer:
        while not _ends_within(writer, pause):
            deliver()
    deliver()
    assert writer.stdout is not None
    told = json.loads(writer.stdout.read())
    writer.stdout.close()
    done.lost, done.unreadable = told["lost"], told["unreadable"]
    return done


def _holds(path: str, digest: str) -> bool:
    return parse(Path(path).read_bytes()).holds(FIRST.registry) == digest


@contextmanager
def _editing(path: str, edits: int, how: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-I", "-S", str(_WRITER), path, str(edits), how]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield writer
    finally:
        if writer.poll() is None:
            writer.kill()
            writer.wait()


def _ends_within(writer: subprocess.Popen[str], pause: float) -> bool:
    if not pause:
        return writer.poll() is not None
    try:
        writer.wait(pause)
    except subprocess.TimeoutExpired:
        return False
    return True


def main() -> int:
    """Print the figures; 1 if ours are not what is promised."""
    parser = argparse.ArgumentParser(prog="python -m tests.integration.edits")
    parser.add_argument("--edits", type=int, default=EDITS, help="of each campaign (%(default)s)")
    parser.add_argument("--directory", default=in_memory(), help="where (default: %(default)s)")
    options = parser.parse_args()
    _say(f"Edits of somebody else that got lost, of {options.edits} at full speed:")
    is_kept = True
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        for pause, bound in BOUNDS.items():
            for way in WAYS:
                done = campaign(directory, way=way, pause=pause, edits=options.edits)
                _say(_line(done))
                is_kept &= way != OURS or (done.is_held and done.lost <= bound)
        done = campaign(directory, pause=PAUSE, edits=options.edits, how="in-place")
        _say(f"{_line(done)}, edited in place, {done.unreadable} times unreadable to its writer")
    return 0 if is_kept else 1


def _line(done: Campaign) -> str:
    pace = f"a delivery each {done.pause * 1000:.0f} ms" if done.pause else "without a pause"
    told = ", ".join(f"{count} {word}" for word, count in sorted(done.outcomes.items()))
    return f"  {done.way:20} {pace:25} {done.lost:6}   of {done.deliveries} deliveries {told}"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
