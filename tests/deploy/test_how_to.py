"""What the page tells people to write for a cluster renders, and does what it says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml

from tests.deploy.rendering import KUSTOMIZE, key_of, manifests, run_kustomize

pytestmark = pytest.mark.timeout(300)  # kubectl may have to be fetched

PAGE = KUSTOMIZE.parents[1] / "docs" / "how-to" / "kubernetes.md"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """The overlay of the page, where it says."""
    shutil.copytree(KUSTOMIZE, tmp_path / "kubernetes")
    folder = tmp_path / "kubernetes" / "overlays" / "mine"
    folder.mkdir()
    blocks = re.findall(r"^ *```yaml\n(.*?)^ *```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    kustomization, config = (dedent(block) for block in blocks[:2])
    (folder / "kustomization.yaml").write_text(kustomization)
    (folder / "config.yaml").write_text(config)
    return folder


def rendered(folder: Path, **changes: list[Any]) -> dict[str, dict[str, Any]]:
    """The objects of it, with something added to its lists."""
    path = folder / "kustomization.yaml"
    told = yaml.safe_load(path.read_text())
    for key, added in changes.items():
        told[key] = [*told.get(key, []), *added]
    path.write_text(yaml.safe_dump(told))
    return {key_of(one): one for one in manifests(run_kustomize(folder))}


def test_the_overlay_has_the_image_the_role_and_the_configuration(mine: Path) -> None:
    objects = rendered(mine)

    (container,) = objects["Deployment lightkeeper/lightkeeper"]["spec"]["template"]["spec"][
        "containers"
    ]
    assert container["image"] == "registry.example.com/lightkeeper:0.1.0"
    account = objects["ServiceAccount lightkeeper/lightkeeper"]
    assert account["metadata"]["annotations"].keys() == {"eks.amazonaws.com/role-arn"}
    (config,) = [one for key, one in objects.items() if key.startswith("ConfigMap ")]
    assert config["data"]["config.yaml"] == (mine / "config.yaml").read_text()


def test_another_namespace_in_place_of_ci(mine: Path) -> None:
    replaced = [{"op": "replace", "path": "/metadata/namespace", "value": "builds"}]
    patch = {"target": {"name": "lightkeeper-push"}, "patch": yaml.safe_dump(replaced)}

    objects = rendered(mine, patches=[patch])

    pushes = {key for key in objects if key.endswith("/lightkeeper-push")}
    assert pushes == {"Role builds/lightkeeper-push", "RoleBinding builds/lightkeeper-push"}


def test_some_namespaces_more(mine: Path) -> None:
    (mine / "team-a").mkdir()
    more = {"resources": ["../../../push-here"], "namespace": "team-a"}
    (mine / "team-a" / "kustomization.yaml").write_text(yaml.safe_dump(more))

    objects = rendered(mine, resources=["team-a"])

    assert objects.keys() > {"Role ci/lightkeeper-push", "Role team-a/lightkeeper-push"}
    (subject,) = objects["RoleBinding team-a/lightkeeper-push"]["subjects"]
    assert (subject["namespace"], subject["name"]) == ("lightkeeper", "lightkeeper")


def test_the_components_by_the_paths_that_are_told(mine: Path) -> None:
    told = re.findall(r"`components: \[(\S+)\]`", PAGE.read_text())

    objects = rendered(mine, components=told)

    assert len(told) == 3
    kinds = {key.split()[0] for key in objects}
    assert kinds >= {"Lease", "ClusterRole", "PodMonitor", "PodDisruptionBudget"}


def test_every_example_has_its_row() -> None:
    named = re.findall(r"`([\w.-]+\.yaml)`", PAGE.read_text().partition("| example in")[2])
    examples = {one.name for one in (KUSTOMIZE / "examples").glob("*.yaml")}

    assert set(named) == examples - {"kustomization.yaml"}
