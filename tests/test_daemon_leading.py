"""A running daemon that leads, and ends: its Lease goes last."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from lightkeeper.adapters.workers import Threads
from lightkeeper.attempt import Source
from lightkeeper.cluster import LeaseSeen, Stale
from lightkeeper.config.load import Loaded
from lightkeeper.config.model import Config, LeaderElection
from lightkeeper.config.values import ObjectName
from lightkeeper.core.answer import Answer
from lightkeeper.core.election import ElectionFact, Settings
from lightkeeper.edge import Edge, Sources
from lightkeeper.electing import Candidacy, Electing
from lightkeeper.fleet import Kept
from lightkeeper.ports import Failed
from lightkeeper.reaching import Served
from tests.environment import say_nothing_of_aws
from tests.fakes.cluster import FakeApiServer, FakeCluster, Identity, Right
from tests.fakes.edge import FakeOutput, FakeVerifier, an_answer, turns
from tests.test_daemon import configured, running

LEASE = ("ci", "lightkeeper")
RIGHTS = (Right(verbs=("get", "create", "update"), resource="leases"),)
A_WRITE_SECONDS = 1.0
"""How long the last write takes unless another is let lead meanwhile; the daemon waits for four."""


@pytest.fixture(autouse=True)
def _aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    say_nothing_of_aws(monkeypatch, tmp_path)


class Releasing(FakeCluster):
    """One that rings a bell, which threads hear, when the Lease is let go."""

    __hash__ = object.__hash__

    def __init__(self, server: FakeApiServer) -> None:
        super().__init__(server, Identity(RIGHTS))
        self.released = threading.Event()

    async def write_lease(
        self, namespace: str, name: str, lease: LeaseSeen
    ) -> LeaseSeen | Stale | Failed:
        if not lease.holder:
            self.released.set()
        return await super().write_lease(namespace, name, lease)


class Elected(Edge):
    """The edge of a daemon whose Lease is in memory."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.server = FakeApiServer(lambda: self.clock.now().wall)
        self.server.namespace(LEASE[0])
        self.cluster = Releasing(self.server)

    def electing(
        self,
        config: Config,
        told: Callable[[ElectionFact], object],
        surprised: Callable[[str], object],
    ) -> Electing:
        said = config.leader_election
        assert said is not None
        settings = Settings(
            duration=said.duration, renew_deadline=said.renew_deadline, retry=said.retry
        )
        candidacy = Candidacy(namespace=LEASE[0], name=LEASE[1], identity="us", settings=settings)
        return Electing(
            self.cluster,
            candidacy,
            clock=self.clock,
            random=self.random,
            told=told,
            surprised=surprised,
        )


class Gated(Elected):
    """One that gets a credential at once, and delivers through a gate."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.output = FakeOutput()

    async def issue(self, _: timedelta) -> Answer:
        return an_answer(self.clock.now(), 1)

    def kept(self, config: Config, sources: Sources, served: Served) -> list[Kept]:
        source = Source(issuer=self, endpoint=None, verifier=FakeVerifier(), clock=self.clock)
        return [
            replace(one, source=source, outputs=[self.output])
            for one in super().kept(config, sources, served)
        ]


def elected(folder: Path) -> Loaded:
    alone = configured(folder)
    elects = LeaderElection(lease=ObjectName("/".join(LEASE)))
    return replace(alone, config=replace(alone.config, leader_election=elects))


async def test_the_lease_is_let_go_when_the_last_write_is_done(tmp_path: Path) -> None:
    """Whoever leads next would write beside us."""
    first = elected(tmp_path)
    edge = Elected(first.config)
    cluster = edge.cluster
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def write() -> bool:
        loop.call_soon_threadsafe(begun.set)
        return cluster.released.wait(A_WRITE_SECONDS)

    async with asyncio.TaskGroup() as tasks, running(first, lambda _: edge) as here:
        await here.said.until("leadership_began")
        writing = edge.workers.run("write", write, timedelta(minutes=1))
        outcome = tasks.create_task(writing, name="write")
        await begun.wait()

    assert outcome.result() is False, "another could lead while a write of ours was out"
    assert cluster.released.is_set()
    assert edge.server.leases[LEASE].holder == ""


async def test_the_lease_is_let_go_when_the_last_delivery_is_done(tmp_path: Path) -> None:
    first = elected(tmp_path)
    edge = Gated(first.config)
    edge.output.gate.is_open.clear()

    async with running(first, lambda _: edge) as here:
        await edge.output.gate.until_entered()
        here.daemon.stop()
        await here.said.until("daemon_stopping")
        await turns()
        assert not edge.cluster.released.is_set()
        edge.output.gate.is_open.set()

    assert edge.cluster.released.is_set()
    assert edge.output.held
    assert edge.server.leases[LEASE].holder == ""


async def test_what_else_is_done_ends_at_once(tmp_path: Path) -> None:
    """A reload would begin anew what is to end."""
    first = elected(tmp_path)
    edge = Gated(first.config)
    edge.output.gate.is_open.clear()
    loads: list[str] = []

    def load() -> Loaded:
        loads.append("asked")
        return first

    async with running(first, lambda _: edge) as here:
        await edge.output.gate.until_entered()
        here.daemon.stop()
        await here.said.until("daemon_stopping")
        here.next_load = load
        signal.raise_signal(signal.SIGHUP)
        await turns()
        edge.output.gate.is_open.set()

    assert loads == []


class Counted(Threads):
    """Workers that remember how long they were waited for at the most."""

    def __init__(self) -> None:
        super().__init__()
        self.patience: list[timedelta] = []

    async def drain(self, deadline: timedelta) -> None:
        self.patience.append(deadline)
        await super().drain(deadline)


async def test_there_is_one_deadline_for_all_that_is_under_way(tmp_path: Path) -> None:
    first = elected(tmp_path)
    edge = Gated(first.config)
    workers = edge.workers = Counted()
    edge.output.gate.is_open.clear()

    async with running(first, lambda _: edge):
        await edge.output.gate.until_entered()

    assert edge.output.held == {}
    assert [patience <= timedelta(0) for patience in workers.patience] == [True]
    assert edge.server.leases[LEASE].holder == ""
