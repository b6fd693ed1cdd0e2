"""A keeper that drains: no step begins, and what may write is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from lightkeeper.core import facts
from lightkeeper.core.answer import Verdict
from lightkeeper.core.credential import Credential, Digest
from lightkeeper.core.facts import Place
from lightkeeper.core.saved import Saved
from lightkeeper.keeper import Keeper
from lightkeeper.ports import Failed, Found, Pending
from tests.core.making import HERE, HOUR, LOGIN, MINUTE
from tests.fakes.edge import Edge, FakeOutput, Gate, MemoryStore, turns
from tests.keeping import Scene


@dataclass
class SlowStore(MemoryStore):
    """Keeps what passes its gate."""

    gate: Gate = field(default_factory=Gate)

    async def save(self, saved: Saved) -> Failed | None:
        async with self.gate.passing():
            return await super().save(saved)


@dataclass
class SlowToRead(FakeOutput):
    """Its places are read through a gate."""

    reading: Gate = field(default_factory=Gate)

    async def read(
        self, place: Place, held: Credential, spared: frozenset[Digest] | None
    ) -> Found | Pending | Failed:
        async with self.reading.passing():
            return await super().read(place, held, spared)


@asynccontextmanager
async def run(keeper: Keeper) -> AsyncIterator[asyncio.Task[None]]:
    """Run it until it ends by itself, which it must by the end of the block."""
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        yield tasks.create_task(keeper.run(), name="under test")


@pytest.fixture
def store() -> SlowStore:
    return SlowStore()


@pytest.fixture
def scene(store: SlowStore) -> Scene:
    return Scene(edge=Edge(store=store))


async def test_with_nothing_under_way_it_ends_at_once(scene: Scene) -> None:
    keeper = scene.keeper()
    async with run(keeper):
        await scene.edge.notebook.until(facts.RoundEnded)
        keeper.drain()

    assert LOGIN not in scene.edge.alarm.bells


async def test_it_begins_nothing_if_it_is_drained_before_it_runs(scene: Scene) -> None:
    keeper = scene.keeper()
    keeper.drain()
    async with run(keeper):
        pass

    assert scene.issuer.calls == []


async def test_a_delivery_is_waited_for_and_told(scene: Scene) -> None:
    scene.output.gate.is_open.clear()
    keeper = scene.keeper()
    async with run(keeper) as running:
        await scene.output.gate.until_entered()
        keeper.drain()
        await turns()
        assert not running.done()
        scene.output.gate.is_open.set()

    assert scene.edge.notebook.of(facts.Delivered)
    assert HERE.name in scene.output.held


async def test_no_step_begins_while_another_is_waited_for(scene: Scene) -> None:
    scene.output.gate.is_open.clear()
    keeper = scene.keeper()
    async with run(keeper):
        await scene.output.gate.until_entered()
        calls, kept = list(scene.issuer.calls), dict(scene.edge.store.kept)
        keeper.drain()
        scene.edge.pass_on(6 * HOUR)
        keeper.request_renewal()
        await turns()
        scene.output.gate.is_open.set()

    assert scene.issuer.calls == calls
    assert scene.edge.store.kept == kept
    assert scene.output.gate.entered == 1


async def test_a_credential_that_is_being_saved_is_saved(scene: Scene, store: SlowStore) -> None:
    """The next process goes on with it, and calls nobody."""
    scene.issuer.gate.is_open.clear()
    keeper = scene.keeper()
    async with run(keeper):
        await scene.issuer.gate.until_entered()
        saves = store.gate.entered
        store.gate.is_open.clear()
        scene.issuer.gate.is_open.set()
        await store.gate.until_entered(saves + 1)
        keeper.drain()
        await turns()
        store.gate.is_open.set()

    assert store.kept[LOGIN].credential is not None
    assert scene.edge.notebook.of(facts.Renewed)
    assert scene.output.deliveries == []


async def test_a_call_at_lightsail_is_waited_for_and_what_it_brings_is_saved(scene: Scene) -> None:
    """Lost, it would cost another call; and whoever holds the former one might be refused."""
    scene.issuer.gate.is_open.clear()
    keeper = scene.keeper()
    async with run(keeper):
        await scene.issuer.gate.until_entered()
        keeper.drain()
        await turns()
        scene.issuer.gate.is_open.set()

    assert scene.edge.store.kept[LOGIN].credential is not None
    assert scene.output.deliveries == []


async def test_a_call_at_lightsail_that_is_not_answered_soon_is_given_up(scene: Scene) -> None:
    """A sidecar that cannot reach Lightsail, and so is nearly always in a call, is gone at once."""
    scene.issuer.gate.is_open.clear()
    keeper = scene.keeper()
    async with run(keeper):
        await scene.issuer.gate.until_entered()
        keeper.drain()

    assert scene.issuer.gate.inside == 0


async def test_a_question_to_the_registry_is_not_waited_for(scene: Scene) -> None:
    keeper = scene.keeper()
    async with run(keeper):
        await scene.edge.notebook.until(facts.RoundEnded)
        gate = scene.edge.verifier.gate
        gate.is_open.clear()
        entered = gate.entered
        scene.edge.pass_on(HOUR)
        await gate.until_entered(entered + 1)
        keeper.drain()

    assert gate.inside == 0


async def test_what_the_registry_said_is_saved_if_that_is_under_way(
    scene: Scene, store: SlowStore
) -> None:
    """Its save could arrive once another leads."""
    keeper = scene.keeper()
    async with run(keeper):
        await scene.edge.notebook.until(facts.RoundEnded)
        held = scene.history.state.held
        assert held is not None
        scene.edge.verifier.verdicts[held.digest] = Verdict.REJECTED
        saves = store.gate.entered
        store.gate.is_open.clear()
        scene.edge.pass_on(HOUR)
        await store.gate.until_entered(saves + 1)
        keeper.drain()
        await turns()
        assert store.gate.inside == 1
        store.gate.is_open.set()

    assert scene.edge.notebook.of(facts.Verified)


async def test_a_look_is_not_waited_for(scene: Scene) -> None:
    output = scene.output = SlowToRead()
    keeper = scene.keeper()
    async with run(keeper):
        await scene.edge.notebook.until(facts.RoundEnded)
        entered = output.reading.entered
        output.reading.is_open.clear()
        scene.edge.clock.passed = MINUTE
        keeper.touched(Place(output.name, HERE.name))
        await output.reading.until_entered(entered + 1)
        keeper.drain()

    assert output.reading.inside == 0
    assert not output.reading.is_open.is_set()


async def test_who_is_cancelled_while_it_drains_stops_at_once(scene: Scene) -> None:
    """So it is for a leader that loses the Lease meanwhile."""
    scene.output.gate.is_open.clear()
    keeper = scene.keeper()
    async with run(keeper) as running:
        await scene.output.gate.until_entered()
        keeper.drain()
        await turns()
        running.cancel()

    assert scene.output.gate.inside == 0
    assert scene.output.held == {}
