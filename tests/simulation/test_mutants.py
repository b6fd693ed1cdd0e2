"""An oracle that never fires proves nothing: it finds each fault that is put in."""

from __future__ import annotations

import pytest

from tests.simulation.mutants import MUTANTS
from tests.simulation.run import live

DAYS = 10.0
SEEDS = 100


@pytest.mark.timeout(600)
@pytest.mark.parametrize("missing", sorted(MUTANTS))
def test_a_daemon_without_it_is_found_within_a_hundred_seeds(missing: str) -> None:
    """The seed that is known to find it is tried first, for the sake of time."""
    parts, promise, known = MUTANTS[missing]

    for seed in (known, *range(SEEDS)):
        lived = live(seed, DAYS, parts=parts)
        if any(promise in violation for violation in lived.violations):
            return

    pytest.fail(f"{SEEDS} seeds did not find a daemon with {missing}")


@pytest.mark.parametrize("missing", sorted(MUTANTS))
def test_the_same_seed_finds_nothing_in_the_daemon_itself(missing: str) -> None:
    lived = live(MUTANTS[missing][2], DAYS)

    assert not lived.violations
