from __future__ import annotations

from lightkeeper.core.policy import HEARTBEAT
from lightkeeper.ear import Ear
from tests.core.making import requested
from tests.fakes.edge import Notebook


async def test_who_listens_hears_what_happens_and_the_recorder_as_well() -> None:
    notebook = Notebook()
    ear = Ear(notebook)
    fact = requested()
    with ear.listening() as one, ear.listening() as other:
        ear.record(fact, news=True)
    ear.record(requested(HEARTBEAT), news=True)

    assert (one.get_nowait(), other.get_nowait()) == (fact, fact)
    assert one.empty()
    assert len(notebook.facts) == 2


async def test_a_listener_that_does_not_keep_up_loses_the_oldest() -> None:
    ear = Ear(Notebook())
    with ear.listening() as heard:
        for number in range(1001):
            ear.record(requested(number * HEARTBEAT), news=True)

    assert heard.get_nowait() == requested(HEARTBEAT)
    assert heard.qsize() == 999
