"""What a daemon deletes where it serves no more: over reloads and failures, and who of a pair."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from functools import partial

import pytest

from tests.integration.kubernetes.cluster import NAME, Cluster, login, within
from tests.integration.kubernetes.proxy import Do, proxying
from tests.integration.process import eventually

pytestmark = pytest.mark.timeout(240)


def pruning(cluster: Cluster, *namespaces: str) -> str:
    """A configuration that serves these."""
    names = ", ".join(namespaces)
    return login(
        f"      - {{type: kubernetes_secret, namespaces: [{names}], prune: true}}\n",
        f"state: {{secret: {cluster.home}/state}}\n",
    )


def test_a_reload_prunes_what_it_chooses_no_more_though_it_fails_at_first(cluster: Cluster) -> None:
    kept, dropped, broken = (cluster.api.namespace() for _ in range(3))
    configured = partial(pruning, cluster)
    file = cluster.configure("d", configured(kept, dropped, broken))
    cluster.apply_rights(file)
    with ExitStack() as stack:
        proxy = stack.enter_context(proxying(cluster.api))
        running = stack.enter_context(cluster.running(file, cluster.kubeconfig(proxy.url)))
        eventually("all Secrets", lambda: all(map(cluster.holds, (kept, dropped, broken))))
        # On a connection that was kept it is sent once more at once, by a new one.
        proxy.order(f"DELETE /api/v1/namespaces/{broken}/", Do.CLOSE, 2)

        cluster.configure("d", configured(kept))
        running.signal(signal.SIGHUP)
        running.wait_for("config_reloaded")
        eventually("pruned", lambda: cluster.secret(dropped) is None)

        assert running.wait_for("places_left")["places"] == [f"{broken}/{NAME}"]
        within(40, "tried again", lambda: cluster.secret(broken) is None)
        eventually("both are told", lambda: len(running.events("places_pruned")) == 2)
        told = [one["places"] for one in running.events("places_pruned")]
        assert told == [[f"{dropped}/{NAME}"], [f"{broken}/{NAME}"]]
        assert cluster.is_good(kept)
        assert len(running.events("places_left")) == 1
        assert not running.events("daemon_surprised")


def test_a_start_prunes_what_the_daemon_before_it_could_not(cluster: Cluster) -> None:
    """It is remembered in the state, though the place was dropped from that by then."""
    kept, dropped, come = (cluster.api.namespace() for _ in range(3))
    configured = partial(pruning, cluster)
    file = cluster.configure("d", configured(kept, dropped, come))
    cluster.apply_rights(file)
    cluster.configure("d", configured(kept, dropped))
    with ExitStack() as stack:
        proxy = stack.enter_context(proxying(cluster.api))
        proxy.order(f"DELETE /api/v1/namespaces/{dropped}/", Do.CLOSE)
        with cluster.running(file, cluster.kubeconfig(proxy.url)) as running:
            eventually("all Secrets", lambda: all(map(cluster.holds, (kept, dropped))))
            cluster.configure("d", configured(kept, come))
            running.signal(signal.SIGHUP)
            running.wait_for("places_left")
            eventually("the state is saved, and then this", lambda: cluster.holds(come))
    assert cluster.secret(dropped) is not None

    with cluster.running(file, cluster.kubeconfig(), "again"):
        within(40, "pruned after all", lambda: cluster.secret(dropped) is None)
        assert cluster.is_good(kept)


def test_a_replica_that_leads_no_more_watches_and_prunes_nothing(cluster: Cluster) -> None:
    """Nor does it after a reload."""
    first, second = (cluster.api.namespace(labels={"ci": cluster.home}) for _ in range(2))
    file = cluster.configure(
        "pair",
        login(
            f"      - {{type: kubernetes_secret, namespace_selector: ci={cluster.home},"
            " prune: true}\n",
            f"state: {{secret: {cluster.home}/state}}\n"
            f"leader_election: {{lease: {cluster.home}/leader, duration: 6s, renew_deadline: 4s,"
            " retry: 1s}\n",
        ),
    )
    cluster.apply_rights(file)
    with ExitStack() as stack:
        proxy = stack.enter_context(proxying(cluster.api))
        old = stack.enter_context(cluster.running(file, cluster.kubeconfig(proxy.url), "old"))
        eventually("all Secrets", lambda: all(map(cluster.holds, (first, second))))
        new = stack.enter_context(cluster.running(file, cluster.kubeconfig(), "new"))
        new.wait_for("leader_seen")
        proxy.order("/leases/", Do.CLOSE)
        old.wait_for("leadership_ended")
        new.wait_for("leadership_began")
        proxy.forget()
        old.wait_for("leader_seen")
        eventually("it keeps the login", lambda: new.get("/readyz?places=all")[0] == 200)

        since = len(proxy.asked)
        cluster.api.label_namespace(first, {"ci": None})
        eventually("pruned by who leads", lambda: cluster.secret(first) is None)
        old.signal(signal.SIGHUP)
        old.wait_for("config_reloaded")
        cluster.api.label_namespace(second, {"ci": None})
        eventually("pruned by who leads", lambda: cluster.secret(second) is None)
        looks = len(proxy.asked)
        eventually("it looks at the Lease", lambda: len(proxy.asked) > looks + 2)

        assert not [line for line in proxy.asked[since:] if "/leases/" not in line]
