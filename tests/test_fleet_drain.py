"""Logins that are kept no more, once what is under way for them is done."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from msgspec.structs import replace

from lightkeeper.core import facts
from lightkeeper.core.facts import Place
from lightkeeper.ports import Delivery, Failed, Foreign, Pending, Put
from tests.fakes.edge import FakeOutput, turns
from tests.test_fleet import ONE, OTHER, Scene


async def test_a_fleet_that_drains_ends_once_each_login_has_written() -> None:
    scene = Scene()
    fleet = scene.fleet()
    fleet.apply([scene.kept(ONE), scene.kept(OTHER)])
    for output in scene.outputs.values():
        output.gate.is_open.clear()

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(fleet.run(), name="under test")
        for output in scene.outputs.values():
            await output.gate.until_entered()
        fleet.drain()
        scene.outputs[ONE].gate.is_open.set()
        await scene.edge.notebook.until(facts.Delivered, login=ONE)
        await turns()
        assert not running.done()
        scene.outputs[OTHER].gate.is_open.set()

    assert scene.edge.notebook.of(facts.Delivered, OTHER)


async def test_a_fleet_that_drains_before_its_logins_begin_begins_none() -> None:
    scene = Scene()
    fleet = scene.fleet()
    fleet.apply([scene.kept(ONE)])
    fleet.drain()

    async with asyncio.timeout(20):
        await fleet.run()

    assert scene.calls(ONE) == 0


@dataclass
class Stubborn(FakeOutput):
    """Does not let a delivery be cancelled before it is told to."""

    is_cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    lets_go: asyncio.Event = field(default_factory=asyncio.Event)

    async def deliver(self, place: Place, delivery: Delivery) -> Put | Foreign | Pending | Failed:
        try:
            return await super().deliver(place, delivery)
        except asyncio.CancelledError:
            self.is_cancelled.set()
            await self.lets_go.wait()
            raise


async def test_a_login_whose_turn_comes_while_its_fleet_drains_does_nothing() -> None:
    """A reload waits for the end of the former one."""
    scene = Scene()
    fleet = scene.fleet()
    former = Stubborn()
    former.gate.is_open.clear()
    fleet.apply([replace(scene.kept(ONE), outputs=[former])])

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        tasks.create_task(fleet.run(), name="under test")
        await former.gate.until_entered()
        fleet.apply([scene.kept(OTHER)])
        await former.is_cancelled.wait()
        fleet.drain()
        former.lets_go.set()

    assert scene.calls(OTHER) == 0


async def test_a_login_that_is_being_forgotten_is_waited_for_and_none_begins_after_it() -> None:
    scene = Scene()
    fleet = scene.fleet()
    fleet.apply([scene.kept(ONE)])
    store = scene.edge.store
    store.lets_go = asyncio.Event()

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(fleet.run(), name="under test")
        await scene.edge.notebook.until(facts.RoundEnded, login=ONE)
        fleet.apply([])
        await turns()
        assert store.forgetting == [ONE]
        fleet.apply([scene.kept(OTHER)])
        fleet.drain()
        await turns()
        assert not running.done()
        store.lets_go.set()

    assert ONE not in store.kept
    assert scene.calls(OTHER) == 0
