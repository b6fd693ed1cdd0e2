"""Which logins are kept: over starts, reloads and surprises, each on its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from lightkeeper.core import facts
from lightkeeper.core.facts import LoginName, OutputName, Place
from lightkeeper.core.reasons import Reason
from lightkeeper.core.saved import Saved
from lightkeeper.fleet import Fleet, Kept
from lightkeeper.ports import Failed
from tests.core.making import HOUR, MINUTE, NONE, POLICY, SECOND
from tests.fakes.edge import Edge, FakeIssuer, FakeOutput, an_answer, running, turns

ONE = LoginName("one")
OTHER = LoginName("other")
THIRD = LoginName("third")


@dataclass
class Scene:
    """Logins with an issuer and an output each, all in one world."""

    edge: Edge = field(default_factory=Edge)
    issuers: dict[str, FakeIssuer] = field(default_factory=dict)
    outputs: dict[str, FakeOutput] = field(default_factory=dict)

    def kept(self, name: LoginName, *, fingerprint: str = "f", place: str = "") -> Kept:
        issuer = self.issuers.setdefault(name, self.edge.issuer())
        path = place or f"/{name}/config.json"
        output = self.outputs[name] = FakeOutput(names=(path,), name=OutputName(f"files-{name}"))
        return Kept(
            name=name,
            fingerprint=fingerprint,
            policy=POLICY,
            source=self.edge.source(issuer),
            outputs=[output],
        )

    def fleet(self, saved: Mapping[LoginName, Saved] | None = None) -> Fleet:
        return Fleet(self.edge.world(), saved or {})

    def saved(self) -> dict[LoginName, Saved]:
        return {LoginName(name): saved for name, saved in self.edge.store.kept.items()}

    def calls(self, name: LoginName) -> int:
        return len(self.issuers[name].calls)


def a_file(login: LoginName, path: str) -> Place:
    return Place(output=OutputName(f"files-{login}"), name=path)


async def test_every_configured_login_is_kept() -> None:
    scene = Scene()
    fleet = scene.fleet()
    fleet.apply([scene.kept(ONE), scene.kept(OTHER)])

    async with running(fleet):
        await scene.edge.notebook.until(facts.RoundEnded, 2)

    assert [state.login for state in fleet.states] == [ONE, OTHER]
    assert all(state.held is not None for state in fleet.states)


async def test_a_surprise_in_one_login_does_not_stop_another() -> None:
    scene = Scene()
    fleet = scene.fleet()
    fleet.apply([scene.kept(ONE), scene.kept(OTHER)])
    scene.issuers[ONE].answers = [LookupError(), AttributeError(), ValueError()]

    async with running(fleet):
        await scene.edge.notebook.until(facts.Surprised, login=ONE)
        await scene.edge.notebook.until(facts.RoundEnded, login=OTHER)
        scene.edge.pass_on(6 * HOUR)
        await scene.edge.notebook.until(facts.Renewed, 2, login=OTHER)

    assert scene.edge.notebook.of(facts.Surprised, login=OTHER) == []


async def test_a_login_that_hangs_delays_no_other() -> None:
    scene = Scene()
    fleet = scene.fleet()
    fleet.apply([scene.kept(ONE), scene.kept(OTHER)])
    scene.issuers[ONE].gate.is_open.clear()

    async with running(fleet):
        await scene.edge.notebook.until(facts.RoundEnded, login=OTHER)

    assert scene.edge.notebook.of(facts.Renewed, login=ONE) == []


async def test_a_reload_of_the_same_source_costs_no_call() -> None:
    scene = Scene()
    fleet = scene.fleet()
    fleet.apply([scene.kept(ONE)])

    async with running(fleet):
        await scene.edge.notebook.until(facts.RoundEnded)
        held = fleet.states[0].held
        fleet.apply([scene.kept(ONE, place="/new/config.json")])
        await scene.edge.notebook.until(facts.Delivered, 2)

    assert fleet.states[0].held is held
    assert scene.calls(ONE) == 1
    assert "/new/config.json" in scene.outputs[ONE].held


async def test_another_source_under_the_same_name_starts_anew() -> None:
    scene = Scene()
    fleet = scene.fleet()
    fleet.apply([scene.kept(ONE)])

    async with running(fleet):
        await scene.edge.notebook.until(facts.RoundEnded)
        fleet.apply([scene.kept(ONE, fingerprint="changed")])
        await scene.edge.notebook.until(facts.Renewed, 2)

    assert scene.calls(ONE) == 2
    assert scene.edge.store.kept[ONE].fingerprint == "changed"


async def test_another_source_goes_on_with_what_the_former_one_wrote() -> None:
    """What we wrote stays ours: it may be replaced, and an old registry's entry is taken out."""
    scene = Scene()
    fleet = scene.fleet()
    fleet.apply([scene.kept(ONE)])

    async with running(fleet):
        await scene.edge.notebook.until(facts.RoundEnded)
        former = scene.outputs[ONE].deliveries[0].credential
        now = scene.edge.clock.now()
        scene.issuers[ONE].answers = [an_answer(now, 9, registry="moved.test")]
        fleet.apply([scene.kept(ONE, fingerprint="changed")])
        await scene.edge.notebook.until(facts.Delivered, 2)

    (delivery,) = scene.outputs[ONE].deliveries
    assert former.digest in delivery.ours
    assert delivery.former == {former.registry}


