"""Namespaces that come and go in numbers under a daemon that serves those with a label."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.kubernetes.cluster import (
    NAME,
    WITHIN_SECONDS,
    Cluster,
    login,
    within,
)
from tests.integration.process import Daemon, eventually

pytestmark = pytest.mark.timeout(240)


def served(daemon: Daemon) -> set[str]:
    """The namespaces that it says it serves."""
    (one,) = json.loads(daemon.get("/status")[1])["logins"]
    (output,) = one["outputs"]
    return {place["place"].partition("/")[0] for place in output["places"]}


def test_fifty_namespaces_come_and_go(cluster: Cluster) -> None:
    """Of the gone nothing is told and nothing kept, and `prune` deletes where it is to."""
    api, labels = cluster.api, {"ci": cluster.home}
    output = (
        f"      - {{type: kubernetes_secret, namespace_selector: ci={cluster.home}, prune: true}}\n"
    )
    file = cluster.configure("d", login(output, f"state: {{secret: {cluster.home}/state}}\n"))
    cluster.apply_rights(file)
    with (
        ThreadPoolExecutor(8) as hands,
        cluster.running(file, cluster.kubeconfig()) as running,
    ):
        running.wait_for("credential_renewed")
        names = list(hands.map(lambda _: api.namespace(labels=labels), range(50)))
        within(40, "all Secrets", lambda: all(hands.map(cluster.holds, names)))
        assert served(running) == set(names)

        ending, gone, dropped, kept = names[:10], names[10:20], names[20:30], names[30:]
        taken = dropped[0]
        path = f"/api/v1/namespaces/{taken}/secrets/{NAME}?fieldManager=somebody"
        somebodys = {"metadata": {"annotations": {"lightkeeper.io/login": "another"}}}
        api.done("PATCH", path, somebodys, kind="application/merge-patch+json")
        for _ in hands.map(api.end_namespace, [*ending, *gone]):
            pass
        for _ in hands.map(api.finish_namespace, gone):
            pass
        for _ in hands.map(lambda one: api.label_namespace(one, {"ci": None}), dropped):
            pass
        late = api.namespace(labels=labels)
        within(WITHIN_SECONDS, "the new one", lambda: cluster.holds(late))
        eventually("the gone are forgotten", lambda: served(running) == {*kept, late})
        pruned = dropped[1:]
        eventually("pruned", lambda: not any(hands.map(cluster.secret, pruned)))

        assert all(hands.map(cluster.is_good, [*kept, late]))
        assert cluster.secret(taken) is not None
        assert running.get("/readyz?places=all")[0] == 200
        assert cluster.lightsail.calls() == 1
        assert not running.events("places_left")
        assert not running.events("daemon_surprised")
        failed = running.events("delivery_failed")
        assert {one["reason"] for one in failed} <= {"namespace_terminating", "namespace_missing"}
