"""Two or three candidates over hours of all that can go wrong; the seed is the test's name."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from lightkeeper.core.election import Settings
from tests.simulation.election import SETTINGS, SLACK, Node, World, miscounted, world_of
from tests.simulation.turned import Network

DURATION, DEADLINE, RETRY = (
    span.total_seconds() for span in (SETTINGS.duration, SETTINGS.renew_deadline, SETTINGS.retry)
)
SEEDS = range(30)
NARROW = Settings(
    duration=timedelta(seconds=9),
    renew_deadline=timedelta(seconds=8),
    retry=timedelta(seconds=6),
)


def settled(world: World) -> Node:
    """The leader, at some instant of its life, with the others looking on."""
    assert world.run(DURATION, until=lambda: bool(world.leaders()))
    world.run(world.random.uniform(2 * DURATION, 4 * DURATION))
    return world.leader()


def successor(world: World, former: Node, within: float) -> Node:
    """Who leads in place of `former`."""
    assert world.run(within, until=lambda: any(one is not former for one in world.leaders()))
    return next(one for one in world.leaders() if one is not former)


def pair(world: World, count: int = 2) -> None:
    for number in range(count):
        world.start(f"pod-{number}", skew=timedelta(hours=world.random.uniform(-9000, 9000)))
        world.run(world.random.uniform(0, 3))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_first_one_leads_at_once_where_there_is_no_lease(seed: int) -> None:
    with world_of(seed) as world:
        world.start("pod-0")

        assert world.run(SLACK, until=lambda: bool(world.leaders()))


@pytest.mark.parametrize("seed", SEEDS)
def test_whoever_kills_the_leader_has_another_within_the_duration_and_two_retries(
    seed: int,
) -> None:
    with world_of(seed) as world:
        pair(world, 2 + seed % 2)
        leader = settled(world)

        leader.kill()
        successor(world, leader, DURATION + 2 * RETRY)

        assert world.server.history[-1].transitions == 1
        assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_released_lease_has_another_leader_within_one_retry(seed: int) -> None:
    with world_of(seed) as world:
        pair(world, 2 + seed % 2)
        leader = settled(world)

        leader.stop()
        assert world.run(SLACK, until=lambda: world.released == [leader.name])
        other = successor(world, leader, RETRY + SLACK)

        assert leader.is_over
        assert other.electing.transitions == 1
        assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_released_before_the_last_write_is_done(seed: int) -> None:
    with world_of(seed) as world:
        pair(world)
        for node in world.nodes:
            node.drain = 4
        leader = settled(world)

        leader.stop()
        world.run(3.9)
        held = world.server.read()
        world.run(RETRY + SLACK)

        assert held is not None
        assert held.holder == leader.name
        assert world.released == [leader.name]
        assert world.leader() is not leader
        assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("how", ["stopped", "suspended"])
def test_one_that_was_stopped_past_its_lease_leads_no_more_at_its_first_step(
    seed: int, how: str
) -> None:
    """While it is stopped two believe that they lead; a suspend stops its timers besides."""
    with world_of(seed) as world:
        pair(world)
        leader = settled(world)

        leader.halt(how)
        other = successor(world, leader, DURATION + 2 * RETRY)
        world.run(world.random.uniform(0, 3 * DURATION))
        leader.go_on()

        assert not leader.electing.is_leading
        assert world.run(RETRY if how == "suspended" else 0, until=lambda: not leader.is_at_work)
        world.run(3 * DURATION)
        assert world.leader() is other
        assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("is_silent", [False, True])
def test_a_leader_that_cannot_reach_the_server_ends_at_its_deadline(
    seed: int, *, is_silent: bool
) -> None:
    """Its own successor comes when the lease is over, and it does not come between when healed."""
    with world_of(seed) as world:
        pair(world)
        leader = settled(world)
        renewed = leader.acknowledged
        assert renewed is not None

        leader.network = Network(world.random, is_down=True, is_silent=is_silent)
        assert world.run(DEADLINE + SLACK, until=lambda: not leader.is_at_work)
        lasted = leader.now().boot - renewed
        other = successor(world, leader, DURATION + 2 * RETRY - DEADLINE)
        leader.network = Network(world.random)
        world.run(3 * DURATION)

        assert lasted <= SETTINGS.renew_deadline + timedelta(seconds=SLACK)
        assert leader.electing.failure is None
        assert world.leader() is other
        assert world.violations == []


def test_clocks_that_differ_by_more_than_is_allowed_let_two_lead() -> None:
    """The limit is real: what keeps two from leading is the ratio of duration and deadline."""
    with world_of(1) as world:
        slow = world.start("slow", rate=0.7)
        world.run(1)
        world.start("fast", rate=1.3)
        world.run(2 * DURATION)
        slow.network = Network(world.random, is_down=True)
        world.run(2 * DURATION)

        assert any("at the same time" in said for said in world.violations)


class Chaos:
    """What happens to the candidates, drawn from the world's seed."""

    def __init__(self, world: World, settings: Settings) -> None:
        self.world = world
        self.random = world.random
        self.settings = settings
        self.serial = 0
        allowed = settings.duration / settings.renew_deadline
        self.fastest = 1 + (allowed**0.5 - 1) * 0.98
        """Rates lie between its inverse and it."""
        for _ in range(2 + self.random.randrange(2)):
            self.start()

    def start(self) -> None:
        self.serial += 1
        self.world.start(
            f"pod-{self.serial}",
            settings=self.settings,
            rate=self.fastest ** self.random.uniform(-1, 1),
            skew=timedelta(hours=self.random.uniform(-9000, 9000)),
        )

    def happen(self) -> None:
        living = [node for node in self.world.nodes if not (node.is_dead or node.is_over)]
        leader = next((node for node in living if node.is_at_work), None)
        node = leader if leader and self.random.random() < 0.6 else self.random.choice(living)
        what = self.random.choice(
            [self.kill, self.stop, self.halt, self.halt, self.cut, self.spoil, self.set_clock]
        )
        if self.random.random() < 0.2:
            self.world.server.annotate()
        what(node)

    def kill(self, node: Node) -> None:
        node.kill()
        self.start()

    def stop(self, node: Node) -> None:
        node.go_on()
        node.stop()
        self.start()

    def halt(self, node: Node) -> None:
        node.halt(self.random.choice(["stopped", "suspended"]))
        self.world.after(self.random.uniform(0.1, 70), node.go_on)

    def cut(self, node: Node) -> None:
        node.network.is_down, node.network.is_silent = True, self.random.random() < 0.5
        self.world.after(self.random.uniform(1, 60), partial(self.mend, node))

    def spoil(self, node: Node) -> None:
        network = node.network
        network.slowest = self.random.choice([0.05, 1, 6, 15])
        network.loss = self.random.choice([0, 0.1, 0.4])
        network.throttled = self.random.choice([0, 0.3])
        self.world.after(self.random.uniform(10, 120), partial(self.mend, node))

    def set_clock(self, node: Node) -> None:
        node.skew = timedelta(hours=self.random.uniform(-9000, 9000))

    def mend(self, node: Node) -> None:
        node.network = Network(self.random)


def suffer(seed: int, settings: Settings) -> tuple[list[str], int]:
    """What is violated in half an hour, and how often the holder changed."""
    with world_of(seed) as world:
        chaos = Chaos(world, settings)
        for _ in range(60):
            world.run(world.random.expovariate(1 / 30))
            chaos.happen()
        for node in world.nodes:
            node.go_on()
            chaos.mend(node)
        world.run(20)  # what is still on its way arrives
        world.run((settings.duration + 2 * settings.retry).total_seconds() * chaos.fastest + 1)
        leaders = [node.name for node in world.leaders()]
        lease = world.server.read()
        assert lease is not None
        if leaders != [lease.holder]:
            world.violations.append(f"in the end {leaders} lead, and the lease has {lease.holder}")
        surprises = [said for node in world.nodes for said in node.surprises]
        wrong = miscounted(world.server.history)
        return [*world.violations, *wrong, *surprises], lease.transitions


@pytest.mark.parametrize("seed", range(40))
def test_at_most_one_leads_whatever_happens_and_one_does_in_the_end(seed: int) -> None:
    violations, transitions = suffer(seed, NARROW if seed % 4 == 3 else SETTINGS)

    assert violations == []
    assert transitions > 3
