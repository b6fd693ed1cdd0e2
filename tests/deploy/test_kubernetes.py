"""The manifests render, are what Kubernetes' schemas ask for, and do what is said of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from lightkeeper.config.flags import SETTINGS
from lightkeeper.config.model import Config, FileOutput, KubernetesSecret
from tests.config.loading import loaded
from tests.deploy.rendering import (
    CHART,
    COMPONENTS,
    DEPLOY,
    FOLDERS,
    KUSTOMIZE,
    Manifest,
    chart,
    configured,
    containers,
    key_of,
    manifests,
    pod_specs,
    rendered,
    variables,
    with_components,
)
from tests.deploy.tools import schemas

pytestmark = pytest.mark.timeout(300)  # the tools may have to be fetched

OLDEST = "1.29"
NOT_KUBERNETES = ("monitoring.coreos.com/", "tekton.dev/")
"""Kinds that a cluster has only after somebody installed them."""

OURS = "lightkeeper"
LISTED = KUSTOMIZE / "examples" / "kustomization.yaml"
EXAMPLES = sorted(set((KUSTOMIZE / "examples").glob("*.yaml")) - {LISTED})


def everything() -> dict[str, str]:
    """All that is rendered, by what it is."""
    found = {folder: rendered(folder) for folder in FOLDERS}
    found |= {component: with_components(component) for component in COMPONENTS}
    found["all components"] = with_components(*COMPONENTS)
    found["chart"] = chart("replicas=2", "podMonitor.enabled=true")
    return found | {"chart, cluster-wide": chart("push.clusterWide=true")}


def _validated(path: Path, version: str) -> str:
    """What the schemas of a version of Kubernetes have to say."""
    command = [sys.executable, "-W", "ignore", "-m", "kubernetes_validate", "--strict", "--quiet"]
    done = subprocess.run(
        [*command, "-k", version, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, schemas()))},
    )
    said = done.stdout + done.stderr
    return said if done.returncode or said else ""


def newest() -> str:
    """The newest version that there are schemas of."""
    folder = schemas()[0] / "kubernetes_validate" / "kubernetes-json-schema"
    found = (re.match(r"v(1\.\d+)\.", one.name) for one in folder.iterdir())
    return max((one[1] for one in found if one), key=lambda version: int(version.split(".")[1]))


@pytest.mark.parametrize("which", ["oldest", "newest"])
def test_everything_is_what_the_schemas_ask_for(tmp_path: Path, which: str) -> None:
    """Strictly: a key that Kubernetes does not know is an error."""
    version = OLDEST if which == "oldest" else newest()
    known = [
        one
        for text in everything().values()
        for one in manifests(text)
        if not one["apiVersion"].startswith(NOT_KUBERNETES)
    ]
    path = tmp_path / "all.yaml"
    path.write_text(yaml.safe_dump_all(known))

    assert len(known) > 80
    assert _validated(path, version) == ""


def test_a_misspelt_key_is_found(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(rendered("base").replace("revisionHistoryLimit", "revisionHistoryLimits"))

    assert "revisionHistoryLimits" in _validated(path, OLDEST)


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_folder_renders(folder: str) -> None:
    assert manifests(rendered(folder))


def test_every_example_is_rendered_or_the_values_of_a_chart() -> None:
    named = yaml.safe_load(LISTED.read_text())["resources"]
    values = {path.name for path in EXAMPLES if path.name.endswith(".values.yaml")}

    assert {path.name for path in EXAMPLES} == {*named, *values}
    assert {path.stem.partition(".")[0] for path in EXAMPLES} >= {
        *("kaniko", "buildkit", "buildah", "gitlab-runner", "github-arc", "jenkins-agent", "tekton")
    }


def _restricted(spec: Manifest) -> list[str]:
    """What of the standard "restricted" a pod does not keep."""
    of_pod = spec.get("securityContext", {})
    broken = [] if of_pod.get("seccompProfile", {}).get("type") == "RuntimeDefault" else ["seccomp"]
    broken += [] if of_pod.get("runAsNonRoot") is True else ["runAsNonRoot"]
    broken += [key for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    allowed = {"configMap", "emptyDir", "secret", "projected", "persistentVolumeClaim", "name"}
    broken += [volume["name"] for volume in spec.get("volumes", []) if volume.keys() - allowed]
    for container in containers(spec):
        own = container.get("securityContext", {})
        if own.get("allowPrivilegeEscalation") is not False:
            broken.append(f"{container['name']}: allowPrivilegeEscalation")
        if own.get("capabilities") != {"drop": ["ALL"]} or own.get("runAsUser") == 0:
            broken.append(f"{container['name']}: capabilities or user")
    return broken


@pytest.mark.parametrize("folder", [one for one in FOLDERS if one[:2] in {"ba", "ov"}])
def test_pods_keep_the_restricted_standard(folder: str) -> None:
    pods = list(pod_specs(rendered(folder)))

    assert len(pods) == 1
    assert [broken for _, spec in pods for broken in _restricted(spec)] == []


def test_a_pod_that_does_not_is_found() -> None:
    assert _restricted({"containers": [{"name": "one"}], "hostPID": True}) == [
        *("seccomp", "runAsNonRoot", "hostPID"),
        *("one: allowPrivilegeEscalation", "one: capabilities or user"),
    ]


def _daemons() -> list[Manifest]:
    found = [
        container
        for text in everything().values()
        for _, spec in pod_specs(text)
        for container in containers(spec)
        if container["name"] == OURS
    ]
    assert len(found) > 7
    return found


def test_the_daemon_has_a_read_only_root_and_limits() -> None:
    for container in _daemons():
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["resources"]["limits"].keys() == {"memory"}


def test_every_variable_of_the_daemon_is_one_that_it_knows() -> None:
    known = {setting.variable for setting in SETTINGS}

    named = {name for container in _daemons() for name in variables(container)}

    assert {name for name in named if name.startswith("LIGHTKEEPER_")} <= known


def test_the_image_is_of_this_version() -> None:
    version = re.search(
        r'__version__ = "(.+)"',
        (DEPLOY.parent / "daemon" / "lightkeeper" / "__init__.py").read_text(),
    )
    assert version
    of_chart = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert (of_chart["version"], of_chart["appVersion"]) == (version[1], version[1])
    assert {container["image"].rpartition(":")[2] for container in _daemons()} == {version[1]}


def _secret_volumes(document: Any) -> list[Manifest]:  # noqa: ANN401 - any YAML
    """What a volume or a workspace says of the Secret that is pushed with, anywhere in it."""
    found = []
    if isinstance(document, dict):
        found += [document] if document.get("secretName") == "lightsail-push" else []
        found += [one for value in document.values() for one in _secret_volumes(value)]
    elif isinstance(document, list):
        found += [one for value in document for one in _secret_volumes(value)]
    return found


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_mount_the_directory_and_say_who_reads_it(path: Path) -> None:
    """A subPath keeps its first content for ever, and a variable does too."""
    text = path.read_text()
    head = "".join(re.findall(r"^#.*\n", text, re.MULTILINE)).replace("\n# ", " ")
    assert re.search(r"reads? the file", head)
    assert "Not run:" in head
    assert "subPath" not in text
    assert "secretKeyRef" not in text
    assert "imagePullSecrets" not in text
    if path.name != "gitlab-runner.values.yaml":
        mounts = [one for document in manifests(text) for one in _secret_volumes(document)]
        assert [[item["key"] for item in one["items"]] for one in mounts] == [[".dockerconfigjson"]]


def test_the_example_of_gitlab_is_toml_with_items() -> None:
    import tomllib  # noqa: PLC0415 - for this alone

    values = yaml.safe_load((KUSTOMIZE / "examples" / "gitlab-runner.values.yaml").read_text())
    runner = tomllib.loads(values["runners"]["config"])["runners"][0]

    (volume,) = runner["kubernetes"]["volumes"]["secret"]
    assert volume["items"] == {".dockerconfigjson": "config.json"}
    assert f"DOCKER_CONFIG={volume['mount_path']}" in runner["environment"]


def _config(text: str) -> Config:
    document, said = configured(text)
    image = {"STATE_DIRECTORY": "/var/lib/lightkeeper", "RUNTIME_DIRECTORY": "/run/lightkeeper"}
    return loaded(document, environ=image | said).config


def _secret_output(config: Config) -> KubernetesSecret:
    (login,) = config.logins
    (output,) = login.outputs
    assert isinstance(output, KubernetesSecret)
    return output


def test_the_configurations_load_and_name_what_there_is() -> None:
    for name, text in everything().items():
        if name.startswith(("push-here", "overlays/sidecar", "examples")):
            continue
        objects = {key_of(one) for one in manifests(text)}
        config = _config(text)
        assert config.web.listen is not None, name
        assert config.web.listen.port == 9780, name
        assert config.state is not None, name
        assert f"Secret {config.state.secret}" in objects, name
        if config.leader_election is not None:
            assert f"Lease {config.leader_election.lease}" in objects, name
        for namespace in _secret_output(config).namespaces:
            is_pattern = "*" in namespace
            roles = {f"Role {namespace}/lightkeeper-push", "ClusterRole /lightkeeper-push"}
            assert is_pattern or roles & objects, name


def test_a_pair_elects_and_one_alone_does_not() -> None:
    for text in (
        with_components("pair"),
        chart("replicas=2"),
        rendered("overlays/pair-everywhere"),
    ):
        assert _config(text).leader_election is not None
    for text in (rendered("base"), chart()):
        assert _config(text).leader_election is None


def _rules(text: str) -> dict[str, list[tuple[Any, ...]]]:
    """What each Role allows: resources, names, verbs."""
    return {
        key_of(one): [
            (*rule["resources"], tuple(rule.get("resourceNames", ())), tuple(rule["verbs"]))
            for rule in one["rules"]
        ]
        for one in manifests(text)
        if one["kind"] in {"Role", "ClusterRole"}
    }


def test_the_rights_are_those_of_one_secret() -> None:
    """In rules too: there kustomize changes names with those of objects that it names anew."""
    write = ("get", "create", "patch")
    base = {
        "Role lightkeeper/lightkeeper-state": [("secrets", ("lightkeeper-state",), write)],
        "Role ci/lightkeeper-push": [("secrets", ("lightsail-push",), write)],
    }
    lease = {
        "Role lightkeeper/lightkeeper-lease": [("leases", ("lightkeeper",), ("get", "update"))]
    }
    wide = {
        "ClusterRole /lightkeeper-push": [
            ("namespaces", (), ("list", "watch")),
            ("secrets", ("lightsail-push",), write),
        ]
    }

    assert _rules(rendered("base")) == base
    assert _rules(with_components("pair")) == base | lease
    state = {key: rules for key, rules in base.items() if "state" in key}
    assert _rules(with_components("cluster-wide")) == state | wide
    assert _rules(with_components(*COMPONENTS)) == state | lease | wide
    assert _rules(rendered("push-here")) == {
        "Role /lightkeeper-push": base["Role ci/lightkeeper-push"]
    }


def test_every_binding_leads_from_the_daemon_to_a_role_that_is_there() -> None:
    for name, text in everything().items():
        objects = {key_of(one) for one in manifests(text)}
        for one in manifests(text):
            if one["kind"] not in {"RoleBinding", "ClusterRoleBinding"}:
                continue
            where = one["metadata"].get("namespace", "") if one["kind"] == "RoleBinding" else ""
            assert f"{one['roleRef']['kind']} {where}/{one['roleRef']['name']}" in objects, name
            (subject,) = one["subjects"]
            daemon = f"ServiceAccount {subject['namespace']}/{subject['name']}"
            assert daemon in objects | {"ServiceAccount lightkeeper/lightkeeper"}, name


def test_the_sidecar_comes_first_and_starts_the_rest() -> None:
    ((_, spec),) = pod_specs(rendered("overlays/sidecar-with-base-image"))
    (sidecar,) = spec["initContainers"]
    (build,) = spec["containers"]
    told = variables(sidecar) | variables(build)

    assert sidecar["restartPolicy"] == "Always"
    assert sidecar["startupProbe"]["httpGet"]["path"] == "/readyz"
    assert told["LIGHTKEEPER_DOCKER_CONFIG"] == f"{told['DOCKER_CONFIG']}/config.json"
    mounts = {one["mountPath"]: one["name"] for one in build["volumeMounts"]}
    assert mounts[told["DOCKER_CONFIG"]] in {one["name"] for one in sidecar["volumeMounts"]}
    assert sidecar["securityContext"]["runAsUser"] != build["securityContext"]["runAsUser"]
    assert told["LIGHTKEEPER_FILE_MODE"] == "0640"
    assert spec["securityContext"]["fsGroup"]
    (login,) = loaded(environ=variables(sidecar)).config.logins
    (output,) = login.outputs
    assert isinstance(output, FileOutput)
    assert str(output.seed) == "/seed/config.json"


def test_before_sidecars_the_login_comes_once_and_all_else_is_the_same() -> None:
    ((_, sidecar),) = pod_specs(rendered("overlays/sidecar"))
    ((_, before),) = pod_specs(rendered("overlays/sidecar-before-1.29"))
    (daemon,) = sidecar["initContainers"]
    (once,) = before["initContainers"]

    assert once.pop("args") == ["once"]
    assert once == {key: daemon[key] for key in daemon.keys() - {"restartPolicy", "startupProbe"}}
    assert before | {"initContainers": []} == sidecar | {"initContainers": []}
