"""What holds for every test: how tests are spread over workers."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep modules that start real systems on one worker each.

    Such a module starts its system once, for all of its tests; spread over workers it would start
    one on each.
    """
    for item in items:
        module = item.path
        if module.parent.name in {"real", "integration"}:
            item.add_marker(pytest.mark.xdist_group(module.stem))
