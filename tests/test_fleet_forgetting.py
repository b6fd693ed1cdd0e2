"""A login that goes, stays on disk for a while, comes back and goes again."""

from __future__ import annotations

import pytest

from lightkeeper.core import facts
from lightkeeper.core.reasons import Reason
from lightkeeper.ports import Failed
from tests.fakes.edge import running, turns
from tests.test_fleet import ONE, Scene


@pytest.mark.parametrize("is_forgotten", [False, True], ids=["it stayed", "it went late"])
async def test_that_a_login_could_not_be_forgotten_is_said_anew_after_it_came_back(
    *, is_forgotten: bool
) -> None:
    scene = Scene()
    fleet, store, notebook = scene.fleet(), scene.edge.store, scene.edge.notebook

    async with running(fleet):
        for count in (1, 2):
            fleet.apply([scene.kept(ONE)])
            await turns()
            store.failure = Failed(reason=Reason.IO_ERROR, detail="/s")
            fleet.apply([])
            await notebook.until(facts.StateNotSaved, count)
            store.failure = None
            if is_forgotten:
                fleet.forget_again()
                await turns()

    said = zip(notebook.facts, notebook.news, strict=True)
    assert [news for fact, news in said if isinstance(fact, facts.StateNotSaved)] == [True, True]
