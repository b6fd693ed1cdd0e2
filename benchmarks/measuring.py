"""What a process costs, as the kernel counts it, and how two programs are compared.

A ratio is taken of two runs that stand next to each other, since a machine that is shared is a
different machine a minute later; of several such pairs the median and the extremes are shown.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_KIB_PER_MIB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one process used from its start to its end."""

    cpu_seconds: float
    """In user mode and in the kernel."""
    peak_mib: float
    """The most memory that was resident at once."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Several measurements of one thing."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.values)

    def __str__(self) -> str:
        low, high = min(self.values), max(self.values)
        return f"{self.median:.3f} ({low:.3f} to {high:.3f})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table: what was measured, and what it may be."""

    what: str
    ours: str
    peer: str
    measured: Spread
    """What is held to the bound: ratios, or a figure in the unit that `what` names."""
    bound: float
    is_least: bool = False
    """Whether the bound is what it reaches, and not what it stays within."""
    is_reported_only: bool = False
    """Whether it is shown without anything being promised of it."""

    @property
    def is_over(self) -> bool:
        """Whether the median misses the bound."""
        median = self.measured.median
        is_missed = median < self.bound if self.is_least else median > self.bound
        return is_missed and not self.is_reported_only


def run(command: Sequence[str], environment: Mapping[str, str]) -> Usage:
    """Run a program to its end, which must be status 0; `ChildProcessError` with what it said."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=dict(environment)
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            said.seek(0)
            message = f"{' '.join(command)}: {said.read().decode(errors='replace')}"
            raise ChildProcessError(message)
    return Usage(cpu_seconds=used.ru_utime + used.ru_stime, peak_mib=used.ru_maxrss / _KIB_PER_MIB)


def pairs(
    ours: Callable[[], Usage], peer: Callable[[], Usage], count: int
) -> tuple[list[Usage], list[Usage]]:
    """A, B, A, B and so on, after one of each that fills the caches and is not counted."""
    ours()
    peer()
    of_ours, of_peer = [], []
    for _ in range(count):
        of_ours.append(ours())
        of_peer.append(peer())
    return of_ours, of_peer


def ratios(ours: Sequence[float], peer: Sequence[float]) -> Spread:
    """Of each pair."""
    return Spread(tuple(one / other for one, other in zip(ours, peer, strict=True)))


def resident_kib(pid: int) -> int:
    """The memory of a process that is resident now."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    message = f"process {pid} has no memory"
    raise ProcessLookupError(message)


def cpu_seconds(pid: int) -> float:
    """What a process has used so far, with all its threads, in steps of a tick of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def waited_seconds(pid: int) -> float:
    """How long a process's first thread has been ready and got no processor."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[1]) / 1e9


def until(what: str, is_so: Callable[[], bool], patience_seconds: float) -> None:
    """Wait until something is so; `TimeoutError` if that takes too long."""
    end = time.monotonic() + patience_seconds
    while not is_so():
        if time.monotonic() > end:
            message = f"not in {patience_seconds:.0f} s: {what}"
            raise TimeoutError(message)
        time.sleep(0.1)
