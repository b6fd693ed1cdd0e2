"""Few begin at once; those that hang keep nobody from beginning."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from lightkeeper.pace import Pace, at_most


class Crowd:
    """Who has begun, and how many were at it together."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self.at_work = 0
        self.most = 0

    async def take_part(self, turns: float) -> None:
        """Work for so many turns of the loop; for ever if they are endless."""
        async with self._pace.turn():
            self.at_work += 1
            self.most = max(self.most, self.at_work)
            if turns == float("inf"):
                await asyncio.Event().wait()
            for _ in range(int(turns)):
                await asyncio.sleep(0)
            self.at_work -= 1


async def test_no_more_than_said_are_at_it_together() -> None:
    crowd = Crowd(Pace(3))

    await asyncio.gather(*(crowd.take_part(5) for _ in range(20)))

    assert crowd.most == 3
    assert crowd.at_work == 0


async def test_those_that_hang_give_up_their_turn() -> None:
    crowd = Crowd(Pace(3))
    async with asyncio.TaskGroup() as tasks:
        hanging = [
            tasks.create_task(crowd.take_part(float("inf")), name="hanging") for _ in range(3)
        ]
        await crowd.take_part(1)

        assert not any(task.done() for task in hanging)
        for task in hanging:
            task.cancel()


async def test_a_turn_that_was_given_up_is_not_given_back_twice() -> None:
    crowd = Crowd(Pace(1))
    async with asyncio.TaskGroup() as tasks:
        hanging = tasks.create_task(crowd.take_part(float("inf")), name="hanging")
        await crowd.take_part(1)
        hanging.cancel()
    crowd.at_work = crowd.most = 0

    await asyncio.gather(*(crowd.take_part(3) for _ in range(4)))

    assert crowd.most == 1


async def test_one_that_is_cancelled_while_it_waits_takes_no_turn() -> None:
    pace = Pace(1)
    crowd = Crowd(pace)
    async with pace.turn(), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(crowd.take_part(1), name="waiting")
        await asyncio.sleep(0)
        waiting.cancel()
    await crowd.take_part(1)

    assert crowd.most == 1


async def test_what_is_done_at_most_for_so_long_is_cancelled_then_and_the_rest_is_done() -> None:
    done: list[str] = []

    async def work(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        done.append(name)

    async with asyncio.timeout(20):
        await at_most(timedelta(seconds=0.2), work("short", 0), work("for ever", 1000))
        await at_most(timedelta(seconds=1000), work("both", 0), work("in time", 0))

    assert done == ["short", "both", "in time"]
