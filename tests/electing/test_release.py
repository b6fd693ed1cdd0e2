"""What is released, when, and what becomes of a release that fails."""

from __future__ import annotations

import asyncio

import pytest

from lightkeeper.core.election import (
    ElectionFailed,
    LeadershipBegan,
    LeadershipEnded,
    LeaseReleased,
)
from lightkeeper.core.reasons import Reason
from tests.simulation.election import SLACK, Node, World
from tests.simulation.turned import Network

RETRY, CALL = 5, 5


def test_what_is_released_names_nobody_and_keeps_the_count(world: World, leader: Node) -> None:
    leader.stop()
    world.run(SLACK)

    assert leader.is_over
    assert (world.lease.holder, world.lease.duration_seconds) == ("", 1)
    assert world.lease.transitions == 0
    assert [type(fact) for fact in leader.facts[-2:]] == [LeadershipEnded, LeaseReleased]
    assert not leader.electing.is_leading
    assert leader.electing.holder == ""


def test_a_candidate_that_never_wrote_ends_without_a_call(world: World, leader: Node) -> None:
    node = world.start("them")
    world.run(RETRY)
    ended = world.now
    node.stop()
    world.run(SLACK)

    assert node.is_over
    assert node.asked(ended) == []
    assert world.lease.holder == "us"


def test_what_was_taken_meanwhile_is_left_alone(world: World, leader: Node) -> None:
    world.give_to("them")
    ended = world.now
    leader.stop()
    world.run(SLACK)

    assert leader.asked(ended) == ["read"]
    assert world.lease.holder == "them"
    assert leader.told(LeaseReleased) == []


def test_what_somebody_deleted_meanwhile_is_not_made_anew(world: World, leader: Node) -> None:
    world.server.delete()
    leader.stop()
    world.run(SLACK)

    assert leader.is_over
    assert world.server.read() is None


def test_a_release_is_tried_again_when_somebody_writes_in_between(
    world: World, leader: Node
) -> None:
    reads = []

    def twice() -> None:
        reads.append(world.now)
        if len(reads) < 3:
            world.server.annotate()

    world.server.on_read = twice
    leader.stop()
    world.run(2 * SLACK)

    assert world.lease.holder == ""


def test_a_release_that_somebody_always_writes_in_between_of_is_given_up_and_told(
    world: World, leader: Node
) -> None:
    world.server.on_read = world.server.annotate
    leader.stop()
    world.run(2 * SLACK)

    assert leader.is_over
    assert isinstance(leader.facts[-1], ElectionFailed)
    assert leader.facts[-1].reason is Reason.CONTENDED


@pytest.mark.parametrize(
    ("is_silent", "within", "reason"), [(True, CALL, Reason.TIMEOUT), (False, 0, Reason.NETWORK)]
)
def test_a_release_that_fails_is_told_and_ends_in_time(
    world: World, leader: Node, within: float, reason: Reason, *, is_silent: bool
) -> None:
    leader.network = Network(world.random, is_down=True, is_silent=is_silent)
    leader.stop()

    assert world.run(within + SLACK, until=lambda: leader.is_over)
    assert isinstance(leader.facts[-1], ElectionFailed)
    assert leader.facts[-1].reason is reason


def test_a_release_takes_no_longer_in_all_than_one_call_may(world: World, leader: Node) -> None:
    leader.network = Network(world.random, quickest=2, slowest=2)
    answered = 2.1
    world.server.on_read = lambda: world.after(
        answered, lambda: setattr(leader.network, "loss", 1.0)
    )
    leader.stop()

    assert world.run(CALL + SLACK, until=lambda: leader.is_over)


def test_a_release_whose_write_fails_is_told(world: World, leader: Node) -> None:
    world.server.on_read = lambda: setattr(leader.network, "is_down", True)
    leader.stop()
    world.run(SLACK)

    assert leader.is_over
    assert isinstance(leader.facts[-1], ElectionFailed)


def test_a_bug_in_a_release_keeps_nobody_from_ending(world: World, leader: Node) -> None:
    leader.bug = LookupError()
    leader.stop()
    world.run(SLACK)

    assert leader.is_over
    assert len(leader.surprises) == 1


def test_a_claim_that_may_have_come_through_is_released(world: World) -> None:
    """Whoever is stopped while it takes the lease does not know whether it has it."""
    node = world.start("us")
    assert world.run(1, until=lambda: world.server.read() is not None)
    assert not node.is_at_work
    node.stop()
    world.run(SLACK)

    assert node.is_over
    assert world.lease.holder == ""
    assert node.told(LeadershipBegan) == []


def test_a_former_leader_that_saw_a_successor_ends_without_a_call(
    world: World, leader: Node
) -> None:
    world.give_to("them")
    world.run(RETRY + SLACK)
    ended = world.now
    leader.stop()
    world.run(SLACK)

    assert leader.asked(ended) == []
    assert world.lease.holder == "them"


def test_releasing_ends_a_term_that_nobody_runs(world: World, leader: Node) -> None:
    releasing = leader.electing.release()

    asyncio.run_coroutine_threadsafe(releasing, leader.loop)
    world.run(SLACK)

    assert not leader.electing.is_leading
    assert world.lease.holder == ""
