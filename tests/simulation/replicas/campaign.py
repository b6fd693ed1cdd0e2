"""Many seeds of replicas on every core, and what they come to."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from tests.simulation.replicas.fate import SPRINGS
from tests.simulation.replicas.foreign import EDITS
from tests.simulation.replicas.run import HOURS, Lived, live
from tests.simulation.years import provenance

EXPECTED = (
    *("fate_kill", "fate_stop", "fate_halt", "fate_cut", "fate_spoil", "fate_cut_aws"),
    *("fate_spoil_aws", "fate_server_restarts", "fate_set_clock", "fate_namespace"),
    *("fate_early_end", "state_deleted", "state_damaged"),
    *("lease_deleted", "lease_given", "lease_marked"),
    *(f"trap_{name}" for name in dict.fromkeys(SPRINGS)),
    *(f"edit_{kind}" for kind in dict.fromkeys(EDITS)),
    *("lost_answer_patch", "lost_answer_write", "lost_answer_issue"),
    *("takeover", "conflict", "LeaseReleased", "RenewalFailed", "StateNotSaved"),
    *("DeliveryFailed", "Drifted"),
)
"""All that many seeds must have met."""


@dataclass
class Tally:
    """What many seeds came to."""

    seeds: int = 0
    hours: float = 0.0
    cpu_seconds: float = 0.0
    longest: float = 0.0
    met: Counter[str] = field(default_factory=Counter)
    failing: dict[int, Sequence[str]] = field(default_factory=dict)

    def add(self, lived: Lived) -> None:
        """Count one seed in."""
        self.seeds += 1
        self.hours += lived.hours
        self.cpu_seconds += lived.cpu_seconds
        self.longest = max(self.longest, lived.longest)
        self.met.update(lived.met)
        if lived.violations:
            self.failing[lived.seed] = lived.violations

    @property
    def unmet(self) -> list[str]:
        """What was to be met, and never was."""
        return [kind for kind in EXPECTED if not self.met[kind]]


def lives(seeds: Iterable[int], hours: float) -> Iterator[Lived]:
    """Live these seeds, two or more at a time."""
    with ProcessPoolExecutor(os.cpu_count()) as processes:
        yield from processes.map(partial(live, hours=hours), seeds)


def replay(seed: int, hours: float) -> str:
    """The command that lives a seed again, and what it lives the same with."""
    args = f"--replicas --seed {seed} --hours {hours:g}"
    return f"make simulate SIMULATE='{args}'  # {provenance()}"


def one(seed: int, hours: float = HOURS) -> int:
    """Live one seed and tell all of it; 0 if nothing was wrong."""
    print(provenance())
    lived = live(seed, hours)
    for violation in lived.violations:
        print(f"  {violation}")
    print(
        f"seed {seed}, {lived.hours:.1f} hours, {lived.digest}: {len(lived.violations)} violations,"
        f" {lived.cpu_seconds:.1f} s of CPU"
    )
    return 1 if lived.violations else 0


def many(count: int, first: int, hours: float = HOURS) -> int:
    """Live many seeds, and tell what they came to; 0 if nothing was wrong."""
    tally = Tally()
    for lived in lives(range(first, first + count), hours):
        tally.add(lived)
        if lived.violations:
            print(f"\nseed {lived.seed}: {replay(lived.seed, hours)}")
            for violation in lived.violations[:5]:
                print(f"  {violation}", flush=True)
        if sys.stderr.isatty():
            done = f"{tally.seeds} of {count} seeds, {len(tally.failing)} failing"
            print(f"\r{done} ", end="", file=sys.stderr, flush=True)
    width = max(len(kind) for kind in EXPECTED)
    for kind in sorted({*EXPECTED, "call", "write", "Renewed", "Delivered", "unknown_replaced"}):
        print(f"{kind:{width}} {tally.met[kind]:>9}")
    print(f"{tally.seeds} seeds, {tally.hours:.0f} hours, {tally.cpu_seconds:.0f} s of CPU")
    print(f"longest without a leader where one could have led: {tally.longest:.1f} s")
    for kind in tally.unmet:
        print(f"never met: {kind}")
    print(f"failing seeds: {sorted(tally.failing)}")
    return 1 if tally.failing or tally.unmet else 0
