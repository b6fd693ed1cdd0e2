"""Turns, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from lightkeeper.adapters.kubernetes.gate import Gate, Rank
from lightkeeper.core.moment import Moment
from tests.simulation.loop import SimLoop


class _LoopClock:
    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop

    def now(self) -> Moment:
        return Moment(wall=datetime(2026, 1, 1, tzinfo=UTC), boot=self.monotonic())

    def monotonic(self) -> timedelta:
        return timedelta(seconds=self._loop.virtual)


def run(
    body: Callable[[Gate, SimLoop], Awaitable[None]],
    per_second: float | None = 20,
    at_once: int = 8,
) -> None:
    """On a loop of its own."""
    loop = SimLoop()
    gate = Gate(_LoopClock(loop), per_second, at_once=at_once)
    try:
        loop.run_until_complete(body(gate, loop))
    finally:
        loop.close()


async def passing(gate: Gate, rank: Rank, entered: list[Rank]) -> None:
    await gate.enter(rank)
    entered.append(rank)
    gate.leave()


def test_a_burst_then_so_many_a_second() -> None:
    async def body(gate: Gate, loop: SimLoop) -> None:
        times = []
        for _ in range(50):
            await gate.enter(Rank.WRITE)
            times.append(loop.virtual)
            gate.leave()

        assert times[:10] == [0.0] * 10
        assert abs(times[-1] - 40 / 20) < 0.01

    run(body)


def test_what_was_not_used_is_saved_up_to_a_burst_and_no_further() -> None:
    async def body(gate: Gate, loop: SimLoop) -> None:
        await asyncio.sleep(1000)
        for _ in range(20):
            await gate.enter(Rank.READ)
            gate.leave()

        assert abs(loop.virtual - 1000 - 10 / 20) < 0.01

    run(body)


def test_without_a_rate_nobody_waits_for_it() -> None:
    async def body(gate: Gate, loop: SimLoop) -> None:
        for _ in range(1000):
            await gate.enter(Rank.WRITE)
            gate.leave()

        assert loop.virtual == 0

    run(body, None)


def test_only_so_many_at_once() -> None:
    async def body(gate: Gate, _: SimLoop) -> None:
        for _number in range(8):
            await gate.enter(Rank.WRITE)
        async with asyncio.TaskGroup() as tasks:
            late = tasks.create_task(gate.enter(Rank.FIRST), name="late")
            await asyncio.sleep(5)
            assert not late.done()
            gate.leave()

    run(body, None)


def test_writers_go_before_readers_and_what_others_wait_for_before_both() -> None:
    async def body(gate: Gate, _: SimLoop) -> None:
        entered: list[Rank] = []
        await gate.enter(Rank.READ)
        async with asyncio.TaskGroup() as tasks:
            for rank in (Rank.READ, Rank.WRITE, Rank.FIRST, Rank.READ, Rank.WRITE):
                tasks.create_task(passing(gate, rank, entered), name=rank.name)
            await asyncio.sleep(1)
            gate.leave()

        assert entered == sorted(entered)

    run(body, at_once=1)


def test_readers_are_not_starved_by_writers() -> None:
    """A round of ten thousand writes takes minutes."""

    async def body(gate: Gate, _: SimLoop) -> None:
        entered: list[Rank] = []
        await gate.enter(Rank.WRITE)
        async with asyncio.TaskGroup() as tasks:
            for rank in [Rank.READ] * 3 + [Rank.WRITE] * 100:
                tasks.create_task(passing(gate, rank, entered), name=rank.name)
            await asyncio.sleep(1)
            gate.leave()

        assert [at for at, rank in enumerate(entered) if rank is Rank.READ] == [9, 19, 29]

    run(body, at_once=1)


def test_a_pause_lets_nobody_in_not_even_without_a_rate() -> None:
    for per_second in (None, 20):

        async def body(gate: Gate, loop: SimLoop) -> None:
            gate.pause(5)
            gate.pause(1)
            assert gate.pause_left == timedelta(seconds=5)
            await gate.enter(Rank.FIRST)

            assert loop.virtual == 5
            assert gate.pause_left == timedelta(0)

        run(body, per_second)


def test_who_never_asked_for_patience_is_waited_for_no_longer() -> None:
    async def body(gate: Gate, _: SimLoop) -> None:
        assert gate.pause_left == timedelta(0)

    run(body)


def test_a_pause_has_an_end() -> None:
    async def body(gate: Gate, loop: SimLoop) -> None:
        gate.pause(86_400)
        await gate.enter(Rank.FIRST)

        assert loop.virtual == 60

    run(body)


def test_who_gives_up_costs_nobody_a_turn() -> None:
    """Be it in the queue, or in the moment when the turn had come."""

    async def body(gate: Gate, loop: SimLoop) -> None:
        await gate.enter(Rank.WRITE)
        async with asyncio.TaskGroup() as tasks:
            queued = tasks.create_task(gate.enter(Rank.WRITE), name="queued")
            granted = tasks.create_task(gate.enter(Rank.WRITE), name="granted")
            last = tasks.create_task(gate.enter(Rank.READ), name="last")
            await asyncio.sleep(1)
            queued.cancel()
            gate.leave()
            granted.cancel()
        assert last.done()
        gate.leave()
        await gate.enter(Rank.WRITE)

        assert loop.virtual == 1

    run(body, at_once=1)
