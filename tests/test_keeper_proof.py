"""A keeper has the next write of a place tried before it is due, where it can be tried."""

from __future__ import annotations

import pytest

from lightkeeper.core import facts
from lightkeeper.core.facts import Place
from lightkeeper.core.reasons import Reason
from lightkeeper.core.report import report, unready
from lightkeeper.keeper import Keeper
from lightkeeper.ports import Failed, IfForeign
from tests.core.making import LOGIN, MINUTE, POLICY, SECOND
from tests.fakes.edge import FakeOutput, running, turns
from tests.keeping import Scene

NAME = "ci/lightsail-push"
IMMUTABLE = Failed(reason=Reason.IMMUTABLE, detail="it is marked as immutable")
REFUSED = Failed(reason=Reason.ACCESS_DENIED, detail="403")


@pytest.fixture
def scene() -> Scene:
    return Scene(output=FakeOutput((NAME,), proofs={}))


async def restarted(scene: Scene) -> Keeper:
    """One whose login is in place, by an earlier process."""
    async with scene.keeping():
        await scene.edge.notebook.until(facts.RoundEnded)
    scene.output.deliveries.clear()
    return scene.restarted()


async def test_a_delivery_is_a_proof_and_needs_no_dry_run(scene: Scene) -> None:
    async with scene.keeping():
        await scene.edge.notebook.until(facts.RoundEnded)
        scene.edge.pass_on(MINUTE)
        await scene.edge.notebook.until(facts.PlaceRead, 2)

    assert scene.output.proven == []


async def test_after_a_restart_what_is_in_place_is_proven_with_just_what_is_held(
    scene: Scene,
) -> None:
    keeper = await restarted(scene)
    async with running(keeper):
        await scene.edge.notebook.until(facts.PlaceRead, 2)
        scene.edge.pass_on(MINUTE)
        await scene.edge.notebook.until(facts.PlaceRead, 3)

    ((place, delivery),) = scene.output.proven
    assert place == Place(scene.output.name, NAME)
    assert delivery.login == LOGIN
    assert delivery.credential is keeper.state.held
    assert delivery.if_foreign is not IfForeign.REPLACE
    assert scene.output.deliveries == []


async def test_what_would_fail_is_told_at_the_start_and_mends_by_itself(scene: Scene) -> None:
    keeper = await restarted(scene)
    scene.output.proofs = {NAME: REFUSED}
    async with running(keeper):
        failed = await scene.edge.notebook.until(facts.DeliveryFailed)
        (place,) = keeper.state.places.values()
        assert place.is_failing_ahead(keeper.state.held)
        scene.output.proofs.clear()
        scene.edge.pass_on(15 * SECOND)
        await scene.edge.notebook.until(facts.PlaceRead, 3)
        (mended,) = keeper.state.places.values()

    assert isinstance(failed, facts.DeliveryFailed)
    assert (failed.reason, failed.foreseen) == (Reason.ACCESS_DENIED, True)
    assert mended.failure is None
    assert scene.output.deliveries == []


async def test_what_shows_in_a_look_is_told_before_it_is_due_and_needs_no_dry_run(
    scene: Scene,
) -> None:
    """Somebody made it immutable after it was delivered."""
    keeper = scene.keeper()
    async with running(keeper):
        await scene.edge.notebook.until(facts.RoundEnded)
        scene.output.obstacles = {NAME: IMMUTABLE}
        scene.edge.pass_on(MINUTE)
        failed = await scene.edge.notebook.until(facts.DeliveryFailed)
        scene.edge.pass_on(MINUTE)
        await scene.edge.notebook.until(facts.DeliveryFailed, 2)
        (place,) = keeper.state.places.values()
        told = report([(keeper.state, "")], scene.edge.clock.now())
        assert scene.output.proven == []

        scene.output.obstacles.clear()
        scene.edge.pass_on(MINUTE)
        await turns()
        (mended,) = keeper.state.places.values()

    assert isinstance(failed, facts.DeliveryFailed)
    assert (failed.reason, failed.foreseen) == (Reason.IMMUTABLE, True)
    assert place.is_failing_ahead(keeper.state.held)
    assert unready(told, every_place=False) == ()
    assert mended.failure is None


async def test_a_reload_has_it_proven_again(scene: Scene) -> None:
    keeper = await restarted(scene)
    async with running(keeper):
        await scene.edge.notebook.until(facts.PlaceRead, 2)
        source = scene.edge.source(scene.issuer)
        keeper.adopting(POLICY, source, [scene.output], keeper.state.kin)()
        scene.edge.pass_on(MINUTE)
        await scene.edge.notebook.until(facts.PlaceRead, 3)

    assert len(scene.output.proven) == 2


async def test_what_needs_a_delivery_is_not_tried_but_done(scene: Scene) -> None:
    keeper = await restarted(scene)
    scene.output.held.clear()
    async with running(keeper):
        await scene.edge.notebook.until(facts.Delivered, 2)
        await turns()

    assert scene.output.proven == []
