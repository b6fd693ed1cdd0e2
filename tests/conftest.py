"""Tests of a real API server run last: it may be under construction while the others run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator

import pytest

from tests.real.cluster import api_server, lacking_api_server

__all__ = ["api_server"]


def pytest_configure(config: pytest.Config) -> None:
    """Name the mark of those cases that ask for the fixture by `getfixturevalue`."""
    config.addinivalue_line("markers", "api_server: this case of a test asks for that fixture")


def _needs_api_server(item: pytest.Item) -> bool:
    is_marked = item.get_closest_marker("api_server") is not None
    return is_marked or "api_server" in getattr(item, "fixturenames", ())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Large files first, as pytest-xdist has it, and at the end those with such tests."""
    sizes = Counter(item.path for item in items)
    last = {item.path for item in items if _needs_api_server(item)}
    items.sort(key=lambda item: (item.path in last, -sizes[item.path]))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Wait for it before the test's own time begins to count."""
    if _needs_api_server(item):
        lacking_api_server()
    return (yield)
