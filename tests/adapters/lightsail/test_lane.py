"""What blocks, blocks a thread of its own: the loop goes on, and the deadline holds."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from lightkeeper.adapters.lightsail import SharedAws
from lightkeeper.adapters.lightsail.lane import Lane
from lightkeeper.core.reasons import Reason
from lightkeeper.simulator import Endpoint, Simulator
from tests.adapters.lightsail.asking import (
    AMPLE,
    BRIEF,
    CUT,
    answer_of,
    in_a_process,
    issuer_at,
    refusal_of,
)
from tests.simulator.asking import until

SOON = timedelta(seconds=0.1)


def _lanes() -> int:
    return sum(thread.name == "aws" for thread in threading.enumerate())


async def _name(_: asyncio.Lock) -> str:
    return threading.current_thread().name


async def _hang(_: asyncio.Lock | None = None) -> None:
    await asyncio.Event().wait()


def _blocking(release: threading.Event) -> Callable[[], None]:
    """Block like a file on a hung network home: no cancellation reaches it."""
    return lambda: None if release.wait(20) else pytest.fail("never released")


async def test_work_runs_in_a_thread_that_ends_with_it() -> None:
    assert await Lane().run(_name, AMPLE) == "aws"
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
    assert await lane.run(_name, AMPLE) == "aws"


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


@pytest.mark.usefixtures("_keys")
async def test_calls_cut_at_any_stage_leave_nothing(
    simulator: Simulator, shared: SharedAws
) -> None:
    """The fixture counts: descriptors and threads are those of before."""
    simulator.fail("drip_body", times=60)
    issuers = [issuer_at(simulator.endpoint_url, shared) for _ in range(12)]
    for milliseconds in (1, 15, 40, 80, 150):
        async with asyncio.TaskGroup() as tasks:
            for issuer in issuers:
                deadline = timedelta(milliseconds=milliseconds)
                tasks.create_task(refusal_of(issuer, deadline), name="cut")

    tasks_left = [task for task in asyncio.all_tasks() if task.get_name() == "cut"]
    assert tasks_left == []


async def test_opening_files_is_done_in_the_lane(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service's data, the certificates, configuration: nothing is read on the caller's loop."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASIMULATEDKEY0001")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "simulated-" + "0" * 30)
    opened, is_watching = list[tuple[str, str]](), threading.Event()

    def watch(event: str, args: tuple[object, ...]) -> None:
        if event == "open" and is_watching.is_set():
            opened.append((threading.current_thread().name, str(args[0])))

    sys.addaudithook(watch)  # it cannot be taken out again, only told to look away
    is_watching.set()
    await answer_of(issuer_at(simulator.endpoint_url, SharedAws()))
    is_watching.clear()

    read_by_library = [(who, what) for who, what in opened if "botocore" in what]
    assert len([what for _, what in read_by_library if "lightsail" in what]) >= 2
    assert {who for who, _ in read_by_library} == {"aws"}


async def test_a_token_file_that_blocks_is_cut_and_then_read(
    simulator: Simulator, shared: SharedAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A pipe without a writer blocks its reader as a hung network home does."""
    pipe = tmp_path / "token"
    os.mkfifo(pipe)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(pipe))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/push")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", simulator.endpoint_url)
    issuer = issuer_at(simulator.endpoint_url, shared)

    refusal = await refusal_of(issuer, BRIEF)
    assert (refusal.reason, refusal.detail) == (Reason.TIMEOUT, CUT)
    assert _lanes() == 1

    writer = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    os.write(writer, b"e30.e30.e30")
    os.close(writer)
    pipe.unlink()
    pipe.write_text("e30.e30.e30")
    assert await answer_of(issuer)
    assert simulator.requests.count(Endpoint.STS) == 1


@pytest.mark.usefixtures("_keys")
async def test_a_process_can_end_while_a_helper_thread_would_hang(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A resolver or a certificate file that hangs is asked by way of the loop's executor."""
    pipe = tmp_path / "ca.pem"
    os.mkfifo(pipe)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(pipe))

    [refusal] = await in_a_process("http://127.0.0.1:1", "", seconds=1)

    assert refusal["reason"] == "timeout"


async def test_a_credential_process_that_hangs_is_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shared: SharedAws
) -> None:
    started = tmp_path / "pid"
    program = tmp_path / "hang"
    program.write_text(f'#!/bin/sh\necho $$ > "{started}"\nexec sleep 60\n')
    program.chmod(0o700)
    config = tmp_path / "config"
    config.write_text(f"[default]\ncredential_process = {program}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))

    refusal = await refusal_of(issuer_at("http://127.0.0.1:1", shared), BRIEF)

    assert refusal.reason is Reason.TIMEOUT
    pid = int(started.read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
