"""Many seeds on every core, and what they come to."""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from tests.simulation.fate import DISK_FAULTS, EDITS, KINDS
from tests.simulation.run import Lived, live
from tests.simulation.world import FAULTS

YEAR = 365.0
"""Days."""
BEATS_ONE_IN = 50
"""One seed of so many lives with every heartbeat: at the pace of a real daemon."""
BEATING_DAYS = 3.0
"""For how long it does, in days: 17,280 heartbeats."""


def lives(seeds: Iterable[int], days: float, calm: float) -> Iterator[Lived]:
    """Live these seeds, two or more at a time."""
    with ProcessPoolExecutor(os.cpu_count(), initializer=gc.freeze) as processes:
        yield from processes.map(partial(one, days=days, calm=calm), seeds, chunksize=1)


def one(seed: int, days: float, calm: float) -> Lived:
    """Live one seed of many; with every heartbeat if it is its turn."""
    # What a seed leaves behind is gone with its machine: collected once, at its end.
    gc.disable()
    try:
        return live(seed, days, beating_days=BEATING_DAYS if beats(seed) else 0.0, calm=calm)
    finally:
        gc.enable()
        gc.collect()


def beats(seed: int) -> bool:
    """Whether the seed lives with every heartbeat."""
    return seed % BEATS_ONE_IN == BEATS_ONE_IN - 1


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


def replay(seed: int, days: float, calm: float) -> str:
    """The command that lives a seed again."""
    beating = f" --beating-days {BEATING_DAYS:g}" if beats(seed) else ""
    return f"make simulate SIMULATE='--seed {seed} --days {days:g} --calm {calm:g}{beating}'"


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
)
"""All that many seeds must have met."""
