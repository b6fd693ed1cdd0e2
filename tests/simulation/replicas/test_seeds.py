"""Some seeds of replicas: no older credential in place of a newer one, and one that leads."""

from __future__ import annotations

import pytest

from tests.simulation.replicas.campaign import Tally, lives, replay

SEEDS = range(14)
HOURS = 1.0

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def tally() -> Tally:
    tally = Tally()
    for lived in lives(SEEDS, HOURS):
        tally.add(lived)
    return tally


def test_no_seed_of_replicas_meets_a_violation(tally: Tally) -> None:
    told = [
        f"{replay(seed, HOURS)}\n    {violations[0]}"
        for seed, violations in sorted(tally.failing.items())
    ]

    assert not told, "\n".join(told)


def test_the_leader_changed_answers_were_lost_and_writers_met(tally: Tally) -> None:
    """What never happens proves nothing; `make simulate` expects all that can happen."""
    for kind in ("takeover", "lost_answer_patch", "conflict", "LeaseReleased", "StateNotSaved"):
        assert tally.met[kind] > 0, kind
