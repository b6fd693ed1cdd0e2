"""What blocks, blocks a thread of its own: the loop goes on, and the deadline holds."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest

from lightkeeper.lane import Lane
from tests.simulator.asking import until

AMPLE = timedelta(seconds=20)
SOON = timedelta(seconds=0.1)


def _lanes() -> int:
    return sum(thread.name == "lane" for thread in threading.enumerate())


async def _name(_: asyncio.Lock) -> str:
    return threading.current_thread().name


async def _hang(_: asyncio.Lock | None = None) -> None:
    await asyncio.Event().wait()


def _blocking(release: threading.Event) -> Callable[[], None]:
    """Block like a file on a hung network home: no cancellation reaches it."""
    return lambda: None if release.wait(20) else pytest.fail("never released")


async def test_work_runs_in_a_thread_that_ends_with_it() -> None:
    assert await Lane().run(_name, AMPLE) == "lane"
    assert _lanes() == 0


async def test_what_the_work_raises_comes_through() -> None:
    async def fail(_: asyncio.Lock) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await Lane().run(fail, AMPLE)


async def test_work_past_its_deadline_is_cancelled() -> None:
    was_cancelled = threading.Event()

    async def work(_: asyncio.Lock) -> None:
        try:
            await _hang()
        finally:
            was_cancelled.set()

    with pytest.raises(TimeoutError):
        await Lane().run(work, SOON)

    assert was_cancelled.is_set()
    assert _lanes() == 0


async def test_a_caller_that_is_cancelled_leaves_nothing() -> None:
    lane = Lane()
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(lane.run(_hang, AMPLE), name="waiting")
        await until(lambda: _lanes() == 1)
        waiting.cancel()

    assert waiting.cancelled()
    assert _lanes() == 0


async def test_the_loop_goes_on_while_work_blocks() -> None:
    release, lane = threading.Event(), Lane()

    async def work(_: asyncio.Lock) -> None:
        _blocking(release)()

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(lane.run(work, AMPLE), name="running")
        await until(lambda: _lanes() == 1)
        release.set()

    assert running.done()


@pytest.mark.parametrize("where", ["loop", "executor"])
async def test_blocked_work_is_left_behind_and_waited_for_next_time(where: str) -> None:
    """However often it is tried, one thread hangs and no more; then all is as before."""
    release, lane = threading.Event(), Lane()

    async def work(_: asyncio.Lock) -> None:
        if where == "loop":
            _blocking(release)()
        else:
            await asyncio.to_thread(_blocking(release))

    for _ in range(2):
        with pytest.raises(TimeoutError):
            await lane.run(work, SOON)
        assert _lanes() == 1

    release.set()
    assert await lane.run(_name, AMPLE) == "lane"


async def test_what_is_cut_before_it_began_is_not_waited_for_ever() -> None:
    """It queues behind work that blocks; the thread ends all the same."""
    release, lane = threading.Event(), Lane()

    async def work(_: asyncio.Lock) -> None:
        _blocking(release)()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(lane.run(work, AMPLE), name="blocking")
        await until(lambda: _lanes() == 1)
        with pytest.raises(TimeoutError):
            await lane.run(_name, SOON)
        release.set()

    await until(lambda: _lanes() == 0)


async def test_a_cut_is_silent_however_it_falls(caplog: pytest.LogCaptureFixture) -> None:
    """The end of the work and its cancellation meet at every distance."""
    for microseconds in range(0, 8000, 100):
        lane, deadline = Lane(), timedelta(microseconds=microseconds)

        async def work(_: asyncio.Lock, seconds: float = microseconds / 2e6) -> None:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await _hang()

        with suppress(TimeoutError):
            await lane.run(work, deadline)
    gc.collect()

    assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []
