"""The same cluster on two stages: the model of simulations, and our client at a real API server."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import Final, Protocol

from lightkeeper.adapters.clock import SystemClock
from lightkeeper.adapters.kubernetes.clusters import connect
from lightkeeper.cluster import Cluster, ClusterConfig
from tests.fakes.applying import IMMUTABLE, Value
from tests.fakes.applying import Path as Field
from tests.fakes.cluster import UNREACHABLE, FakeApiServer, FakeCluster, Identity, Right
from tests.real.cluster import APPLY, MERGE, ApiServer, rule
from tests.real.starting import free_port

NAME: Final = "lightsail-push"
KEY: Final = ".dockerconfigjson"
DOCKER: Final = "kubernetes.io/dockerconfigjson"
EVERYTHING: Final = tuple(
    Right(verbs=("get", "list", "watch", "create", "update", "patch", "delete"), resource=resource)
    for resource in ("secrets", "leases", "namespaces", "serviceaccounts")
)
_GROUPS: Final = {"leases": "coordination.k8s.io"}


def content(marker: str) -> bytes:
    """A Docker config, each marker's another."""
    return json.dumps({"auths": {"registry.test": {"auth": marker}}}).encode()


def manifest(
    data: Mapping[str, bytes] | None = None,
    metadata: Mapping[str, object] | None = None,
    *,
    kind: str = DOCKER,
) -> dict[str, object]:
    """What is applied: by default a Docker config under the one name of these tests."""
    encoded = {
        key: base64.b64encode(value).decode()
        for key, value in ({KEY: content("first")} if data is None else data).items()
    }
    return {"metadata": {"name": NAME, **(metadata or {})}, "type": kind, "data": encoded}


class Stage(Protocol):
    """An API server, and what its administrators do."""

    def connect(self, *rights: Right) -> Cluster:
        """As somebody who may do this and nothing else."""
        ...

    def connect_late(self) -> Cluster:
        """As somebody who might do everything, had their token not ended."""
        ...

    def connect_nowhere(self) -> Cluster:
        """To where nobody listens."""
        ...

    def namespace(self, labels: Mapping[str, str] | None = None) -> str:
        """A new one."""
        ...

    def label_namespace(self, name: str, labels: Mapping[str, str | None]) -> None:
        """Set labels of it, or take away those that are None."""
        ...

    def end_namespace(self, name: str) -> None:
        """Let it be Terminating."""
        ...

    def finish_namespace(self, name: str) -> None:
        """Let it go."""
        ...

    def apply(self, namespace: str, applied: Mapping[str, object], manager: str) -> None:
        """Another field manager applies a Secret, by force."""
        ...

    def edit(self, namespace: str, changes: Mapping[Field, Value | None], manager: str) -> None:
        """Somebody changes fields of the Secret, as `kubectl edit` does."""
        ...

    def delete_secret(self, namespace: str) -> None:
        """Somebody deletes the Secret."""
        ...

    def delete_lease(self, namespace: str, name: str) -> None:
        """Somebody deletes a Lease."""
        ...

    def account(self, namespace: str, name: str, *pulls: str) -> None:
        """A new ServiceAccount, whose pods pull with these Secrets."""
        ...


NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)


