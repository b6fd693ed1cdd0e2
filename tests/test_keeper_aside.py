"""A keeper among replicas: it acts only while we lead, and hears from the store what is newer."""

from __future__ import annotations

from datetime import timedelta

import pytest

from lightkeeper.core import facts
from lightkeeper.core.credential import Digest
from lightkeeper.core.reasons import Reason
from lightkeeper.core.state import Known
from lightkeeper.ports import Failed
from tests.core.making import FIRST, HOUR, LIFETIME, LOGIN, SECOND_ONE
from tests.fakes.edge import Edge, turns
from tests.keeping import Scene


class Leading:
    """Whether we lead: for so many more questions."""

    def __init__(self) -> None:
        self.left = 1000

    def __call__(self) -> bool:
        self.left -= 1
        return self.left >= 0


@pytest.fixture
def leading() -> Leading:
    return Leading()


@pytest.fixture
def scene(leading: Leading) -> Scene:
    return Scene(edge=Edge(leads=leading))


async def due(scene: Scene, leading: Leading, acts: int) -> int:
    """The calls after a renewal, once the next is due and `acts` of it are still for us."""
    async with scene.keeping():
        await scene.edge.notebook.until(facts.RoundEnded)
        leading.left = acts
        scene.edge.pass_on(LIFETIME / 2)
        await turns(50)
    return len(scene.issuer.calls)


async def test_who_stood_still_and_leads_no_more_saves_nothing(
    scene: Scene, leading: Leading
) -> None:
    async with scene.keeping():
        await scene.edge.notebook.until(facts.RoundEnded)
        kept = scene.edge.store.kept[LOGIN]
        leading.left = 0
        scene.edge.pass_on(LIFETIME / 2)
        await turns(50)

    assert scene.edge.store.kept[LOGIN] is kept


async def test_who_leads_no_more_once_an_attempt_is_saved_calls_nobody(
    scene: Scene, leading: Leading
) -> None:
    assert await due(scene, leading, acts=1) == 1


async def test_who_finds_a_newer_login_saved_waits_to_hear_that_another_leads(
    scene: Scene, leading: Leading
) -> None:
    """Our term has not run out by our clock, and somebody took the Lease all the same."""
    newer = Failed(reason=Reason.SUPERSEDED, detail="a newer login is kept there")
    async with scene.keeping():
        await scene.edge.notebook.until(facts.RoundEnded)
        scene.edge.store.failure = newer
        scene.edge.pass_on(LIFETIME / 2)
        await scene.edge.notebook.until(facts.StateNotSaved)
        await turns(50)

    assert len(scene.issuer.calls) == 1


async def test_who_leads_calls(scene: Scene, leading: Leading) -> None:
    assert await due(scene, leading, acts=2) == 2


async def test_who_leads_no_more_once_lightsail_has_answered_saves_and_delivers_nothing(
    scene: Scene, leading: Leading
) -> None:
    """It might be put in place of what the next leader has by then."""
    calls = await due(scene, leading, acts=2)

    kept = scene.edge.store.kept[LOGIN]
    assert calls == 2
    assert len(kept.known) == 1
    assert len(scene.output.deliveries) == 1


async def test_who_leads_no_more_once_it_is_saved_delivers_nothing(
    scene: Scene, leading: Leading
) -> None:
    await due(scene, leading, acts=3)

    assert len(scene.edge.store.kept[LOGIN].known) == 2
    assert len(scene.output.deliveries) == 1


def known(digest: Digest, expires: timedelta) -> Known:
    return Known(digest=digest, registry=FIRST.registry, expires_at=SECOND_ONE.expires_at + expires)


async def test_newer_is_what_the_store_knows_to_expire_later_when_it_is_asked(
    scene: Scene,
) -> None:
    async with scene.keeping():
        await scene.edge.notebook.until(facts.Delivered)
    [delivery] = scene.output.deliveries

    assert await delivery.newer() == frozenset()
    scene.edge.store.others = (known(Digest("b"), HOUR), known(Digest("a"), -LIFETIME))
    assert await delivery.newer() == frozenset({Digest("b")})


async def test_that_the_store_cannot_tell_what_is_newer_is_no_word_that_nothing_is(
    scene: Scene,
) -> None:
    async with scene.keeping():
        await scene.edge.notebook.until(facts.Delivered)
    [delivery] = scene.output.deliveries
    untold = scene.edge.store.untold = Failed(reason=Reason.NETWORK, detail="refused")

    assert await delivery.newer() == untold
