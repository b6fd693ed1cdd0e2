"""The Deployment of `deploy/kubernetes/base`, and the Secret that builders mount."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Final

import pytest

from tests.deploy.rendering import Manifest
from tests.integration.process import eventually
from tests.pods.images import BUILDER
from tests.pods.node import PATIENCE_SECONDS, PUSH, REGISTRY, Cluster, auth_in, auth_of, deployed

pytestmark = pytest.mark.timeout(300)

DAEMON: Final = "deployment/lightkeeper"
GRACE_SECONDS: Final = 15
"""The Deployment's own, after which the kubelet kills."""


@pytest.fixture(scope="module")
def here(node: Cluster) -> Iterator[Cluster]:
    with deployed(node, node.render("base")):
        yield node


def the_pod(here: Cluster) -> Manifest:
    (pod,) = here.pods("lightkeeper")
    return pod


def test_when_it_is_ready_the_secret_is_there_and_opens_the_registry(here: Cluster) -> None:
    secret = here.secret("ci", PUSH)

    assert secret is not None
    assert secret["type"] == "kubernetes.io/dockerconfigjson"
    assert here.opens_registry(auth_of(secret))
    assert not here.opens_registry("ZmFrZTpmYWtl")
    (container,) = the_pod(here)["status"]["containerStatuses"]
    assert (container["ready"], container["restartCount"]) == (True, 0)


def test_describe_tells_the_story_without_the_password(here: Cluster) -> None:
    said = here.server.kubectl("--namespace=ci", "describe", "secret", PUSH)

    for part in ("/login: prod", f"/registry: {REGISTRY}", "/issued-at: 20", "/expires-at: 20"):
        assert part in said, said
    assert auth_of(here.secret("ci", PUSH)) not in said


def test_its_log_is_json_with_the_events_of_the_reference(here: Cluster) -> None:
    lines = here.logs("lightkeeper", DAEMON).splitlines()

    events = [json.loads(line)["event"] for line in lines]
    assert {"daemon_ready", "credential_renewed", "credential_delivered"} <= set(events)
    assert auth_of(here.secret("ci", PUSH)) not in "".join(lines)


SELF = """
import json, os
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
try:
    open("/opt/lightkeeper/new", "w")
    refusal = ""
except OSError as exc:
    refusal = exc.strerror
token = "/var/run/secrets/kubernetes.io/serviceaccount/token"
print(json.dumps({
    "ids": [os.getuid(), os.getgid()],
    "capabilities": [int(status[one], 16) for one in ("CapPrm", "CapEff", "CapBnd")],
    "no new privileges": status["NoNewPrivs"].strip(),
    "seccomp": status["Seccomp"].strip(),
    "write": refusal,
    "memory": int(open("/sys/fs/cgroup/memory/memory.limit_in_bytes").read()),
    "token": os.access(token, os.R_OK),
}))
"""


def test_it_runs_as_restricted_as_it_is_written(here: Cluster) -> None:
    """As the kernel sees it: the server is too old to enforce Pod Security."""
    python = "/opt/lightkeeper/bin/python"
    found = json.loads(here.execute("lightkeeper", DAEMON, python, "-c", SELF))

    assert found == {
        "ids": [10001, 10001],
        "capabilities": [0, 0, 0],
        "no new privileges": "1",
        "seccomp": "2",
        "write": "Read-only file system",
        "memory": 256 * 2**20,
        "token": True,
    }


def test_its_token_is_one_that_ends(here: Cluster) -> None:
    """The projected one, an hour long, which the kubelet renews; no token of a Secret."""
    sources = [
        source["serviceAccountToken"]["expirationSeconds"]
        for volume in the_pod(here)["spec"]["volumes"]
        for source in volume.get("projected", {}).get("sources", [])
        if "serviceAccountToken" in source
    ]

    assert sources == [3607]


def test_its_status_is_asked_in_the_pod(here: Cluster) -> None:
    said = here.execute("lightkeeper", DAEMON, "lightkeeper", "status")

    assert "prod" in said
    assert "ci/lightsail-push" in said


def test_its_configuration_is_proven_in_the_pod(here: Cluster) -> None:
    """Its root is read-only, and it has no state directory."""
    here.execute("lightkeeper", DAEMON, "lightkeeper", "check", "--online")


BUILDER_POD: Final[Manifest] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "waits", "namespace": "ci"},
    "spec": {
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "containers": [
            {
                "name": "waits",
                "image": BUILDER,
                "command": ["sleep", "infinity"],
                "volumeMounts": [
                    {"name": "push", "mountPath": "/push", "readOnly": True},
                    {"name": "push", "mountPath": "/file.json", "subPath": "config.json"},
                ],
            }
        ],
        "volumes": [
            {
                "name": "push",
                "secret": {
                    "secretName": PUSH,
                    "items": [{"key": ".dockerconfigjson", "path": "config.json"}],
                },
            }
        ],
    },
}


def test_a_running_pod_sees_a_renewed_login_in_a_directory_but_not_by_subpath(
    here: Cluster,
) -> None:
    def seen(path: str) -> str:
        return auth_in(here.execute("ci", "waits", "cat", path))

    first = auth_of(here.secret("ci", PUSH))
    here.apply(BUILDER_POD)
    here.await_pod("ci", "waits", "Running")
    assert (seen("/push/config.json"), seen("/file.json")) == (first, first)

    here.execute("lightkeeper", DAEMON, "lightkeeper", "renew", "prod")
    second = auth_of(here.secret("ci", PUSH))
    assert second != first
    assert here.opens_registry(second)
    # The kubelet looks at a pod anew when it is changed, and else about once a minute.
    here.server.kubectl("--namespace=ci", "annotate", "pod", "waits", "look=now")
    eventually(
        "the pod has the new login",
        lambda: seen("/push/config.json") == second,
        patience_seconds=PATIENCE_SECONDS,
    )

    assert seen("/file.json") == first
    here.delete(BUILDER_POD)


def test_a_new_pod_goes_on_where_the_last_one_ended(here: Cluster) -> None:
    """Without a call, and the old one is gone before it would be killed."""
    calls, held = here.lightsail.calls(), auth_of(here.secret("ci", PUSH))
    old, running = the_pod(here)["metadata"]["name"], here.main_process(the_pod(here))
    begun = time.monotonic()

    here.server.kubectl("--namespace=lightkeeper", "delete", "pod", old, "--wait=false")
    eventually("the daemon ended", lambda: not running.exists())
    took = time.monotonic() - begun
    eventually("a new one is ready", here.is_rolled_out, patience_seconds=PATIENCE_SECONDS)

    assert the_pod(here)["metadata"]["name"] != old
    assert (here.lightsail.calls(), auth_of(here.secret("ci", PUSH))) == (calls, held)
    assert took < GRACE_SECONDS
    print(f"ended in {took:.1f} s, the next was ready in {time.monotonic() - begun:.1f} s")
