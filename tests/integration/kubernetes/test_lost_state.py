"""The daemon goes on where its state was lost: it knows its own Secrets by their marks."""

from __future__ import annotations

import pytest

from tests.integration.kubernetes.cluster import Cluster, login, within
from tests.integration.process import eventually

pytestmark = pytest.mark.timeout(180)  # the first of them starts the API server


@pytest.mark.parametrize(
    ("how", "merge"), [("deleted", ""), ("moved", ", merge: true")], ids=["deleted", "moved-shared"]
)
def test_a_daemon_that_lost_its_state_replaces_its_secrets_and_meets_no_conflict(
    cluster: Cluster, how: str, merge: str
) -> None:
    """The state Secret was deleted, or another is named: one call, and all goes on."""
    places = [cluster.api.namespace() for _ in range(2)]
    output = f"      - {{type: kubernetes_secret, namespaces: [{', '.join(places)}]{merge}}}\n"
    file = cluster.configure("before", login(output, f"state: {{secret: {cluster.home}/state}}\n"))
    cluster.apply_rights(file)
    kubeconfig = cluster.kubeconfig()
    with cluster.running(file, kubeconfig) as running:
        eventually("all is there", lambda: running.get("/readyz?places=all")[0] == 200)
    before = [cluster.auths(one) for one in places]
    if how == "deleted":
        cluster.api.kubectl("-n", cluster.home, "delete", "secret", "state")
    else:
        state = f"state: {{secret: {cluster.home}/other}}\n"
        file = cluster.configure("after", login(output, state))
        cluster.apply_rights(file)

    with cluster.running(file, kubeconfig, "again") as again:
        within(
            30,
            "new logins",
            lambda: all(
                cluster.auths(one) != one_before
                for one, one_before in zip(places, before, strict=True)
            ),
        )
        eventually("it is ready again", lambda: again.get("/readyz?places=all")[0] == 200)

        assert all(cluster.is_good(one) for one in places)
        assert cluster.lightsail.calls() == 2
        assert again.events("place_drifted") == []
        assert again.events("delivery_failed") == []
