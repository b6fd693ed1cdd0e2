"""An environment in which AWS's library finds the simulator's keys and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightkeeper.simulator.settings import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from tests.environment import say_nothing_of_aws


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    say_nothing_of_aws(monkeypatch, tmp_path)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
