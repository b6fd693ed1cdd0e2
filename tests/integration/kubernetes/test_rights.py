"""What the daemon may not do in a real cluster is known at its start, when no write is due yet."""

from __future__ import annotations

import json

from tests.integration.kubernetes.cluster import NAME, Cluster, login, within
from tests.integration.process import eventually
from tests.real.cluster import rule

READ = rule(["get"], ["secrets"], NAME)
WRITE = rule(["patch", "create"], ["secrets"], NAME)


def may(cluster: Cluster, verb: str, namespace: str) -> bool:
    asked = {"namespace": namespace, "verb": verb, "resource": "secrets", "name": NAME}
    user = f"system:serviceaccount:{cluster.account.namespace}:{cluster.account.name}"
    review = {"spec": {"user": user, "resourceAttributes": asked}}
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    return bool(cluster.api.done("POST", path, review)["status"]["allowed"])


def revoke(cluster: Cluster, namespace: str) -> None:
    """Nobody may do anything there; back when the API server has taken notice."""
    cluster.api.kubectl("-n", namespace, "delete", "rolebindings", "--all")
    within(10, "the right is gone", lambda: not may(cluster, "patch", namespace))


def version(cluster: Cluster, namespace: str) -> str:
    secret = cluster.secret(namespace)
    assert secret is not None
    return str(secret["metadata"]["resourceVersion"])


def test_replicas_of_which_none_may_have_the_lease_are_not_ready_and_say_why(
    cluster: Cluster,
) -> None:
    """A rollout stops at them, which would else succeed and keep no login for good."""
    here = cluster.api.namespace()
    output = f"      - {{type: kubernetes_secret, namespaces: [{here}]}}\n"
    lease = f"{cluster.home}/leader"
    more = f"state: {{secret: {cluster.home}/state}}\nleader_election: {{lease: {lease}}}\n"
    file = cluster.configure("pair", login(output, more))

    with cluster.running(file, cluster.kubeconfig()) as replica:
        failed = replica.wait_for("election_failed")
        status, told = replica.get("/readyz")
        assert status == 503
        (told,) = [one["sentence"] for one in json.loads(told)["failing"]]
        assert f"the Lease {lease} cannot be read or written, access_denied: " in told
        assert 'cannot get resource "leases"' in told
        assert str(failed["advice"]) in told
        assert "lightkeeper check --rbac" in told

        cluster.apply_rights(file)
        replica.wait_for("leadership_began")
        eventually("it is ready", lambda: replica.get("/readyz?places=all")[0] == 200)


def test_a_write_that_would_be_refused_is_told_at_the_start_and_mends_by_itself(
    cluster: Cluster,
) -> None:
    kept, taken = cluster.api.namespace(), cluster.api.namespace()
    for namespace in (kept, taken):
        cluster.api.grant(cluster.account, READ, WRITE, namespace=namespace)
    output = f"      - {{type: kubernetes_secret, namespaces: [{kept}, {taken}]}}\n"
    state = f"state_dir: {cluster.folder}/state\n"
    file, kubeconfig = cluster.configure("daemon", login(output, state)), cluster.kubeconfig()
    with cluster.running(file, kubeconfig) as first:
        first.wait_for("credential_delivered")
    revoke(cluster, taken)
    cluster.api.grant(cluster.account, READ, namespace=taken)
    before = version(cluster, kept), version(cluster, taken)

    with cluster.running(file, kubeconfig) as again:
        failed = again.wait_for("delivery_failed")
        assert (failed["place"], failed["reason"]) == (f"{taken}/{NAME}", "access_denied")
        assert str(failed["detail"]).startswith("it is current, and the next would fail: ")
        assert 'cannot patch resource "secrets"' in str(failed["detail"])
        assert "lightkeeper check --rbac" in str(failed["advice"])
        assert again.get("/readyz")[0] == 200
        eventually("the other is read", lambda: kept not in again.get("/readyz?places=all")[1])
        status, told = again.get("/readyz?places=all")
        assert (status, kept in told, taken in told) == (503, False, True)
        assert (version(cluster, kept), version(cluster, taken)) == before
        assert cluster.holds(taken)

        cluster.api.grant(cluster.account, WRITE, namespace=taken)
        eventually("it is well again", lambda: again.get("/readyz?places=all")[0] == 200)
        assert (version(cluster, kept), version(cluster, taken)) == before
    assert cluster.lightsail.calls() == 1
