"""APScheduler rings late, twice, in a stranger's context or never, unless it is held: each trap."""

from __future__ import annotations

import asyncio
import functools
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from lightkeeper.adapters.alarm import SchedulerAlarm
from lightkeeper.core.facts import LoginName
from lightkeeper.core.policy import HEARTBEAT
from tests.adapters.leaping import leaping, run

NAME = LoginName("prod")
OTHER = LoginName("staging")
BEAT = HEARTBEAT.total_seconds()
SOON = timedelta(milliseconds=50)
HOUR = timedelta(hours=1)
ROOT = Path(__file__).parents[2]


class Bell:
    """Counts its rings, and can be waited for."""

    def __init__(self) -> None:
        self.count = 0
        self._rung = asyncio.Event()

    def __call__(self) -> None:
        self.count += 1
        self._rung.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10):
            while self.count < count:
                self._rung.clear()
                await self._rung.wait()


@asynccontextmanager
async def started(on_beat: Callable[[], None] = lambda: None) -> AsyncIterator[SchedulerAlarm]:
    alarm = SchedulerAlarm(on_beat)
    alarm.start()
    try:
        yield alarm
    finally:
        alarm.close()


def on_a_leaping_loop(
    test: Callable[..., Coroutine[Any, Any, None]],
) -> Callable[..., None]:
    @functools.wraps(test)
    def alive(*args: object, **kwargs: object) -> None:
        run(test(*args, **kwargs))

    return alive


def now() -> datetime:
    return datetime.now(UTC)


async def settle() -> None:
    await leaping().leap(0)


@on_a_leaping_loop
async def test_a_bell_rings_once_at_its_instant() -> None:
    bell = Bell()
    async with started() as alarm:
        at = now() + SOON
        alarm.set(NAME, at, bell)
        await settle()
        assert bell.count == 0

        await bell.until(1)
        await settle()

        assert now() >= at
        assert bell.count == 1


@on_a_leaping_loop
async def test_an_instant_that_is_long_past_rings_at_once() -> None:
    """Trap 1: by default what is a second late is dropped for good."""
    bell = Bell()
    async with started() as alarm:
        alarm.set(NAME, now() - HOUR, bell)

        await bell.until(1)


@on_a_leaping_loop
async def test_a_bell_that_is_set_anew_while_it_rings_is_not_lost() -> None:
    """Trap 4: a job that replaces its running self is removed without a run."""
    bell = Bell()
    async with started() as alarm:

        def ring_thrice() -> None:
            bell()
            if bell.count < 3:
                alarm.set(NAME, now(), ring_thrice)

        alarm.set(NAME, now(), ring_thrice)

        await bell.until(3)


@on_a_leaping_loop
async def test_setting_another_instant_replaces_the_first() -> None:
    bell = Bell()
    async with started() as alarm:
        alarm.set(NAME, now() + HOUR, bell)
        alarm.set(NAME, now(), bell)
        await bell.until(1)
        alarm.set(NAME, now(), bell)
        alarm.set(NAME, now() + HOUR, bell)
        await settle()

        assert bell.count == 1


@on_a_leaping_loop
async def test_an_instant_that_is_reckoned_anew_is_left_as_it_is() -> None:
    """Setting it again would wake the scheduler, which costs as much as a request to a cluster."""
    bell = Bell()
    async with started() as alarm:
        at = now() + HOUR
        alarm.set(NAME, at, bell)
        job = alarm._scheduler.get_job(NAME)  # noqa: SLF001 - what it costs is the point
        for micros in range(-500, 500):
            alarm.set(NAME, at + timedelta(microseconds=micros), bell)

        assert alarm._scheduler.get_job(NAME) is job  # noqa: SLF001 - as above
        alarm.set(NAME, now() + SOON, bell)
        await bell.until(1)


@on_a_leaping_loop
async def test_a_bell_that_was_picked_a_moment_ago_can_be_set_anew_or_cancelled() -> None:
    """At every turn between its instant and its ring: no error, and a cancelled one is silent."""
    bell, silent = Bell(), Bell()
    async with started() as alarm:
        for turns in range(6):
            alarm.set(NAME, now(), bell)
            alarm.set(OTHER, now() + HOUR, silent)
            for _ in range(turns):
                await asyncio.sleep(0)
            alarm.set(NAME, now() + HOUR, bell)
            alarm.cancel(OTHER)
            await settle()

        assert silent.count == 0
        assert bell.count <= 6


