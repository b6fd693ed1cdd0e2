"""The ports of a keeper as small classes: the test is the world, and holds the clock.

`Gate` lets a test hold a call open: it is entered, and left when the test says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from lightkeeper.attempt import Source
from lightkeeper.core import policy
from lightkeeper.core.answer import Answer, Refusal, Verdict
from lightkeeper.core.credential import Credential, Digest, Secret
from lightkeeper.core.facts import ClockStepped, LoginFact, LoginName, OutputName, Place
from lightkeeper.core.failure import Failure
from lightkeeper.core.moment import Moment
from lightkeeper.core.saved import Saved
from lightkeeper.core.state import Known
from lightkeeper.fleet import Fleet
from lightkeeper.keeper import Keeper
from lightkeeper.ports import Delivery, Failed, Foreign, Found, IfForeign, Pending, Put, World
from tests.core.making import LIFETIME, NONE, OUTPUT, at

REGISTRY = "registry.test"


@dataclass
class HandClock:
    """Both clocks stand where the test put them: so long after noon."""

    passed: timedelta = NONE

    def now(self) -> Moment:
        return at(self.passed)

    def monotonic(self) -> timedelta:
        return self.passed


@dataclass
class HandAlarm:
    """Remembers what is set; the test rings."""

    bells: dict[LoginName, Callable[[], None]] = field(default_factory=dict)
    times: dict[LoginName, datetime | None] = field(default_factory=dict)

    def set(self, name: LoginName, at: datetime | None, ring: Callable[[], None]) -> None:
        self.bells[name] = ring
        self.times[name] = at

    def cancel(self, name: LoginName) -> None:
        self.bells.pop(name, None)
        self.times.pop(name, None)

    def beat(self) -> None:
        for ring in tuple(self.bells.values()):
            ring()


@dataclass
class MemoryStore:
    """Keeps what it is given; with `failure` it takes nothing, with `bug` it raises.

    What it is to forget it remembers until `lets_go` is set.
    """

    kept: dict[str, Saved] = field(default_factory=dict)
    failure: Failed | None = None
    bug: Exception | None = None
    others: tuple[Known, ...] = ()
    untold: Failed | None = None
    """What keeps it from telling what others know."""
    forgetting: list[LoginName] = field(default_factory=list)
    lets_go: asyncio.Event | None = None

    async def save(self, saved: Saved) -> Failed | None:
        if self.bug is not None:
            raise self.bug
        if self.failure is None:
            self.kept[saved.login] = saved
        return self.failure

    async def known(self, login: LoginName) -> tuple[Known, ...] | Failed:
        return self.untold or self.others

    async def forget(self, login: LoginName) -> Failed | None:
        self.forgetting.append(login)
        if self.lets_go is not None:
            await self.lets_go.wait()
        if self.bug is not None:
            raise self.bug
        if self.failure is None:
            self.kept.pop(login, None)
        return self.failure


@dataclass
class Notebook:
    """A Recorder that writes down what happened, and wakes whoever waits for it."""

    facts: list[LoginFact | ClockStepped] = field(default_factory=list)
    failures: list[Failure | None] = field(default_factory=list)
    """The failure that each is one more occurrence of."""
    news: list[bool] = field(default_factory=list)
    """Of each fact, whether it is told."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def record(
        self, fact: LoginFact | ClockStepped, *, news: bool, failure: Failure | None = None
    ) -> None:
        self.facts.append(fact)
        self.failures.append(failure)
        self.news.append(news)
        self._changed.set()

    def of(self, kind: type[LoginFact], login: str = "") -> list[LoginFact]:
        """The facts of one kind, of one login if it is named."""
        return [
            fact
            for fact in self.facts
            if isinstance(fact, kind) and (not login or fact.login == login)
        ]

    async def until(self, kind: type[LoginFact], count: int = 1, login: str = "") -> LoginFact:
        """The `count`-th fact of that kind, waited for."""
        while len(found := self.of(kind, login)) < count:
            self._changed.clear()
            await self._changed.wait()
        return found[count - 1]


@dataclass
class Gate:
    """Where calls are held; open until the test closes it."""

    entered: int = 0
    inside: int = 0
    most: int = 0
    """The most that were inside at the same time."""
    is_open: asyncio.Event = field(default_factory=asyncio.Event)
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.is_open.set()

    @asynccontextmanager
    async def passing(self) -> AsyncIterator[None]:
        self.entered += 1
        self.inside += 1
        self.most = max(self.most, self.inside)
        self._moved.set()
        try:
            await self.is_open.wait()
            yield
        finally:
            self.inside -= 1

    async def until_entered(self, count: int = 1) -> None:
        while self.entered < count:
            self._moved.clear()
            await self._moved.wait()


@dataclass
class FakeIssuer:
    """Answers from a list, then with ever new credentials; an exception in it is raised."""

    clock: HandClock
    answers: list[Answer | Refusal | Exception] = field(default_factory=list)
    gate: Gate = field(default_factory=Gate)
    calls: list[timedelta] = field(default_factory=list)
    """When it was called, after noon."""
    seen_in_store: list[bool] = field(default_factory=list)
    """Whether the store knew of the attempt when the call came."""
    knows: Callable[[], bool] = lambda: False

    async def issue(self, deadline: timedelta) -> Answer | Refusal:
        self.calls.append(self.clock.passed)
        self.seen_in_store.append(self.knows())
        async with self.gate.passing():
            answer = self.answers.pop(0) if self.answers else self.fresh()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def fresh(self, lifetime: timedelta = LIFETIME, registry: str = REGISTRY) -> Answer:
        """A good answer, unlike any before."""
        return an_answer(self.clock.now(), len(self.calls), lifetime=lifetime, registry=registry)


