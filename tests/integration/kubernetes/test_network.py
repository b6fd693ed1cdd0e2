"""What a network does between the daemon and an API server: late, cut, swallowed, silent."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.integration.kubernetes.cluster import (
    NAME,
    WITHIN_SECONDS,
    Cluster,
    faked_time,
    login,
    within,
)
from tests.integration.kubernetes.proxy import Do, Proxy, proxying
from tests.integration.process import Daemon, eventually

pytestmark = pytest.mark.timeout(240)
FAST = "+0 x2"
"""The pace of the daemon's clocks: what waits ten seconds waits five."""


@dataclass
class Scene:
    """A daemon behind a proxy, and the namespaces that it serves."""

    cluster: Cluster
    proxy: Proxy
    running: Daemon
    names: list[str]

    def write(self, name: str) -> str:
        """What a write to a Secret there looks like."""
        return f"PATCH /api/v1/namespaces/{name}/secrets/{NAME}"

    def expiries(self) -> list[str]:
        return [self.cluster.expiry(name) for name in self.names]


def scene(stack: ExitStack, cluster: Cluster, more: dict[str, str] | None = None) -> Scene:
    labels = {"ci": cluster.home}
    names = [cluster.api.namespace(labels=labels) for _ in range(6)]
    output = f"      - {{type: kubernetes_secret, namespace_selector: ci={cluster.home}}}\n"
    file = cluster.configure("d", login(output, f"state: {{secret: {cluster.home}/state}}\n"))
    cluster.apply_rights(file)
    proxy = stack.enter_context(proxying(cluster.api))
    running = stack.enter_context(cluster.running(file, cluster.kubeconfig(proxy.url), more=more))
    running.wait_for("credential_delivered")
    within(20, "all Secrets", lambda: all(map(cluster.is_good, names)))
    return Scene(cluster, proxy, running, names)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def test_one_bad_namespace_delays_no_other_and_each_ends_well(
    cluster: Cluster, stack: ExitStack
) -> None:
    """In each namespace something else goes wrong with the write of a renewal, for a while."""
    one = scene(stack, cluster, more=faked_time(FAST))
    proxy, running = one.proxy, one.running
    hung, *others = one.names
    dealt = zip(others, (Do.SWALLOW, Do.CUT, Do.CLOSE, Do.LATE, Do.PASS), strict=True)
    deeds = {hung: Do.HANG, **dict(dealt)}
    orders = {
        name: proxy.order(one.write(name), do, -1 if do is Do.HANG else 1)
        for name, do in deeds.items()
    }
    running.signal(signal.SIGUSR1)
    newest = running.wait_for("credential_renewed", 2)["expires"]

    eventually("it hangs again", lambda: proxy.count(one.write(hung)) > 1)
    within(30, "all but one", lambda: {cluster.expiry(name) for name in others} == {newest})
    eventually("it is told", lambda: f"{hung}/{NAME}" in failures(running))
    assert all(order.met for order in orders.values())
    assert all(came_before(proxy, one.write(name), one.write(hung)) for name in others)
    assert running.get("/readyz")[0] == 200
    assert running.get("/readyz?places=all")[0] == 503
    assert failures(running)[f"{hung}/{NAME}"] == "timeout"
    *_, well = others
    assert f"{well}/{NAME}" not in failures(running)
    assert set(failures(running).values()) <= {"timeout", "network"}

    proxy.forget()
    within(30, "the one that hung", lambda: cluster.expiry(hung) == newest)
    eventually("all is well", lambda: running.get("/readyz?places=all")[0] == 200)
    assert all(map(cluster.is_good, one.names))
    assert cluster.lightsail.calls() == 2


def failures(daemon: Daemon) -> dict[str, str]:
    """The reason that was told last, by place."""
    return {line["place"]: line["reason"] for line in daemon.events("delivery_failed")}


def came_before(proxy: Proxy, line: str, again: str) -> bool:
    """Whether `line` came before `again` came for the second time."""
    first = next(place for place, asked in enumerate(proxy.asked) if line in asked)
    _, second, *_ = (place for place, asked in enumerate(proxy.asked) if again in asked)
    return first < second


def test_an_api_server_that_asks_for_patience_gets_it(cluster: Cluster, stack: ExitStack) -> None:
    one = scene(stack, cluster, more=faked_time(FAST))
    busy = one.proxy.order("PATCH .*/lightsail-push", Do.BUSY, 2)
    one.running.signal(signal.SIGUSR1)
    newest = one.running.wait_for("credential_renewed", 2)["expires"]

    within(30, "all of them", lambda: set(one.expiries()) == {newest})

    assert busy.met == 2
    failed = one.running.events("delivery_failed")
    assert {line["reason"] for line in failed} == {"throttled"}
    assert all("429" in line["detail"] for line in failed)
    assert one.running.get("/readyz")[0] == 200


def test_a_watch_that_dies_in_silence_is_found(cluster: Cluster, stack: ExitStack) -> None:
    """When its time is over; at the pace of this daemon's clocks that is ten seconds."""
    one = scene(stack, cluster, more=faked_time("+0 x30"))
    one.proxy.is_deaf.set()
    unseen = cluster.api.namespace(labels={"ci": cluster.home})
    watches = one.proxy.count("watch=true")
    # 300 s and the margin of 30 s, by its clocks; and some for the machine.
    within(40, "another watch", lambda: one.proxy.count("watch=true") > watches)
    one.proxy.is_deaf.clear()

    within(WITHIN_SECONDS, "the Secret", lambda: cluster.is_good(unseen))
    assert one.running.get("/readyz")[0] == 200