async def test_a_login_that_is_called_otherwise_takes_its_places_over_without_a_dispute() -> None:
    """The same for a place that another login has from now on: it is us who wrote there."""
    scene = Scene()
    fleet = scene.fleet()
    fleet.apply([scene.kept(ONE, place="/a")])

    async with running(fleet):
        await scene.edge.notebook.until(facts.RoundEnded)
        renamed = scene.kept(OTHER, place="/a")
        scene.issuers[OTHER].answers = [an_answer(scene.edge.clock.now(), 9)]
        output = scene.outputs[OTHER]
        output.replaces_foreign = False
        output.held = scene.outputs[ONE].held
        fleet.apply([renamed])
        ended = await scene.edge.notebook.until(facts.RoundEnded, 2)

    assert isinstance(ended, facts.RoundEnded)
    assert (ended.login, ended.changed, ended.failing) == (OTHER, 1, 0)
    assert scene.edge.notebook.of(facts.Drifted) == []


async def test_what_another_login_wrote_is_known_after_a_reload_and_a_restart() -> None:
    scene = Scene()
    fleet = scene.fleet()
    fleet.apply([scene.kept(ONE), scene.kept(OTHER)])
    async with running(fleet):
        await scene.edge.notebook.until(facts.RoundEnded, 2)
        fleet.apply([scene.kept(ONE), scene.kept(OTHER)])
        reloaded = [one.kin for one in fleet.states]

    fleet = scene.fleet(scene.saved())
    fleet.apply([scene.kept(ONE), scene.kept(OTHER)])

    digests = {one.held.digest for one in fleet.states if one.held}
    assert reloaded == [one.kin for one in fleet.states] == [digests, digests]


async def test_the_places_that_another_source_leaves_are_named() -> None:
    scene = Scene()
    fleet = scene.fleet()
    fleet.apply([scene.kept(ONE, place="/a")])

    async with running(fleet):
        await scene.edge.notebook.until(facts.RoundEnded)
        left = fleet.apply([scene.kept(ONE, place="/b", fingerprint="changed")])

    assert left == {ONE: [a_file(ONE, "/a")]}


async def test_a_login_that_comes_back_knows_what_it_wrote_and_holds_nothing() -> None:
    """As after a restart: its state went, and what `withdraw` would need stayed."""
    scene = Scene()
    fleet = scene.fleet()
    fleet.apply([scene.kept(ONE)])

    async with running(fleet):
        await scene.edge.notebook.until(facts.RoundEnded)
        former = scene.outputs[ONE].deliveries[0].credential.digest
        said = fleet.apply([])
        await turns()
        assert fleet.apply([]) == {}, "it was said"
        await turns()
        assert fleet.apply([scene.kept(ONE)]) == {}
        assert fleet.states[0].held is None
        scene.edge.clock.passed = MINUTE
        await scene.edge.notebook.until(facts.Delivered, 2)

    assert said == {ONE: [a_file(ONE, "/one/config.json")]}
    assert former in scene.outputs[ONE].deliveries[0].ours


async def test_the_floor_holds_for_a_login_that_is_taken_out_and_put_back() -> None:
    """Else whoever flips a configuration could call without a pause."""
    scene = Scene()
    fleet = scene.fleet()
    fleet.apply([scene.kept(ONE)])

    async with running(fleet):
        await scene.edge.notebook.until(facts.RoundEnded)
        fleet.apply([])
        fleet.apply([scene.kept(ONE)])
        await turns()
        assert scene.issuers[ONE].calls == [NONE]
        scene.edge.pass_on(2 * SECOND)
        await scene.edge.notebook.until(facts.Renewed, 2)

    assert scene.issuers[ONE].calls == [NONE, 2 * SECOND]


async def test_a_source_that_was_corrected_is_asked_from_then_on() -> None:
    """An external ID is no part of what makes a source another one."""
    scene = Scene()
    fleet = scene.fleet()
    fleet.apply([scene.kept(ONE)])

    async with running(fleet):
        await scene.edge.notebook.until(facts.RoundEnded)
        before, scene.issuers[ONE] = scene.issuers[ONE], scene.edge.issuer()
        fleet.apply([scene.kept(ONE)])
        scene.edge.pass_on(6 * HOUR)
        await scene.edge.notebook.until(facts.Renewed, 2)

    assert (len(before.calls), scene.calls(ONE)) == (1, 1)


