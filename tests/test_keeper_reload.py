"""A reload that wants something else written beside the credential, such as other labels."""

from __future__ import annotations

import dataclasses

import pytest

from lightkeeper.core import facts
from lightkeeper.core.report import Standing, report
from lightkeeper.keeper import Keeper
from tests.core.making import MINUTE, POLICY
from tests.fakes.edge import FakeOutput, Gate, running, turns
from tests.keeping import Scene

NAMES = tuple(f"n{number}/push" for number in range(20))


@pytest.fixture
def scene() -> Scene:
    return Scene(output=FakeOutput(NAMES, wants="one"))


def reload(scene: Scene, keeper: Keeper, wants: str = "two") -> None:
    """Into the same places; a gate that holds up the outputs of before holds up none of these."""
    scene.output = dataclasses.replace(scene.output, wants=wants, gate=Gate(), reading=Gate())
    source = scene.edge.source(scene.issuer)
    keeper.adopting(POLICY, source, [scene.output], keeper.state.kin)()


async def is_written(scene: Scene, count: int) -> None:
    await scene.edge.notebook.until(facts.Delivered, count)
    await turns()
    assert set(scene.output.written.values()) == {scene.output.wants}


async def test_other_labels_are_written_at_once_and_nobody_is_accused(scene: Scene) -> None:
    keeper = scene.keeper()
    async with running(keeper):
        await scene.edge.notebook.until(facts.RoundEnded)
        reload(scene, keeper)
        await is_written(scene, 2 * len(NAMES))
        scene.edge.pass_on(2 * MINUTE)
        await scene.edge.notebook.until(facts.PlaceRead, 2 * len(NAMES))

    assert not scene.edge.notebook.of(facts.Drifted)
    (counts,) = keeper.state.outputs.values()
    assert counts.repairs == {}
    assert len(scene.edge.notebook.of(facts.Delivered)) == 2 * len(NAMES)


async def test_a_reload_that_wants_the_same_writes_nothing(scene: Scene) -> None:
    keeper = scene.keeper()
    async with running(keeper):
        await scene.edge.notebook.until(facts.RoundEnded)
        reload(scene, keeper, "one")
        await turns()

    assert len(scene.edge.notebook.of(facts.Delivered)) == len(NAMES)


async def test_a_look_that_is_under_way_meanwhile_is_not_taken_for_what_is_wanted(
    scene: Scene,
) -> None:
    keeper = scene.keeper()
    async with running(keeper):
        await scene.edge.notebook.until(facts.RoundEnded)
        before = scene.output.reading
        before.is_open.clear()
        entered = before.entered
        scene.edge.pass_on(MINUTE)
        await before.until_entered(entered + 1)
        reload(scene, keeper)
        before.is_open.set()
        await is_written(scene, 2 * len(NAMES))
        scene.edge.pass_on(2 * MINUTE)
        await turns()

    assert not scene.edge.notebook.of(facts.Drifted)


async def test_a_delivery_that_is_under_way_meanwhile_is_made_again(scene: Scene) -> None:
    keeper = scene.keeper()
    before = scene.output.gate
    before.is_open.clear()
    async with running(keeper):
        await before.until_entered()
        reload(scene, keeper)
        before.is_open.set()
        await scene.edge.notebook.until(facts.RoundEnded)
        scene.edge.pass_on(2 * MINUTE)
        await turns()

    assert set(scene.output.written.values()) == {"two"}
    assert not scene.edge.notebook.of(facts.Drifted)


async def test_until_it_is_written_people_are_told_that_the_login_is_there(scene: Scene) -> None:
    keeper = scene.keeper()
    async with running(keeper):
        await scene.edge.notebook.until(facts.RoundEnded)
        reload(scene, keeper)
        told = report([(keeper.state, "")], scene.edge.clock.now())

    place, *_ = told.logins[0].outputs[0].places
    assert place.standing is Standing.PENDING
    assert place.waits.startswith("it holds what is held, and is to be written otherwise")
