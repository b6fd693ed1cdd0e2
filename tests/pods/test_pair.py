"""Two replicas by `components/pair`: one works, and the other takes over without a call."""

from __future__ import annotations

import os
import signal
import time
import urllib.request
from collections.abc import Iterator

import pytest

from tests.deploy.rendering import Manifest
from tests.integration.process import eventually
from tests.pods.node import PATIENCE_SECONDS, PUSH, Cluster, auth_of, deployed

pytestmark = pytest.mark.timeout(300)

LEASE = "/apis/coordination.k8s.io/v1/namespaces/lightkeeper/leases/lightkeeper"
TAKEOVER_SECONDS = 45
"""What the how-to says: the Lease's 30 s and two looks at it, with their jitter."""


@pytest.fixture(scope="module")
def pair(node: Cluster) -> Iterator[Cluster]:
    with deployed(node, node.render("base", components=["../../components/pair"])):
        yield node


def holder(pair: Cluster) -> str:
    """The pod that leads, or led last; empty where the Lease was released."""
    identity: str = pair.server.done("GET", LEASE)["spec"].get("holderIdentity", "")
    names = [pod["metadata"]["name"] for pod in pair.pods("lightkeeper")]
    return next((name for name in names if identity.startswith(name)), identity)


def leads(pod: Manifest) -> bool:
    """What it says of itself."""
    url = f"http://{pod['status']['podIP']}:9780/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return "\nlightkeeper_leader 1" in answer.read().decode()


def test_both_are_ready_and_one_works(pair: Cluster) -> None:
    pods = pair.pods("lightkeeper")

    assert [pod["metadata"]["name"] for pod in pods if leads(pod)] == [holder(pair)]
    assert len(pods) == 2
    assert pair.opens_registry(auth_of(pair.secret("ci", PUSH)))


def await_other(pair: Cluster, former: str) -> float:
    """Until another one leads and says so; how long that took, from now."""
    begun = time.monotonic()

    def is_led() -> bool:
        leader = holder(pair)
        pods = {pod["metadata"]["name"]: pod for pod in pair.pods("lightkeeper")}
        return leader not in ("", former) and leader in pods and leads(pods[leader])

    eventually("another one leads", is_led, patience_seconds=PATIENCE_SECONDS)
    return time.monotonic() - begun


@pytest.mark.parametrize("way", ["deleted", "killed"])
def test_when_the_leader_ends_the_other_takes_over_without_a_call(pair: Cluster, way: str) -> None:
    calls, held = pair.lightsail.calls(), auth_of(pair.secret("ci", PUSH))
    former = holder(pair)
    (pod,) = [one for one in pair.pods("lightkeeper") if one["metadata"]["name"] == former]

    if way == "deleted":
        pair.server.kubectl("--namespace=lightkeeper", "delete", "pod", former, "--wait=false")
    else:
        os.kill(int(pair.main_process(pod).name), signal.SIGKILL)
    took = await_other(pair, former)

    assert took < TAKEOVER_SECONDS
    eventually("both are ready", pair.is_rolled_out, patience_seconds=PATIENCE_SECONDS)
    assert (pair.lightsail.calls(), auth_of(pair.secret("ci", PUSH))) == (calls, held)
    print(f"the other one led after {took:.1f} s")
