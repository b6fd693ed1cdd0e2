"""In which order tests run: workers of pytest-xdist take the files as they come here.

Those of a real API server come last: it may be under construction while the others run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.real.cluster import api_server, lacking_api_server

__all__ = ["api_server"]


def pytest_configure(config: pytest.Config) -> None:
    """Name the mark of those that need one and do not name the fixture that all share."""
    config.addinivalue_line("markers", "api_server: an API server has to be made for this test")


def _needs_api_server(item: pytest.Item) -> bool:
    is_marked = item.get_closest_marker("api_server") is not None
    return is_marked or "api_server" in getattr(item, "fixturenames", ())


def _seconds(item: pytest.Item) -> float:
    """How long it may take, if it says so."""
    mark = item.get_closest_marker("timeout")
    return float(mark.args[0]) if mark else 0.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that may take long first, then large ones: what is begun last is over soon."""
    sizes = Counter(item.path for item in items)
    last = {item.path for item in items if _needs_api_server(item)}
    longest: dict[Path, float] = {}
    for item in items:
        longest[item.path] = max(longest.get(item.path, 0.0), _seconds(item))
    items.sort(key=lambda item: (item.path in last, -longest[item.path], -sizes[item.path]))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Wait for it before the test's own time begins to count."""
    if _needs_api_server(item):
        lacking_api_server()
    return (yield)
