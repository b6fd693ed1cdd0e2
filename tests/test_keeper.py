"""One login's life: what the plan says is started, bounded, saved first, and fenced off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from msgspec.structs import replace

from lightkeeper.core import facts
from lightkeeper.core.answer import Refusal, Verdict
from lightkeeper.core.credential import Digest
from lightkeeper.core.facts import ClockStepped, LoginFact, OutputName, Place, Why
from lightkeeper.core.failure import Failure
from lightkeeper.core.reasons import Reason
from lightkeeper.core.saved import Saved
from lightkeeper.ports import Failed, Foreign, Pending
from tests.core.making import FOREIGN, HOUR, LIFETIME, LOGIN, MINUTE, NONE, POLICY, SECOND
from tests.fakes.edge import (
    FakeOutput,
    Gate,
    MemoryStore,
    Notebook,
    an_answer,
    running,
    turns,
)
from tests.keeping import Scene

NO_KIN = frozenset[Digest]()
NO_SPACE = Failed(reason=Reason.NO_SPACE, detail="/s: full")


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_login_of_which_nothing_is_known_is_renewed_and_delivered(scene: Scene) -> None:
    async with scene.keeping():
        ended = await scene.edge.notebook.until(facts.RoundEnded)

    assert isinstance(ended, facts.RoundEnded)
    assert (ended.changed, ended.failing) == (1, 0)
    assert scene.output.held["/a/config.json"] == scene.output.deliveries[0].credential.digest
    assert [fact.why for fact in attempts(scene)] == [Why.FIRST]


async def test_the_bell_is_set_for_the_instant_of_the_next_renewal(scene: Scene) -> None:
    async with scene.keeping():
        await scene.edge.notebook.until(facts.RoundEnded)
        await turns()
        wake = scene.edge.alarm.times[LOGIN]

        assert wake is not None
        assert 0.4 * LIFETIME <= wake - scene.edge.clock.now().wall <= 0.5 * LIFETIME
    assert LOGIN not in scene.edge.alarm.times


async def test_a_renewal_that_is_due_replaces_what_is_held_everywhere(scene: Scene) -> None:
    async with scene.keeping():
        await scene.edge.notebook.until(facts.RoundEnded)

        scene.edge.pass_on(6 * HOUR)
        await scene.edge.notebook.until(facts.RoundEnded, 2)

    first, second = (delivery.credential.digest for delivery in scene.output.deliveries)
    assert first != second
    assert scene.output.held["/a/config.json"] == second


async def test_an_attempt_is_saved_before_the_call(scene: Scene) -> None:
    """Else a daemon that crashes at each call would call without a pause."""
    async with scene.keeping():
        await scene.edge.notebook.until(facts.Renewed)

    assert scene.issuer.seen_in_store == [True]


async def test_the_floor_holds_across_a_restart_in_the_middle_of_a_call(scene: Scene) -> None:
    scene.issuer.gate.is_open.clear()
    async with scene.keeping():
        await scene.issuer.gate.until_entered()

    scene.issuer.gate.is_open.set()
    async with running(scene.restarted()):
        await turns()
        assert scene.issuer.calls == [NONE]
        scene.edge.pass_on(SECOND)
        await turns()
        assert scene.issuer.calls == [NONE]
        scene.edge.pass_on(SECOND)
        await scene.edge.notebook.until(facts.Renewed)

    assert scene.issuer.calls == [NONE, 2 * SECOND]


async def test_a_credential_is_saved_before_anybody_is_given_it(scene: Scene) -> None:
    """A crash in between must not make it a stranger's at the next start."""
    scene.output.gate.is_open.clear()
    async with scene.keeping():
        await scene.output.gate.until_entered()
        saved = scene.edge.store.kept[LOGIN]

    assert saved.credential is not None
    assert saved.credential.password.reveal() == "simulated-1"


async def test_a_restart_with_a_credential_that_is_not_due_costs_no_call(scene: Scene) -> None:
    async with scene.keeping():
        await scene.edge.notebook.until(facts.RoundEnded)

    scene.output.held.clear()
    scene.edge.clock.passed = HOUR
    async with running(scene.restarted()):
        await scene.edge.notebook.until(facts.Delivered, 2)

    assert scene.issuer.calls == [NONE]
    assert scene.output.held["/a/config.json"] is not None


async def test_a_store_that_takes_nothing_is_said_and_the_login_is_kept(scene: Scene) -> None:
    scene.edge.store.failure = NO_SPACE

    async with scene.keeping():
        await scene.edge.notebook.until(facts.RoundEnded)
        assert scene.edge.notebook.of(facts.StateNotSaved)
        scene.edge.store.failure = None
        scene.edge.pass_on(6 * HOUR)
        await scene.edge.notebook.until(facts.StateSaved)


