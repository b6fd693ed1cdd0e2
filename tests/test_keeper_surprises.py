"""Bugs in a login's life: each is told, backed off from, and ends nothing but what it broke."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from lightkeeper.core import facts
from lightkeeper.core.answer import Verdict
from lightkeeper.core.facts import ClockStepped, LoginFact, Place
from lightkeeper.core.failure import Failure
from lightkeeper.core.reasons import Reason
from lightkeeper.history import History
from lightkeeper.ports import Failed, Put
from tests.core.making import HOUR, MINUTE, SECOND
from tests.fakes.edge import FakeOutput, Notebook, running, turns
from tests.keeping import Scene

NO_SPACE = Failed(reason=Reason.NO_SPACE, detail="/s: full")
HERE = "/a/config.json"


class TornNotebook(Notebook):
    """A recorder with a bug: some kinds of facts it cannot write."""

    torn: tuple[type[LoginFact], ...] = ()

    def record(
        self, fact: LoginFact | ClockStepped, *, news: bool, failure: Failure | None = None
    ) -> None:
        if any(isinstance(fact, kind) for kind in self.torn):
            raise LookupError
        super().record(fact, news=news, failure=failure)


class NoRound(History):
    """A history with a bug: no round ends."""

    def happened(self, fact: LoginFact) -> None:
        match fact:
            case facts.RoundEnded():
                raise LookupError
            case _:
                super().happened(fact)


class NoLook(History):
    """A history with a bug: no look begins at one place."""

    def happened(self, fact: LoginFact) -> None:
        match fact:
            case facts.LookStarted(place=Place(name="/a/config.json")):
                raise LookupError
            case _:
                super().happened(fact)


class NoSurprise(History):
    """A history with a bug: no bug is told."""

    def happened(self, fact: LoginFact) -> None:
        match fact:
            case facts.Surprised():
                raise LookupError
            case _:
                super().happened(fact)


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_bug_in_an_attempt_is_told_backed_off_from_and_survived(scene: Scene) -> None:
    scene.issuer.answers = [LookupError("simulated-secret")]

    async with scene.keeping():
        failed = await scene.edge.notebook.until(facts.RenewalFailed)
        await turns()
        assert len(scene.issuer.calls) == 1
        scene.edge.pass_on(5 * MINUTE)
        await scene.edge.notebook.until(facts.Renewed)

    assert isinstance(failed, facts.RenewalFailed)
    assert failed.reason is Reason.INTERNAL_ERROR


async def test_a_bug_is_told_with_its_traceback_and_without_its_message(scene: Scene) -> None:
    """The message may hold what must not be printed."""
    scene.issuer.answers = [LookupError("simulated-secret")]

    async with scene.keeping():
        surprised = await scene.edge.notebook.until(facts.Surprised)

    assert isinstance(surprised, facts.Surprised)
    assert surprised.doing == "renew"
    assert surprised.traceback.endswith("LookupError")
    assert "in issue" in surprised.traceback
    assert "simulated-secret" not in repr(scene.edge.notebook.facts)


async def test_a_bug_in_a_delivery_fails_that_place_alone(scene: Scene) -> None:
    scene.output = FakeOutput(names=("/a/config.json", "/b/config.json"))
    scene.output.failures["/a/config.json"] = LookupError()

    async with scene.keeping():
        failed = await scene.edge.notebook.until(facts.DeliveryFailed)
        delivered = await scene.edge.notebook.until(facts.Delivered)

    assert isinstance(failed, facts.DeliveryFailed)
    assert isinstance(delivered, facts.Delivered)
    assert (failed.reason, failed.place.name) == (Reason.INTERNAL_ERROR, "/a/config.json")
    assert delivered.place.name == "/b/config.json"


async def test_a_bug_in_a_verification_is_no_verdict(scene: Scene) -> None:
    async with scene.keeping():
        await scene.edge.notebook.until(facts.RoundEnded)
        scene.edge.verifier.bug = LookupError()
        scene.edge.pass_on(20 * MINUTE)
        verified = await scene.edge.notebook.until(facts.Verified)

    assert isinstance(verified, facts.Verified)
    assert verified.verdict is Verdict.INCONCLUSIVE
    assert len(scene.issuer.calls) == 1


async def test_a_bug_in_saving_ends_nothing(scene: Scene) -> None:
    scene.edge.store.failure = NO_SPACE

    async with scene.keeping():
        await scene.edge.notebook.until(facts.RoundEnded)
        count = len(scene.edge.notebook.of(facts.StateNotSaved))
        scene.edge.store.bug = LookupError()
        scene.edge.pass_on(5 * MINUTE)
        failed = await scene.edge.notebook.until(facts.StateNotSaved, count + 1)
        scene.edge.store.failure = scene.edge.store.bug = None
        scene.edge.pass_on(5 * MINUTE)
        await scene.edge.notebook.until(facts.StateSaved)

    assert isinstance(failed, facts.StateNotSaved)
    assert failed.reason is Reason.INTERNAL_ERROR


async def test_a_bug_in_saving_loses_no_credential_that_came(scene: Scene) -> None:
    scene.edge.store.bug = LookupError()
    keeper = scene.keeper()

    async with running(keeper):
        await scene.edge.notebook.until(facts.RoundEnded)

    assert keeper.state.failure is None
    assert keeper.state.unsaved is not None
    assert keeper.state.unsaved.reason is Reason.INTERNAL_ERROR
    assert scene.output.held[HERE] is not None


async def test_a_bug_in_the_turn_itself_ends_nothing(scene: Scene) -> None:
    keeper = scene.keeper()
    whole = keeper.state
    scene.history.state = replace(whole, places=None)  # what no plan can use

    async with running(keeper):
        surprised = await scene.edge.notebook.until(facts.Surprised)
        scene.history.state = whole
        scene.edge.alarm.beat()
        await scene.edge.notebook.until(facts.Renewed)

    assert isinstance(surprised, facts.Surprised)
    assert surprised.doing == "plan"


async def test_a_bug_in_ending_a_round_keeps_nothing_from_beginning(scene: Scene) -> None:
    scene.kind = NoRound

    async with scene.keeping():
        await scene.edge.notebook.until(facts.Surprised)
        scene.edge.pass_on(6 * HOUR)
        await scene.edge.notebook.until(facts.Delivered, 2)


async def test_a_bug_in_beginning_a_step_keeps_no_other_from_beginning(scene: Scene) -> None:
    scene.kind = NoLook
    scene.output = FakeOutput(names=(HERE, "/b/config.json"))

    async with scene.keeping():
        failed = await scene.edge.notebook.until(facts.DeliveryFailed)
        delivered = await scene.edge.notebook.until(facts.Delivered)

    assert isinstance(failed, facts.DeliveryFailed)
    assert isinstance(delivered, facts.Delivered)
    assert (failed.reason, failed.place.name) == (Reason.INTERNAL_ERROR, HERE)
    assert delivered.place.name == "/b/config.json"


async def test_a_bug_that_comes_again_leaves_room_for_the_other_places(scene: Scene) -> None:
    """What never began is not counted as under way."""
    scene.kind = NoLook
    scene.output = FakeOutput(names=(HERE, "/b/config.json"))

    async with scene.keeping():
        for count in range(1, 20):
            await scene.edge.notebook.until(facts.DeliveryFailed, count)
            scene.edge.pass_on(15 * SECOND)
        scene.edge.pass_on(6 * HOUR)
        await scene.edge.notebook.until(facts.Delivered, 2)


async def test_cancelling_is_no_bug(scene: Scene) -> None:
    scene.issuer.gate.is_open.clear()

    async with scene.keeping():
        await scene.issuer.gate.until_entered()

    assert scene.edge.notebook.of(facts.Surprised) == []
    assert scene.edge.notebook.of(facts.RenewalFailed) == []


async def test_a_bug_in_folding_what_came_of_a_delivery_fails_that_place_alone(
    scene: Scene,
) -> None:
    scene.output = FakeOutput(names=(HERE, "/b/config.json"))
    scene.output.failures[HERE] = Put(changed=True, notices=None)  # type: ignore[arg-type,assignment]

    async with scene.keeping():
        failed = await scene.edge.notebook.until(facts.DeliveryFailed)
        await scene.edge.notebook.until(facts.Delivered)
        scene.output.failures.clear()
        scene.edge.pass_on(15 * SECOND)
        healed = await scene.edge.notebook.until(facts.Delivered, 2)

    assert isinstance(failed, facts.DeliveryFailed)
    assert isinstance(healed, facts.Delivered)
    assert failed.reason is Reason.INTERNAL_ERROR
    assert healed.place.name == HERE


async def test_a_bug_in_folding_even_that_there_was_one_ends_nothing(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = scene.keeper()
    async with running(keeper):
        await scene.edge.notebook.until(facts.RoundEnded)
        whole = keeper.state
        scene.history.state = replace(whole, places=None, notes=None)  # what no fold can use
        keeper.touched(Place(scene.output.name, HERE))
        scene.history.state = whole
        scene.edge.pass_on(6 * HOUR)
        await scene.edge.notebook.until(facts.Renewed, 2)

    assert "a bug, and one in telling of it" in caplog.text


@pytest.mark.parametrize("kind", [facts.Renewed, facts.Delivered, facts.LookStarted])
async def test_a_bug_in_recording_changes_nothing_but_what_is_told(
    scene: Scene, kind: type[LoginFact]
) -> None:
    notebook = scene.edge.notebook = TornNotebook()
    notebook.torn = (kind,)
    keeper = scene.keeper()

    async with running(keeper):
        surprised = await notebook.until(facts.Surprised)
        await notebook.until(facts.RoundEnded)

    assert isinstance(surprised, facts.Surprised)
    assert surprised.doing == "record"
    assert keeper.state.failure is None
    assert scene.output.held[HERE] is not None
    assert len(scene.issuer.calls) == 1


async def test_what_a_bug_broke_is_backed_off_from_even_if_it_cannot_be_told(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.kind = NoSurprise
    scene.output.failures[HERE] = LookupError()

    async with scene.keeping():
        failed = await scene.edge.notebook.until(facts.DeliveryFailed)

    assert isinstance(failed, facts.DeliveryFailed)
    assert failed.reason is Reason.INTERNAL_ERROR
    assert len(caplog.records) == 1


async def test_a_recorder_that_takes_nothing_stops_no_renewal(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    notebook = scene.edge.notebook = TornNotebook()
    notebook.torn = (object,)  # type: ignore[assignment]
    keeper = scene.keeper()

    async with running(keeper):
        await turns(100)

    assert scene.output.held[HERE] is not None
    assert keeper.state.bug is not None
    assert keeper.state.bug.detail == "record"
    assert len(caplog.records) == 1, "it is said once, and again each hour"


async def test_a_bug_in_what_others_ask_of_a_login_does_not_reach_them(scene: Scene) -> None:
    keeper = scene.keeper()
    scene.history.state = replace(keeper.state, places=None)

    keeper.touched(Place(scene.output.name, HERE))
    scene.history.state = replace(keeper.state, login=None, renewals=None, notes=None)
    keeper.request_renewal()

    (surprised,) = scene.edge.notebook.of(facts.Surprised)
    assert isinstance(surprised, facts.Surprised)
    assert surprised.doing == "touch"
