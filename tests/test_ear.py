"""Who waits is woken by whatever happens, and misses nothing that lasts."""

from __future__ import annotations

import asyncio

import pytest

from lightkeeper.core.facts import ClockStepped, LoginFact
from lightkeeper.core.failure import Failure
from lightkeeper.core.failure import failed as failure_of
from lightkeeper.core.reasons import Reason
from lightkeeper.ear import Ear
from tests.core.making import at, failed, requested
from tests.fakes.edge import Notebook, turns


class Torn(Notebook):
    def record(
        self, fact: LoginFact | ClockStepped, *, news: bool, failure: Failure | None = None
    ) -> None:
        raise LookupError


async def test_a_fact_reaches_the_recorder_and_wakes_all_who_wait() -> None:
    notebook = Notebook()
    ear = Ear(notebook)
    fact, failure = failed(), failure_of(None, Reason.NETWORK, "no route", at())

    async with asyncio.TaskGroup() as tasks:
        for number in range(3):
            tasks.create_task(ear.until(lambda: bool(notebook.facts)), name=f"waits:{number}")
        await turns()
        ear.record(fact, news=True, failure=failure)

    assert (notebook.facts, notebook.failures) == ([fact], [failure])


async def test_who_waits_for_what_is_so_does_not_wait() -> None:
    await Ear(Notebook()).until(lambda: True)


async def test_who_waits_goes_on_waiting_until_it_is_so() -> None:
    notebook = Notebook()
    ear = Ear(notebook)

    async with asyncio.TaskGroup() as tasks:
        waits = tasks.create_task(ear.until(lambda: len(notebook.facts) == 2), name="waits")
        await turns()
        ear.record(requested(), news=True)
        await turns()
        assert not waits.done()
        ear.record(requested(), news=True)


async def test_what_no_fact_tells_is_noticed_when_it_is_said() -> None:
    ear = Ear(Notebook())
    told: list[str] = []

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(ear.until(lambda: bool(told)), name="waits")
        await turns()
        told.append("a reload")
        ear.stir()


async def test_a_bug_in_the_recorder_keeps_nobody_waiting() -> None:
    ear = Ear(Torn())
    told: list[str] = []

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(ear.until(lambda: bool(told)), name="waits")
        await turns()
        told.append("moved")
        with pytest.raises(LookupError):
            ear.record(requested(), news=True)
