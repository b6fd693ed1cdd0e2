"""What commands are answered, by a desk over keepers whose world is the test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from lightkeeper.core import facts
from lightkeeper.core.answer import Refusal
from lightkeeper.core.facts import LoginName
from lightkeeper.core.reasons import Reason
from lightkeeper.core.report import report
from lightkeeper.desk import Desk
from lightkeeper.ear import Ear
from lightkeeper.fleet import Fleet, Kept
from lightkeeper.keeper import World
from lightkeeper.serve.control import Line
from tests.core.making import POLICY, SECOND
from tests.fakes.edge import Edge, FakeIssuer, FakeOutput, running, turns


@dataclass
class Asked:
    """A desk, and the world behind it."""

    desk: Desk
    edge: Edge
    issuer: FakeIssuer

    async def lines(self, **request: object) -> list[Line]:
        return [line async for line in self.desk.answer(request)]


@asynccontextmanager
async def asked(*logins: str) -> AsyncIterator[Asked]:
    edge = Edge()
    ear = Ear(edge.notebook)
    world = edge.world()
    fleet = Fleet(
        World(
            clock=world.clock,
            alarm=world.alarm,
            store=world.store,
            recorder=ear,
            random=world.random,
            boot_id=world.boot_id,
        ),
        {},
    )
    issuer = edge.issuer()
    fleet.apply(
        Kept(
            name=LoginName(name),
            fingerprint=name,
            policy=POLICY,
            source=edge.source(issuer),
            outputs=[FakeOutput()],
        )
        for name in logins
    )

    def view() -> object:
        return report([(state, "eu-central-1") for state in fleet.states], edge.clock.now())

    desk = Desk(fleet, ear, edge.clock, view)  # type: ignore[arg-type]
    async with running(fleet):
        await edge.notebook.until(facts.RoundEnded, len(logins))
        yield Asked(desk, edge, issuer)


async def test_status_is_the_document_of_the_report() -> None:
    async with asked("prod") as at:
        (line,) = await at.lines(ask="status")

    assert line["ready"] is True


async def test_renew_tells_how_long_it_waits_and_what_came() -> None:
    async with asked("prod") as at:
        answer = at.desk.answer({"ask": "renew", "logins": ["prod"]})
        waits = await anext(answer)
        at.edge.pass_on(30 * SECOND)
        came = await anext(answer)

    assert waits == {"login": "prod", "waits_seconds": 30.0}
    assert came["login"] == "prod"
    assert str(came["expires"]).endswith("Z")


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


async def test_settle_waits_until_nothing_is_under_way() -> None:
    async with asked("prod") as at:
        (line,) = await at.lines(ask="settle")

    assert line["ready"] is True


@pytest.mark.parametrize("request_", [{}, {"ask": "more"}, {"ask": 7}])
async def test_what_it_does_not_know_is_answered_all_the_same(request_: Line) -> None:
    async with asked("prod") as at:
        (line,) = await at.lines(**request_)

    assert "error" in line
