"""When the logins are kept, and what a desk answers where they are not: a replica of a pair."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest
from msgspec.structs import replace

from lightkeeper.cluster import LeaseSeen
from lightkeeper.core import facts
from lightkeeper.core.credential import Secret
from lightkeeper.core.election import ElectionFact, Settings
from lightkeeper.core.facts import LoginName
from lightkeeper.core.part import Role
from lightkeeper.core.reasons import Reason
from lightkeeper.core.report import Report, report, unready
from lightkeeper.core.state import LoginState
from lightkeeper.core.upkeep import LEASE as LEASE_TABLE
from lightkeeper.desk import Desk
from lightkeeper.ear import Ear
from lightkeeper.electing import Candidacy, Electing
from lightkeeper.fleet import Fleet
from lightkeeper.keeping import AllSaved, Keeping
from lightkeeper.ports import Failed
from lightkeeper.serve.control import Line
from tests.fakes.cluster import (
    FINE,
    UNREACHABLE,
    FakeApiServer,
    FakeCluster,
    Fate,
    Identity,
    Right,
)
from tests.fakes.edge import Edge, FakeOutput, turns
from tests.test_desk import kept

LEASE = ("ci", "lightkeeper")
RIGHTS = (Right(verbs=("get", "create", "update"), resource="leases"),)
SETTINGS = Settings(
    duration=timedelta(hours=1),
    renew_deadline=timedelta(minutes=30),
    retry=timedelta(milliseconds=20),
)


@dataclass
class Replica:
    """One replica with the login `prod`, and the API server that it asks."""

    edge: Edge
    output: FakeOutput
    ear: Ear
    fleet: Fleet
    server: FakeApiServer
    cluster: FakeCluster
    electing: Electing
    keeping: Keeping
    desk: Desk
    saved: AllSaved | Failed
    unread: list[Failed]
    """What was told of a state that could not be read."""
    ends: list[str]
    """Who led, each time that what had begun was taken back."""

    def give_lease_to(self, holder: str) -> None:
        """Somebody edits the Lease, or another replica held it from the beginning."""
        lease = self.server.leases.get(LEASE) or LeaseSeen(
            version="",
            holder="",
            duration_seconds=3600,
            acquired_at=None,
            renewed_at=None,
            transitions=0,
        )
        self.server.write_lease(LEASE, replace(lease, holder=holder))

    async def lines(self, **request: object) -> list[Line]:
        return [line async for line in self.desk.answer(request)]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.keeping.run(), name="under test")
            try:
                yield task
            finally:
                task.cancel()


@pytest.fixture
def replica() -> Replica:
    edge = Edge()
    output = FakeOutput()
    ear = Ear(edge.notebook)
    fleet = Fleet(replace(edge.world(), recorder=ear), {})
    server = FakeApiServer(lambda: edge.clock.now().wall)
    server.namespace("ci")
    cluster = FakeCluster(server, Identity(RIGHTS))

    def hear(_: ElectionFact) -> None:
        ear.stir()

    def view(state: LoginState) -> Report:
        return report([(state, "eu-central-1")], edge.clock.now())

    async def load() -> AllSaved | Failed:
        return here.saved

    electing = Electing(
        cluster,
        Candidacy(namespace=LEASE[0], name=LEASE[1], identity="us", settings=SETTINGS),
        clock=edge.clock,
        random=edge.world().random,
        told=hear,
        surprised=pytest.fail,
    )

    def begin() -> str:
        login = kept("prod", "prod", edge.source(edge.issuer()))
        fleet.apply([replace(login, outputs=[output])])
        return ""

    unread: list[Failed] = []
    ends: list[str] = []

    def end() -> None:
        ends.append(electing.leader)
        ear.stir()

    keeping = Keeping(fleet, load, begin, electing, unread.append, end=end)
    desk = Desk(fleet, ear, edge.clock, view, lambda: keeping.part.aside)
    here = Replica(
        edge, output, ear, fleet, server, cluster, electing, keeping, desk, {}, unread, ends
    )
    return here


@pytest.mark.parametrize("ask", ["status", "renew", "settle"])
async def test_a_standby_says_who_leads(replica: Replica, ask: str) -> None:
    replica.give_lease_to("them")
    async with replica.running(), asyncio.timeout(20):
        await replica.ear.until(lambda: bool(replica.keeping.part.leader))
        (line,) = await replica.lines(ask=ask, logins=["prod"])

    assert "this replica is the standby" in str(line["error"])
    assert "them leads, which holds the Lease ci/lightkeeper" in str(line["error"])


async def test_a_leader_answers_for_its_logins(replica: Replica) -> None:
    async with replica.running(), asyncio.timeout(20):
        await replica.edge.notebook.until(facts.RoundEnded)
        (line,) = await replica.lines(ask="status")
        part = replica.keeping.part

    assert line["ready"] is True
    assert (part.role, part.leader, part.lease) == (Role.LEADER, "us", "ci/lightkeeper")


async def test_a_renewal_that_waits_is_answered_when_the_lease_is_lost(replica: Replica) -> None:
    async with replica.running(), asyncio.timeout(20):
        await replica.edge.notebook.until(facts.RoundEnded)
        answer = replica.desk.answer({"ask": "renew"})
        await anext(answer)
        replica.give_lease_to("them")
        last = [line async for line in answer]

    (line,) = last
    assert "them leads" in str(line["error"])


async def test_what_begins_with_a_term_ends_with_it(replica: Replica) -> None:
    async with replica.running(), asyncio.timeout(20):
        await replica.edge.notebook.until(facts.RoundEnded)
        assert replica.ends == []
        replica.give_lease_to("them")
        await replica.ear.until(lambda: bool(replica.ends))

        assert not replica.keeping.is_open
    assert replica.ends == ["them"]


async def test_a_replica_whose_term_has_ended_calls_nobody_the_leader(replica: Replica) -> None:
    """Itself it is not, and whether another leads by now it could not look."""
    async with replica.running(), asyncio.timeout(20):
        await replica.edge.notebook.until(facts.RoundEnded)
        replica.cluster.fate = lambda _: UNREACHABLE
        replica.edge.pass_on(SETTINGS.renew_deadline)
        (line,) = await replica.lines(ask="status")
        part = replica.keeping.part

    assert (part.role, part.leader) == (Role.STANDBY, "")
    assert "it knows of none that leads" in str(line["error"])


async def test_a_replica_that_may_not_have_the_lease_says_so_and_is_not_ready(
    replica: Replica,
) -> None:
    """Nobody may, for all it knows: no Secret would ever be made, and nobody would hear of it."""
    assert replica.keeping.part.waits == "the Lease ci/lightkeeper is being read"
    replica.cluster.identity = Identity(())
    async with replica.running(), asyncio.timeout(20):
        await replica.ear.until(lambda: "access_denied" in replica.keeping.part.waits)
        (line,) = await replica.lines(ask="status")
        part = replica.keeping.part

    assert (part.role, part.leader) == (Role.STANDBY, "")
    wrong = unready(replace(report([], replica.edge.clock.now()), part=part), every_place=False)
    assert [one.sentence for one in wrong] == [part.waits]
    assert "the Lease ci/lightkeeper cannot be read or written, access_denied: " in part.waits
    assert part.waits.endswith(LEASE_TABLE[Reason.ACCESS_DENIED].advice)
    assert part.waits in str(line["error"])


async def test_a_standby_names_its_leader_for_as_long_as_a_lease_lasts_and_then_what_fails(
    replica: Replica,
) -> None:
    replica.give_lease_to("them")
    async with replica.running(), asyncio.timeout(20):
        await replica.ear.until(lambda: bool(replica.keeping.part.leader))
        replica.cluster.fate = lambda _: UNREACHABLE
        await replica.ear.until(lambda: replica.electing.failure is not None)
        before = replica.keeping.part
        replica.edge.pass_on(SETTINGS.duration)
        after = replica.keeping.part

    assert (before.leader, before.waits) == ("them", "")
    assert after.leader == ""
    assert "the Lease ci/lightkeeper cannot be read or written, network: " in after.waits


async def test_a_lease_of_a_replica_that_is_gone_is_no_sign_of_a_leader(replica: Replica) -> None:
    """Whoever may read it and not write it sees the same one for ever."""
    replica.give_lease_to("them")
    replica.cluster.identity = Identity((Right(verbs=("get",), resource="leases"),))
    async with replica.running(), asyncio.timeout(20):
        await replica.ear.until(lambda: bool(replica.keeping.part.leader))
        replica.edge.pass_on(SETTINGS.duration)
        await replica.ear.until(lambda: replica.electing.failure is not None)
        part = replica.keeping.part

    assert part.leader == ""
    assert "the Lease ci/lightkeeper cannot be read or written, access_denied: " in part.waits


@pytest.mark.parametrize("is_saved", [True, False])
async def test_each_term_begins_with_what_is_saved_and_with_nothing_of_the_last_one(
    replica: Replica, *, is_saved: bool
) -> None:
    """Another replica led in between: what was held before it is older, or was ended."""
    prod = LoginName("prod")
    async with replica.running(), asyncio.timeout(20):
        await replica.edge.notebook.until(facts.RoundEnded)
        (first,) = replica.fleet.states
        replica.give_lease_to("them")
        await replica.ear.until(lambda: replica.keeping.part.leader == "them")
        await turns()
        assert replica.fleet.states == []

        ours = replica.edge.store.kept[prod]
        assert ours.credential is not None
        theirs = replace(ours.credential, password=Secret("simulated-theirs"))
        replica.saved = {prod: replace(ours, credential=theirs)} if is_saved else {}
        replica.give_lease_to("")
        await replica.edge.notebook.until(facts.RoundEnded, 1 if is_saved else 2)
        await replica.ear.until(lambda: replica.keeping.is_open and bool(replica.fleet.states))
        (second,) = replica.fleet.states

    assert first.held is not None
    assert second.held is not None
    assert (second.held.password == theirs.password) is is_saved
    assert len(replica.edge.notebook.of(facts.Renewed)) == (1 if is_saved else 2)


async def test_a_leader_that_cannot_read_the_state_says_so_while_it_leads(
    replica: Replica,
) -> None:
    replica.saved = Failed(reason=Reason.ACCESS_DENIED, detail="secrets is forbidden")
    async with replica.running(), asyncio.timeout(20):
        await replica.ear.until(lambda: replica.keeping.part.role is Role.LEADER)
        await turns()
        (line,) = await replica.lines(ask="renew", logins=["prod"])
        replica.give_lease_to("them")
        await replica.ear.until(lambda: replica.keeping.part.leader == "them")
        await turns()

        assert replica.keeping.part.waits == ""
    assert replica.unread == [replica.saved]
    assert "no login is kept here yet: the saved state cannot be read" in str(line["error"])
    assert "secrets is forbidden" in str(line["error"])


async def test_a_leader_that_drains_leads_until_its_last_write_is_done(replica: Replica) -> None:
    """And renews its lease for as long: others would write beside it."""
    gate = replica.output.gate
    gate.is_open.clear()
    async with replica.running() as running, asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        await gate.until_entered()
        draining = tasks.create_task(replica.keeping.drain(), name="drain")
        renewed = asyncio.Event()

        def fate(_: str) -> Fate:
            renewed.set()
            return FINE

        replica.cluster.fate = fate
        await renewed.wait()
        assert not draining.done()
        gate.is_open.set()
        await draining
        await asyncio.wait([running])

    assert replica.edge.notebook.of(facts.Delivered)
    assert replica.ends == ["us"]
    assert replica.server.leases[LEASE].holder == "us", "it is released by whoever is told to"


async def test_whoever_waits_no_longer_for_what_never_ends_can_cancel_it(replica: Replica) -> None:
    replica.output.gate.is_open.clear()
    async with replica.running() as running, asyncio.timeout(20):
        await replica.output.gate.until_entered()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await replica.keeping.drain()
        assert replica.output.gate.inside == 1
        running.cancel()
        await asyncio.wait([running])

    assert replica.output.gate.inside == 0


async def test_a_leader_that_loses_the_lease_while_it_drains_stops_at_once(
    replica: Replica,
) -> None:
    gate = replica.output.gate
    gate.is_open.clear()
    async with replica.running(), asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        await gate.until_entered()
        draining = tasks.create_task(replica.keeping.drain(), name="drain")
        await turns()
        assert not draining.done()
        replica.give_lease_to("them")
        await draining

        assert gate.inside == 0
    assert replica.edge.notebook.of(facts.Delivered) == []


async def test_a_standby_has_nothing_to_wait_for(replica: Replica) -> None:
    replica.give_lease_to("them")
    async with replica.running(), asyncio.timeout(20):
        await replica.ear.until(lambda: bool(replica.keeping.part.leader))
        await replica.keeping.drain()
