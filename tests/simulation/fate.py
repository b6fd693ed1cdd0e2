"""What befalls a seed: drawn once, from the seed alone, before the daemon lives through it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from tests.simulation.world import FAULTS

DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens at a second of the loop's time, and for how long."""

    at: float
    kind: str
    detail: str = ""
    seconds: float = 0.0


def fates(seed: int, days: float, calm: float) -> list[Event]:
    """All that befalls one seed, in order; with fewer days the same, cut off.

    Twice as `calm` means that half as much happens in a day.
    """
    events: list[Event] = []
    for kind, mean_days, draw in _KINDS:
        random = Random(f"fate {seed} {kind}")
        rate = 1 / (mean_days * calm * DAY)
        at = random.expovariate(rate)
        while at < days * DAY:
            events += draw(random, at, kind)
            at += random.expovariate(rate)
    return sorted(events, key=lambda event: (event.at, event.kind, event.detail))


def _between(random: Random, low: float, high: float) -> float:
    """Seconds, as likely short as long."""
    return math.exp(random.uniform(math.log(low), math.log(high)))


def _fault(random: Random, at: float, kind: str) -> Iterator[Event]:
    yield Event(at, kind, random.choice(FAULTS), _between(random, 20, 20 * 3600))


def _storm(random: Random, at: float, kind: str) -> Iterator[Event]:
    for _ in range(random.randrange(3, 12)):
        yield Event(at, kind, "throttled", random.uniform(5, 120))
        at += random.uniform(60, 600)


def _registry(random: Random, at: float, kind: str) -> Iterator[Event]:
    yield Event(at, kind, "", _between(random, 20, 6 * 3600))


def _suspend(random: Random, at: float, kind: str) -> Iterator[Event]:
    yield Event(at, kind, "", _between(random, 10, 30 * 3600))


def _step(random: Random, at: float, kind: str) -> Iterator[Event]:
    size = _between(random, 3, 3 * DAY) * random.choice((-1, 1))
    # The operator, or NTP, sets it right again some time later.
    yield Event(at, kind, f"{size:.3f}")
    yield Event(at + _between(random, 30, 8 * 3600), kind, f"{-size:.3f}")


def _disk(random: Random, at: float, kind: str) -> Iterator[Event]:
    yield Event(at, kind, random.choice(DISK_FAULTS), _between(random, 20, 10 * 3600))


def _edit(random: Random, at: float, kind: str) -> Iterator[Event]:
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        yield Event(at, kind, random.choice(EDITS))
        at += _between(random, 0.05, 400)


def _plain(random: Random, at: float, kind: str) -> Iterator[Event]:
    yield Event(at, kind)


def _down(random: Random, at: float, kind: str) -> Iterator[Event]:
    yield Event(at, kind, str(random.randrange(1, 60)), _between(random, 0.5, 2 * 3600))


DISK_FAULTS = ("ENOSPC", "EROFS", "EIO", "EACCES", "flaky", "hang")
"""Everything that can be wrong with the disk."""

EDITS = (
    "login_elsewhere",
    "login_elsewhere",
    "logout",
    "login_ours",
    "revert",
    "alias",
    "reformat",
    "malformed",
    "race",
)
"""Everything that somebody else does to a file of ours."""

_Draw = Callable[[Random, float, str], Iterator[Event]]
_KINDS: tuple[tuple[str, float, _Draw], ...] = (
    ("fault", 1.5, _fault),
    ("storm", 9, _storm),
    ("registry", 5, _registry),
    ("suspend", 4, _suspend),
    ("step", 5, _step),
    ("disk", 4, _disk),
    ("edit", 0.7, _edit),
    ("early_end", 12, _plain),
    ("stop", 6, _down),
    ("kill", 4, _down),
    ("kill_at_point", 3, _down),
    ("power_cut", 8, _down),
    ("reload", 5, _plain),
)

KINDS = tuple(kind for kind, _, _ in _KINDS)
"""Everything that can befall a seed."""
