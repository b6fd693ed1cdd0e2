"""Whatever the library reads or starts, it blocks a thread of its own, and the deadline holds."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from lightkeeper.adapters.lightsail import SharedAws
from lightkeeper.core.reasons import Reason
from lightkeeper.simulator import Endpoint, Simulator
from tests.adapters.lightsail.asking import (
    BRIEF,
    answer_of,
    in_a_process,
    issuer_at,
    refusal_of,
)


def _lanes() -> int:
    return sum(thread.name == "lane" for thread in threading.enumerate())


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
    assert {who for who, _ in read_by_library} == {"lane"}


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
    assert refusal.reason is Reason.TIMEOUT
    assert refusal.detail == f"no AWS credentials within {BRIEF.total_seconds():g} s"
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

    [refusal] = await in_a_process("https://127.0.0.1:1", "", seconds=1)

    assert refusal["reason"] == "timeout"


async def test_a_credential_process_that_hangs_is_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shared: SharedAws
) -> None:
    started = tmp_path / "pid"
    program = tmp_path / "hang"
    program.write_text(f'#!/bin/sh\necho $$ > "{started}"\nexec sleep 60\n')
    program.chmod(0o700)
    config = tmp_path / "config"
    config.write_text(f"[default]\ncredential_process = {program} --token hunter2-simulated\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))

    refusal = await refusal_of(issuer_at("http://127.0.0.1:1", shared), BRIEF)

    assert refusal.reason is Reason.TIMEOUT
    within = f"within {BRIEF.total_seconds():g} s"
    assert refusal.detail == f"no AWS credentials from the credential_process hang {within}"
    pid = int(started.read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
