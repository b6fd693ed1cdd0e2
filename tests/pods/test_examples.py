"""Those of `deploy/kubernetes/examples` whose tool can be had here: buildah's.

Their images and the repository that they build from are elsewhere: the image has Debian's buildah,
and the source is in a ConfigMap. What pushes, with which file and as whom, is the example's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from tests.deploy.rendering import Manifest
from tests.integration.process import eventually
from tests.pods.node import PATIENCE_SECONDS, REGISTRY, Cluster, deployed

pytestmark = pytest.mark.timeout(300)

GIT: Final = "https://git.example.com/app.git"
SOURCE: Final[Manifest] = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "app", "namespace": "ci"},
    "data": {"Containerfile": "FROM scratch\nCOPY hello /\n", "hello": "hello\n"},
}


@pytest.fixture(scope="module")
def here(node: Cluster) -> Iterator[Cluster]:
    with deployed(node, node.render("base")):
        node.apply(SOURCE)
        yield node


def example(here: Cluster, kind: str, name: str) -> Manifest:
    """It, with the source mounted."""
    (found,) = [
        one
        for one in here.render("examples")
        if (one["kind"], one["metadata"]["name"]) == (kind, name)
    ]
    spec = found["spec"]["template"]["spec"] if kind == "Job" else found["spec"]
    spec["volumes"].append({"name": "app", "configMap": {"name": "app"}})
    spec["containers"][0]["volumeMounts"].append({"name": "app", "mountPath": "/app"})
    return found


def test_buildah_builds_and_pushes(here: Cluster) -> None:
    job = example(here, "Job", "buildah")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    (script,) = container["args"]
    assert GIT in script
    container["args"] = [script.replace(GIT, "/app")]
    path = "/apis/batch/v1/namespaces/ci/jobs/buildah"

    here.apply(job)
    eventually(
        "the job ended",
        lambda: here.server.done("GET", path)["status"].get("conditions"),
        patience_seconds=PATIENCE_SECONDS,
    )

    status = here.server.done("GET", path)["status"]
    assert status.get("succeeded") == 1, here.logs("ci", "job/buildah")
    assert here.has_image("sr", "app-1")
    here.delete(job)


def test_a_jenkins_agent_builds_and_pushes(here: Cluster) -> None:
    """Its Pod, in whose container Jenkins would run the same commands."""
    pod = example(here, "Pod", "jenkins-agent")
    pod["spec"]["terminationGracePeriodSeconds"] = 1  # it sleeps, and hears no signal
    image = f"{REGISTRY}/sr:from-jenkins"
    here.apply(pod)
    here.await_pod("ci", "jenkins-agent", "Running")

    build = f"buildah build --isolation chroot --tag {image} /app && buildah push {image}"
    said = here.execute("ci", "jenkins-agent", "/bin/sh", "-euc", build)

    assert here.has_image("sr", "from-jenkins"), said
    here.delete(pod)
