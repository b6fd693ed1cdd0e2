"""The daemon in a real cluster, and the commands that do without one."""

from __future__ import annotations

import json

import pytest

from tests.integration.kubernetes.cluster import NAME, WITHIN_SECONDS, Cluster, login, within
from tests.integration.process import command, eventually

pytestmark = pytest.mark.timeout(180)  # the first of them starts the API server


def test_with_the_rights_that_are_printed_every_namespace_has_its_secret(
    cluster: Cluster,
) -> None:
    first = cluster.api.namespace(labels={"ci": cluster.home})
    output = f"      - {{type: kubernetes_secret, namespace_selector: ci={cluster.home}}}\n"
    state = f"state: {{secret: {cluster.home}/state}}\n"
    file = cluster.configure("daemon", login(output, state))
    cluster.apply_rights(file)
    kubeconfig = cluster.kubeconfig()
    with cluster.running(file, kubeconfig) as running:
        within(30, "the first Secret", lambda: cluster.holds(first))
        second = cluster.api.namespace(labels={"ci": cluster.home})
        within(WITHIN_SECONDS, "the second Secret", lambda: cluster.holds(second))
        assert running.get("/readyz?places=all")[0] == 200
        described = cluster.api.kubectl("-n", second, "describe", "secret", NAME)
        assert "lightkeeper.io/expires-at" in described
        assert cluster.lightsail.calls() == 1

    with cluster.running(file, kubeconfig) as again:
        eventually("it is ready again", lambda: again.get("/readyz?places=all")[0] == 200)
    assert cluster.lightsail.calls() == 1


def test_a_right_that_is_missing_is_told_with_what_grants_it_and_fails_no_other(
    cluster: Cluster,
) -> None:
    allowed, denied = cluster.api.namespace(), cluster.api.namespace()
    state = f"state: {{secret: {cluster.home}/state}}\n"
    one = f"      - {{type: kubernetes_secret, namespaces: [{allowed}]}}\n"
    cluster.apply_rights(cluster.configure("less", login(one, state)))
    both = f"      - {{type: kubernetes_secret, namespaces: [{allowed}, {denied}]}}\n"
    file = cluster.configure("daemon", login(both, state))
    with cluster.running(file, cluster.kubeconfig()) as running:
        failed = running.wait_for("delivery_failed")
        within(30, "the Secret that may be", lambda: cluster.holds(allowed))

        assert (failed["place"], failed["reason"]) == (f"{denied}/{NAME}", "access_denied")
        assert "lightkeeper check --rbac" in failed["advice"]
        assert running.get("/readyz")[0] == 200
        assert running.get("/readyz?places=all")[0] == 503


@pytest.mark.parametrize("is_shared", [False, True], ids=["directory", "secret"])
def test_commands_do_without_a_daemon_what_it_would(cluster: Cluster, *, is_shared: bool) -> None:
    """`once` delivers, `status` and `check` look, `withdraw` takes out and leaves the Secret."""
    named, found = cluster.api.namespace(), cluster.api.namespace(labels={"ci": cluster.home})
    output = (
        f"      - {{type: kubernetes_secret, namespaces: [{named}],"
        f" namespace_selector: ci={cluster.home}}}\n"
    )
    folder = cluster.folder
    where = f"state: {{secret: {cluster.home}/state}}" if is_shared else f"state_dir: {folder}/s"
    more = f"{where}\nsocket: {folder}/control.sock\n"
    file = cluster.configure("host", login(output, more))

    def run(word: str, *arguments: str) -> tuple[int, str]:
        environment = cluster.environment(cluster.api.kubeconfig)
        done = command(folder, environment, word, "--config", str(file), *arguments)
        return done.returncode, done.stdout

    status, said = run("once")
    assert status == 0, said
    assert f"{named}/{NAME}: ok" in said
    assert f"{found}/{NAME}: ok" in said
    assert cluster.holds(named)
    assert cluster.holds(found)

    assert run("once")[0] == 0
    assert cluster.lightsail.calls() == 1
    assert f"{found}/{NAME}  [ok]" in run("status")[1]
    assert "nothing, it is current" in run("check")[1]

    status, said = run("withdraw")
    assert (status, said.count("taken out")) == (0, 2)
    assert cluster.secret(named) is not None
    assert not cluster.holds(named)
    assert not cluster.holds(found)
    if is_shared:
        kept = cluster.secret(cluster.home, "state")
        assert kept is not None
        assert not kept.get("data")
        kept_in = f"the Secret {cluster.home}/state"
    else:
        kept_in = f"{folder}/s"
    assert run("withdraw") == (0, f"nothing is kept in {kept_in}, so nothing is to be taken out\n")


def test_a_cluster_that_cannot_be_asked_is_told_in_a_sentence(cluster: Cluster) -> None:
    output = "      - {type: kubernetes_secret, namespaces: [ci]}\n"
    file = cluster.configure("host", login(output, f"state_dir: {cluster.folder}/state\n"))
    missing = cluster.folder / "missing"

    for word in ("run", "once", "status", "check"):
        done = command(cluster.folder, cluster.environment(missing), word, "--config", str(file))
        assert done.returncode == 2, done.stderr
        assert f"cluster: {missing}: no such kubeconfig" in done.stderr


def test_a_run_that_may_not_list_namespaces_fails_and_says_why(cluster: Cluster) -> None:
    """It has a login, and knows of no place that it could be delivered to."""
    output = f"      - {{type: kubernetes_secret, namespace_selector: ci={cluster.home}}}\n"
    file = cluster.configure("host", login(output, f"state_dir: {cluster.folder}/s\n"))

    environment = cluster.environment(cluster.kubeconfig())
    done = command(cluster.folder, environment, "once", "--config", str(file))

    assert done.returncode == 1, done.stdout
    told = [line for line in done.stderr.splitlines() if '"credential_delivered"' in line]
    assert [json.loads(line)["changed"] for line in told] == [0]
    assert "which namespaces there are is not known" in done.stdout
    assert 'cannot list resource "namespaces"' in done.stdout
    assert "lightkeeper check --rbac" in done.stdout
