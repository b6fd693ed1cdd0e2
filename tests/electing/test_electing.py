"""One candidate, or two: what it asks, what it tells, and when its work begins and ends."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from random import Random

import pytest
from msgspec.structs import replace

from lightkeeper.cluster import LeaseSeen
from lightkeeper.core.election import (
    ElectionFailed,
    Ended,
    LeaderSeen,
    LeadershipBegan,
    LeadershipEnded,
)
from lightkeeper.core.reasons import Reason
from lightkeeper.electing import unique_identity
from tests.simulation.election import EPOCH, SETTINGS, SLACK, Node, World
from tests.simulation.turned import Network

DURATION, DEADLINE, RETRY, CALL = 30, 20, 5, 5
HOUR = 3600


# Becoming the leader.


def test_the_first_to_come_makes_the_lease_and_tells_that_it_leads(world: World) -> None:
    node = world.start("us")

    world.run(SLACK)

    (began,) = node.facts
    assert isinstance(began, LeadershipBegan)
    assert (began.identity, began.former, began.transitions) == ("us", "", 0)
    assert (world.lease.holder, world.lease.duration_seconds) == ("us", DURATION)
    assert world.lease.acquired_at == world.lease.renewed_at
    assert node.electing.is_leading
    assert node.electing.holder == "us"


def test_nothing_is_known_before_the_first_look(world: World) -> None:
    electing = world.start("us").electing

    assert (electing.is_leading, electing.holder, electing.transitions) == (False, "", 0)


def test_a_released_lease_is_taken_at_the_first_look(world: World) -> None:
    world.server.write(a_lease(holder="", transitions=3))
    node = world.start("us")

    assert world.run(SLACK, until=lambda: node.is_at_work)
    assert world.lease.transitions == node.electing.transitions == 4


def test_a_lease_that_looks_years_old_is_waited_for_as_any_other(world: World) -> None:
    world.server.write(a_lease(holder="them", renewed_days_ago=3000))
    node = world.start("us")

    world.run(DURATION)
    was_at_work = node.is_at_work

    assert not was_at_work
    assert world.run(SLACK, until=lambda: node.is_at_work)
    assert node.told(LeadershipBegan) == [
        LeadershipBegan(at=node.now(), identity="us", former="them", transitions=1)
    ]


def a_lease(holder: str, transitions: int = 0, renewed_days_ago: int = 0) -> LeaseSeen:
    at = EPOCH - timedelta(days=renewed_days_ago)
    return LeaseSeen(
        version="",
        holder=holder,
        duration_seconds=DURATION,
        acquired_at=at,
        renewed_at=at,
        transitions=transitions,
    )


def test_a_lease_counts_from_when_the_answer_came_that_told_of_it(world: World) -> None:
    """Whoever wrote it may have done so a moment before that."""
    world.server.write(a_lease(holder="them"))
    node = world.start("us")
    node.network = Network(world.random, quickest=2, slowest=2)

    world.run(4 + DURATION - SLACK)
    early = node.asked(0)
    world.run(2 * RETRY)

    assert set(early) == {"read"}
    assert "write" in node.asked(0)


def test_a_lease_that_is_gone_and_cannot_be_made_is_nobodys(world: World, leader: Node) -> None:
    node = world.start("them")
    world.run(SLACK)
    leader.kill()
    world.server.delete()
    world.server.on_read = lambda: setattr(node.network, "is_down", True)
    world.run(RETRY + SLACK)

    assert (node.electing.holder, node.electing.transitions) == ("", 0)
    assert node.electing.failure is not None


def test_a_candidate_only_reads_each_time_after_a_retry_shortened_by_a_draw(
    world: World, leader: Node
) -> None:
    node = world.start("them")
    world.run(HOUR)

    times = [at for at, _ in node.calls]
    waits = [after - before for before, after in pairwise(times)]
    assert {what for _, what in node.calls} == {"read"}
    assert all(RETRY / 1.2 <= wait <= RETRY + 1e-3 for wait in waits)
    assert max(waits) - min(waits) > 0.5
    assert leader.is_at_work


def test_a_candidate_tells_whom_it_stands_by_for_once(world: World, leader: Node) -> None:
    node = world.start("them")
    world.run(HOUR)

    (seen,) = node.facts
    assert isinstance(seen, LeaderSeen)
    assert (seen.holder, seen.transitions) == ("us", 0)
    assert node.electing.holder == "us"


def test_a_write_whose_answer_was_lost_is_found_to_be_ours_and_counted_once(world: World) -> None:
    world.server.write(a_lease(holder="", transitions=3))
    node = world.start("us")
    assert world.run(1, until=lambda: node.asked(0) == ["read", "write"])

    node.network.loss = 1.0  # what is on its way to the server arrives
    assert world.run(1, until=lambda: world.lease.holder == "us")
    node.network.loss = 0.0
    world.run(CALL - 1)
    was_at_work = node.is_at_work
    assert world.run(RETRY, until=lambda: node.is_at_work)

    assert not was_at_work
    assert world.lease.transitions == 4
    assert isinstance(node.facts[0], ElectionFailed)
    assert node.facts[0].reason is Reason.TIMEOUT
    assert node.electing.failure is None


def test_an_answer_that_comes_after_the_deadline_begins_no_term(world: World) -> None:
    node = world.start("us")
    assert world.run(1, until=lambda: node.asked(0) == ["read", "write"])
    node.is_stopped = True
    world.run(DEADLINE)

    node.is_stopped = False
    world.run(0)

    assert world.lease.holder == "us"
    assert not node.is_at_work
    assert not node.electing.is_leading


# Being the leader.


def test_a_leader_renews_each_retry_without_reading(world: World, leader: Node) -> None:
    began, before = world.now, world.lease
    world.run(10 * RETRY)

    assert leader.asked(began) == ["write"] * 10
    assert world.lease.renewed_at != before.renewed_at
    assert replace(world.lease, version="", renewed_at=None) == replace(
        before, version="", renewed_at=None
    )


def test_a_leader_goes_on_when_somebody_annotates_the_lease(world: World, leader: Node) -> None:
    began = world.now
    world.server.annotate()
    world.run(RETRY + SLACK)

    assert leader.asked(began) == ["write", "read", "write"]
    assert leader.is_at_work


def test_a_leader_makes_the_lease_anew_that_somebody_deletes(world: World, leader: Node) -> None:
    world.server.delete()
    world.run(RETRY + SLACK)

    assert world.lease.holder == "us"
    assert leader.is_at_work


def test_a_lease_that_somebody_else_makes_anew_ends_the_term(world: World, leader: Node) -> None:
    world.server.delete()
    world.server.write(a_lease("them"))
    assert world.run(RETRY + SLACK, until=lambda: not leader.is_at_work)


def test_a_leader_ends_at_once_when_it_sees_another_holder(world: World, leader: Node) -> None:
    """It does not use up what is left of its term: the other one leads already."""
    began = world.now
    world.give_to("them")

    assert world.run(RETRY + SLACK, until=lambda: not leader.is_at_work)
    (ended,) = leader.told(LeadershipEnded)
    assert (ended.why, ended.holder, ended.detail) == (Ended.TAKEN, "them", "")
    assert not leader.electing.is_leading
    assert leader.asked(began)[:2] == ["write", "read"]
    assert [fact.holder for fact in leader.told(LeaderSeen)] == ["them"]


def test_one_that_saw_another_holder_leads_no_more_while_its_work_ends(
    world: World, leader: Node
) -> None:
    leader.drain = 4
    world.give_to("them")

    assert world.run(RETRY + SLACK, until=lambda: leader.is_told_to_end)
    assert leader.is_at_work
    assert not leader.electing.is_leading
    assert len(leader.told(LeadershipEnded)) == 1


def test_a_suspend_is_noticed_within_a_retry_though_a_call_hangs(
    world: World, leader: Node
) -> None:
    """Timers stand still in it: that of the end of the term would ring too late."""
    leader.network.is_down = leader.network.is_silent = True
    world.run(RETRY)
    leader.suspend()
    world.run(HOUR)
    leader.resume()

    assert world.run(RETRY, until=lambda: not leader.is_at_work)


@pytest.mark.parametrize("is_stubborn", [False, True])
def test_the_work_ends_at_the_deadline_though_a_call_hangs(
    world: World, leader: Node, *, is_stubborn: bool
) -> None:
    leader.is_stubborn = is_stubborn
    leader.network = Network(world.random, is_down=True, is_silent=True)
    assert leader.acknowledged is not None
    left = leader.acknowledged + SETTINGS.renew_deadline - leader.now().boot

    world.run(left.total_seconds() - 1e-3)
    was_at_work = leader.is_at_work
    world.run(2e-3)

    assert was_at_work
    assert not leader.is_at_work
    (ended,) = leader.told(LeadershipEnded)
    assert (ended.why, ended.holder) == (Ended.NOT_RENEWED, "us")
    # A call that does not let itself be cancelled has not even failed by then.
    assert ended.detail == ("" if is_stubborn else "no answer within 5 s")
    assert timedelta(seconds=DEADLINE) < ended.lasted <= timedelta(seconds=DEADLINE + RETRY)


def test_one_call_may_hang_and_the_term_is_prolonged_all_the_same(
    world: World, leader: Node
) -> None:
    leader.network.is_down = leader.network.is_silent = True
    world.run(CALL + 2)
    leader.network.is_down = False
    world.run(HOUR)

    assert leader.is_at_work
    assert leader.told(LeadershipEnded) == []


def test_work_that_takes_its_time_to_end_is_waited_for_before_it_begins_again(
    world: World, leader: Node
) -> None:
    leader.drain = 60
    leader.network.is_down = True
    assert world.run(DEADLINE + SLACK, until=lambda: leader.is_told_to_end)
    leader.network.is_down = False
    ended = world.now
    world.run(59)
    meanwhile = leader.asked(ended)
    world.run(2)

    assert meanwhile == []
    assert not leader.is_told_to_end
    assert leader.is_at_work


def test_whoever_leads_again_after_it_could_not_renew_took_nothing_from_anybody(
    world: World, leader: Node
) -> None:
    leader.network.is_down = True
    world.run(2 * DURATION)
    leader.network.is_down = False
    world.run(RETRY + SLACK)

    *_, again = leader.facts
    assert isinstance(again, LeadershipBegan)
    assert (again.former, again.transitions) == ("", 0)
    assert leader.is_at_work


def test_work_that_ends_by_itself_ends_the_candidacy(world: World) -> None:
    async def nothing() -> None:
        """Is done at once."""

    node = world.start("us")
    node.work = nothing

    world.run(SLACK)

    assert node.is_over
    assert not node.electing.is_leading
    assert isinstance(node.facts[-1], LeadershipEnded)
    assert node.facts[-1].why is Ended.STOPPED


def test_work_that_breaks_breaks_the_candidacy(world: World) -> None:
    async def broken() -> None:
        raise LookupError

    node = world.start("us")
    node.work = broken

    world.run(SLACK)

    with pytest.raises(ExceptionGroup):
        node.task.result()
    assert not node.electing.is_leading
    assert isinstance(node.facts[-1], LeadershipEnded)


# What fails.


def test_a_failure_is_told_when_it_begins_and_each_hour(world: World, leader: Node) -> None:
    leader.network.is_down = True
    world.run(HOUR - 60)
    first = leader.told(ElectionFailed)
    world.run(120)
    second = leader.told(ElectionFailed)

    assert [(fact.reason, fact.detail) for fact in first] == [(Reason.NETWORK, "refused")]
    assert len(second) == 2
    assert leader.electing.failure is not None
    assert leader.electing.failure.count > 600


def test_another_failure_is_told_at_once_and_what_is_mended_is_none(
    world: World, leader: Node
) -> None:
    leader.network.is_down = True
    world.run(2 * RETRY)
    leader.network.is_silent = True
    world.run(4 * RETRY)
    leader.network.is_down = False
    world.run(2 * RETRY)

    reasons = [fact.reason for fact in leader.told(ElectionFailed)]
    assert reasons == [Reason.NETWORK, Reason.TIMEOUT]
    assert leader.electing.failure is None


def test_a_failure_that_one_renewal_mends_is_none(world: World, leader: Node) -> None:
    leader.network.is_down = True
    world.run(RETRY)
    failure = leader.electing.failure
    leader.network.is_down = False
    mended = world.now
    world.run(RETRY)

    assert failure is not None
    assert leader.asked(mended) == ["write"]
    assert leader.electing.failure is None


def test_a_candidate_that_can_read_again_has_no_failure(world: World, leader: Node) -> None:
    node = world.start("them")
    node.network.is_down = True
    world.run(2 * RETRY)
    failure = node.electing.failure
    node.network.is_down = False
    world.run(2 * RETRY)

    assert failure is not None
    assert node.electing.failure is None


def test_a_race_that_was_lost_is_no_failure(world: World) -> None:
    world.server.write(a_lease(holder=""))
    world.server.on_read = world.server.annotate
    node = world.start("us")
    node.network.is_down = True
    world.run(RETRY)
    failure = node.electing.failure
    node.network.is_down = False
    world.run(2 * RETRY)

    assert failure is not None
    assert node.electing.failure is None
    assert not node.is_at_work


def test_a_bug_in_a_call_costs_a_try_and_is_told(world: World, leader: Node) -> None:
    leader.bug = LookupError("a secret")
    world.run(RETRY + SLACK)
    failure = leader.electing.failure
    leader.bug = None
    world.run(HOUR)

    assert failure is not None
    assert failure.reason is Reason.INTERNAL_ERROR
    assert len(leader.surprises) == 1
    assert "LookupError" in leader.surprises[0]
    assert "a secret" not in leader.surprises[0]
    assert leader.is_at_work
    assert leader.told(LeadershipEnded) == []


def test_a_bug_that_lasts_ends_the_term_and_not_the_candidacy(world: World, leader: Node) -> None:
    leader.bug = LookupError()
    world.run(DEADLINE + SLACK)
    was_at_work = leader.is_at_work
    leader.bug = None
    world.run(RETRY + SLACK)

    assert not was_at_work
    assert leader.is_at_work


def test_a_bug_in_who_is_told_ends_nothing(world: World) -> None:
    node = world.start("us")
    node.deafness = LookupError()

    world.run(HOUR)

    assert node.is_at_work
    assert len(node.surprises) == 1


def test_an_identity_tells_where_it_is_and_is_never_the_same() -> None:
    random = Random(1)  # noqa: S311 - a seed gives the same run again
    ones = {unique_identity("pod-a", random) for _ in range(100)}

    assert len(ones) == 100
    assert all(one.startswith("pod-a_") and len(one) == len("pod-a_") + 16 for one in ones)
