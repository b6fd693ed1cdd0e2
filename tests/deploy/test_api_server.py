"""What a real API server says of the manifests, and what it lets the daemon do by them.

It is of version 1.20: of what came later it knows nothing, and that is taken out here.
"""

from __future__ import annotations

import itertools
import json
from typing import Any, Final

import pytest

from tests.deploy.rendering import Manifest, manifests, rendered, with_components
from tests.deploy.test_kubernetes import NOT_KUBERNETES, everything
from tests.integration.process import eventually
from tests.real.cluster import ApiServer

pytestmark = pytest.mark.timeout(300)  # the tools may have to be fetched

DAEMON: Final = "system:serviceaccount:lightkeeper:lightkeeper"
SECRETS: Final = ("lightsail-push", "lightkeeper-state", "other", "")
NAMESPACES: Final = ("lightkeeper", "ci", "elsewhere", "kube-system")
VERBS: Final = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")


def _known_to_it(manifest: Manifest) -> bool:
    return not manifest["apiVersion"].startswith((*NOT_KUBERNETES, "policy/"))


def _of_its_time(manifest: Manifest) -> Manifest:
    """With a container in place of a sidecar, which it takes for any other init container."""
    if manifest["kind"] == "Job":
        pod = manifest["spec"]["template"]["spec"]
        sidecars = [one for one in pod.get("initContainers", []) if "restartPolicy" in one]
        for sidecar in sidecars:
            pod["initContainers"].remove(sidecar)
            del sidecar["restartPolicy"]
            pod["containers"].append(sidecar)
    return manifest


def _applied(server: ApiServer, objects: list[Manifest], *arguments: str) -> str:
    stdin = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    apply = ["apply", "--server-side", "--validate=false", "--filename=-"]
    return server.kubectl(*apply, *arguments, stdin=stdin)


@pytest.fixture
def server(api_server: ApiServer) -> ApiServer:
    """With the namespaces that there must be."""
    needed = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        for name in ("lightkeeper", "ci", "elsewhere")
    ]
    # A controller manager would make it, and a pod is refused without.
    default = {"name": "default", "namespace": "ci"}
    needed += [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": default}]
    _applied(api_server, needed, "--force-conflicts")
    return api_server


def test_it_takes_everything_that_it_knows(server: ApiServer) -> None:
    """In a dry run, which validates as a write does."""
    count = 0
    for name, text in everything().items():
        objects = [_of_its_time(one) for one in manifests(text) if _known_to_it(one)]
        namespaced = [] if name == "push-here" else objects
        if namespaced:
            said = _applied(server, namespaced, "--dry-run=server", "--force-conflicts")
            assert said.count("(server dry run)") == len(namespaced), name
            count += len(namespaced)

    assert count > 80


def test_it_refuses_what_is_wrong(server: ApiServer) -> None:
    (deployment,) = [one for one in manifests(rendered("base")) if one["kind"] == "Deployment"]
    deployment["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] = 97800

    with pytest.raises(AssertionError, match="containerPort"):
        _applied(server, [deployment], "--dry-run=server", "--force-conflicts")


def _may(server: ApiServer, **attributes: str) -> bool:
    """Whether the daemon may do it."""
    spec = {
        "user": DAEMON,
        "groups": ["system:serviceaccounts", "system:authenticated"],
        "resourceAttributes": attributes,
    }
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    status: dict[str, Any] = server.done("POST", path, {"spec": spec})["status"]
    return bool(status["allowed"])


def _rights(server: ApiServer) -> set[tuple[str, str, str, str]]:
    """What it may do of all that is asked: resource, namespace, name, verb."""
    found = set()
    for namespace, name, verb in itertools.product(NAMESPACES, SECRETS, VERBS):
        asked = {"namespace": namespace, "name": name, "verb": verb}
        if _may(server, resource="secrets", **asked):
            found.add(("secrets", namespace, name, verb))
    for name, verb in itertools.product(("lightkeeper", "other", ""), VERBS):
        asked = {"namespace": "lightkeeper", "name": name, "verb": verb}
        if _may(server, group="coordination.k8s.io", resource="leases", **asked):
            found.add(("leases", "lightkeeper", name, verb))
    for resource, verb in itertools.product(("namespaces", "pods", "serviceaccounts"), VERBS):
        if _may(server, resource=resource, verb=verb):
            found.add((resource, "", "", verb))
    return found


def _grants(text: str) -> list[Manifest]:
    kinds = {"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
    return [one for one in manifests(text) if one["kind"] in kinds]


def _all(*parts: tuple[str, str, str, str]) -> set[tuple[str, str, str, str]]:
    """Each right of each part, whose verbs are separated by commas."""
    return {(*part[:3], verb) for part in parts for verb in part[3].split(",")}


@pytest.mark.parametrize("way", ["base", "pair, cluster-wide"])
def test_the_daemon_may_do_what_it_needs_and_nothing_else(server: ApiServer, way: str) -> None:
    text = rendered("base") if way == "base" else with_components("pair", "cluster-wide")
    grants = _grants(text)
    _applied(server, grants, "--force-conflicts")

    write = "get,create,patch"
    expected = _all(("secrets", "lightkeeper", "lightkeeper-state", write))
    if way == "base":
        expected |= _all(("secrets", "ci", "lightsail-push", write))
    else:
        expected |= _all(("leases", "lightkeeper", "lightkeeper", "get,update"))
        expected |= _all(*(("secrets", one, "lightsail-push", write) for one in NAMESPACES))
        expected |= _all(("namespaces", "", "", "list,watch"))
    try:
        # It learns of new roles by a watch of its own.
        eventually("the rights are as they should be", lambda: _rights(server) == expected)
    finally:
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": grants})
        server.kubectl("delete", "--wait=false", "--filename=-", stdin=listed)


def test_that_is_enough_to_make_and_to_change_the_secret(server: ApiServer) -> None:
    """By server-side apply, which is authorised with the name even where nothing is there yet."""
    _applied(server, _grants(rendered("base")), "--force-conflicts")
    push = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "lightsail-push", "namespace": "ci"},
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": "e30="},
    }
    as_daemon = (f"--as={DAEMON}", "--field-manager=lightkeeper")
    wanted = {"resource": "secrets", "namespace": "ci", "name": "lightsail-push", "verb": "patch"}
    eventually("the grants are known", lambda: _may(server, **wanted))

    assert "serverside-applied" in _applied(server, [push], *as_daemon)
    push["metadata"] = {"name": "lightsail-push", "namespace": "ci", "labels": {"a": "b"}}
    assert "serverside-applied" in _applied(server, [push], *as_daemon)
    push["metadata"] = {"name": "another", "namespace": "ci"}
    with pytest.raises(AssertionError, match="forbidden"):
        _applied(server, [push], *as_daemon)


def test_applying_again_leaves_the_state_alone(server: ApiServer) -> None:
    """The state Secret is in the manifests without data, and holds what the daemon wrote."""
    state = [one for one in manifests(rendered("base")) if one["kind"] == "Secret"]
    own = {**state[0], "data": {"state": "e30="}}
    for arguments in (["--server-side"], []):
        _applied(server, [own], "--field-manager=lightkeeper", "--force-conflicts")
        server.kubectl(
            *("apply", *arguments, "--validate=false", "--filename=-"), stdin=json.dumps(state[0])
        )

        found = server.done("GET", "/api/v1/namespaces/lightkeeper/secrets/lightkeeper-state")
        assert found["data"] == {"state": "e30="}