class Simulated:
    """The model."""

    def __init__(self) -> None:
        self.server = FakeApiServer(lambda: NOW)
        self._serial = count()

    def connect(self, *rights: Right) -> Cluster:
        return FakeCluster(self.server, Identity(rights))

    def connect_late(self) -> Cluster:
        return FakeCluster(self.server, Identity(EVERYTHING, expires_at=NOW - timedelta(hours=1)))

    def connect_nowhere(self) -> Cluster:
        return FakeCluster(self.server, Identity(EVERYTHING), fate=lambda _: UNREACHABLE)

    def namespace(self, labels: Mapping[str, str] | None = None) -> str:
        name = f"n{next(self._serial)}"
        self.server.namespace(name, labels)
        return name

    def label_namespace(self, name: str, labels: Mapping[str, str | None]) -> None:
        self.server.label_namespace(name, labels)

    def end_namespace(self, name: str) -> None:
        self.server.end_namespace(name)

    def finish_namespace(self, name: str) -> None:
        self.server.finish_namespace(name)

    def apply(self, namespace: str, applied: Mapping[str, object], manager: str) -> None:
        self.server.apply_secret(namespace, applied, manager)

    def edit(self, namespace: str, changes: Mapping[Field, Value | None], manager: str) -> None:
        self.server.edit_secret(namespace, NAME, changes, manager)

    def delete_secret(self, namespace: str) -> None:
        self.server.delete_secret(namespace, NAME)

    def delete_lease(self, namespace: str, name: str) -> None:
        self.server.delete_lease(namespace, name)

    def account(self, namespace: str, name: str, *pulls: str) -> None:
        self.server.accounts[namespace, name] = pulls


@dataclass
class Real:
    """Our client, at a real API server."""

    server: ApiServer
    folder: Path
    _serial: count[int] = field(default_factory=count)

    def connect(self, *rights: Right) -> Cluster:
        account = self.server.account(self.server.namespace(), "it")
        for right in rights:
            group = _GROUPS.get(right.resource, "")
            made = rule(right.verbs, [right.resource], *right.names, group=group)
            self.server.grant(account, made, namespace=right.namespace)
        return self._as(self.server.token(account))

    def connect_late(self) -> Cluster:
        account = self.server.account(self.server.namespace(), "it")
        self.server.grant(account, rule(["*"], ["*"]))
        return self._as(self.server.brief_token(account, -3600))

    def connect_nowhere(self) -> Cluster:
        return self._as("none", f"https://127.0.0.1:{free_port()}")

    def _as(self, token: str, url: str = "") -> Cluster:
        path = self.folder / f"kubeconfig-{next(self._serial)}"
        self.server.write_kubeconfig(path, token=token, url=url)
        where = ClusterConfig(kubeconfig=str(path))
        return connect(where, {}, SystemClock(), Random(1))

    def namespace(self, labels: Mapping[str, str] | None = None) -> str:
        return self.server.namespace(labels=labels)

    def label_namespace(self, name: str, labels: Mapping[str, str | None]) -> None:
        self.server.label_namespace(name, labels)

    def end_namespace(self, name: str) -> None:
        self.server.end_namespace(name)

    def finish_namespace(self, name: str) -> None:
        self.server.finish_namespace(name)

    def apply(self, namespace: str, applied: Mapping[str, object], manager: str) -> None:
        path = f"{_secret(namespace)}?fieldManager={manager}&force=true"
        whole = {"apiVersion": "v1", "kind": "Secret", **applied}
        self.server.done("PATCH", path, whole, kind=APPLY)

    def edit(self, namespace: str, changes: Mapping[Field, Value | None], manager: str) -> None:
        patch: dict[str, object] = {"metadata": {}}
        for (group, key), value in changes.items():
            if (group, key) == IMMUTABLE:
                patch["immutable"] = value
                continue
            text = base64.b64encode(value).decode() if isinstance(value, bytes) else value
            within = patch if group == "data" else patch["metadata"]
            assert isinstance(within, dict)
            within.setdefault(group, {})[key] = text
        path = f"{_secret(namespace)}?fieldManager={manager}"
        self.server.done("PATCH", path, patch, kind=MERGE)

    def delete_secret(self, namespace: str) -> None:
        self.server.done("DELETE", _secret(namespace))

    def delete_lease(self, namespace: str, name: str) -> None:
        path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{name}"
        self.server.done("DELETE", path)

    def account(self, namespace: str, name: str, *pulls: str) -> None:
        self.server.account(namespace, name, *pulls)


def _secret(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/secrets/{NAME}"
