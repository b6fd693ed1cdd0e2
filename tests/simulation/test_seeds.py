"""Two hundred seeds of 25 days: nothing goes wrong that could have been helped."""

from __future__ import annotations

import pytest

from tests.simulation.years import Tally, beats, lives, replay

SEEDS = range(200)
DAYS = 25.0
CALM = 12.0

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def tally() -> Tally:
    tally = Tally()
    for lived in lives(SEEDS, DAYS, CALM):
        tally.add(lived)
    return tally


def test_no_seed_meets_a_violation(tally: Tally) -> None:
    """A failing seed is told with the command that lives it again."""
    told = [
        f"{replay(seed, DAYS, CALM)}\n    {violations[0]}"
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
