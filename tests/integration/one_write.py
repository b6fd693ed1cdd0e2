"""A process of its own that writes once and ends, to be traced, killed or shut into a namespace.

`python -m tests.integration.one_write deliver|save PATH [in-place]` waits for a signal, does it,
and prints what came of it as JSON.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import TypeVar

from lightkeeper.adapters.docker_file import FileOptions, FileWriters
from lightkeeper.adapters.posix import Posix
from lightkeeper.adapters.state_dir import StateDir
from lightkeeper.core.saved import put_down
from lightkeeper.files import Files
from lightkeeper.paths import Paths
from lightkeeper.ports import Failed
from tests.core.making import SECOND_ONE, at, holding
from tests.filing import a_delivery

T = TypeVar("T")

BEGIN, END = "/begins-here", "/ends-here"
"""Paths that do not exist: looking for them marks the work in a trace."""
GO = signal.SIGUSR1
_PR_SET_PTRACER = 0x59616D61


class Inline:
    """Workers that do it at once."""

    async def run(self, name: str, work: Callable[[], T], deadline: timedelta) -> T | Failed:
        return work()


def deliver(path: str, *, in_place: bool = False) -> object:
    """Deliver the second credential of the tests into the file."""
    paths = Paths(Posix(), uid=os.getuid())
    writers = FileWriters(_files(), paths)
    return writers.deliver(path, a_delivery(SECOND_ONE), FileOptions(in_place=in_place))


def save(path: str) -> object:
    """Save the state of the tests' login into the directory."""
    fs = Posix()
    store = StateDir(
        path, fs=fs, files=_files(), paths=Paths(fs, uid=os.getuid()), workers=Inline()
    )
    saving = store.save(put_down(holding(), fingerprint="f", boot_id="boot-1", now=at()))
    try:
        saving.send(None)
    except StopIteration as end:
        return end.value
    return "it waited for something"


def main() -> None:
    what, path, *options = sys.argv[1:]
    # Where only a parent may trace its child, anybody may trace this one.
    ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_ulong(-1), 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, {GO})
    _say(f"ready {os.getpid()}")
    # Not for a line: whether a read that was begun before the tracer came is counted varies.
    signal.sigwait({GO})
    Path(BEGIN).exists()
    outcome = deliver(path, in_place="in-place" in options) if what == "deliver" else save(path)
    Path(END).exists()
    _say(json.dumps(_told(outcome)))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _files() -> Files:
    return Files(Posix(), uid=os.getuid(), random=Random(0))  # noqa: S311 - the same name each time


def _told(outcome: object) -> dict[str, object]:
    names = ("changed", "notices", "reason", "detail")
    told = {name: getattr(outcome, name) for name in names if hasattr(outcome, name)}
    if "notices" in told:
        told["notices"] = sorted(told["notices"])
    return {"outcome": type(outcome).__name__, **told}


if __name__ == "__main__":
    main()
