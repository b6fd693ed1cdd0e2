"""Namespaces that come and go in numbers under a daemon that serves those with a label."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from lightkeeper.core.namespaces import none_chosen
from tests.integration.kubernetes.cluster import (
    NAME,
    WITHIN_SECONDS,
    Cluster,
    login,
    within,
)
from tests.integration.process import Daemon, command, eventually
from tests.real.cluster import rule

SECRETS = rule(["get", "create", "patch"], ["secrets"])

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


def test_one_line_tells_of_all_deliveries_though_the_list_comes_after_the_credential(
    cluster: Cluster,
) -> None:
    """A file has it meanwhile, and what is known to be is ready."""
    api, labels = cluster.api, {"ci": cluster.home}
    names = [api.namespace(labels=labels) for _ in range(3)]
    outputs = (
        f"      - {{type: docker_config, path: {cluster.folder}/config.json}}\n"
        f"      - {{type: kubernetes_secret, namespace_selector: ci={cluster.home}}}\n"
    )
    file = cluster.configure("d", login(outputs, f"state_dir: {cluster.folder}/state\n"))
    with cluster.running(file, cluster.kubeconfig()) as running:
        running.wait_for("namespaces_unknown")
        running.wait_for("credential_renewed")
        eventually("it is ready", lambda: running.get("/readyz")[0] == 200)
        assert (cluster.folder / "config.json").exists()
        assert not running.events("credential_delivered")

        for name in names:
            api.grant(cluster.account, SECRETS, namespace=name)
        api.grant(cluster.account, rule(["list", "watch"], ["namespaces"]))
        told = running.wait_for("credential_delivered")

        assert (told["changed"], told["unchanged"], told["failing"]) == (1 + len(names), 0, 0)
        assert all(map(cluster.holds, names))
        assert all("notices" in one for one in running.events("place_delivered"))
        assert len(running.events("credential_delivered")) == 1


def test_a_selector_that_finds_none_is_told_wherever_somebody_looks(cluster: Cluster) -> None:
    """And it is no failure: a platform may begin without a namespace that builds."""
    output = f"      - {{type: kubernetes_secret, namespace_selector: ci={cluster.home}}}\n"
    file = cluster.configure("d", login(output, f"state: {{secret: {cluster.home}/state}}\n"))
    cluster.apply_rights(file)
    kubeconfig = cluster.kubeconfig()
    sentence = none_chosen(f"kubernetes_secret:{NAME}")
    socket = str(cluster.folder / "d" / "control.sock")

    def told(*words: str) -> tuple[int, bool]:
        done = command(
            cluster.folder, cluster.environment(kubeconfig), *words, "--config", str(file)
        )
        return done.returncode, sentence in done.stdout

    assert told("check") == (0, True)
    assert told("check", "--online") == (0, True)
    assert told("once") == (0, True)
    assert told("status") == (0, True)
    with cluster.running(file, kubeconfig) as running:
        missing = running.wait_for("namespace_missing")
        assert (missing["level"], missing["detail"]) == ("warning", sentence)
        assert told("status", "--socket", socket) == (0, True)
        assert running.get("/readyz")[0] == 200
        status, body = running.get("/readyz?places=all")
        assert (status, sentence in body) == (503, True)
        assert 'state="ok"} 0.0' in running.get("/metrics")[1]

        cluster.api.namespace(labels={"ci": cluster.home})
        running.wait_for("namespace_chosen")
        running.wait_for("place_delivered")
        assert told("status", "--socket", socket) == (0, False)
