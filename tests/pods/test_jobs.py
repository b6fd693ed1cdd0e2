"""A login beside one job: the job's own container finds it, pushes with it, and all of it ends.

Sidecars came with Kubernetes 1.29, and this cluster is older: it runs the Job in its form for such
clusters, and the sidecar as a container among others, which does not keep a Pod from being deleted.
"""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Final

import pytest

from tests.deploy.rendering import Manifest
from tests.integration.process import eventually
from tests.pods.node import BASE_IMAGES, PATIENCE_SECONDS, PULLER, REGISTRY, Cluster
from tests.real.images import TAG, write_image

pytestmark = pytest.mark.timeout(300)

_PUSH: Final = f"exec skopeo copy oci:/image:{TAG} docker://$IMAGE"


def step(job: Manifest, image: str, before: str = "") -> Manifest:
    """The Job, where its step pushes a small image."""
    made: Manifest = json.loads(json.dumps(job))
    (build,) = made["spec"]["template"]["spec"]["containers"]
    build["command"] = ["/bin/sh", "-euc", before + _PUSH]
    build["env"].append({"name": "IMAGE", "value": f"{REGISTRY}/{image}"})
    return made


def job_in(objects: list[Manifest]) -> Manifest:
    (job,) = [one for one in objects if one["kind"] == "Job"]
    return job


def test_a_job_finds_its_login_pushes_and_is_complete(node: Cluster) -> None:
    objects = node.render("overlays/sidecar-before-1.29")
    job = step(job_in(objects), "sr:from-a-job")
    path = "/apis/batch/v1/namespaces/ci/jobs/build"

    def ended() -> bool:
        conditions = node.server.done("GET", path)["status"].get("conditions", [])
        return any(one["status"] == "True" for one in conditions)

    node.apply(*(job if one["kind"] == "Job" else one for one in objects))
    eventually("the job ended", ended, patience_seconds=PATIENCE_SECONDS)

    status = node.server.done("GET", path)["status"]
    assert status.get("succeeded") == 1, node.logs(
        "ci", "job/build", "--all-containers", "--ignore-errors"
    )
    assert node.has_image("sr", "from-a-job")
    node.delete(job)


def beside_the_daemon(objects: list[Manifest], image: str, before: str) -> Manifest:
    """The Job's Pod with its sidecar as a container among others; the step waits for the file."""
    wait = "until [ -s /docker/config.json ]; do sleep 0.2; done\n"
    template = step(job_in(objects), image, before=wait + before)["spec"]["template"]
    (sidecar,) = template["spec"].pop("initContainers")
    del sidecar["restartPolicy"]
    template["spec"]["containers"].append(sidecar)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**template["metadata"], "name": "build", "namespace": "ci"},
        "spec": template["spec"],
    }


def await_step(node: Cluster) -> str:
    """Wait for its end; what all containers of the Pod said."""

    def step_ended() -> bool:
        states = {
            one["name"]: one["state"]
            for one in node.pod("ci", "build").get("status", {}).get("containerStatuses", [])
        }
        return "terminated" in states.get("build", {})

    eventually("the step ended", step_ended, patience_seconds=PATIENCE_SECONDS)
    return node.logs("ci", "build", "--all-containers", "--ignore-errors")


def test_a_step_beside_the_daemon_waits_pushes_and_the_daemon_is_gone_at_once(
    node: Cluster,
) -> None:
    objects = node.render("overlays/sidecar")
    pod = beside_the_daemon(objects, "sr:beside-the-daemon", "")
    grace = pod["spec"].get("terminationGracePeriodSeconds", 30)
    node.apply(*(one for one in objects if one["kind"] != "Job"), pod)
    said = await_step(node)
    assert node.has_image("sr", "beside-the-daemon"), said

    running = node.main_process(node.pod("ci", "build"))
    begun = time.monotonic()
    node.server.kubectl("--namespace=ci", "delete", "pod", "build", "--wait=false")
    eventually("the daemon ended", lambda: not running.exists(), patience_seconds=PATIENCE_SECONDS)
    took = time.monotonic() - begun

    assert took < grace
    print(f"the daemon ended {took:.1f} s after its pod was told to go")
    node.delete(pod)


def test_a_step_pulls_a_private_base_image_and_pushes(node: Cluster, tmp_path: Path) -> None:
    """Both by the one file that the daemon made: it begins with what the seed has."""
    base = f"{BASE_IMAGES}/base:{TAG}"
    write_image(tmp_path / "image")
    node.push_base_image(f"oci:{tmp_path}/image:{TAG}", "base")
    login = base64.b64encode(":".join(PULLER).encode()).decode()
    content = json.dumps({"auths": {BASE_IMAGES: {"auth": login}}})
    seed = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "base-image-pull", "namespace": "ci", "annotations": {"fake": "yes"}},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": content},
    }
    objects = node.render("overlays/sidecar-with-base-image")
    pull = f"skopeo copy docker://{base} oci:/tmp/base:{TAG}\n"
    pod = beside_the_daemon(objects, "sr:on-a-base-image", pull)
    command = pod["spec"]["containers"][0]["command"]
    command[-1] = command[-1].replace(f"oci:/image:{TAG}", f"oci:/tmp/base:{TAG}")

    node.apply(seed, *(one for one in objects if one["kind"] != "Job"), pod)
    said = await_step(node)

    assert node.has_image("sr", "on-a-base-image"), said
    node.delete(pod)
