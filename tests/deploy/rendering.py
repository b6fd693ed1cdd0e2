"""What the manifests in `deploy/` come to, as kubectl and helm render them."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from tests.deploy.tools import helm, kubectl

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
KUSTOMIZE: Final = DEPLOY / "kubernetes"
CHART: Final = DEPLOY / "helm" / "lightkeeper"

Manifest: TypeAlias = dict[str, Any]

COMPONENTS: Final = ("pair", "cluster-wide", "pod-monitor")
FOLDERS: Final = (
    "base",
    "push-here",
    "overlays/pair-everywhere",
    "overlays/sidecar",
    "overlays/sidecar-before-1.29",
    "overlays/sidecar-with-base-image",
    "examples",
)


@cache
def rendered(folder: str) -> str:
    """The text of a kustomization in `deploy/kubernetes`."""
    return run_kustomize(KUSTOMIZE / folder)


@cache
def with_components(*components: str) -> str:
    """The base with these components, as an overlay of somebody's own has them."""
    with tempfile.TemporaryDirectory(dir=KUSTOMIZE.parent) as scratch:
        overlay = {
            "resources": ["../kubernetes/base"],
            "components": [f"../kubernetes/components/{one}" for one in components],
        }
        (Path(scratch) / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
        return run_kustomize(Path(scratch))


def run_kustomize(folder: Path) -> str:
    """What a folder comes to."""
    return _said([str(kubectl()), "kustomize", str(folder)])


@cache
def chart(*settings: str) -> str:
    """The chart, as the release `lightkeeper` in the namespace `lightkeeper`."""
    return _said(template(*settings))


def template(*settings: str) -> list[str]:
    """The command that renders the chart with these settings."""
    named = [f"--set={one}" for one in settings]
    command = [str(helm()), "template", "lightkeeper", str(CHART), "--namespace=lightkeeper"]
    return [*command, *named]


def run_helm(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run it without anybody's own settings."""
    with tempfile.TemporaryDirectory() as home:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={"HOME": home, "PATH": "/usr/bin:/bin"},
        )


def _said(command: list[str]) -> str:
    done = run_helm(command)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def manifests(text: str) -> list[Manifest]:
    """Each document of a text."""
    return [one for one in yaml.safe_load_all(text) if one]


def key_of(manifest: Mapping[str, Any]) -> str:
    """What tells one object from another."""
    metadata = manifest["metadata"]
    return f"{manifest['kind']} {metadata.get('namespace', '')}/{metadata['name']}"


def pod_specs(text: str) -> Iterator[tuple[str, Manifest]]:
    """The pod of whatever has one, with its object's key."""
    for manifest in manifests(text):
        match manifest:
            case {"kind": "Pod", "spec": spec}:
                yield key_of(manifest), spec
            case {"kind": "Deployment" | "Job", "spec": {"template": {"spec": spec}}}:
                yield key_of(manifest), spec
            case _:
                pass


def containers(spec: Manifest) -> list[Manifest]:
    """All containers of a pod."""
    return [*spec.get("initContainers", []), *spec["containers"]]


def configured(text: str) -> tuple[str, dict[str, str]]:
    """The configuration and the variables of the Deployment in what was rendered."""
    (found,) = [one for one in manifests(text) if one["kind"] == "ConfigMap"]
    ((_, spec),) = pod_specs(text)
    return found["data"]["config.yaml"], variables(spec["containers"][0])


def variables(container: Manifest) -> dict[str, str]:
    """What a container's environment says."""
    return {one["name"]: one["value"] for one in container.get("env", [])}
