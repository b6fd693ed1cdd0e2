"""What the tests with pods share: a cluster of one node, and what its pods are led to.

The node is where `kube-node` is; elsewhere these tests are skipped. A simulator of Lightsail and a
real registry listen at the node's two addresses, the registry under a name that only AWS has: pods
find both by what `at_home` adds to their manifests, and nothing else of those is changed.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from tests.deploy.images import IMAGE
from tests.deploy.rendering import KUSTOMIZE, Manifest, containers, manifests
from tests.integration.process import Simulated, eventually, simulator
from tests.pods.images import BUILDER
from tests.real.cluster import ApiServer, lacking_api_server, serving
from tests.real.images import TAG
from tests.real.starting import lacking, script, started

NODE: Final = os.environ.get("LIGHTKEEPER_NODE", "")
ARCHIVE: Final = "images.tar"
"""In the node's folder: all images that there are."""

REGISTRY: Final = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
"""As the examples have it."""
BASE_IMAGES: Final = "base.example.com:5443"
"""A registry of images to build upon; it wants a login of its own."""
PULLER: Final = ("puller", "fake-password-of-base-images")
_REGISTRY_AT: Final = "10.88.0.1"
_LIGHTSAIL_AT: Final = "10.88.0.2"
_PARTS: Final = ("kube-controller-manager", "kube-scheduler", "kubelet")
_TOOLS: Final = (
    *("containerd", "ctr", "runc", "ip", "iptables", "openssl", "curl", "docker-registry"),
    *("htpasswd", "podman", "buildah", "skopeo", "newuidmap", "setcap"),
)
_IMAGES: Final = {
    "lightkeeper:0.1.0": IMAGE,
    "quay.io/buildah/stable:v1.37.0": BUILDER,
    "registry.example.com/builder:1": BUILDER,
}
PUSH: Final = "lightsail-push"
_AWS: Final = "fake-aws-credentials"
_CA: Final = "fake-ca"
PATIENCE_SECONDS: Final = 120.0
"""For a pod to begin or to end on a loaded machine."""


