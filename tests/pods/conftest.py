"""The one cluster of all tests here, with the namespaces that the manifests name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.pods.node import NODE, Cluster, cluster


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Here and not in the fixture, so that it is told once for all of them."""
    if not NODE:
        pytest.skip("there is no node for pods: make pods")


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("node"), ("lightkeeper", "ci")) as one:
        yield one
