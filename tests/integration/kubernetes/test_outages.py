"""An API server that goes and comes, and its etcd: on one of its own, which others do not share."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.kubernetes.cluster import (
    WITHIN_SECONDS,
    Cluster,
    login,
    prepared,
    within,
)
from tests.integration.process import Daemon, eventually
from tests.real.cluster import ApiServer, serving

pytestmark = [pytest.mark.timeout(240), pytest.mark.api_server]
UNKNOWN = "which namespaces there are is not known: "


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with serving(tmp_path_factory.mktemp("own") / "kube") as api:
        yield api


@pytest.fixture
def alone(own_server: ApiServer, tmp_path: Path) -> Iterator[Cluster]:
    with prepared(own_server, tmp_path) as made:
        yield made


def configured(cluster: Cluster) -> Path:
    output = f"      - {{type: kubernetes_secret, namespace_selector: ci={cluster.home}}}\n"
    file = cluster.configure("d", login(output, f"state: {{secret: {cluster.home}/state}}\n"))
    cluster.apply_rights(file)
    return file


def status(daemon: Daemon) -> dict[str, object]:
    told: dict[str, object] = json.loads(daemon.get("/status")[1])
    return told


def is_told_once(daemon: Daemon, *events: str) -> bool:
    """Whether no failure is told again with the reason that it was told with."""
    ends = {"state_saved", "place_delivered", "credential_delivered", "namespaces_known"}
    told: dict[tuple[str, str], str] = {}
    for line in daemon.lines:
        if line["event"] in ends:
            told.clear()
        elif line["event"] in events:
            key = line["event"], line.get("place", "")
            if told.get(key) == line["reason"]:
                return False
            told[key] = line["reason"]
    return True


def test_an_api_server_that_goes_and_comes_costs_nothing_and_is_told_once(alone: Cluster) -> None:
    """First it is gone, then its etcd; each time a renewal is asked for meanwhile."""
    cluster, labels = alone, {"ci": alone.home}
    first = cluster.api.namespace(labels=labels)
    with cluster.running(configured(cluster), cluster.kubeconfig()) as running:
        running.wait_for("credential_delivered")
        eventually("it has its Secret", lambda: cluster.is_good(first))
        before = cluster.secret(first)
        assert before is not None

        cluster.api.stop("kube-apiserver")
        running.wait_for("namespaces_unknown")
        assert str(status(running)["namespaces"]).startswith(UNKNOWN)
        assert running.get("/readyz")[0] == 200
        assert running.get("/readyz?places=all")[0] == 503
        cluster.api.stop("etcd")
        cluster.api.start()
        second = cluster.api.namespace(labels=labels)
        within(WITHIN_SECONDS, "its Secret", lambda: cluster.is_good(second))
        running.wait_for("namespaces_known")
        assert "namespaces" not in status(running)
        assert cluster.secret(first) == before
        assert cluster.lightsail.calls() == 1

        cluster.api.stop("etcd")
        running.signal(signal.SIGUSR1)
        unsaved = running.wait_for("state_not_saved")
        assert running.get("/readyz")[0] == 200
        cluster.api.start()
        third = cluster.api.namespace(labels=labels)
        within(WITHIN_SECONDS, "its Secret", lambda: cluster.is_good(third))
        eventually("all is well", lambda: running.get("/readyz?places=all")[0] == 200)

        assert all(map(cluster.is_good, (first, second, third)))
        assert cluster.lightsail.calls() == 2
        assert unsaved["reason"] in {"timeout", "service_error"}
        assert is_told_once(running, "state_not_saved", "delivery_failed", "namespaces_unknown")
        assert not running.events("daemon_surprised")


def test_a_daemon_that_begins_without_an_api_server_says_so_and_begins_with_it(
    alone: Cluster,
) -> None:
    cluster = alone
    first = cluster.api.namespace(labels={"ci": cluster.home})
    file, kubeconfig = configured(cluster), cluster.kubeconfig()
    cluster.api.stop("kube-apiserver")
    with cluster.running(file, kubeconfig) as running:
        waits = running.wait_for("state_not_read")
        assert waits["reason"] == "network"
        assert running.get("/readyz")[0] == 503
        assert cluster.lightsail.calls() == 0

        cluster.api.start()
        running.wait_for("credential_delivered")
        within(WITHIN_SECONDS, "its Secret", lambda: cluster.is_good(first))
        assert is_told_once(running, "state_not_read", "namespaces_unknown")
        assert cluster.lightsail.calls() == 1