async def test_what_could_not_be_saved_is_saved_later_without_a_call(scene: Scene) -> None:
    scene.edge.store.failure = NO_SPACE

    async with scene.keeping():
        await scene.edge.notebook.until(facts.RoundEnded)
        scene.edge.store.failure = None
        scene.edge.pass_on(5 * MINUTE)
        await scene.edge.notebook.until(facts.StateSaved)

    assert scene.issuer.calls == [NONE]
    assert scene.edge.store.kept[LOGIN].credential is not None


async def test_no_second_attempt_starts_while_one_is_in_flight(scene: Scene) -> None:
    scene.issuer.gate.is_open.clear()

    async with scene.keeping():
        await scene.issuer.gate.until_entered()
        scene.edge.pass_on(HOUR)
        await turns()

        assert scene.issuer.gate.entered == 1


async def test_a_failed_attempt_is_told_with_its_reason_and_tried_again(scene: Scene) -> None:
    scene.issuer.answers = [Refusal(reason=Reason.THROTTLED, detail="slow down")]

    async with scene.keeping():
        failed = await scene.edge.notebook.until(facts.RenewalFailed)
        scene.edge.pass_on(5 * MINUTE)
        await scene.edge.notebook.until(facts.Renewed)

    assert isinstance(failed, facts.RenewalFailed)
    assert (failed.reason, failed.remaining) == (Reason.THROTTLED, None)


async def test_a_failed_attempt_tells_what_the_held_credential_has_left(scene: Scene) -> None:
    async with scene.keeping():
        await scene.edge.notebook.until(facts.RoundEnded)
        scene.issuer.answers = [Refusal(reason=Reason.NETWORK, detail="no route")] * 2
        scene.edge.pass_on(9 * HOUR)
        living = await scene.edge.notebook.until(facts.RenewalFailed)
        scene.edge.pass_on(4 * HOUR)
        dead = await scene.edge.notebook.until(facts.RenewalFailed, 2)

    assert isinstance(living, facts.RenewalFailed)
    assert isinstance(dead, facts.RenewalFailed)
    assert (living.remaining, dead.remaining) == (3 * HOUR, NONE)


async def test_eight_places_of_an_output_are_worked_on_at_a_time(scene: Scene) -> None:
    scene.output = FakeOutput(names=tuple(f"/{number}/config.json" for number in range(20)))
    scene.output.gate.is_open.clear()

    async with scene.keeping():
        await scene.output.gate.until_entered(8)
        scene.edge.alarm.beat()
        await turns()
        assert scene.output.gate.inside == 8
        scene.output.gate.is_open.set()
        await scene.edge.notebook.until(facts.RoundEnded)

    assert scene.output.gate.most == 8
    assert len(scene.output.held) == 20


async def test_a_place_that_hangs_delays_no_other(scene: Scene) -> None:
    hanging = FakeOutput(names=("/hung",), name=facts.OutputName("hanging"))
    hanging.gate.is_open.clear()
    keeper = scene.keeper()
    keeper.adopting(POLICY, scene.edge.source(scene.issuer), [hanging, scene.output], NO_KIN)()

    async with running(keeper):
        await hanging.gate.until_entered()
        await scene.edge.notebook.until(facts.Delivered)
        scene.edge.pass_on(6 * HOUR)
        await scene.edge.notebook.until(facts.Renewed, 2)
        await scene.edge.notebook.until(facts.Delivered, 2)

    assert hanging.gate.entered == 1


@pytest.mark.parametrize(
    ("failure", "kind"),
    [(NO_SPACE, facts.DeliveryFailed), (Pending(detail="/run/user/1"), facts.PlacePending)],
    ids=["failing", "pending"],
)
async def test_a_place_that_cannot_be_reached_is_tried_again_without_a_call(
    scene: Scene, failure: Failed | Pending, kind: type[facts.LoginFact]
) -> None:
    scene.output.failures["/a/config.json"] = failure

    async with scene.keeping():
        await scene.edge.notebook.until(kind)
        scene.output.failures.clear()
        scene.edge.pass_on(15 * SECOND)
        await scene.edge.notebook.until(facts.Delivered)

    assert scene.issuer.calls == [NONE]


async def test_a_touched_place_is_looked_at_and_repaired(scene: Scene) -> None:
    keeper = scene.keeper()
    async with running(keeper):
        await scene.edge.notebook.until(facts.RoundEnded)
        scene.output.held["/a/config.json"] = None
        scene.edge.clock.passed = MINUTE
        keeper.touched(Place(scene.output.name, "/a/config.json"))
        await scene.edge.notebook.until(facts.Drifted)
        scene.edge.pass_on(5 * SECOND)
        repaired = await scene.edge.notebook.until(facts.Delivered, 2)

    assert isinstance(repaired, facts.Delivered)
    assert repaired.repaired is facts.Cause.REMOVED


async def test_a_person_gets_a_new_credential_as_soon_as_the_floor_allows(scene: Scene) -> None:
    keeper = scene.keeper()
    async with running(keeper):
        await scene.edge.notebook.until(facts.RoundEnded)
        keeper.request_renewal()
        await turns()
        assert scene.issuer.calls == [NONE]
        scene.edge.pass_on(30 * SECOND)
        await scene.edge.notebook.until(facts.Renewed, 2)

    assert [fact.why for fact in attempts(scene)] == [Why.FIRST, Why.REQUESTED]


async def test_a_credential_that_was_ended_early_is_renewed(scene: Scene) -> None:
    async with scene.keeping():
        renewed = await scene.edge.notebook.until(facts.Renewed)
        assert isinstance(renewed, facts.Renewed)
        scene.edge.verifier.verdicts[renewed.credential.digest] = Verdict.REJECTED
        scene.edge.pass_on(20 * MINUTE)
        await scene.edge.notebook.until(facts.Renewed, 2)

    assert [fact.why for fact in attempts(scene)] == [Why.FIRST, Why.REFUSED]


async def test_one_that_is_ended_early_again_within_the_hour_is_superseded(scene: Scene) -> None:
    async with scene.keeping():
        for count in (1, 2):
            renewed = await scene.edge.notebook.until(facts.Renewed, count)
            assert isinstance(renewed, facts.Renewed)
            scene.edge.verifier.verdicts[renewed.credential.digest] = Verdict.REJECTED
            scene.edge.pass_on(20 * MINUTE)
        failed = await scene.edge.notebook.until(facts.RenewalFailed)

    assert isinstance(failed, facts.RenewalFailed)
    assert failed.reason is Reason.SUPERSEDED
    assert len(scene.issuer.calls) == 2


async def test_what_the_registry_refuses_is_known_to_whoever_only_reads_the_state(
    scene: Scene,
) -> None:
    """Known before it is told, or a run that ends with it would leave it out."""
    known = []
    async with scene.keeping():
        for count in (1, 2):
            renewed = await scene.edge.notebook.until(facts.Renewed, count)
            assert isinstance(renewed, facts.Renewed)
            scene.edge.verifier.verdicts[renewed.credential.digest] = Verdict.REJECTED
            scene.edge.pass_on(20 * MINUTE)
            await scene.edge.notebook.until(facts.Verified, count)
            saved = scene.edge.store.kept[LOGIN]
            assert saved.credential is not None
            known.append((saved.credential.is_refused, saved.failure and saved.failure.reason))

    assert known == [(True, None), (True, "superseded")]


