"""A log that nobody reads: a halted terminal, or a container's log driver that blocks."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightkeeper.cli.main import DONE
from tests.integration.process import (
    PATIENCE_SECONDS,
    Simulated,
    clean_environment,
    command,
    eventually,
    simulator,
)

_PAGE = 4096


@pytest.fixture
def lightsail(tmp_path: Path) -> Iterator[Simulated]:
    with simulator(tmp_path) as running:
        yield running


@pytest.fixture
def unread() -> Iterator[int]:
    """A pipe that is full and stays it."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _PAGE)
    os.write(writer, b"-" * _PAGE)
    yield writer
    os.close(writer)
    os.close(reader)


def test_a_log_that_nobody_reads_holds_up_neither_renewals_nor_the_end(
    lightsail: Simulated, tmp_path: Path, unread: int
) -> None:
    place = tmp_path / "config.json"
    environment = clean_environment(tmp_path) | lightsail.environment
    where = ("--state-dir", str(tmp_path / "state"), "--socket", str(tmp_path / "socket"))
    keep = ("run", *where, "--docker-config", str(place), "--listen", "127.0.0.1:0")
    with subprocess.Popen(
        [sys.executable, "-m", "lightkeeper", *keep], stdout=unread, env=environment
    ) as running:
        try:
            eventually("it delivers", place.exists)
            asked = command(tmp_path, environment, "status", *where)
            running.send_signal(signal.SIGTERM)
            status = running.wait(PATIENCE_SECONDS)
        finally:
            running.kill()

    assert asked.returncode == DONE, asked.stdout + asked.stderr
    assert status == DONE