async def test_a_bug_in_taking_one_login_over_changes_no_other() -> None:
    scene = Scene()
    fleet = scene.fleet()
    fleet.apply([scene.kept(ONE, place="/a"), scene.kept(OTHER)])

    broken = scene.kept(OTHER)
    scene.outputs[OTHER].names = None  # type: ignore[assignment]
    with pytest.raises(TypeError):
        fleet.apply([scene.kept(ONE, place="/b"), broken])

    assert [place.name for state in fleet.states for place in state.places] == [
        "/a",
        "/other/config.json",
    ]
    assert fleet.apply([scene.kept(ONE, place="/a"), scene.kept(OTHER)]) == {}


async def test_a_login_that_was_removed_is_kept_no_more_and_its_state_is_gone() -> None:
    scene = Scene()
    fleet = scene.fleet()
    fleet.apply([scene.kept(ONE), scene.kept(OTHER)])

    async with running(fleet):
        await scene.edge.notebook.until(facts.RoundEnded, 2)
        left = fleet.apply([scene.kept(ONE)])
        await turns()
        scene.edge.pass_on(6 * HOUR)
        await scene.edge.notebook.until(facts.Renewed, 2, login=ONE)

    assert left == {OTHER: [a_file(OTHER, "/other/config.json")]}
    assert scene.calls(OTHER) == 1
    assert set(scene.edge.store.kept) == {ONE}
    assert scene.outputs[OTHER].held, "its entry stays in its place"


async def test_what_could_not_be_forgotten_is_forgotten_at_the_next_change() -> None:
    scene = Scene()
    fleet = scene.fleet()
    fleet.apply([scene.kept(ONE), scene.kept(OTHER)])

    async with running(fleet):
        await scene.edge.notebook.until(facts.RoundEnded, 2)
        scene.edge.store.failure = Failed(reason=Reason.IO_ERROR, detail="/s")
        fleet.apply([scene.kept(ONE)])
        await turns()
        assert OTHER in scene.edge.store.kept
        scene.edge.store.failure = None
        fleet.apply([scene.kept(ONE)])
        await turns()

    assert set(scene.edge.store.kept) == {ONE}


async def test_what_could_not_be_forgotten_is_said_and_tried_again_at_the_next_heartbeat() -> None:
    """A password stays until then; said once, and again after an hour."""
    scene = Scene()
    fleet, notebook = scene.fleet(), scene.edge.notebook
    fleet.apply([scene.kept(ONE), scene.kept(OTHER)])

    async with running(fleet):
        await notebook.until(facts.RoundEnded, 2)
        scene.edge.store.failure = Failed(reason=Reason.IO_ERROR, detail="/s")
        fleet.apply([scene.kept(ONE)])
        await notebook.until(facts.StateNotSaved)
        for span in (15 * SECOND, HOUR):
            scene.edge.clock.passed += span
            fleet.forget_again()
            await turns()
        scene.edge.store.failure = None
        fleet.forget_again()
        await turns()
        fleet.forget_again()
        await turns()

    unsaved = notebook.of(facts.StateNotSaved, OTHER)
    assert [notebook.news[notebook.facts.index(fact)] for fact in unsaved] == [True, False, True]
    assert set(scene.edge.store.kept) == {ONE}


async def test_a_bug_in_forgetting_one_login_ends_no_other() -> None:
    scene = Scene()
    fleet = scene.fleet()
    fleet.apply([scene.kept(ONE), scene.kept(OTHER)])

    async with running(fleet):
        await scene.edge.notebook.until(facts.RoundEnded, 2)
        scene.edge.store.bug = LookupError()
        fleet.apply([scene.kept(ONE)])
        surprised = await scene.edge.notebook.until(facts.Surprised)
        scene.edge.store.bug = None
        scene.edge.pass_on(6 * HOUR)
        await scene.edge.notebook.until(facts.Renewed, 2, login=ONE)

    assert isinstance(surprised, facts.Surprised)
    assert (surprised.login, surprised.doing) == (OTHER, "forget")


async def test_a_place_that_was_removed_is_named() -> None:
    scene = Scene()
    fleet = scene.fleet()
    fleet.apply([scene.kept(ONE, place="/a")])

    async with running(fleet):
        await scene.edge.notebook.until(facts.RoundEnded)
        left = fleet.apply([scene.kept(ONE, place="/b")])

    assert left == {ONE: [a_file(ONE, "/a")]}


async def test_a_login_that_never_came_leaves_nothing() -> None:
    scene = Scene()
    fleet = scene.fleet()
    fleet.apply([scene.kept(ONE, place="/a"), scene.kept(OTHER)])

    assert fleet.apply([scene.kept(ONE, place="/b")]) == {}


