"""The loop of virtual time, and the private names of asyncio that it stands on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.simulation.loop import DeadlockError, SimLoop

YEAR = 365 * 86400.0


@pytest.fixture
def loop() -> Iterator[SimLoop]:
    loop = SimLoop()
    yield loop
    loop.close()


def test_asyncio_still_has_the_names_that_the_loop_replaces() -> None:
    """They are private: a new Python may rename them, and this says so first."""
    base = asyncio.BaseEventLoop()
    try:
        assert base._scheduled == []  # type: ignore[attr-defined]  # noqa: SLF001
        assert base._clock_resolution > 0  # type: ignore[attr-defined]  # noqa: SLF001
        assert "_selector" in asyncio.BaseEventLoop._run_once.__code__.co_names  # type: ignore[attr-defined]  # noqa: SLF001
        assert "_process_events" in asyncio.BaseEventLoop._run_once.__code__.co_names  # type: ignore[attr-defined]  # noqa: SLF001
        assert "_write_to_self" in asyncio.BaseEventLoop.call_soon_threadsafe.__code__.co_names
    finally:
        base.close()


def test_a_year_of_sleep_takes_no_time(loop: SimLoop) -> None:
    loop.run_until_complete(asyncio.sleep(YEAR))

    assert loop.time() == YEAR


def test_a_timer_comes_due_past_the_second_at_which_a_nanosecond_is_rounded_away(
    loop: SimLoop,
) -> None:
    """With asyncio's own resolution the loop spins for ever from 2**24 seconds on."""

    async def beat() -> None:
        await asyncio.sleep(2**24)
        for _ in range(1000):
            await asyncio.sleep(15)

    loop.run_until_complete(beat())

    assert loop.time() == 2**24 + 15_000


def test_timers_ring_in_their_order(loop: SimLoop) -> None:
    rung: list[str] = []
    loop.call_later(2, rung.append, "second")
    loop.call_later(1, rung.append, "first")

    loop.run_until_complete(asyncio.sleep(3))

    assert rung == ["first", "second"]


def test_a_timeout_is_kept_on_virtual_time(loop: SimLoop) -> None:
    async def hang() -> None:
        async with asyncio.timeout(30):
            await asyncio.sleep(YEAR)

    with pytest.raises(TimeoutError):
        loop.run_until_complete(hang())

    assert loop.time() == 30


def test_waiting_for_what_nothing_will_bring_is_told(loop: SimLoop) -> None:
    with pytest.raises(DeadlockError):
        loop.run_until_complete(asyncio.Event().wait())


def test_no_thread_is_to_be_had(loop: SimLoop) -> None:
    """What a thread did would come at another instant each time."""

    async def block() -> None:
        await asyncio.to_thread(len, "")

    with pytest.raises(NotImplementedError):
        loop.run_until_complete(block())