class Slow(MemoryStore):
    """A store with a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = Gate()

    async def save(self, saved: Saved) -> Failed | None:
        async with self.gate.passing():
            return await super().save(saved)


NO_ROUTE = Refusal(reason=Reason.NETWORK, detail="no route")


@pytest.mark.parametrize(
    ("answers", "kept"),
    [([], ("simulated-2", False)), ([NO_ROUTE], ("simulated-1", True))],
    ids=["a new one came", "none came"],
)
async def test_a_verdict_that_comes_while_the_end_of_an_attempt_is_saved_is_saved_after_it(
    scene: Scene, answers: list[Refusal], kept: tuple[str, bool]
) -> None:
    """A restart finds what is held by then, and what the registry says of that."""
    store = scene.edge.store = Slow()
    verifier, notebook, question = scene.edge.verifier, scene.edge.notebook, Gate()
    keeper = scene.keeper()
    async with running(keeper):
        renewed = await notebook.until(facts.Renewed)
        assert isinstance(renewed, facts.Renewed)
        verifier.verdicts[renewed.credential.digest] = Verdict.REJECTED
        verifier.gate = question
        question.is_open.clear()
        scene.edge.pass_on(20 * MINUTE)
        await question.until_entered()
        verifier.gate = Gate()
        scene.issuer.answers = [*answers]
        scene.issuer.gate.is_open.clear()
        keeper.request_renewal()
        await scene.issuer.gate.until_entered(2)
        store.gate.is_open.clear()
        scene.issuer.gate.is_open.set()
        await store.gate.until_entered(store.gate.entered + 1)
        question.is_open.set()
        await turns()
        store.gate.is_open.set()
        await notebook.until(facts.Verified)

    saved = store.kept[LOGIN].credential
    assert saved is not None
    assert (saved.password.reveal(), saved.is_refused) == kept


async def test_what_somebody_put_there_meanwhile_is_a_drift_and_nothing_is_written(
    scene: Scene,
) -> None:
    scene.output.failures["/a/config.json"] = Foreign(digest=FOREIGN)

    async with scene.keeping():
        drifted = await scene.edge.notebook.until(facts.Drifted)

    assert isinstance(drifted, facts.Drifted)
    assert (drifted.cause, drifted.digest) == (facts.Cause.REPLACED, FOREIGN)
    assert scene.output.held == {}


async def test_a_login_that_was_there_before_is_replaced_at_once_and_that_is_no_repair(
    scene: Scene,
) -> None:
    registry = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
    scene.issuer.answers = [an_answer(scene.edge.clock.now(), 1, registry=registry)]
    scene.output.held["/a/config.json"] = FOREIGN

    async with scene.keeping():
        delivered = await scene.edge.notebook.until(facts.Delivered)
        ended = await scene.edge.notebook.until(facts.RoundEnded)

    assert isinstance(delivered, facts.Delivered)
    assert isinstance(ended, facts.RoundEnded)
    assert (delivered.changed, delivered.repaired, ended.changed) == (True, None, 1)


async def test_what_somebody_put_there_meanwhile_and_must_stay_is_a_conflict(scene: Scene) -> None:
    scene.output.replaces_foreign = False
    scene.output.failures["/a/config.json"] = Foreign(digest=FOREIGN)

    async with scene.keeping():
        failed = await scene.edge.notebook.until(facts.DeliveryFailed)

    assert isinstance(failed, facts.DeliveryFailed)
    assert failed.reason is Reason.CONFLICT


class Interrupted(Notebook):
    """Something happens between the plan that begins a step and the step itself."""

    kind: type[LoginFact]
    act: Callable[[], None] | None = None

    def record(
        self, fact: LoginFact | ClockStepped, *, news: bool, failure: Failure | None = None
    ) -> None:
        super().record(fact, news=news, failure=failure)
        if isinstance(fact, self.kind) and self.act:
            asyncio.get_running_loop().call_soon(self.act)
            self.act = None


@pytest.mark.parametrize("kind", [facts.LookStarted, facts.DeliveryStarted])
async def test_a_reload_between_a_plan_and_its_steps_is_no_bug(
    scene: Scene, kind: type[LoginFact]
) -> None:
    """A step goes to the output for which it was planned."""
    notebook = scene.edge.notebook = Interrupted()
    keeper = scene.keeper()
    other = FakeOutput(("/z/config.json",), name=OutputName("docker_config:/z"))
    source = scene.edge.source(scene.issuer)

    def reload() -> None:
        keeper.adopting(POLICY, source, [other], NO_KIN)()

    notebook.kind, notebook.act = kind, reload
    async with running(keeper):
        await notebook.until(facts.RoundEnded)

    assert notebook.of(facts.Surprised) == []
    assert notebook.of(facts.DeliveryFailed) == []


async def test_a_failure_is_told_with_how_often_it_came(scene: Scene) -> None:
    refusal = Refusal(reason=Reason.NETWORK, detail="no route")
    scene.issuer.answers = [refusal, refusal]

    async with scene.keeping():
        for count in (1, 2):
            await scene.edge.notebook.until(facts.RenewalFailed, count)
            scene.edge.pass_on(5 * MINUTE)

    told = [failure for failure in scene.edge.notebook.failures if failure is not None]
    assert [failure.count for failure in told] == [1, 2]


async def test_another_policy_is_adopted_without_a_call(scene: Scene) -> None:
    keeper = scene.keeper()
    async with running(keeper):
        await scene.edge.notebook.until(facts.RoundEnded)
        await turns()
        before = scene.edge.alarm.times[LOGIN]
        source = scene.edge.source(scene.issuer)
        keeper.adopting(replace(POLICY, renew_at=0.25), source, [scene.output], NO_KIN)()
        await turns()
        after = scene.edge.alarm.times[LOGIN]

    assert before is not None
    assert after is not None
    assert after - before == timedelta(hours=-3)
    assert len(scene.issuer.calls) == 1


def attempts(scene: Scene) -> list[facts.AttemptStarted]:
    started = scene.edge.notebook.of(facts.AttemptStarted)
    return [fact for fact in started if isinstance(fact, facts.AttemptStarted)]
