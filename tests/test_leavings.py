"""What is told of places that are served no more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from lightkeeper.core import facts
from lightkeeper.core.facts import LoginName, OutputName, Place
from lightkeeper.edge import Edge as RealEdge
from lightkeeper.fleet import Fleet, Kept
from lightkeeper.leavings import Leavings
from tests.core.making import LOGIN, OUTPUT, POLICY
from tests.environment import say_nothing_of_aws
from tests.fakes.edge import Edge, FakeOutput, running
from tests.test_daemon import configured

LEFT, STAYS, MORE = "left/push", "stays/push", "more/push"


class Scene:
    """A login that is kept, and what was told of it."""

    def __init__(self, folder: Path) -> None:
        self.edge = Edge()
        self.fleet = Fleet(self.edge.world(), {})
        self.told: list[Sequence[str]] = []
        self.is_due = False
        self.config = replace(configured(folder).config, logins=())
        real = RealEdge(self.config)
        at = real.clusters, real.writers, real.workers
        self.leavings = Leavings(self.fleet, *at, self._tell, due=self._be_due)
        self.kept = Kept(
            name=LOGIN,
            fingerprint="f",
            policy=POLICY,
            source=self.edge.source(self.edge.issuer()),
            outputs=[FakeOutput(names=(LEFT, STAYS, MORE))],
        )
        self.fleet.apply([self.kept])

    def _be_due(self) -> None:
        self.is_due = True

    def _tell(self, login: LoginName, places: Sequence[str]) -> None:
        assert login == LOGIN
        self.told.append(places)

    def reload(self, output: FakeOutput) -> None:
        self.leavings.add(self.fleet.apply([replace(self.kept, outputs=[output])]))


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Scene:
    say_nothing_of_aws(monkeypatch, tmp_path)
    return Scene(tmp_path)


async def test_what_two_reloads_leave_is_told_of_both(scene: Scene) -> None:
    async with running(scene.fleet):
        await scene.edge.notebook.until(facts.RoundEnded)
        scene.reload(FakeOutput(names=(STAYS, MORE)))
        scene.reload(FakeOutput(names=(STAYS,)))
        await scene.leavings.tell(scene.config)

    assert [sorted(one) for one in scene.told] == [[LEFT, MORE]]


async def test_nothing_is_told_before_an_output_knows_its_places(scene: Scene) -> None:
    """It is called otherwise now, and is found to serve most of what it did."""
    renamed = FakeOutput(name=OutputName("renamed"), names=(), is_unlisted=True)
    async with running(scene.fleet):
        await scene.edge.notebook.until(facts.RoundEnded)
        scene.reload(renamed)
        await scene.leavings.tell(scene.config)
        assert scene.told == []

        renamed.names, renamed.is_unlisted = (STAYS, MORE), False
        scene.fleet.survey()
        await scene.leavings.tell(scene.config)

    assert scene.told == [[LEFT]]
    assert [one.place for one in scene.fleet.states[0].left] == [Place(OUTPUT, LEFT)]


async def test_what_another_selector_leaves_is_told_once_the_list_has_come(scene: Scene) -> None:
    """Until then it is served as before: it may be that the selector finds it, too."""
    output = FakeOutput(names=(LEFT, STAYS, MORE), is_unlisted=True)
    async with running(scene.fleet):
        await scene.edge.notebook.until(facts.RoundEnded)
        scene.reload(output)
        scene.leavings.survey()
        await scene.leavings.tell(scene.config)
        assert (scene.told, scene.is_due) == ([], False)

        output.names, output.is_unlisted = (STAYS, MORE), False
        scene.leavings.survey()
        assert scene.is_due
        await scene.leavings.tell(scene.config)
        await scene.leavings.tell(scene.config)

    assert scene.told == [[LEFT]]
