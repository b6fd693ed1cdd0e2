"""Candidates of one Lease, each a process with a clock and a network of its own, on virtual time.

Every candidate has an event loop that the world turns when something is due there, so that one can
be slow, stopped, suspended or killed while the others go on, and clocks can run at other rates.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import count, pairwise
from random import Random
from typing import NoReturn, TypeVar

from msgspec.structs import replace

from lightkeeper.cluster import LeaseSeen, Stale
from lightkeeper.core.election import ElectionFact, LeaseReleased, Settings
from lightkeeper.core.moment import Moment
from lightkeeper.core.reasons import Reason
from lightkeeper.electing import Candidacy, Electing
from lightkeeper.ports import Failed

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = Settings(
    duration=timedelta(seconds=30),
    renew_deadline=timedelta(seconds=20),
    retry=timedelta(seconds=5),
)
Answer = LeaseSeen | Stale | Failed | None
Fact = TypeVar("Fact", bound=ElectionFact)
NEVER = float("inf")
SLACK = 0.25
"""Seconds: a read and a write over a network that is well."""


class _Turning:
    """A selector that neither waits nor finds anything."""

    def select(self, timeout: float | None) -> tuple[()]:
        return ()


class TurnedLoop(asyncio.BaseEventLoop):
    """Does what is due when it is turned; it stands on the private names that `SimLoop` does."""

    def __init__(self, local: Callable[[], float]) -> None:
        super().__init__()
        self._selector = _Turning()
        self._clock_resolution = 1e-6
        self._local = local

    def time(self) -> float:
        return self._local()

    def turn(self) -> None:
        """Do all that can be done at this instant."""
        while True:
            self.call_soon(self.stop)
            self.run_forever()
            if not self._ready:  # type: ignore[attr-defined]
                return

    def due(self) -> float:
        """When there is something to do, by its own clock."""
        if self._ready:  # type: ignore[attr-defined]
            return 0.0
        timers = self._scheduled  # type: ignore[attr-defined]
        return timers[0].when() if timers else NEVER

    def run_in_executor(self, *_: object) -> NoReturn:
        msg = "no thread in a simulation"
        raise NotImplementedError(msg)

    def _process_events(self, events: object) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody else is there to be woken by."""


@dataclass
class LeaseServer:
    """One Lease as an API server keeps it."""

    lease: LeaseSeen | None = None
    history: list[LeaseSeen] = field(default_factory=list)
    """Every record that was written."""
    writes: int = 0
    on_read: Callable[[], object] = lambda: None

    def read(self) -> LeaseSeen | None:
        read = self.lease
        self.on_read()
        return read

    def write(self, lease: LeaseSeen) -> LeaseSeen | Stale | Failed:
        here = self.lease
        if lease.duration_seconds < 1 or lease.renewed_at is None:
            return Failed(reason=Reason.INVALID_INPUT, detail="422")
        if here is not None and lease.version != here.version:
            return Stale()
        # A PUT of what is gone makes it; what changes nothing keeps the version.
        if here is None or lease != here:
            self.history.append(lease)
            self._put(lease)
        assert self.lease is not None
        return self.lease

    def annotate(self) -> None:
        """Somebody changes what is no part of the record."""
        if self.lease is not None:
            self._put(self.lease)

    def _put(self, lease: LeaseSeen) -> None:
        self.writes += 1
        self.lease = replace(lease, version=f"v{self.writes}")


@dataclass
class Network:
    """What lies between one candidate and the API server; seconds of true time."""

    random: Random
    is_down: bool = False
    is_silent: bool = False
    """Whether what is down swallows what is sent, or refuses it."""
    quickest: float = 0.001
    slowest: float = 0.05
    loss: float = 0.0
    """The share of requests, and of answers, that never arrive."""
    throttled: float = 0.0

    def way(self) -> float | None:
        """How long one way takes; None for ever."""
        if (self.is_down and self.is_silent) or self.random.random() < self.loss:
            return None
        return self.random.uniform(self.quickest, self.slowest)

    def refusal(self) -> Failed | None:
        if self.is_down and not self.is_silent:
            return Failed(reason=Reason.NETWORK, detail="refused")
        if self.random.random() < self.throttled:
            return Failed(reason=Reason.THROTTLED, detail="429")
        return None


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
        self.wakes_by = 0.0
        """When a timer must have told it that it was suspended, in true time."""
        self._world = world
        self._offset = world.random.uniform(0, 1e6)
        self._asleep_since: float | None = None
        self.loop = TurnedLoop(self.running)
        candidacy = Candidacy(namespace="ci", name="lightkeeper", identity=name, settings=settings)
        self.settings = settings
        self.electing = Electing(
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
        said = await self._ask("read", self._world.server.read)
        assert not isinstance(said, Stale)
        return said

    async def write_lease(
        self, namespace: str, name: str, lease: LeaseSeen
    ) -> LeaseSeen | Stale | Failed:
        sent = self.now().boot
        said = await self._ask("write", lambda: self._world.server.write(lease))
        assert said is not None
        if isinstance(said, LeaseSeen) and said.holder == self.name:
            self.acknowledged = sent
        return said

    async def _ask(self, what: str, do: Callable[[], Answer]) -> Answer:
        """What the server says; nobody stops what was sent."""
        self.calls.append((self._world.now, what))
        if self.bug is not None:
            raise self.bug
        answered: asyncio.Future[Answer] = self.loop.create_future()
        self._send(do, answered)
        try:
            return await answered
        except asyncio.CancelledError:
            if self.is_stubborn:
                await asyncio.sleep(1000)
            raise

    def _send(self, do: Callable[[], Answer], answered: asyncio.Future[Answer]) -> None:
        """It is done and answered, refused, or lost on either way."""
        world, network = self._world, self.network

        def arrive() -> None:
            said, back = do(), network.way()
            if back is not None:
                world.after(back, lambda: self._deliver(said, answered))

        refusal, there = network.refusal(), network.way()
        if refusal is not None:
            world.after(0.001, lambda: self._deliver(refusal, answered))
        elif there is not None:
            world.after(there, arrive)

    def _deliver(self, said: Answer, answered: asyncio.Future[Answer]) -> None:
        def answer() -> None:
            if not answered.done():
                answered.set_result(said)

        if not self.loop.is_closed():
            self.loop.call_soon(answer)


class World:
    """True time, the API server, and all candidates."""

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.random = Random(seed)
        self.server = LeaseServer()
        self.nodes: list[Node] = []
        self.released: list[str] = []
        self.violations: list[str] = []
        self._numbers = count()
        self._due: list[tuple[float, int, Callable[[], object]]] = []

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
            at = min([self._due[0][0] if self._due else NEVER, *(n.due() for n in self.nodes)])
            if at > end:
                self.now = end
                return until()
            self.now = max(self.now, at)
            while self._due and self._due[0][0] <= self.now:
                heappop(self._due)[2]()
            for node in self.nodes:
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
