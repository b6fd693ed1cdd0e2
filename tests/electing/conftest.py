"""A world of one candidate, and the one that leads in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulation.election import SETTINGS, SLACK, Node, World, world_of


@pytest.fixture
def world() -> Iterator[World]:
    with world_of(7) as world:
        yield world


@pytest.fixture
def leader(world: World) -> Node:
    """One that leads, and has just renewed for the first time."""
    node = world.start("us")
    world.run(SETTINGS.retry.total_seconds() + SLACK)
    assert node.is_at_work
    return node