async def test_nothing_is_left_where_nothing_was_removed() -> None:
    scene = Scene()
    fleet = scene.fleet()

    assert fleet.apply([scene.kept(ONE)]) == {}
    assert fleet.apply([scene.kept(ONE)]) == {}


async def test_what_was_removed_while_the_daemon_was_down_is_said_and_forgotten() -> None:
    scene = Scene()
    before = scene.fleet()
    before.apply([scene.kept(ONE), scene.kept(OTHER, place="/old")])
    async with running(before):
        await scene.edge.notebook.until(facts.RoundEnded, 2)

    fleet = scene.fleet(scene.saved())
    left = fleet.apply([scene.kept(ONE, place="/elsewhere")])
    async with running(fleet):
        await scene.edge.notebook.until(facts.Delivered, 3)

    assert left == {
        ONE: [a_file(ONE, "/one/config.json")],
        OTHER: [a_file(OTHER, "/old")],
    }
    assert set(scene.edge.store.kept) == {ONE}


async def test_a_restart_goes_on_with_what_was_saved() -> None:
    scene = Scene()
    before = scene.fleet()
    before.apply([scene.kept(ONE)])
    async with running(before):
        await scene.edge.notebook.until(facts.RoundEnded)

    fleet = scene.fleet(scene.saved())
    fleet.apply([scene.kept(ONE)])
    async with running(fleet):
        await scene.edge.notebook.until(facts.Delivered, 2)

    assert scene.calls(ONE) == 1
    assert before.states[0].held == fleet.states[0].held


async def test_a_renewal_is_asked_for_by_name() -> None:
    scene = Scene()
    fleet = scene.fleet()
    fleet.apply([scene.kept(ONE), scene.kept(OTHER)])

    async with running(fleet):
        await scene.edge.notebook.until(facts.RoundEnded, 2)
        scene.edge.clock.passed = MINUTE
        fleet.request_renewal([OTHER, LoginName("unknown")])
        await scene.edge.notebook.until(facts.Renewed, 2, login=OTHER)

    assert scene.issuers[ONE].calls == [NONE]
    assert scene.issuers[OTHER].calls == [NONE, MINUTE]


async def test_a_touched_place_reaches_its_login_and_an_unknown_one_nobody() -> None:
    scene = Scene()
    fleet = scene.fleet()
    fleet.apply([scene.kept(ONE)])
    place = Place(OutputName("files-one"), "/one/config.json")

    async with running(fleet):
        await scene.edge.notebook.until(facts.RoundEnded)
        scene.edge.clock.passed = MINUTE
        fleet.touched(LoginName("unknown"), place)
        fleet.touched(ONE, place)
        await scene.edge.notebook.until(facts.PlaceRead, 2)

    touched = scene.edge.notebook.of(facts.PlaceTouched)
    assert [fact.login for fact in touched] == [ONE]


async def test_a_core_that_turns_is_told_from_one_that_is_stuck() -> None:
    """This feeds the watchdog: one keeper that asks its plan no more is enough to starve it."""
    scene = Scene()
    fleet = scene.fleet()
    fleet.apply([scene.kept(ONE), scene.kept(OTHER)])

    async with running(fleet):
        await scene.edge.notebook.until(facts.RoundEnded, 2)
        await turns()
        assert fleet.have_turned()
        assert not fleet.have_turned()
        scene.edge.alarm.bells[ONE]()
        await turns()
        assert not fleet.have_turned()
        fleet.ring()
        await turns()
        assert fleet.have_turned()


async def test_a_bug_in_the_output_of_one_login_fails_that_one_alone() -> None:
    scene = Scene()
    fleet = scene.fleet()
    fleet.apply([scene.kept(ONE), scene.kept(OTHER)])
    scene.outputs[ONE].failures["/one/config.json"] = OSError()

    async with running(fleet):
        failed = await scene.edge.notebook.until(facts.DeliveryFailed)
        await scene.edge.notebook.until(facts.RoundEnded, login=OTHER)

    assert isinstance(failed, facts.DeliveryFailed)
    assert (failed.login, failed.reason) == (ONE, Reason.INTERNAL_ERROR)


async def test_one_login_that_cannot_be_forgotten_delays_no_other() -> None:
    """A state directory that hangs takes ten seconds for each."""
    scene = Scene()
    fleet, store = scene.fleet(), scene.edge.store
    fleet.apply([scene.kept(ONE), scene.kept(OTHER), scene.kept(THIRD)])
    async with running(fleet):
        await scene.edge.notebook.until(facts.RoundEnded, 3)
        store.lets_go = asyncio.Event()
        fleet.apply([scene.kept(ONE)])
        await turns()
        asked = list(store.forgetting)
        store.lets_go.set()

    assert asked == [OTHER, THIRD]
