"""A simulator per test, and an environment that says nothing about AWS."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from lightkeeper.simulator import Endpoint, Settings, Simulator, simulate
from lightkeeper.simulator.credentials import new_credential
from lightkeeper.simulator.wire import Scene


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith("AWS_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with simulate() as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A plain client that takes what comes, without redirects followed unasked."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        yield session


@pytest.fixture
async def secure_simulator(tmp_path: Path) -> AsyncIterator[Simulator]:
    async with simulate(Settings(tls=tmp_path / "tls")) as running:
        yield running


@pytest.fixture
def scene() -> Scene:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    return Scene(
        endpoint=Endpoint.LIGHTSAIL,
        now=now,
        elsewhere="http://127.0.0.1:1",
        credential=new_credential(
            registry="127.0.0.1:2", username="AWS", now=now, lifetime=timedelta(hours=12)
        ),
    )
