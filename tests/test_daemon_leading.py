"""A running daemon that leads, and ends: its Lease goes last."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from lightkeeper.cluster import LeaseSeen, Stale
from lightkeeper.config.model import Config, LeaderElection
from lightkeeper.config.values import ObjectName
from lightkeeper.core.election import ElectionFact, Settings
from lightkeeper.edge import Edge
from lightkeeper.electing import Candidacy, Electing
from lightkeeper.ports import Failed
from tests.environment import say_nothing_of_aws
from tests.fakes.cluster import FakeApiServer, FakeCluster, Identity, Right
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


async def test_the_lease_is_let_go_when_the_last_write_is_done(tmp_path: Path) -> None:
    """Whoever leads next would write beside us."""
    alone = configured(tmp_path)
    elects = LeaderElection(lease=ObjectName("/".join(LEASE)))
    first = replace(alone, config=replace(alone.config, leader_election=elects))
    server = FakeApiServer(lambda: edge.clock.now().wall)
    server.namespace(LEASE[0])
    cluster = Releasing(server)

    class Elected(Edge):
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
            candidacy = Candidacy(
                namespace=LEASE[0], name=LEASE[1], identity="us", settings=settings
            )
            return Electing(
                cluster,
                candidacy,
                clock=self.clock,
                random=self.random,
                told=told,
                surprised=surprised,
            )

    edge = Elected(first.config)
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
    assert server.leases[LEASE].holder == ""
