"""Starts `one_write` and tells what came of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tests.integration.one_write import GO

ROOT = Path(__file__).parent.parent.parent
_SITE = Path(msgspec.__file__).parent.parent
_PATHS = [str(ROOT / "daemon"), str(ROOT), str(_SITE)]
# Isolated, without site and without caches: so each run makes the same system calls.
_START = (
    f"import sys, runpy; sys.path[:0] = {_PATHS}; sys.argv.pop(0); "
    "runpy.run_module('tests.integration.one_write', run_name='__main__', alter_sys=True)"
)
_DEADLINE = 30


def command(*arguments: str) -> list[str]:
    """The command line of a process that writes once."""
    return [sys.executable, "-I", "-S", "-B", "-c", _START, "one_write", *arguments]


class Writing:
    """The process, as it waits for its signal; `within` another command."""

    def __init__(self, *arguments: str, within: Sequence[str] = ()) -> None:
        self._process = subprocess.Popen(
            [*within, *command(*arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONHASHSEED": "0", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline().split()
        if len(said) != len(("ready", "pid")):
            self._process.communicate()
            message = f"it did not start: {said}"
            raise AssertionError(message)
        self.pid = int(said[1])

    def let_go(self) -> tuple[int, str]:
        """Its status, and what it prints: nothing if it was killed."""
        os.kill(self.pid, GO)
        output, _ = self._process.communicate(timeout=_DEADLINE)
        return self._process.returncode, output


def told(*arguments: str, within: Sequence[str] = ()) -> dict[str, Any]:
    """What came of one write, `within` another command."""
    _, output = Writing(*arguments, within=within).let_go()
    outcome: dict[str, Any] = json.loads(output)
    return outcome
