"""Many seeds on every core, and what they come to."""

from __future__ import annotations

import gc
import hashlib
import os
import platform
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

from tests.simulation.fate import DISK_FAULTS, EDITS, KINDS
from tests.simulation.run import Lived, live
from tests.simulation.world import FAULTS

YEAR = 365.0
"""Days."""
BEATS_ONE_IN = 50
"""One seed of so many lives with every heartbeat: at the pace of a real daemon."""
_BEATING = 11
"""Which of them. Each poll costs as much as there are places: these have one, or two."""
BEATING_DAYS = 3.0
"""For how long it does in a thousand years, if nobody asks for more: 17,280 heartbeats. Each day of
it costs as much as a month without."""
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How seeds live, but for their number."""

    days: float
    calm: float
    beating_days: float
    """For how long the seeds beat whose turn it is."""

    def beating(self, seed: int) -> float:
        """Days in which a seed leaves no heartbeat out."""
        return self.beating_days if beats(seed) else 0.0


def lives(seeds: Iterable[int], course: Course) -> Iterator[Lived]:
    """Live these seeds, two or more at a time; those first that take longest."""
    with ProcessPoolExecutor(os.cpu_count(), initializer=gc.freeze) as processes:
        ordered = sorted(seeds, key=lambda seed: not beats(seed))
        yield from processes.map(partial(one, course=course), ordered, chunksize=1)


def one(seed: int, course: Course) -> Lived:
    """Live one seed of many; with every heartbeat if it is its turn."""
    # What a seed leaves behind is gone with its machine: collected once, at its end.
    gc.disable()
    try:
        return live(seed, course.days, beating_days=course.beating(seed), calm=course.calm)
    finally:
        gc.enable()
        gc.collect()


def beats(seed: int) -> bool:
    """Whether the seed lives with every heartbeat."""
    return seed % BEATS_ONE_IN == _BEATING


@dataclass
class Tally:
    """What many seeds came to."""

    days: float = 0.0
    cpu_seconds: float = 0.0
    lost_seconds: float = 0.0
    invalid_seconds: float = 0.0
    met: Counter[str] = field(default_factory=Counter)
    failing: dict[int, Sequence[str]] = field(default_factory=dict)

    def add(self, lived: Lived) -> None:
        """Count one seed in."""
        self.days += lived.days
        self.cpu_seconds += lived.cpu_seconds
        self.lost_seconds += lived.lost_seconds
        self.invalid_seconds += lived.invalid_seconds
        self.met.update(lived.met)
        if lived.violations:
            self.failing[lived.seed] = lived.violations

    @property
    def years(self) -> float:
        """Years of a login's life."""
        return self.days / YEAR

    @property
    def unmet(self) -> list[str]:
        """What was to be met, and never was."""
        return [kind for kind in EXPECTED if not self.met[kind]]


def replay(seed: int, course: Course) -> str:
    """The command that lives a seed again, and what it lives the same with."""
    beating = f" --beating-days {course.beating(seed):g}" if beats(seed) else ""
    args = f"--seed {seed} --days {course.days:g} --calm {course.calm:g}{beating}"
    return f"make simulate SIMULATE='{args}'  # {provenance()}"


@cache
def provenance() -> str:
    """What the life of a seed hangs on besides its number: the code, and what it stands on."""
    lock = hashlib.sha256((ROOT / "requirements.lock").read_bytes()).hexdigest()
    version = platform.python_version()
    return f"commit {_commit()}, Python {version}, requirements.lock sha256:{lock[:16]}"


def _commit() -> str:
    """The commit, with `-dirty` if files differ from it; `unknown` outside of a repository."""
    describe = [
        "git",
        "--no-optional-locks",
        "-C",
        str(ROOT),
        "describe",
        "--always",
        "--dirty",
        "--exclude=*",
    ]
    try:
        told = subprocess.run(describe, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return told.stdout.strip()


EXPECTED = (
    *(f"event_{kind}" for kind in KINDS),
    *FAULTS,
    "clock_skew",
    *(f"disk_{fault}" for fault in DISK_FAULTS),
    "errno_flaky",
    *(f"edit_{kind}" for kind in dict.fromkeys(EDITS)),
    "race_met",
    "killed_at_point",
    "killed_at_rest",
    "verdict_accepted",
    "verdict_rejected",
    "verdict_inconclusive",
    "StateNotSaved",
    "DeliveryFailed",
    "Drifted",
    "Surprised",
    "must_be_ready",
    "must_be_unready",
)
"""All that many seeds must have met."""
