"""One seed of replicas, lived through."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from dataclasses import dataclass

from tests.simulation.replicas.fate import Fate
from tests.simulation.replicas.peace import judge_peace
from tests.simulation.replicas.replica import Parts
from tests.simulation.replicas.world import Town

PACE = 75.0
"""Seconds from one thing that befalls a town to the next, on average."""
PEACE = 1500.0
"""Seconds at the end in which nothing befalls it: longer than any wait."""
HOUR = 3600.0
HOURS = 1.5
"""How long a seed lives, if nobody asks for more, before that end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """What came of one seed."""

    seed: int
    hours: float
    violations: tuple[str, ...]
    met: Counter[str]
    longest: float
    """The longest time without a leader in which somebody could have led, in seconds."""
    digest: str
    cpu_seconds: float


def live(seed: int, hours: float, parts: Parts | None = None, until: str = "") -> Lived:
    """Live one seed to its end, or until somebody is blamed for what begins so."""
    begin = time.process_time()
    town = Town(seed, parts or Parts())
    try:
        _live(town, hours * HOUR, until)
    except Exception:  # noqa: BLE001 - the daemon's bugs are findings
        town.judge.blame(f"the world broke: {traceback.format_exc()}")
    finally:
        town.close()
    return Lived(
        seed=seed,
        hours=town.now / HOUR,
        violations=tuple(town.judge.violations),
        met=town.met,
        longest=town.judge.terms.longest,
        digest=town.trace.hexdigest(),
        cpu_seconds=time.process_time() - begin,
    )


def _live(town: Town, seconds: float, until: str) -> None:
    fate = Fate(town)
    for _ in range(town.shape.replicas):
        town.begin()
        town.run(town.random.uniform(0, 10))
    while town.now < seconds:
        town.run(town.random.expovariate(1 / PACE))
        fate.befall()
        if until and any(until in violation for violation in town.judge.violations):
            return
    fate.mend()
    town.run(PEACE)
    judge_peace(town)
    town.judge.terms.finish()
