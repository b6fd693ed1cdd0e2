from __future__ import annotations

import asyncio
from datetime import timedelta

from lightkeeper.adapters.timer import LoopAlarm
from lightkeeper.core.facts import LoginName
from tests.core.making import NOON
from tests.fakes.edge import HandClock, turns

LOGIN = LoginName("prod")


async def test_it_rings_at_the_instant_and_not_before() -> None:
    alarm, bell = LoopAlarm(HandClock()), asyncio.Event()
    alarm.set(LOGIN, NOON + timedelta(milliseconds=20), bell.set)
    await turns()
    rang_early = bell.is_set()

    async with asyncio.timeout(10):
        await bell.wait()
    assert not rang_early


async def test_an_instant_that_has_passed_rings_at_once() -> None:
    alarm, bell = LoopAlarm(HandClock()), asyncio.Event()

    alarm.set(LOGIN, NOON - timedelta(hours=1), bell.set)

    async with asyncio.timeout(10):
        await bell.wait()


async def test_what_is_set_anew_replaces_what_was_set() -> None:
    alarm, former, bell = LoopAlarm(HandClock()), asyncio.Event(), asyncio.Event()
    alarm.set(LOGIN, NOON, former.set)
    alarm.set(LOGIN, NOON, bell.set)

    async with asyncio.timeout(10):
        await bell.wait()
    assert not former.is_set()


async def test_what_is_cancelled_or_set_to_nothing_does_not_ring() -> None:
    alarm, bell = LoopAlarm(HandClock()), asyncio.Event()
    alarm.set(LOGIN, NOON, bell.set)
    alarm.cancel(LOGIN)
    await turns()
    alarm.set(LOGIN, NOON, bell.set)
    alarm.set(LOGIN, None, bell.set)
    await turns()

    assert not bell.is_set()
