"""A leader that is told to end: its Lease goes after its last write, or when that took too long."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.kubernetes.cluster import NAME, Cluster, pair
from tests.integration.kubernetes.proxy import Do, Order, Proxy, proxying
from tests.integration.process import Daemon, eventually

pytestmark = pytest.mark.timeout(120)

RENEWAL = "^PUT .*/leases/leader"


@pytest.fixture
def proxy(cluster: Cluster) -> Iterator[Proxy]:
    with proxying(cluster.api) as running:
        yield running


@contextmanager
def replica(cluster: Cluster, file: Path, proxy: Proxy) -> Iterator[Daemon]:
    with cluster.running(file, cluster.kubeconfig(proxy.url)) as daemon:
        yield daemon


def lease(cluster: Cluster) -> dict[str, Any]:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{cluster.home}/leases/leader"
    return cluster.api.ask("GET", path).body


def holder(cluster: Cluster) -> str:
    return str(lease(cluster)["spec"].get("holderIdentity") or "")


def version(thing: dict[str, Any]) -> int:
    """The API server counts all writes together."""
    return int(thing["metadata"]["resourceVersion"])


def stopped_while(daemon: Daemon, held: Order) -> None:
    """Tell it to end while its write is on the way."""
    eventually("the write is on its way", lambda: held.met == 1)
    daemon.signal(signal.SIGTERM)
    daemon.wait_for("daemon_stopping")


def test_the_lease_is_released_after_the_write_that_was_under_way(
    cluster: Cluster, proxy: Proxy
) -> None:
    """Until then it is renewed: nobody else leads, and would write beside it."""
    file, here = pair(cluster)
    held = proxy.order(f"PATCH /api/v1/namespaces/{here}/secrets/{NAME}", Do.HOLD, 1)
    with replica(cluster, file, proxy) as daemon:
        stopped_while(daemon, held)
        renewed = proxy.count(RENEWAL)
        eventually("the lease is renewed", lambda: proxy.count(RENEWAL) > renewed + 1)
        assert holder(cluster)
        held.release()

        assert daemon.process.wait(10) == 0

    assert cluster.is_good(here)
    assert holder(cluster) == ""
    secret = cluster.secret(here)
    assert secret is not None
    assert version(secret) < version(lease(cluster))


def test_what_lightsail_issued_is_saved_before_another_leads(
    cluster: Cluster, proxy: Proxy
) -> None:
    """Who comes next would call again."""
    file, here = pair(cluster)
    save = f"PATCH /api/v1/namespaces/{cluster.home}/secrets/state"
    held = proxy.order(save, Do.HOLD, 1)
    with replica(cluster, file, proxy) as daemon:
        eventually("an attempt is being saved", lambda: held.met == 1)
        while cluster.lightsail.calls() == 0:
            before, held = held, proxy.order(save, Do.HOLD, 1)
            before.release()
            eventually("the next save is on its way", lambda: held.met == 1)  # noqa: B023
        stopped_while(daemon, held)
        held.release()

        assert daemon.process.wait(10) == 0
    assert cluster.secret(here) is None
    with cluster.running(file, cluster.kubeconfig(), "next") as daemon:
        daemon.wait_for("leadership_began")
        eventually("it is delivered", lambda: cluster.is_good(here))

    assert cluster.lightsail.calls() == 1


def test_a_write_that_never_ends_is_given_up_and_the_lease_released(
    cluster: Cluster, proxy: Proxy
) -> None:
    file, here = pair(cluster)
    held = proxy.order(f"PATCH /api/v1/namespaces/{here}/secrets/{NAME}", Do.HOLD, 1)
    with replica(cluster, file, proxy) as daemon:
        stopped_while(daemon, held)

        assert daemon.process.wait(10) == 0
        assert held.answered == []

    assert holder(cluster) == ""


def test_a_second_signal_waits_for_no_write(cluster: Cluster, proxy: Proxy) -> None:
    """And leaves the Lease to its end: who knows when that write arrives."""
    file, here = pair(cluster)
    held = proxy.order(f"PATCH /api/v1/namespaces/{here}/secrets/{NAME}", Do.HOLD, 1)
    with replica(cluster, file, proxy) as daemon:
        stopped_while(daemon, held)
        daemon.signal(signal.SIGTERM)

        assert daemon.process.wait(10) == 1
        assert held.answered == []

    assert holder(cluster)
