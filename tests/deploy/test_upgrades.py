"""Helm upgrades what the daemon has written into meanwhile, on a real API server.

The state Secret is in the chart, empty, and filled by the daemon: each must leave the other's
fields alone. Helm applies on the server, where a field of somebody else ends the upgrade.
"""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lightkeeper.adapters.kubernetes.state_secret import StateSecret
from lightkeeper.cluster import SecretSeen, Stale
from lightkeeper.core.saved import put_down
from lightkeeper.ports import Failed
from tests.core.making import HOUR, NOON, at, holding
from tests.deploy.rendering import CHART, run_helm
from tests.deploy.tools import helm
from tests.fakes.cluster import FakeApiServer, FakeCluster, Identity
from tests.real.cluster import APPLY, ApiServer

pytestmark = pytest.mark.timeout(300)  # helm may have to be fetched

NAME = "lightkeeper-state"


class Asked(FakeCluster):
    """The real server, for the two calls that the state needs."""

    def __init__(self, server: ApiServer, namespace: str) -> None:
        super().__init__(FakeApiServer(now=lambda: NOON), Identity())
        self._real = server
        self._path = f"/api/v1/namespaces/{namespace}/secrets/{NAME}"

    async def read_secret(self, namespace: str, name: str) -> SecretSeen | Failed | None:
        return seen(self._real.done("GET", self._path))

    async def apply_secret(
        self, namespace: str, manifest: Mapping[str, object], version: str, *, dry_run: bool = False
    ) -> SecretSeen | Stale | Failed:
        query = "?fieldManager=lightkeeper&force=true"
        return seen(self._real.done("PATCH", self._path + query, manifest, kind=APPLY))


def seen(secret: Mapping[str, Any]) -> SecretSeen:
    metadata = secret["metadata"]
    data = {key: base64.b64decode(value) for key, value in secret.get("data", {}).items()}
    return SecretSeen(
        uid=metadata["uid"],
        version=metadata["resourceVersion"],
        type=secret["type"],
        data=data,
        managers={},
        labels=metadata.get("labels", {}),
        annotations={},
        is_immutable=False,
    )


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """Without its demand for a newer Kubernetes than the one that tests can have."""
    copy = tmp_path / "lightkeeper"
    shutil.copytree(CHART, copy)
    text = (copy / "Chart.yaml").read_text().splitlines(keepends=True)
    (copy / "Chart.yaml").write_text("".join(one for one in text if "kubeVersion" not in one))
    return copy


def helms(server: ApiServer, namespace: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    whose = [f"--kubeconfig={server.kubeconfig}", f"--namespace={namespace}"]
    push = f"--set=push.namespaces={{{namespace}}}"
    output = "config.logins[0].outputs[0]"
    config = f"--set={output}.type=kubernetes_secret,{output}.namespaces={{{namespace}}}"
    return run_helm([str(helm()), *arguments, *whose, push, config])


async def test_an_upgrade_leaves_what_the_daemon_keeps(api_server: ApiServer, chart: Path) -> None:
    namespace = api_server.namespace()
    installed = helms(api_server, namespace, "install", "lightkeeper", str(chart))
    assert installed.returncode == 0, installed.stderr
    store = StateSecret(Asked(api_server, namespace), namespace, NAME)
    state = put_down(holding(), fingerprint="f", boot_id="b", now=at(HOUR))
    assert await store.save(state) is None
    path = f"/api/v1/namespaces/{namespace}/secrets/{NAME}"
    kept = api_server.done("GET", path)["data"]

    for level in ("debug", "info"):
        changed = f"--set=config.log.level={level}"
        done = helms(api_server, namespace, "upgrade", "lightkeeper", str(chart), changed)
        assert done.returncode == 0, done.stderr
        assert await store.save(state) is None

    assert kept
    assert api_server.done("GET", path)["data"] == kept
