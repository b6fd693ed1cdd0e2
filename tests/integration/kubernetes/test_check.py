"""`check --online` on a real API server: what would be refused is told, and nothing is written."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from tests.integration.kubernetes.cluster import NAME, Cluster, login
from tests.integration.process import command, eventually
from tests.real.cluster import rule


def check(cluster: Cluster, file: Path, kubeconfig: Path) -> tuple[int, str]:
    words = ("check", "--online", "--config", str(file))
    done = command(cluster.folder, cluster.environment(kubeconfig), *words)
    assert done.stderr == ""
    return done.returncode, done.stdout


def versions(cluster: Cluster, *namespaces: str) -> list[str]:
    """Of all that is in them."""
    kinds = ("/api/v1/namespaces/{}/secrets", "/apis/coordination.k8s.io/v1/namespaces/{}/leases")
    found = [
        one["metadata"]
        for namespace in namespaces
        for kind in kinds
        for one in cluster.api.done("GET", kind.format(namespace))["items"]
    ]
    return sorted(f"{one['namespace']}/{one['name']} {one['resourceVersion']}" for one in found)


def configured(cluster: Cluster, label: str) -> Path:
    """All that can be asked for of a cluster."""
    output = f"      - {{type: kubernetes_secret, namespace_selector: ci={label}, prune: true}}\n"
    home = cluster.home
    more = f"state: {{secret: {home}/state}}\nleader_election: {{lease: {home}/leader}}\n"
    return cluster.configure("check", login(output, more))


def test_with_the_rights_that_are_printed_all_is_well_and_nothing_is_written(
    cluster: Cluster,
) -> None:
    one, two = (cluster.api.namespace(labels={"ci": cluster.home}) for _ in range(2))
    file, kubeconfig = configured(cluster, cluster.home), cluster.kubeconfig()
    cluster.apply_rights(file)

    status, said = check(cluster, file, kubeconfig)

    assert status == 0, said
    assert f"prod: 2 Secrets of kubernetes_secret:{NAME} could be written" in said
    assert "tried with a placeholder, since no login is known yet" in said
    assert "namespaces can be listed and watched" in said
    assert f"the state {cluster.home}/state could be saved" in said
    assert f"the Lease {cluster.home}/leader could be held" in said
    assert versions(cluster, cluster.home, one, two) == []

    with cluster.running(file, kubeconfig) as running:
        eventually("each has its Secret", lambda: cluster.holds(one) and cluster.holds(two))
        assert running.get("/readyz")[0] == 200
    before = versions(cluster, cluster.home, one, two)
    status, said = check(cluster, file, kubeconfig)
    assert (status, "placeholder" in said) == (0, False), said
    assert len(before) == 4
    assert versions(cluster, cluster.home, one, two) == before


def test_each_right_that_is_missing_is_told_with_what_grants_it(cluster: Cluster) -> None:
    one = cluster.api.namespace(labels={"ci": cluster.home})
    two = cluster.api.namespace(labels={"ci": cluster.home})
    cluster.api.grant(cluster.account, rule(["list"], ["namespaces"]))
    cluster.api.grant(cluster.account, rule(["get"], ["secrets"]))
    write = rule(["create", "patch"], ["secrets"], NAME)
    cluster.api.grant(cluster.account, write, namespace=one)
    file, kubeconfig = configured(cluster, cluster.home), cluster.kubeconfig()

    status, said = check(cluster, file, kubeconfig)

    assert status == 1
    assert f"prod: 1 of 2 Secrets of kubernetes_secret:{NAME} could not be written" in said
    assert f"prod: 2 of 2 Secrets of kubernetes_secret:{NAME} could not be deleted" in said
    assert f"{one}/{NAME}: access_denied: this identity may not delete secrets" in said
    denied = f"{two}/{NAME}: access_denied: the API server answered 403 Forbidden"
    assert denied in said
    assert "namespaces: access_denied: this identity may not watch namespaces" in said
    assert f"the state {cluster.home}/state: access_denied: " in said
    assert f"the Lease {cluster.home}/leader: access_denied: " in said
    assert said.count("apply the Role that `lightkeeper check --rbac` prints") == 5
    assert versions(cluster, cluster.home, one, two) == []


def test_what_is_there_and_could_not_be_made_anew_is_told(cluster: Cluster) -> None:
    """A dry run of a write asks for `create` only where there is no Secret yet."""
    one, two = (cluster.api.namespace(labels={"ci": cluster.home}) for _ in range(2))
    ours = {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "e30="}}
    for where, name, made in ((one, NAME, ours), (two, NAME, ours), (cluster.home, "state", {})):
        path = f"/api/v1/namespaces/{where}/secrets"
        cluster.api.done("POST", path, {"metadata": {"name": name}, **made})
    cluster.api.grant(cluster.account, rule(["list", "watch"], ["namespaces"]))
    cluster.api.grant(cluster.account, rule(["get", "patch", "delete"], ["secrets"]))
    file = configured(cluster, cluster.home)

    status, said = check(cluster, file, cluster.kubeconfig())

    assert status == 1
    assert f"prod: 2 Secrets of kubernetes_secret:{NAME} could be written" in said
    assert f"prod: 2 of 2 Secrets of kubernetes_secret:{NAME} could not be made anew" in said
    assert f"{two}/{NAME}: access_denied: this identity may not create secrets" in said
    assert f"the state {cluster.home}/state: access_denied: this identity may not create" in said


def test_whoever_pulls_with_it_is_warned_of_if_that_may_be_seen(cluster: Cluster) -> None:
    here, hidden = cluster.api.namespace(), cluster.api.namespace()
    for namespace in (here, hidden):
        cluster.api.account(namespace, "builder", NAME)
        cluster.api.account(namespace, "other", "other")
        write = rule(["get", "create", "patch"], ["secrets"], NAME)
        cluster.api.grant(cluster.account, write, namespace=namespace)
    cluster.api.grant(cluster.account, rule(["list"], ["serviceaccounts"]), namespace=here)
    output = f"      - {{type: kubernetes_secret, namespaces: [{here}, {hidden}]}}\n"
    state = f"state_dir: {cluster.folder}/state\n"
    file = cluster.configure("pulling", login(output, state))

    status, said = check(cluster, file, cluster.kubeconfig())

    assert status == 0, said
    assert f"warning: ServiceAccount builder in {here} has {NAME} in its imagePullSecrets" in said
    assert said.count("warning: ") == 1


def test_all_that_is_wrong_is_told_where_the_state_cannot_be_read_either(
    cluster: Cluster,
) -> None:
    one = cluster.api.namespace()
    output = f"      - {{type: kubernetes_secret, namespaces: [{one}]}}\n"
    home = cluster.home
    more = f"state: {{secret: {home}/state}}\nleader_election: {{lease: {home}/leader}}\n"
    file = cluster.configure("unread", login(output, more))

    words = ("check", "--online", "--config", str(file))
    done = command(cluster.folder, cluster.environment(cluster.kubeconfig()), *words)

    assert done.returncode == 1
    assert done.stderr.startswith(
        f"lightkeeper check: the Secret {home}/state cannot be read: the API server answered 403"
    )
    said = done.stdout
    assert f"prod   eu-central-1  not known without the state  {one}/{NAME}" in said
    assert "prod: AWS knows it as " in said
    assert f"prod: 1 Secret of kubernetes_secret:{NAME} could not be written" in said
    assert f"the state {home}/state: access_denied: " in said
    assert f"the Lease {home}/leader: access_denied: " in said


def test_what_could_not_be_written_is_told_without_a_question_where_the_secret_shows_it(
    cluster: Cluster,
) -> None:
    """Neither holds what is held: one may not change, and one is another's that is to stay."""
    fixed, taken, good = (cluster.api.namespace() for _ in range(3))
    auths = base64.b64encode(json.dumps({"auths": {"ghcr.io": {"auth": "YTpi"}}}).encode())
    for where, data, is_immutable in ((fixed, b"e30=", True), (taken, auths, False)):
        secret = {
            "metadata": {"name": NAME},
            "type": "kubernetes.io/dockerconfigjson",
            "data": {".dockerconfigjson": data.decode()},
            "immutable": is_immutable,
        }
        path = f"/api/v1/namespaces/{where}/secrets?fieldManager=helm"
        cluster.api.done("POST", path, secret)
    output = (
        f"      - {{type: kubernetes_secret, namespaces: [{fixed}, {taken}, {good}],"
        " if_foreign: report}\n"
    )
    file = cluster.configure("shown", login(output, f"state: {{secret: {cluster.home}/state}}\n"))
    cluster.apply_rights(file)
    kubeconfig = cluster.kubeconfig()
    with cluster.running(file, kubeconfig) as running:
        running.wait_for("delivery_failed", 2)
        eventually("the other one has its Secret", lambda: cluster.holds(good))

    words = ("check", "--config", str(file))
    done = command(cluster.folder, cluster.environment(kubeconfig), *words)

    assert done.returncode == 1
    assert "nothing: immutable: it is marked as immutable" in done.stdout
    assert "nothing: conflict: helm manages it, and keeps logins of other" in done.stdout
    assert "the entry for" not in done.stdout
    assert done.stdout.count("nothing, it is current") == 1
