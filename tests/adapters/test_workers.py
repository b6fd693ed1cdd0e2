"""Threads for what blocks: a hanging one is left behind, and nothing waits for it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from datetime import timedelta

import pytest

from lightkeeper.adapters.workers import Threads, in_time
from lightkeeper.core.reasons import Reason
from lightkeeper.ports import Failed

LONG = timedelta(seconds=30)
SHORT = timedelta(milliseconds=20)


class Hanging:
    """Work that blocks until the test lets it go; made in a running loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.begun = asyncio.Event()
        self.released = threading.Event()

    def __call__(self) -> str:
        self._loop.call_soon_threadsafe(self.begun.set)
        self.released.wait(30)
        return "done"


async def test_work_is_done_off_the_loop_and_its_result_comes_back() -> None:
    loop_thread = threading.get_ident()

    outcome = await Threads().run("a", threading.get_ident, LONG)

    assert outcome != loop_thread


async def test_what_work_raises_is_raised_where_it_is_awaited() -> None:
    def work() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await Threads().run("a", work, LONG)


async def test_work_that_hangs_is_a_timeout_at_its_deadline() -> None:
    hanging = Hanging()

    outcome = await Threads().run("a", hanging, SHORT)
    hanging.released.set()

    assert outcome == Failed(reason=Reason.TIMEOUT, detail="no answer in 0.02 s")


async def test_work_that_hangs_gets_no_second_worker_until_it_returns() -> None:
    workers, hanging = Threads(), Hanging()
    second = Hanging()
    await workers.run("a", hanging, SHORT)

    refused = await workers.run("a", second, LONG)

    assert isinstance(refused, Failed)
    assert refused.reason is Reason.TIMEOUT
    assert not second.begun.is_set()
    hanging.released.set()
    await workers.drain(LONG)
    assert await workers.run("a", lambda: "again", LONG) == "again"


async def test_what_hangs_already_is_told_without_waiting_for_a_turn() -> None:
    """Else each look at a thousand dead places would be in the way of one that lives."""
    workers, hanging = Threads(), [Hanging() for _ in range(8)]
    async with asyncio.TaskGroup() as tasks:
        for number, work in enumerate(hanging):
            tasks.create_task(workers.run(str(number), work, LONG), name=f"hanging {number}")
        for work in hanging:
            await work.begun.wait()

        async with asyncio.timeout(0):
            refused = await workers.run("0", lambda: "done", LONG)

        for work in hanging:
            work.released.set()
    assert isinstance(refused, Failed)


async def test_work_that_hangs_holds_up_no_other() -> None:
    workers, hanging = Threads(), Hanging()
    await workers.run("a", hanging, SHORT)

    assert await workers.run("b", lambda: "done", LONG) == "done"
    hanging.released.set()


async def test_work_that_has_begun_ends_though_nobody_waits_any_more() -> None:
    """A write is let finish, whoever is cancelled meanwhile."""
    workers, hanging = Threads(), Hanging()

    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(workers.run("a", hanging, LONG), name="asking")
        await hanging.begun.wait()
        asking.cancel()
    assert asking.cancelled()
    refused = await workers.run("a", lambda: "too early", LONG)
    hanging.released.set()
    await workers.drain(LONG)

    assert isinstance(refused, Failed)
    assert await workers.run("a", lambda: "again", LONG) == "again"


async def test_draining_waits_for_work_no_longer_than_it_may() -> None:
    workers, hanging = Threads(), Hanging()
    await workers.run("a", hanging, SHORT)

    await workers.drain(SHORT)

    assert hanging.begun.is_set()
    hanging.released.set()
    await workers.drain(LONG)


async def test_draining_nothing_is_done_at_once() -> None:
    await Threads().drain(LONG)


def run_python(code: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30, check=True)


def test_the_end_of_the_process_does_not_wait_for_what_hangs() -> None:
    """A dead mount would keep it alive for ever; a pool's threads are joined at exit."""
    done = run_python("""
import asyncio, threading
from datetime import timedelta
from lightkeeper.adapters.workers import Threads, in_time
print(asyncio.run(Threads().run("a", threading.Event().wait, timedelta(milliseconds=10))).reason)
""")

    assert (done.stdout, done.stderr) == (b"timeout\n", b"")


def test_a_machine_without_a_thread_to_spare_is_no_failure_for_ever() -> None:
    """Threads run out, once: what could not begin must not count as hanging."""
    done = run_python("""
import asyncio, threading
from datetime import timedelta
from lightkeeper.adapters.workers import Threads, in_time
def refuse(): raise RuntimeError("can't start new thread")
async def main():
    workers, second = Threads(), timedelta(seconds=10)
    start = threading.Thread.start
    threading.Thread.start = lambda self: refuse()
    try:
        await workers.run("a", lambda: 1, second)
    except RuntimeError as exc:
        print(exc)
    threading.Thread.start = start
    print(await workers.run("a", lambda: 2, second))
asyncio.run(main())
""")

    assert done.stdout == b"can't start new thread\n2\n"


def test_a_command_waits_for_work_without_a_loop_and_no_longer_than_its_deadline() -> None:
    released = threading.Event()

    assert in_time(lambda: "done", LONG) == "done"
    late = in_time(lambda: released.wait(30), SHORT)
    released.set()

    assert late == Failed(reason=Reason.TIMEOUT, detail="no answer in 0.02 s")


def test_what_work_raises_is_raised_where_a_command_waits_for_it() -> None:
    def work() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        in_time(work, LONG)
