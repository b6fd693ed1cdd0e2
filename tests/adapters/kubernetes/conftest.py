"""A look at what each test leaves behind."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

from tests.simulator.asking import until


@pytest.fixture(autouse=True)
async def _nothing_is_left() -> AsyncIterator[None]:
    """Each test ends with the files and sockets that it began with."""
    before = _held()
    yield
    await until(lambda: _held() <= before)


def _held() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - nothing to make paths of