def an_answer(
    now: Moment, serial: int, *, lifetime: timedelta = LIFETIME, registry: str = REGISTRY
) -> Answer:
    """What Lightsail says when all is well."""
    return Answer(
        registry=f"https://{registry}",
        username="AWS",
        password=Secret(f"simulated-{serial}"),
        expires_at=now.wall + lifetime,
        date=now.wall,
        received=now,
    )


@dataclass
class FakeVerifier:
    """Says of every credential what the test says, `accepted` by default."""

    verdicts: dict[Digest, Verdict] = field(default_factory=dict)
    asked: list[Digest] = field(default_factory=list)
    bug: Exception | None = None
    gate: Gate = field(default_factory=Gate)

    async def verify(self, credential: Credential, deadline: timedelta) -> Verdict:
        self.asked.append(credential.digest)
        async with self.gate.passing():
            pass
        if self.bug is not None:
            raise self.bug
        return self.verdicts.get(credential.digest, Verdict.ACCEPTED)


@dataclass
class FakeOutput:
    """Places that hold a digest each; the test may fill them, close the gate, or plant a bug."""

    names: tuple[str, ...] = ("/a/config.json",)
    name: OutputName = OUTPUT
    replaces_foreign: bool = True
    wants: str = ""
    poll: timedelta = policy.POLL
    gate: Gate = field(default_factory=Gate)
    reading: Gate = field(default_factory=Gate)
    held: dict[str, Digest | None] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    """What was wanted beside the credential when it was put there."""
    failures: dict[str, Failed | Pending | Foreign | Exception] = field(default_factory=dict)
    is_unlisted: bool = False
    gone: set[str] = field(default_factory=set)
    """Places that nothing is left of."""
    deliveries: list[Delivery] = field(default_factory=list)
    proofs: dict[str, Failed] | None = None
    """Why the next write would fail, by place; None where there is no dry run."""
    obstacles: dict[str, Failed] = field(default_factory=dict)
    """What a look shows that would keep the next write from a place."""
    proven: list[tuple[Place, Delivery]] = field(default_factory=list)

    @property
    def prove(self) -> Callable[[Place, Delivery], Awaitable[Failed | None]] | None:
        return None if self.proofs is None else self._prove

    async def _prove(self, place: Place, delivery: Delivery) -> Failed | None:
        assert self.proofs is not None
        self.proven.append((place, delivery))
        return self.proofs.get(place.name)

    def places(self) -> Iterable[Place]:
        return [Place(self.name, name) for name in self.names]

    def may_stay(self, place: Place) -> bool:
        return place.name not in self.gone

    async def read(
        self, place: Place, held: Credential, spared: frozenset[Digest] | None
    ) -> Found | Pending | Failed:
        async with self.reading.passing():
            digest = self.held.get(place.name)
        is_wanted = self.written.get(place.name, self.wants) == self.wants
        return Found(
            digest=digest,
            settled=digest == held.digest and is_wanted,
            obstacle=self.obstacles.get(place.name),
        )

    async def deliver(self, place: Place, delivery: Delivery) -> Put | Foreign | Pending | Failed:
        async with self.gate.passing():
            failure = self.failures.get(place.name)
        if isinstance(failure, Exception):
            raise failure
        if failure is not None:
            return failure
        there = self.held.get(place.name)
        is_foreign = there is not None and there not in delivery.ours | delivery.kin
        if is_foreign and delivery.if_foreign is not IfForeign.REPLACE:
            return Foreign(digest=there)
        self.deliveries.append(delivery)
        changed = there != delivery.credential.digest
        changed |= self.written.get(place.name, self.wants) != self.wants
        self.written[place.name] = self.wants
        self.held[place.name] = delivery.credential.digest
        return Put(changed=changed, notices=frozenset())


@dataclass
class Edge:
    """Everything that keepers of one test share, and a source for each login."""

    clock: HandClock = field(default_factory=HandClock)
    alarm: HandAlarm = field(default_factory=HandAlarm)
    store: MemoryStore = field(default_factory=MemoryStore)
    notebook: Notebook = field(default_factory=Notebook)
    verifier: FakeVerifier = field(default_factory=FakeVerifier)
    leads: Callable[[], bool] = lambda: True

    def world(self) -> World:
        return World(
            clock=self.clock,
            alarm=self.alarm,
            store=self.store,
            recorder=self.notebook,
            random=Random(1),  # noqa: S311 - draws spread renewals, they are no secrets
            boot_id="boot",
            leads=self.leads,
        )

    def issuer(self) -> FakeIssuer:
        return FakeIssuer(self.clock)

    def source(self, issuer: FakeIssuer) -> Source:
        return Source(issuer=issuer, endpoint=None, verifier=self.verifier, clock=self.clock)

    def pass_on(self, span: timedelta) -> None:
        """Time goes by, and every bell rings."""
        self.clock.passed += span
        self.alarm.beat()


@asynccontextmanager
async def running(what: Keeper | Fleet) -> AsyncIterator[None]:
    """Run it while the block lasts."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(what.run(), name="under test")
        try:
            yield
        finally:
            task.cancel()


async def turns(count: int = 20) -> None:
    """Let everything that can go on do so; for promises that nothing happens."""
    for _ in range(count):
        await asyncio.sleep(0)
