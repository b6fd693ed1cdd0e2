"""What commands are answered, by a desk over keepers whose world is the test."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest
from msgspec.structs import replace

from lightkeeper.attempt import Source
from lightkeeper.core import facts
from lightkeeper.core.answer import Refusal, Verdict
from lightkeeper.core.facts import LoginName
from lightkeeper.core.reasons import DELIVERY, Reason
from lightkeeper.core.report import Report, report
from lightkeeper.core.state import LoginState
from lightkeeper.core.upkeep import STORE
from lightkeeper.desk import Desk
from lightkeeper.ear import Ear
from lightkeeper.fleet import Fleet, Kept
from lightkeeper.ports import Failed
from lightkeeper.serve.control import Line
from tests.core.making import HOUR, MINUTE, NONE, POLICY, SECOND, requested
from tests.fakes.edge import Edge, FakeIssuer, FakeOutput, running, turns


@dataclass
class Asked:
    """A desk, and the world behind it."""

    desk: Desk
    edge: Edge
    issuer: FakeIssuer
    """Of the first login, as what follows."""
    output: FakeOutput
    fleet: Fleet
    ear: Ear

    def reject_what_is_held(self) -> None:
        held = self.fleet.states[0].held
        assert held is not None
        self.edge.verifier.verdicts[held.digest] = Verdict.REJECTED

    def apply(self, name: str, fingerprint: str | None = None) -> None:
        """Have this login kept and no other."""
        self.fleet.apply([kept(name, fingerprint or name, self.edge.source(self.issuer))])

    async def lines(self, **request: object) -> list[Line]:
        return [line async for line in self.desk.answer(request)]


@asynccontextmanager
async def asked(
    *logins: str, patience: timedelta = MINUTE, places: int = 1
) -> AsyncIterator[Asked]:
    edge = Edge()
    ear = Ear(edge.notebook)
    fleet = Fleet(replace(edge.world(), recorder=ear), {})
    first, *others = logins
    output, issuer = FakeOutput(), edge.issuer()
    output.names += tuple(f"/a/{number}.json" for number in range(1, places))
    loop = threading.get_ident()
    fleet.apply(
        [
            kept(first, first, edge.source(issuer), output),
            *(kept(name, name, edge.source(edge.issuer())) for name in others),
        ]
    )

    def view(state: LoginState) -> Report:
        assert (threading.get_ident() == loop) is (len(state.places) < 1_000)
        return report([(state, "eu-central-1")], edge.clock.now())

    desk = Desk(fleet, ear, edge.clock, view, patience=patience)
    async with running(fleet):
        await edge.notebook.until(facts.RoundEnded, len(logins))
        yield Asked(desk, edge, issuer, output, fleet, ear)


def kept(name: str, fingerprint: str, source: Source, *outputs: FakeOutput) -> Kept:
    return Kept(
        name=LoginName(name),
        fingerprint=fingerprint,
        policy=POLICY,
        source=source,
        outputs=outputs or [FakeOutput()],
    )


async def test_status_is_the_document_of_the_report_with_a_line_for_each_login() -> None:
    async with asked("prod", "test") as at:
        lines = await at.lines(ask="status")

    logins = [login for line in lines for login in line["logins"]]  # type: ignore[attr-defined]
    assert [login["login"] for login in logins] == ["prod", "test"]
    assert [line["ready"] for line in lines] == [True, True]


async def test_a_status_of_many_places_is_made_beside_the_loop() -> None:
    """Which `asked` looks at: ten thousand of them are a tenth of a second."""
    async with asked("prod", places=1_000) as at:
        (line,) = await at.lines(ask="status")

    (login,) = json.loads(json.dumps(line))["logins"]
    assert login["outputs"][0]["places_by_state"] == {"ok": 1_000, "failing": 0, "pending": 0}


async def test_renew_tells_how_long_it_waits_and_what_came() -> None:
    async with asked("prod") as at:
        answer = at.desk.answer({"ask": "renew", "logins": ["prod"]})
        waits = await anext(answer)
        at.edge.pass_on(30 * SECOND)
        came = await anext(answer)

    assert waits == {"login": "prod", "waits_seconds": 30.0}
    assert came["login"] == "prod"
    assert str(came["expires"]).endswith("Z")


async def test_renew_waits_for_the_deliveries_and_tells_which_of_them_failed() -> None:
    async with asked("prod") as at:
        at.output.gate.is_open.clear()
        at.output.failures["/a/config.json"] = Failed(reason=Reason.NO_SPACE, detail="/a: full")
        answer = at.desk.answer({"ask": "renew", "logins": ["prod"]})
        await anext(answer)
        at.edge.pass_on(30 * SECOND)
        coming = asyncio.ensure_future(anext(answer))
        await turns()
        assert not coming.done()

        at.output.gate.is_open.set()
        came = await coming

    advice = DELIVERY[Reason.NO_SPACE].advice
    failing = {"place": "/a/config.json", "reason": "no_space", "detail": "/a: full"}
    assert came["failing"] == [{**failing, "advice": advice}]


async def test_renew_tells_that_what_came_is_not_saved() -> None:
    async with asked("prod") as at:
        at.edge.store.failure = Failed(reason=Reason.IMMUTABLE, detail="closed")
        answer = at.desk.answer({"ask": "renew", "logins": ["prod"]})
        await anext(answer)
        at.edge.pass_on(30 * SECOND)
        came = await anext(answer)

    advice = STORE[Reason.IMMUTABLE].advice
    assert came["unsaved"] == {"reason": "immutable", "detail": "closed", "advice": advice}


async def test_renew_tells_why_it_failed_and_what_to_do() -> None:
    async with asked("prod") as at:
        at.issuer.answers.append(Refusal(reason=Reason.ACCESS_DENIED, detail="denied"))
        answer = at.desk.answer({"ask": "renew"})
        await anext(answer)
        at.edge.pass_on(30 * SECOND)
        came = await anext(answer)

    assert (came["reason"], came["detail"]) == ("access_denied", "denied")
    assert "IAM action" in str(came["advice"])


async def test_renew_without_names_is_for_every_login() -> None:
    async with asked("one", "two") as at:
        answer = at.desk.answer({"ask": "renew", "logins": []})
        waits = [await anext(answer), await anext(answer)]
        at.edge.pass_on(30 * SECOND)
        came = [line async for line in answer]

    assert {line["login"] for line in waits} == {line["login"] for line in came} == {"one", "two"}


@pytest.mark.parametrize("logins", [["nope"], ["prod", "nope"]])
async def test_an_unknown_login_is_named_and_nothing_is_renewed(logins: list[str]) -> None:
    async with asked("prod") as at:
        lines = await at.lines(ask="renew", logins=logins)
        at.edge.pass_on(30 * SECOND)
        await turns()

        assert len(at.issuer.calls) == 1

    (line,) = lines
    assert "'nope'" in str(line["error"])
    assert "prod" in str(line["error"])


@pytest.mark.parametrize("logins", [[5], ["prod", None], "prod", {"prod": 1}, 0, False])
async def test_what_is_no_name_renews_nothing(logins: object) -> None:
    async with asked("prod") as at:
        (line,) = await at.lines(ask="renew", logins=logins)
        at.edge.pass_on(30 * SECOND)
        await turns()

        assert len(at.issuer.calls) == 1

    assert "no names of logins" in str(line["error"])


async def test_renew_waits_for_the_places_that_are_known_and_for_no_list_of_others() -> None:
    async with asked("prod") as at:
        at.output.is_unlisted = True
        at.fleet.survey()
        answer = at.desk.answer({"ask": "renew", "logins": ["prod"]})
        await anext(answer)
        at.output.gate.is_open.clear()
        entered = at.output.gate.entered
        at.edge.pass_on(30 * SECOND)
        await at.output.gate.until_entered(entered + 1)
        at.output.gate.is_open.set()
        came = await anext(answer)
        (state,) = at.fleet.states

    assert "expires" in came
    assert state.round is not None
    assert all(place.holds(state.held) for place in state.places.values())


async def test_renew_overlooks_no_end_however_much_happens_meanwhile() -> None:
    async with asked("prod") as at:
        answer = at.desk.answer({"ask": "renew"})
        await anext(answer)
        at.edge.pass_on(30 * SECOND)
        await at.edge.notebook.until(facts.Renewed, 2)
        for number in range(2000):
            at.ear.record(requested(number * SECOND), news=False)
        came = await anext(answer)

    assert came["login"] == "prod"
    assert "expires" in came


async def test_renew_ends_when_the_login_is_taken_out_of_the_configuration() -> None:
    async with asked("prod", "other") as at:
        answer = at.desk.answer({"ask": "renew", "logins": ["prod"]})
        await anext(answer)
        at.apply("other")
        at.ear.stir()
        last = [line async for line in answer]

    assert last == [{"error": "prod was taken out of the configuration"}]


async def test_renew_ends_when_its_time_is_up() -> None:
    async with asked("prod", patience=NONE) as at:
        last = (await at.lines(ask="renew"))[-1]

    assert last == {"error": "prod has waited for 0 s; look at its status"}


async def test_its_time_is_not_counted_anew_for_each_login() -> None:
    async with asked("prod", "other") as at:
        at.issuer.gate.is_open.clear()
        answer = at.desk.answer({"ask": "renew"})
        await anext(answer)
        await anext(answer)
        at.edge.pass_on(30 * SECOND)
        came = await anext(answer)
        at.edge.clock.passed += MINUTE
        last = [line async for line in answer]

    assert came["login"] == "other"
    assert last == [{"error": "prod has waited for 60 s; look at its status"}]


async def test_renew_is_answered_by_a_login_that_began_anew_meanwhile() -> None:
    async with asked("prod") as at:
        answer = at.desk.answer({"ask": "renew"})
        await anext(answer)
        at.apply("prod", fingerprint="changed")
        came = await anext(answer)

    assert "expires" in came


async def test_that_a_login_is_superseded_is_no_answer_to_renew() -> None:
    """That is said of a question to the registry, and the attempt is still under way."""
    async with asked("prod") as at:
        at.reject_what_is_held()
        at.edge.pass_on(20 * MINUTE)
        await at.edge.notebook.until(facts.RoundEnded, 2)
        at.reject_what_is_held()
        at.edge.verifier.gate.is_open.clear()
        at.edge.pass_on(20 * MINUTE)
        at.issuer.gate.is_open.clear()
        answer = at.desk.answer({"ask": "renew"})
        await anext(answer)
        await at.issuer.gate.until_entered(3)
        at.edge.verifier.gate.is_open.set()
        superseded = await at.edge.notebook.until(facts.RenewalFailed)
        at.issuer.gate.is_open.set()
        came = await anext(answer)

    assert isinstance(superseded, facts.RenewalFailed)
    assert superseded.reason is Reason.SUPERSEDED
    assert "expires" in came


async def test_settle_waits_until_nothing_is_under_way() -> None:
    async with asked("prod") as at:
        (line,) = await at.lines(ask="settle")

    assert line["ready"] is True


async def test_settle_does_not_wait_for_the_end_of_a_back_off() -> None:
    """Whoever asks has mended what was wrong."""
    async with asked("prod") as at:
        at.issuer.answers.append(Refusal(reason=Reason.ACCESS_DENIED, detail="denied"))
        at.edge.pass_on(6 * HOUR)
        await at.edge.notebook.until(facts.RenewalFailed)
        at.edge.pass_on(30 * SECOND)
        (line,) = await at.lines(ask="settle")

    assert len(at.issuer.calls) == 3
    assert line["ready"] is True


async def test_settle_tells_how_it_stands_when_a_repair_has_to_wait_for_longer() -> None:
    """In a dispute that can be minutes, and whoever asks would take the silence for an end."""
    async with asked("prod", patience=NONE) as at:
        at.output.held["/a/config.json"] = None
        at.edge.pass_on(MINUTE)
        await at.edge.notebook.until(facts.Drifted)
        (line,) = await at.lines(ask="settle")

    assert line["ready"] is False


@pytest.mark.parametrize("request_", [{}, {"ask": "more"}, {"ask": 7}])
async def test_what_it_does_not_know_is_answered_all_the_same(request_: Line) -> None:
    async with asked("prod") as at:
        (line,) = await at.lines(**request_)

    assert "error" in line
