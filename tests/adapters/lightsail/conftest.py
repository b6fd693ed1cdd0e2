"""An environment that says nothing about AWS, and a look at what each test leaves behind."""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lightkeeper.adapters.lightsail import AwsSource, SharedAws
from lightkeeper.simulator import Settings, Simulator, simulate
from lightkeeper.simulator.settings import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from tests.adapters.lightsail.asking import REGION
from tests.environment import say_nothing_of_aws
from tests.simulator.asking import until


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    say_nothing_of_aws(monkeypatch, tmp_path)


@pytest.fixture(autouse=True)
async def _nothing_is_left(_clean_environment: None) -> AsyncIterator[None]:
    """Each test ends with the files, sockets and threads that it began with."""
    before = _held()
    yield
    await until(lambda: _held() <= before)


def _held() -> tuple[int, int]:
    """Open file descriptors, and threads but those that a loop's executor keeps for later."""
    threads = [one for one in threading.enumerate() if not one.name.startswith("asyncio_")]
    return len(os.listdir("/proc/self/fd")), len(threads)  # noqa: PTH208 - nothing to make paths of


@pytest.fixture
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS credentials that the simulator knows, where the chain looks first."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)


@pytest.fixture(scope="session")
def shared() -> SharedAws:
    """One for all tests, as for all logins of a process, with its data in memory."""
    made = SharedAws()
    made.open(AwsSource(region=REGION))
    return made


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with simulate() as running:
        yield running


@pytest.fixture
async def secure(tmp_path: Path) -> AsyncIterator[Simulator]:
    async with simulate(Settings(tls=tmp_path / "tls")) as running:
        yield running
