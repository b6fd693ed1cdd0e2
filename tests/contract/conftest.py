"""What the suites share: an environment that knows the simulator's keys alone, and two clusters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lightkeeper.cluster import Cluster
from lightkeeper.simulator.settings import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from tests.contract.clustering import EVERYTHING, Real, Simulated, Stage
from tests.environment import say_nothing_of_aws


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    say_nothing_of_aws(monkeypatch, tmp_path)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)


@pytest.fixture(params=["fake", pytest.param("adapter", marks=pytest.mark.api_server)])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Stage:
    """A model of an API server, and a real one."""
    if request.param == "fake":
        return Simulated()
    pytest.importorskip("lightkube", reason="missing: the extra [kubernetes]")
    return Real(request.getfixturevalue("api_server"), tmp_path)


@pytest.fixture
async def cluster(stage: Stage) -> AsyncIterator[Cluster]:
    """As somebody who may do everything."""
    made = stage.connect(*EVERYTHING)
    yield made
    await made.close()
