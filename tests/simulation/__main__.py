"""Live a thousand simulated years, or one seed again: `make simulate`."""

from __future__ import annotations

import argparse
import sys
import time

from tests.simulation.replicas.campaign import many, one
from tests.simulation.replicas.run import HOURS
from tests.simulation.run import live
from tests.simulation.years import (
    BEATING_DAYS,
    EXPECTED,
    YEAR,
    Course,
    Tally,
    lives,
    provenance,
    replay,
)

SEED_DAYS = 100.0
"""How long a seed lives."""
CALM = 12.0
"""How much less befalls it than in a test, which has few days to meet everything."""


def main() -> int:
    """Parse what is asked for and do it; 0 if nothing was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="live this seed only, and tell all of it")
    parser.add_argument("--days", type=float, default=SEED_DAYS, help="how long each seed lives")
    parser.add_argument("--calm", type=float, default=CALM, help="at 2, half as much happens")
    parser.add_argument(
        "--beating-days",
        type=float,
        help=f"days with every heartbeat: of the seed, or {BEATING_DAYS:g} of one seed in fifty",
    )
    parser.add_argument("--years", type=float, default=1000.0, help="in all, over logins")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument(
        "--replicas", action="store_true", help="live replicas of a daemon in a cluster instead"
    )
    parser.add_argument("--hours", type=float, default=HOURS, help="how long replicas live")
    parser.add_argument("--seeds", type=int, default=500, help="how many seeds of replicas")
    args = parser.parse_args()
    if args.replicas:
        if args.seed is not None:
            return one(args.seed, args.hours)
        return many(args.seeds, args.first, args.hours)
    if args.seed is not None:
        return _one(args.seed, args.days, args.calm, beating_days=args.beating_days or 0.0)
    beating_days = BEATING_DAYS if args.beating_days is None else args.beating_days
    course = Course(days=args.days, calm=args.calm, beating_days=beating_days)
    return _many(args.years, args.first, course)


def _one(seed: int, days: float, calm: float, *, beating_days: float) -> int:
    print(provenance())
    lived = live(seed, days, beating_days=beating_days, calm=calm)
    for name, digest in lived.digests:
        print(f"{name} {digest}")
    for violation in lived.violations:
        print(f"  {violation}")
    print(
        f"seed {seed}, {days:g} days, {len(lived.digests)} logins:"
        f" {len(lived.violations)} violations, {lived.cpu_seconds:.1f} s of CPU"
    )
    return 1 if lived.violations else 0


def _many(years: float, first: int, course: Course) -> int:
    tally, begin = Tally(), time.monotonic()
    # Each seed has one login or two, so that this many are enough.
    seeds = range(first, first + int(years * YEAR / course.days) + 1)
    for lived in lives(seeds, course):
        tally.add(lived)
        if lived.violations:
            print(f"\nseed {lived.seed}: {replay(lived.seed, course)}")
            for violation in lived.violations[:5]:
                print(f"  {violation}")
        if sys.stderr.isatty():
            done = f"{tally.years:.1f} of {years:g} years, {len(tally.failing)} failing seeds"
            print(f"\r{done} ", end="", file=sys.stderr, flush=True)
        if tally.years >= years:
            break
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return _told(tally, time.monotonic() - begin)


def _told(tally: Tally, wall_seconds: float) -> int:
    width = max(len(kind) for kind in EXPECTED)
    for kind in EXPECTED:
        print(f"{kind:{width}} {tally.met[kind]:>9}")
    attempts, deliveries = tally.met["AttemptStarted"], tally.met["Delivered"]
    print(
        f"{tally.years:.1f} years of a login's life, {attempts} attempts, {deliveries} deliveries"
    )
    print(
        f"{tally.cpu_seconds:.0f} s of CPU, {wall_seconds:.0f} s,"
        f" {tally.years / max(tally.cpu_seconds, 1e-9):.3f} years a CPU second"
    )
    idle = tally.invalid_seconds - tally.lost_seconds
    print(f"without an accepted login: {idle:.0f} s in which nothing could be done")
    print(f"expired seconds beyond the oracle: {tally.lost_seconds:.0f}")
    for kind in tally.unmet:
        print(f"never met: {kind}")
    print(f"failing seeds: {len(tally.failing)}")
    return 1 if tally.failing or tally.unmet or tally.lost_seconds else 0


if __name__ == "__main__":
    sys.exit(main())
