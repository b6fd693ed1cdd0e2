"""Somebody else edits the same file at full speed: none of their edits gets lost by us."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import accumulate

import pytest

from tests.integration.edits import BOUNDS, PAUSE, campaign, in_memory

EDITS = 1500


@pytest.fixture
def directory() -> Iterator[str]:
    with tempfile.TemporaryDirectory(dir=in_memory()) as path:
        yield path


@pytest.mark.parametrize(("pause", "bound"), BOUNDS.items())
def test_edits_of_a_writer_that_renames_are_kept_and_ours_is_back(
    directory: str, pause: float, bound: int
) -> None:
    done = campaign(directory, pause=pause, edits=EDITS)

    assert done.lost <= bound
    assert done.outcomes["held"]
    assert done.is_held


def test_the_campaign_sees_what_a_plain_rename_loses(directory: str) -> None:
    """A check that cannot fail proves nothing; on a busy machine the two meet less often."""
    campaigns = (campaign(directory, way="rename", pause=0, edits=EDITS) for _ in range(10))

    assert any(lost > BOUNDS[0.0] for lost in accumulate(done.lost for done in campaigns))


def test_a_writer_in_place_is_delivered_beside_as_well_but_without_a_promise(
    directory: str,
) -> None:
    """It opens the file, empties it and fills it: what it fills after a swap nobody sees.

    None of the clients does that. What is promised is our entry.
    """
    done = campaign(directory, pause=PAUSE, edits=EDITS, how="in-place")

    assert done.is_held