@pytest.mark.parametrize("turns", range(6))
def test_closing_is_silent_whatever_is_in_flight(
    turns: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Trap 6: what was picked is cancelled a turn later, with a traceback at ERROR."""
    bell = Bell()

    async def close_after_some_turns() -> None:
        async with started() as alarm:
            alarm.set(NAME, now(), bell)
            alarm.set(OTHER, now() + HOUR, bell)
            for _ in range(turns):
                await asyncio.sleep(0)
        await settle()

    run(close_after_some_turns())

    assert [record for record in caplog.records if record.levelname != "INFO"] == []


@on_a_leaping_loop
async def test_a_closed_alarm_rings_no_more() -> None:
    bell = Bell()
    async with started() as alarm:
        alarm.set(NAME, now() + SOON, bell)
    await leaping().leap(2 * BEAT)

    assert bell.count == 0


@on_a_leaping_loop
async def test_closing_what_never_began_is_no_failure() -> None:
    """A daemon whose start fails must say why, and not that nothing ran."""
    SchedulerAlarm(lambda: None).close()


WHO: ContextVar[str] = ContextVar("who")


@on_a_leaping_loop
async def test_nobody_rings_in_the_context_of_another() -> None:
    """Trap 7: the timer takes over the context of whoever armed it; jobs of others run in it."""
    seen = []
    bell = Bell()

    def look() -> None:
        seen.append(WHO.get("nobody"))
        bell()

    WHO.set("starter")
    async with started(on_beat=look) as alarm:
        WHO.set("setter")
        alarm.set(NAME, now() + SOON, look)
        WHO.set("other")
        alarm.set(OTHER, now() + 2 * SOON, look)
        await bell.until(2)
        await leaping().leap(BEAT)

    assert seen == ["nobody"] * 5


@on_a_leaping_loop
async def test_every_heartbeat_rings_every_bell_whatever_is_set() -> None:
    beats, set_bell, unset = Bell(), Bell(), Bell()
    async with started(on_beat=beats) as alarm:
        alarm.set(NAME, now() + HOUR, set_bell)
        alarm.set(OTHER, None, unset)
        for count in (1, 2, 3):
            await leaping().leap(BEAT)
            assert (beats.count, set_bell.count, unset.count) == (count, count, count)


@on_a_leaping_loop
async def test_a_heartbeat_of_many_bells_leaves_the_loop_its_turns_in_between() -> None:
    bells = [Bell() for _ in range(100)]
    rung = [0]

    def look() -> None:
        rung.append(sum(bell.count for bell in bells))
        if rung[-1] < len(bells):
            asyncio.get_running_loop().call_soon(look)

    async with started(on_beat=look) as alarm:
        for number, bell in enumerate(bells):
            alarm.set(LoginName(f"login-{number}"), None, bell)
        await leaping().leap(BEAT)
        await bells[-1].until(1)
        await settle()

    assert rung[-1] == len(bells)
    assert max(after - before for before, after in pairwise(rung)) < len(bells) / 2


@on_a_leaping_loop
async def test_between_two_heartbeats_nothing_rings() -> None:
    beats = Bell()
    async with started(on_beat=beats) as alarm:
        alarm.set(NAME, now() + HOUR, beats)
        await leaping().leap(BEAT - 1)

        assert beats.count == 0


@on_a_leaping_loop
async def test_a_cancelled_bell_is_silent_at_heartbeats_too() -> None:
    bell = Bell()
    async with started() as alarm:
        alarm.set(NAME, now() + SOON, bell)
        alarm.cancel(NAME)
        alarm.cancel(NAME)
        await leaping().leap(BEAT)

        assert bell.count == 0


@on_a_leaping_loop
async def test_no_instant_takes_back_the_one_that_was_set() -> None:
    bell, other = Bell(), Bell()
    async with started() as alarm:
        alarm.set(NAME, now() + SOON, bell)
        alarm.set(NAME, None, bell)
        alarm.set(OTHER, now() + 2 * SOON, other)
        await other.until(1)

        assert bell.count == 0


@on_a_leaping_loop
async def test_the_ring_that_was_given_last_is_the_one_that_rings() -> None:
    """After a reload the same instant belongs to another keeper."""
    old, new = Bell(), Bell()
    async with started() as alarm:
        at = now() + SOON
        alarm.set(NAME, at, old)
        alarm.set(NAME, at, new)
        await new.until(1)

        assert old.count == 0


def run_python(code: str, **environ: str) -> str:
    paths = os.pathsep.join([str(ROOT / "daemon"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code],
        env={**os.environ, "PYTHONPATH": paths, **environ},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


RING_ONCE = """
from tests.adapters.test_alarm import *
async def main():
    bell = Bell()
    async with started() as alarm:
        alarm.set(NAME, now() + SOON, bell)
        await bell.until(1)
        print("rung")
run(main())
"""


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/New_York", "Nowhere/Atlantis"])
def test_the_zone_of_the_machine_is_of_no_consequence(zone: str) -> None:
    """Trap 14: by default an instant is read in the local zone, and one unknown is an error."""
    assert run_python(RING_ONCE, TZ=zone) == "rung\n"


def faketime(tmp_path: Path) -> dict[str, str]:
    """The environment of a process whose wall clock `tmp_path/clock` sets, and no other clock."""
    program = shutil.which("faketime")
    if program is None:
        pytest.skip("needs faketime, to step the wall clock of a process")
    printed = subprocess.run(
        [program, "-f", "+0", "env"], capture_output=True, text=True, timeout=30, check=True
    )
    (preload,) = (line for line in printed.stdout.splitlines() if line.startswith("LD_PRELOAD="))
    (tmp_path / "clock").write_text("+0")
    return {
        "LD_PRELOAD": preload.partition("=")[2].strip(":"),
        "FAKETIME_TIMESTAMP_FILE": str(tmp_path / "clock"),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


STEPPING = """
from tests.adapters.test_alarm import *
CLOCK = Path(os.environ["FAKETIME_TIMESTAMP_FILE"])
def step(seconds):
    before = now()
    CLOCK.write_text(f"{seconds:+d}")
    assert abs((now() - before).total_seconds()) > 60, "the clock does not follow"
"""


def test_a_wall_clock_that_is_set_forward_is_noticed_within_a_heartbeat(tmp_path: Path) -> None:
    """A suspend looks just like it: the loop's clock stood still meanwhile."""
    out = run_python(
        STEPPING
        + """
async def main():
    bell = Bell()
    async with started() as alarm:
        alarm.set(NAME, now() + HOUR / 2, bell)
        await settle()
        step(3600)
        await settle()
        print("at once", bell.count)
        await leaping().leap(BEAT)
        await bell.until(2)
        print("heartbeat and instant")
run(main())
""",
        **faketime(tmp_path),
    )

    assert out == "at once 0\nheartbeat and instant\n"


def test_a_wall_clock_that_is_set_back_rings_no_bell_early_but_the_heartbeat(
    tmp_path: Path,
) -> None:
    """The keeper then goes by the boot clock."""
    out = run_python(
        STEPPING
        + """
async def main():
    bell, later = Bell(), asyncio.Event()
    async with started() as alarm:
        alarm.set(NAME, now() + SOON, bell)
        await settle()
        step(-3600)
        asyncio.get_running_loop().call_later(0.2, later.set)
        await later.wait()
        print("instant", bell.count)
        await leaping().leap(BEAT)
        print("heartbeat", bell.count)
run(main())
""",
        **faketime(tmp_path),
    )

    assert out == "instant 0\nheartbeat 1\n"


def test_a_glitch_of_the_wall_clock_freezes_nothing_past_a_heartbeat(tmp_path: Path) -> None:
    """An unrelated bell set in a backward glitch arms the one timer an hour ahead."""
    out = run_python(
        STEPPING
        + """
async def main():
    bell, silent = Bell(), Bell()
    async with started() as alarm:
        at = now() + timedelta(seconds=0.5)
        alarm.set(NAME, at, bell)
        await settle()
        step(-3600)
        alarm.set(OTHER, at + 9 * HOUR, silent)
        await settle()
        CLOCK.write_text("+0")
        await leaping().leap(BEAT)
        print("heartbeat", bell.count)
        await bell.until(2)
        print("instant", now() >= at)
run(main())
""",
        **faketime(tmp_path),
    )

    assert out == "heartbeat 1\ninstant True\n"
