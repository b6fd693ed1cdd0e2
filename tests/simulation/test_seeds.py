"""Two hundred seeds of 25 days: nothing goes wrong that could have been helped."""

from __future__ import annotations

import hashlib
import platform
import re

import pytest

from tests.simulation.years import (
    ROOT,
    Course,
    Tally,
    beats,
    lives,
    provenance,
    replay,
)

SEEDS = range(200)
COURSE = Course(days=25.0, calm=12.0, beating_days=8.0)
"""As many days with every heartbeat as a minute of two cores has room for."""

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def tally() -> Tally:
    tally = Tally()
    for lived in lives(SEEDS, COURSE):
        tally.add(lived)
    return tally


def test_no_seed_meets_a_violation(tally: Tally) -> None:
    """A failing seed is told with the command that lives it again, and with what it did."""
    told = [
        f"{replay(seed, COURSE)}\n    {violations[0]}"
        for seed, violations in sorted(tally.failing.items())
    ]

    assert not told, "\n".join(told)


def test_no_login_is_expired_while_something_could_be_done(tally: Tally) -> None:
    assert tally.lost_seconds == 0


def test_everything_that_can_befall_a_daemon_was_met(tally: Tally) -> None:
    """What never happens proves nothing."""
    assert not tally.unmet


def test_one_seed_of_fifty_lives_with_every_heartbeat() -> None:
    assert sum(beats(seed) for seed in SEEDS) == len(SEEDS) / 50


def test_a_replay_tells_the_seed_and_what_its_life_hangs_on() -> None:
    """The commit, the interpreter and the locked packages: with the same of each it is the same."""
    beating = next(seed for seed in SEEDS if beats(seed))

    told = replay(beating, COURSE)

    command, _, hangs_on = told.partition("  # ")
    args = f"--seed {beating} --days 25 --calm 12 --beating-days 8"
    assert command == f"make simulate SIMULATE='{args}'"
    assert hangs_on == provenance()
    lock = (ROOT / "requirements.lock").read_bytes()
    assert f"requirements.lock sha256:{hashlib.sha256(lock).hexdigest()[:16]}" in hangs_on
    assert f"Python {platform.python_version()}" in hangs_on
    assert re.match(r"commit ([0-9a-f]{7,40}(-dirty)?|unknown), ", hangs_on)
