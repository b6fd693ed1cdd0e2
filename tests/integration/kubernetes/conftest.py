"""What each test here begins with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.kubernetes.cluster import Cluster, prepared
from tests.real.cluster import ApiServer


@pytest.fixture
def cluster(api_server: ApiServer, tmp_path: Path) -> Iterator[Cluster]:
    """The API server that all share, and a namespace of this test's own."""
    with prepared(api_server, tmp_path) as made:
        yield made
