"""What every test of a command needs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.telemetry.reading import logging_kept


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """`once` makes the process log as it is told to; other tests look at what libraries log."""
    with logging_kept():
        yield
