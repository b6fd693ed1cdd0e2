"""Candidates of one Lease, each a process with a clock and a network of its own, on virtual time.

Every candidate has an event loop that the world turns when something is due there, so that one can
be slow, stopped, suspended or killed while the others go on, and clocks can run at other rates.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import count, pairwise
from random import Random
from typing import TypeVar

from msgspec.structs import replace

from lightkeeper.cluster import LeaseSeen, Stale
from lightkeeper.core.election import ElectionFact, LeaseReleased, Settings
from lightkeeper.core.moment import Moment
from lightkeeper.core.reasons import Reason
from lightkeeper.electing import Candidacy, Electing
from lightkeeper.ports import Failed
from tests.fakes.cluster import FakeApiServer
from tests.simulation.turned import NEVER, Network, TurnedLoop

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = Settings(
    duration=timedelta(seconds=30),
    renew_deadline=timedelta(seconds=20),
    retry=timedelta(seconds=5),
)
LEASE = ("lk", "lightkeeper")
Fact = TypeVar("Fact", bound=ElectionFact)
T = TypeVar("T")
SLACK = 0.25
"""Seconds: a read and a write over a network that is well."""


class LeaseServer:
    """One Lease of an API server, and all that was ever written into it."""

    def __init__(self, api: FakeApiServer) -> None:
        api.namespace(LEASE[0])
        self.api = api
        self.history: list[LeaseSeen] = []
        """Every record that was written."""
        self.on_read: Callable[[], object] = lambda: None

    @property
    def lease(self) -> LeaseSeen | None:
        return self.api.leases.get(LEASE)

    def delete(self) -> None:
        self.api.leases.pop(LEASE, None)

    def read(self) -> LeaseSeen | None:
        read = self.lease
        self.on_read()
        return read

    def write(self, lease: LeaseSeen) -> LeaseSeen | Stale | Failed:
        before = self.lease
        if lease.renewed_at is None:
            return Failed(reason=Reason.INVALID_INPUT, detail="nobody could see it renewed")
        said = self.api.write_lease(LEASE, lease)
        if self.lease is not before:
            self.history.append(lease)
        return said

    def annotate(self) -> None:
        """Somebody changes what is no part of the record."""
        if self.lease is not None:
            self.api.leases[LEASE] = replace(self.lease, version=self.api.version())


class Node:
    """One candidate: a process on a machine of its own."""

    def __init__(
        self,
        world: World,
        name: str,
        *,
        settings: Settings = SETTINGS,
        rate: float = 1.0,
        skew: timedelta = timedelta(0),
        drain: float = 0.0,
        electing: type[Electing] = Electing,
    ) -> None:
        self.name = name
        self.rate = rate
        self.skew = skew
        self.drain = drain
        """Seconds that its work takes to end."""
        self.network = Network(world.random)
        self.facts: list[ElectionFact] = []
        self.surprises: list[str] = []
        self.calls: list[tuple[float, str]] = []
        """When it called, in true time, and for what."""
        self.bug: Exception | None = None
        """What a call raises."""
        self.deafness: Exception | None = None
        """What whoever is told of a fact raises."""
        self.is_stubborn = False
        """Whether its calls go on for a while when they are cancelled."""
        self.work: Callable[[], Coroutine[object, object, None]] = self._work
        self.is_at_work = False
        """Whether the work of a leader is being done, by its own account."""
        self.is_told_to_end = False
        """Whether that work has been cancelled, and only ends what it began."""
        self.is_dead = self.is_stopped = self.is_over = False
        self.acknowledged: timedelta | None = None
        """Its boot clock when its last successful claim was sent."""
        self.slept = 0.0
        self.on_point: Callable[[str], object] = lambda _: None
        """Is told of all that is sent and answered, at that instant."""
        self.on_lost: Callable[[str], object] = lambda _: None
        """Is told of what was done and never answered."""
        self.wakes_by = 0.0
        """When a timer must have told it that it was suspended, in true time."""
        self._world = world
        self._offset = world.random.uniform(0, 1e6)
        self._asleep_since: float | None = None
        self.loop = TurnedLoop(self.running)
        candidacy = Candidacy(namespace=LEASE[0], name=LEASE[1], identity=name, settings=settings)
        self.settings = settings
        self.electing = electing(
            self,
            candidacy,
            clock=self,
            random=Random(world.random.random()),
            told=self._hear,
            surprised=self.surprises.append,
        )
        self.task = self.loop.create_task(self._live())

    # Its clocks.

    def _since_boot(self) -> float:
        return self._offset + self._world.now * self.rate

    def running(self) -> float:
        """What timers run on: it stands still in a suspend."""
        return self._since_boot() - self.slept

    def now(self) -> Moment:
        boot = self._since_boot()
        wall = EPOCH + timedelta(seconds=boot) + self.skew
        return Moment(wall=wall, boot=timedelta(seconds=boot))

    def monotonic(self) -> timedelta:
        return timedelta(seconds=self.running())

    def due(self) -> float:
        """When it has something to do, in true time."""
        if self.is_dead or self.is_stopped or self._asleep_since is not None:
            return NEVER
        return (self.loop.due() + self.slept - self._offset) / self.rate

    # What happens to it.

    @property
    def is_running(self) -> bool:
        return not (self.is_dead or self.is_stopped or self._asleep_since is not None)

    @property
    def believes(self) -> bool:
        """Whether it does the work of a leader, or would say that it may.

        After a suspend its work goes on until a timer rings, and nothing would be written.
        """
        is_waking = self._world.now < self.wakes_by
        return self.electing.is_leading or (self.is_at_work and not is_waking)

    def kill(self) -> None:
        self.is_dead = True

    def suspend(self) -> None:
        self._asleep_since = self._since_boot()

    def resume(self) -> None:
        """Go on after a suspend."""
        if self._asleep_since is not None:
            self.slept += self._since_boot() - self._asleep_since
            self._asleep_since = None
            retry = self.settings.retry.total_seconds()
            self.wakes_by = self._world.now + retry / self.rate + 1e-3

    def halt(self, how: str) -> None:
        """Let it stand still, `stopped` or `suspended`, until it goes on."""
        if how == "suspended":
            self.suspend()
        else:
            self.is_stopped = True

    def go_on(self) -> None:
        self.is_stopped = False
        self.resume()

    def stop(self) -> None:
        """Ask it to end in good order."""
        self.loop.call_soon(self.task.cancel)

    def close(self) -> None:
        """Let go of everything, whatever state it is in."""
        self.network = Network(Random(0), is_down=True)
        self.drain = 0.0
        self.bug = self.deafness = None
        self.is_stubborn = False
        while tasks := asyncio.all_tasks(self.loop):
            for task in tasks:
                task.cancel()
            self.loop.turn()
        self.loop.close()

    def told(self, kind: type[Fact]) -> list[Fact]:
        """The facts of one kind."""
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def asked(self, since: float) -> list[str]:
        """What it called for, from then on."""
        return [what for at, what in self.calls if at >= since]

    # What it does.

    async def _live(self) -> None:
        try:
            await self.electing.run(self.work)
        except asyncio.CancelledError:
            await self.electing.release()
        finally:
            self.is_over = True

    async def _work(self) -> None:
        assert not self.is_at_work
        self.is_at_work = True
        try:
            await asyncio.Event().wait()
        finally:
            self.is_told_to_end = True
            if self.drain:
                await asyncio.sleep(self.drain)
            self.is_at_work = self.is_told_to_end = False

    def _hear(self, fact: ElectionFact) -> None:
        self.facts.append(fact)
        if self.deafness is not None:
            raise self.deafness
        if isinstance(fact, LeaseReleased):
            self._world.released.append(self.name)

    async def read_lease(self, namespace: str, name: str) -> LeaseSeen | Failed | None:
        return await self._ask("read", self._world.server.read)

    async def write_lease(
        self, namespace: str, name: str, lease: LeaseSeen
    ) -> LeaseSeen | Stale | Failed:
        sent = self.now().boot
        said = await self._ask("write", lambda: self._world.server.write(lease))
        if isinstance(said, LeaseSeen) and said.holder == self.name:
            self.acknowledged = sent
        return said

    async def _ask(self, what: str, do: Callable[[], T]) -> T | Failed:
        """What the server says about the Lease."""
        self.calls.append((self._world.now, what))
        if self.bug is not None:
            raise self.bug
        try:
            return await self.ask(what, do, self.network)
        except asyncio.CancelledError:
            if self.is_stubborn:
                await asyncio.sleep(1000)
            raise

    async def ask(self, what: str, do: Callable[[], T], network: Network) -> T | Failed:
        """What somebody outside says to it; nobody stops what was sent."""
        answered: asyncio.Future[T | Failed] = self.loop.create_future()
        self.on_point(f"sent {what}")
        if not self.is_dead:
            self._send(what, do, answered, network)
        return await answered

    def _send(
        self, what: str, do: Callable[[], T], answered: asyncio.Future[T | Failed], network: Network
    ) -> None:
        """It is done and answered, refused, or lost on either way."""
        world = self._world

        def arrive() -> None:
            said: T | Failed = do()
            back = network.way()
            if network.is_cut():
                self.on_lost(what)
                said = Failed(reason=Reason.NETWORK, detail="the connection ended")
            if back is None:
                self.on_lost(what)
            else:
                world.after(back, lambda: self._deliver(what, said, answered))

        refusal, there = network.refusal(), network.there()
        if refusal is not None:
            world.after(0.001, lambda: self._deliver(what, refusal, answered))
        elif there is not None:
            world.after(there, arrive)

    def _deliver(self, what: str, said: T | Failed, answered: asyncio.Future[T | Failed]) -> None:
        def answer() -> None:
            if not answered.done():
                answered.set_result(said)

        if not self.loop.is_closed():
            self.loop.call_soon(answer)
            self.on_point(f"answered {what}")


class World:
    """True time, the API server, and all candidates."""

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.random = Random(seed)
        self.server = LeaseServer(self.api())
        self.nodes: list[Node] = []
        self.released: list[str] = []
        self.violations: list[str] = []
        self._numbers = count()
        self._due: list[tuple[float, int, Callable[[], object]]] = []

    def api(self) -> FakeApiServer:
        """The API server that keeps the Lease."""
        return FakeApiServer(now=lambda: EPOCH + timedelta(seconds=self.now))

    def start(self, name: str, **how: object) -> Node:
        """A candidate that begins now."""
        node = Node(self, name, **how)  # type: ignore[arg-type]
        self.nodes.append(node)
        return node

    def after(self, seconds: float, do: Callable[[], object]) -> None:
        heappush(self._due, (self.now + seconds, next(self._numbers), do))

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Let time pass until it is so; whether it is."""
        end = self.now + seconds
        while not until():
            living = [node for node in self.nodes if not node.is_dead]
            at = min([self._due[0][0] if self._due else NEVER, *(n.due() for n in living)])
            if at > end:
                self.now = end
                return until()
            self.now = max(self.now, at)
            while self._due and self._due[0][0] <= self.now:
                heappop(self._due)[2]()
            for node in living:
                if node.due() <= self.now:
                    node.loop.turn()
            self._check()
        return True

    @property
    def lease(self) -> LeaseSeen:
        """The Lease, which is there."""
        assert self.server.lease is not None
        return self.server.lease

    def give_to(self, holder: str) -> None:
        """Somebody edits the Lease."""
        transitions = self.lease.transitions + 1
        self.server.write(replace(self.lease, holder=holder, transitions=transitions))

    def leaders(self) -> list[Node]:
        """Who believes to lead: those whose work goes on, whether or not they can do it now."""
        return [node for node in self.nodes if not node.is_dead and node.is_at_work]

    def leader(self) -> Node:
        """The only one."""
        (leader,) = self.leaders()
        return leader

    def _check(self) -> None:
        leading = [node for node in self.nodes if node.is_running and node.believes]
        if len(leading) > 1:
            self._violated(f"{[node.name for node in leading]} lead at the same time")
        for node in leading:
            deadline = node.settings.renew_deadline
            late = node.acknowledged is None or node.now().boot - node.acknowledged > deadline
            if late and not node.is_told_to_end:
                self._violated(f"{node.name} leads without a renewal in time")

    def _violated(self, what: str) -> None:
        said = f"{self.now:.3f} s: {what}"
        self.violations.append(said)

    def close(self) -> None:
        for node in self.nodes:
            node.close()


@contextmanager
def world_of(seed: int) -> Iterator[World]:
    """A world that is cleared away at the end."""
    world = World(seed)
    try:
        yield world
    finally:
        world.close()


def miscounted(history: list[LeaseSeen]) -> list[str]:
    """What is wrong with the transitions and times that were written one after the other."""
    found = []
    for before, after in pairwise(history):
        taken = bool(after.holder) and after.holder != before.holder
        if after.transitions - before.transitions != taken:
            found.append(f"{before.holder!r} to {after.holder!r}: counted {after.transitions}")
        is_renewal = after.holder == before.holder
        if is_renewal and after.acquired_at != before.acquired_at:
            found.append(f"{after.holder!r} renewed and says that it acquired")
        if taken and after.acquired_at != after.renewed_at:
            found.append(f"{after.holder!r} took over and says that it renewed")
        if is_renewal and after.renewed_at == before.renewed_at:
            found.append(f"{after.holder!r} renewed at the same microsecond")
    return found