def lacking_node() -> str:
    """What keeps a node from starting here; empty if nothing does."""
    if why := lacking(*_TOOLS, root=True):
        return why
    if not Path("/usr/lib/cni/bridge").exists():
        return "missing: apt-get install containernetworking-plugins"
    if not Path("/sys/fs/cgroup/memory").is_dir():
        return "the machine's control groups are of version 2, which that kubelet cannot use"
    return lacking_api_server(*_PARTS)


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The one node, and what is beside it."""

    server: ApiServer
    lightsail: Simulated
    registry: Path
    """The folder of the real one."""
    base_images: Path
    """The folder of the other one."""
    scratch: Path

    def render(self, folder: str, **kustomization: object) -> list[Manifest]:
        """What a folder of `deploy/kubernetes` comes to, of what a server of this age knows.

        With more of a kustomization it is that of an overlay.
        """
        if kustomization:
            overlay = self.scratch / "kubernetes" / "overlays" / "of-a-test"
            shutil.rmtree(self.scratch / "kubernetes", ignore_errors=True)
            shutil.copytree(KUSTOMIZE, self.scratch / "kubernetes")
            overlay.mkdir()
            told = {"resources": [f"../../{folder}"], **kustomization}
            (overlay / "kustomization.yaml").write_text(json.dumps(told))
        else:
            overlay = KUSTOMIZE / folder
        text = self.server.kubectl("kustomize", str(overlay))
        return [one for one in manifests(text) if not one["apiVersion"].startswith("policy/")]

    def apply(self, *objects: Manifest) -> None:
        """Make them so, with pods that find their way here."""
        items = [at_home(one) for one in objects]
        listed = {"apiVersion": "v1", "kind": "List", "items": items}
        how = ["--server-side", "--force-conflicts", "--validate=false", "--filename=-"]
        self.server.kubectl("apply", *how, stdin=json.dumps(listed))

    def delete(self, *objects: Manifest) -> None:
        """Take them away; back when they are gone."""
        listed = {"apiVersion": "v1", "kind": "List", "items": objects}
        how = ["--ignore-not-found", "--timeout=50s", "--cascade=foreground", "--filename=-"]
        self.server.kubectl("delete", *how, stdin=json.dumps(listed))

    def pods(self, namespace: str, labels: str = "") -> list[Manifest]:
        """Those that are not about to go."""
        path = f"/api/v1/namespaces/{namespace}/pods?labelSelector={labels}"
        found = self.server.done("GET", path)["items"]
        return [one for one in found if "deletionTimestamp" not in one["metadata"]]

    def pod(self, namespace: str, name: str) -> Manifest:
        """What is known of it; nothing if it is not there."""
        return self.server.ask("GET", f"/api/v1/namespaces/{namespace}/pods/{name}").body

    def await_pod(self, namespace: str, name: str, *phases: str) -> Manifest:
        """It, when it is in one of these phases."""
        eventually(
            f"{namespace}/{name} is {phases}",
            lambda: self.pod(namespace, name).get("status", {}).get("phase") in phases,
            patience_seconds=PATIENCE_SECONDS,
        )
        return self.pod(namespace, name)

    def secret(self, namespace: str, name: str) -> Manifest | None:
        """As an administrator sees it."""
        answer = self.server.ask("GET", f"/api/v1/namespaces/{namespace}/secrets/{name}")
        return answer.body if answer.status == HTTPStatus.OK else None

    def execute(self, namespace: str, what: str, *command: str) -> str:
        """Run it in a container; what it printed."""
        return self.server.kubectl("--namespace", namespace, "exec", what, "--", *command)

    def main_process(self, pod: Manifest) -> Path:
        """The daemon's in that pod, by its folder in /proc: all of the node is seen from here."""
        uid = pod["metadata"]["uid"]
        for process in Path("/proc").glob("[0-9]*"):
            try:
                is_its = uid in (process / "cgroup").read_text()
                if is_its and b"lightkeeper" in (process / "cmdline").read_bytes():
                    return process
            except OSError:  # it ended meanwhile
                continue
        raise AssertionError(uid)

    def is_rolled_out(self) -> bool:
        """Whether as many pods as the Deployment wants are ready, those that are to go not counted.

        Its own status would still count one that was deleted a moment ago.
        """
        path = "/apis/apps/v1/namespaces/lightkeeper/deployments/lightkeeper"
        pods = self.pods("lightkeeper")
        wanted = self.server.done("GET", path)["spec"]["replicas"]
        return len(pods) == wanted and all(map(_is_ready, pods))

    def logs(self, namespace: str, what: str, *options: str) -> str:
        """What it said."""
        return self.server.kubectl("--namespace", namespace, "logs", what, *options)

    def opens_registry(self, auth: str) -> bool:
        """Whether it takes what a client would send."""
        trusting = ssl.create_default_context(cafile=self.registry / "ca.crt")
        connection = http.client.HTTPSConnection(_REGISTRY_AT, context=trusting, timeout=10)
        try:
            connection.request("GET", "/v2/", headers={"Authorization": f"Basic {auth}"})
            return connection.getresponse().status == HTTPStatus.OK
        finally:
            connection.close()

    def push_base_image(self, source: str, name: str) -> None:
        """Put an image into the registry of those to build upon."""
        port = BASE_IMAGES.partition(":")[2]
        to = f"docker://{_REGISTRY_AT}:{port}/{name}:{TAG}"
        how = ["--dest-tls-verify=false", f"--dest-creds={':'.join(PULLER)}"]
        subprocess.run(
            ["skopeo", "copy", *how, source, to], check=True, capture_output=True, timeout=60
        )

    def has_image(self, repository: str, tag: str) -> bool:
        """Whether it was pushed: the registry's own files say so."""
        repositories = self.registry / "data" / "docker" / "registry" / "v2" / "repositories"
        return (repositories / repository / "_manifests" / "tags" / tag / "current").exists()


