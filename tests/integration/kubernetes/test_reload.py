"""A configuration that is read anew: the Secrets follow it, without a restart or a call."""

from __future__ import annotations

import json
import signal

import pytest

from tests.integration.kubernetes.cluster import NAME, WITHIN_SECONDS, Cluster, login, within
from tests.integration.kubernetes.test_namespaces import served
from tests.integration.process import eventually

pytestmark = pytest.mark.timeout(240)


def configured(cluster: Cluster, names: tuple[str, ...], selector: str, team: str) -> str:
    output = (
        f"      - {{type: kubernetes_secret, namespaces: [{', '.join(names)}], prune: true,"
        f" namespace_selector: {selector}, labels: {{team: {team}}}}}\n"
    )
    return login(output, f"state: {{secret: {cluster.home}/state}}\n")


def test_a_reload_brings_the_first_cluster(cluster: Cluster) -> None:
    """A file was all that was delivered into; whatever has to be watched is at once."""
    there = cluster.api.namespace(labels={"first": cluster.home})
    more = f"state: {{secret: {cluster.home}/state}}\n"
    path = cluster.folder / "config.json"
    output = f"      - {{type: docker_config, path: {path}}}\n"
    file = cluster.configure("d", login(output, more))
    after = login(
        output + f"      - {{type: kubernetes_secret, namespace_selector: first={cluster.home}}}\n",
        more,
    )
    cluster.apply_rights(cluster.configure("after", after))
    with cluster.running(file, cluster.kubeconfig()) as running:
        running.wait_for("credential_delivered")
        file.write_text(after)
        running.signal(signal.SIGHUP)
        running.wait_for("config_reloaded")

        within(WITHIN_SECONDS, "it is served", lambda: cluster.is_good(there))
        assert cluster.lightsail.calls() == 1


def test_secrets_follow_a_reload(cluster: Cluster) -> None:
    """To a namespace more and from one less, to another selector, and to another label."""
    api, home = cluster.api, cluster.home
    kept, dropped, added = (api.namespace() for _ in range(3))
    was, came = (api.namespace(labels={key: home}) for key in ("old", "new"))
    after = configured(cluster, (kept, added), f"new={home}", "two")
    cluster.apply_rights(cluster.configure("after", after))
    file = cluster.configure("d", configured(cluster, (kept, dropped), f"old={home}", "one"))
    cluster.apply_rights(file)

    def team(namespace: str) -> str | None:
        secret = cluster.secret(namespace)
        found: str | None = None if secret is None else secret["metadata"]["labels"].get("team")
        return found

    with cluster.running(file, cluster.kubeconfig()) as running:
        for one in (kept, dropped, was):
            within(30, f"{one} is served", lambda one=one: team(one) == "one")  # type: ignore[misc]

        file.write_text(after)
        running.signal(signal.SIGHUP)
        running.wait_for("config_reloaded")

        for one in (kept, added, came):
            within(WITHIN_SECONDS, f"{one} follows", lambda one=one: team(one) == "two")  # type: ignore[misc]
        for one in (dropped, was):
            within(WITHIN_SECONDS, f"{one} is pruned", lambda one=one: cluster.secret(one) is None)  # type: ignore[misc]
        late, not_late = api.namespace(labels={"new": home}), api.namespace(labels={"old": home})
        within(WITHIN_SECONDS, "a later one is served", lambda: cluster.holds(late))
        eventually("it serves these", lambda: served(running) == {kept, added, came, late})
        assert cluster.secret(not_late, NAME) is None
        assert all(map(cluster.is_good, (kept, added, came, late)))
        assert running.get("/readyz?places=all")[0] == 200
        assert cluster.lightsail.calls() == 1
        assert running.events("place_drifted") == []


@pytest.mark.parametrize("is_restart", [False, True])
def test_what_another_selector_leaves_is_told_once_it_is_known(
    cluster: Cluster, *, is_restart: bool
) -> None:
    """At a reload and at a start; what loses its label after that is not."""
    api, home = cluster.api, cluster.home
    left, stays = (api.namespace(labels={"one": home}) for _ in range(2))
    api.label_namespace(stays, {"two": home})

    def selecting(key: str) -> str:
        output = f"      - {{type: kubernetes_secret, namespace_selector: {key}={home}}}\n"
        return login(output, f"state: {{secret: {home}/state}}\n")

    file = cluster.configure("d", selecting("one"))
    cluster.apply_rights(file)
    kubeconfig = cluster.kubeconfig()
    with cluster.running(file, kubeconfig) as running:
        eventually("both are served", lambda: cluster.holds(left) and cluster.holds(stays))
        running.wait_for("credential_delivered")
        file.write_text(selecting("two"))
        if not is_restart:
            running.signal(signal.SIGHUP)
            assert running.wait_for("places_left")["places"] == [f"{left}/{NAME}"]
    if is_restart:
        with cluster.running(file, kubeconfig) as running:
            assert running.wait_for("places_left")["places"] == [f"{left}/{NAME}"]

            api.label_namespace(stays, {"two": None})
            eventually("it is served no more", lambda: not served(running))
            assert len(running.events("places_left")) == 1


def test_what_another_pattern_leaves_is_told_at_a_start(cluster: Cluster) -> None:
    """And nothing is delivered there meanwhile, which would fail where a namespace is gone."""
    left, gone, stays = (cluster.api.namespace() for _ in range(3))

    def naming(*patterns: str) -> str:
        output = f"      - {{type: kubernetes_secret, namespaces: {json.dumps(patterns)}}}\n"
        return login(output, f"state: {{secret: {cluster.home}/state}}\n")

    file = cluster.configure("d", naming(f"{left}*", f"{gone}*", f"{stays}*"))
    cluster.apply_rights(file)
    kubeconfig = cluster.kubeconfig()
    with cluster.running(file, kubeconfig) as running:
        eventually("all are served", lambda: all(map(cluster.holds, (left, gone, stays))))
        running.wait_for("credential_delivered")
    file.write_text(naming(f"{stays}*"))
    cluster.api.end_namespace(gone)
    cluster.api.finish_namespace(gone)

    with cluster.running(file, kubeconfig) as running:
        assert running.wait_for("places_left")["places"] == [f"{left}/{NAME}"]
        assert served(running) == {stays}
        assert not running.events("delivery_failed")