def _is_ready(pod: Manifest) -> bool:
    conditions = {one["type"]: one["status"] for one in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True"


def auth_in(content: str) -> str:
    """The one entry of a Docker config, as a client would send it."""
    entry: str = json.loads(content)["auths"][REGISTRY]["auth"]
    return entry


def auth_of(secret: Manifest | None) -> str:
    """The same, of a Secret; empty if there is none."""
    if secret is None:
        return ""
    return auth_in(base64.b64decode(secret["data"][".dockerconfigjson"]).decode())


def at_home(manifest: Manifest) -> Manifest:
    """The same where the images, AWS, the registry and its CA are those of the tests."""
    made: Manifest = json.loads(json.dumps(manifest))
    match made:
        case {"kind": "Pod", "spec": spec}:
            _lead(spec)
        case {"kind": "Deployment" | "Job", "spec": {"template": {"spec": spec}}}:
            _lead(spec)
        case _:
            pass
    return made


def _name_of(registry: str) -> str:
    return registry.partition(":")[0]


def _lead(spec: dict[str, Any]) -> None:
    names = [REGISTRY, _name_of(BASE_IMAGES)]
    spec["hostAliases"] = [{"ip": _REGISTRY_AT, "hostnames": names}]
    spec.setdefault("volumes", []).append({"name": _CA, "configMap": {"name": _CA}})
    for one in containers(spec):
        if one["image"] == "lightkeeper:0.1.0":
            one["envFrom"] = [{"secretRef": {"name": _AWS}}]
        one["image"] = _IMAGES.get(one["image"], one["image"])
        trusted = {"name": "SSL_CERT_FILE", "value": "/fake-ca/ca.crt"}
        one["env"] = [*one.get("env", []), trusted]
        mount = {"name": _CA, "mountPath": "/fake-ca", "readOnly": True}
        one["volumeMounts"] = [*one.get("volumeMounts", []), mount]


def _lead_here(namespace: str, environment: Mapping[str, str], ca: str) -> list[Manifest]:
    """What `at_home` refers to, for one namespace."""
    marked = {"namespace": namespace, "annotations": {"fake": "it opens a simulator"}}
    v1 = {"apiVersion": "v1"}
    return [
        {**v1, "kind": "Namespace", "metadata": {"name": namespace}},
        {**v1, "kind": "ConfigMap", "metadata": {**marked, "name": _CA}, "data": {"ca.crt": ca}},
        {
            **v1,
            "kind": "Secret",
            "metadata": {**marked, "name": _AWS},
            "stringData": dict(environment),
        },
    ]


@contextmanager
def cluster(folder: Path, namespaces: Sequence[str]) -> Iterator[Cluster]:
    """One until the end, with these namespaces."""
    pki = folder / "kube" / "pki"
    flags = (
        "--bind-address=0.0.0.0 --feature-gates=BoundServiceAccountTokenVolume=true"
        f" --kubelet-client-certificate={pki}/admin.crt --kubelet-client-key={pki}/admin.key"
        " --kubelet-preferred-address-types=InternalIP"
    )
    ctr = ["ctr", "--address", "/run/containerd/containerd.sock", "--namespace", "k8s.io"]
    subprocess.run(
        [*ctr, "images", "import", f"{NODE}/{ARCHIVE}"],
        check=True,
        capture_output=True,
        timeout=120,
    )
    named = {"TLS": "1", "HOST": _REGISTRY_AT, "NAMES": f"DNS:{REGISTRY}"}
    based = {"TLS": "1", "HOST": _REGISTRY_AT, "NAMES": f"DNS:{_name_of(BASE_IMAGES)}"}
    users = folder / "registry" / "htpasswd"
    here = ("--host", _LIGHTSAIL_AT, "--registry", REGISTRY, "--htpasswd", str(users))
    with (
        started("registry", folder / "registry", "443", environment=named),
        started("registry", folder / "base", BASE_IMAGES.partition(":")[2], environment=based),
        simulator(folder, *here) as lightsail,
        serving(folder / "kube", flags, parts=_PARTS) as server,
    ):
        made = Cluster(
            server=server,
            lightsail=lightsail,
            registry=folder / "registry",
            base_images=folder / "base",
            scratch=folder,
        )
        script("registry", "user", folder / "base", *PULLER)
        ca = "".join((folder / one / "ca.crt").read_text() for one in ("registry", "base"))
        for one in namespaces:
            made.apply(*_lead_here(one, lightsail.environment, ca))
        yield made


@contextmanager
def deployed(here: Cluster, objects: Sequence[Manifest]) -> Iterator[None]:
    """The daemon by these manifests until the end, from when its Deployment is available."""
    here.apply(*objects)
    try:
        eventually("the daemon is ready", here.is_rolled_out, patience_seconds=PATIENCE_SECONDS)
        yield
    finally:
        here.delete(*(one for one in objects if one["kind"] != "Namespace"))
        here.server.kubectl("--namespace=ci", "delete", "secret", PUSH, "--ignore-not-found")
