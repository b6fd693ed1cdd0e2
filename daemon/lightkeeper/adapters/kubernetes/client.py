"""The Cluster port over lightkube; every failure that can be named is a value."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from random import Random
from typing import Final

import httpx2
from lightkube.config.kubeconfig import SingleConfig
from lightkube.config.models import Cluster as _Server
from lightkube.config.models import Context, User
from lightkube.core.async_client import AsyncClient
from lightkube.resources.core_v1 import Secret, ServiceAccount
from lightkube.types import PatchType

from lightkeeper.adapters.kubernetes.access import Access
from lightkeeper.adapters.kubernetes.bearer import COMMAND_SECONDS, bearer_of
from lightkeeper.adapters.kubernetes.failures import EXPECTED, failed, unwritten
from lightkeeper.adapters.kubernetes.gate import Gate
from lightkeeper.adapters.kubernetes.namespaces import PAGE, Namespaces
from lightkeeper.adapters.kubernetes.objects import (
    FIELD_MANAGER,
    Lease,
    is_allowed,
    lease_seen,
    lease_written,
    pulls_with,
    review_of,
    secret_seen,
)
from lightkeeper.adapters.kubernetes.transport import (
    DEADLINE_SECONDS,
    WATCH_MARGIN_SECONDS,
    GuardedTransport,
)
from lightkeeper.adapters.kubernetes.trouble import AnsweredError
from lightkeeper.cluster import (
    LeaseSeen,
    Listed,
    NamespaceGone,
    NamespaceSeen,
    SecretSeen,
    Stale,
)
from lightkeeper.ports import Clock, Failed

_OF_NONE: Final = "1"
"""A version that no Secret has, the store's own first: an apply without one would write over a
Secret that was made since it was looked for."""


class KubernetesCluster:
    """One API server, as one identity; shared by all that ask it."""

    def __init__(
        self,
        access: Access,
        clock: Clock,
        random: Random,
        *,
        per_second: float | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
        watch_margin_seconds: float = WATCH_MARGIN_SECONDS,
        command_seconds: float = COMMAND_SECONDS,
    ) -> None:
        self.access = access
        self._gate = Gate(clock, per_second)
        transport = GuardedTransport(
            access,
            bearer_of(access, clock, command_seconds=command_seconds),
            self._gate,
            deadline_seconds=deadline_seconds,
            watch_margin_seconds=watch_margin_seconds,
        )
        self._client = _lightkube(access, transport)
        # lightkube cannot send preconditions with a delete.
        self._plain = httpx2.AsyncClient(
            base_url=access.server, transport=transport, timeout=None, trust_env=False
        )
        self._namespaces = Namespaces(self._client, clock, random)
        self._leases: dict[tuple[str, str], Mapping[str, object]] = {}
        """As last seen: what is written keeps their labels, and what others put there."""

    def limit(self, per_second: float | None) -> None:
        """Ask so much a second at the most from now on; None for no limit."""
        self._gate.per_second = per_second

    async def read_secret(self, namespace: str, name: str) -> SecretSeen | Failed | None:
        """The Secret; None if there is none."""
        try:
            return secret_seen(await self._client.get(Secret, name, namespace=namespace))
        except EXPECTED as exc:
            return None if _is_gone(exc, "secrets") else failed(exc)

    async def apply_secret(
        self, namespace: str, manifest: Mapping[str, object], version: str, *, dry_run: bool = False
    ) -> SecretSeen | Stale | Failed:
        """Server-side apply; what a time-out leaves open is for the caller to read."""
        metadata = manifest["metadata"]
        assert isinstance(metadata, Mapping)  # noqa: S101 - the caller made it
        metadata = {**metadata, "resourceVersion": version or _OF_NONE}
        try:
            found = await self._client.patch(
                Secret,
                metadata["name"],
                {"apiVersion": "v1", "kind": "Secret", **manifest, "metadata": metadata},
                namespace=namespace,
                patch_type=PatchType.APPLY,
                field_manager=FIELD_MANAGER,
                force=True,  # the version says what is written over
                dry_run=dry_run,
            )
            return secret_seen(found)
        except EXPECTED as exc:
            return unwritten(exc)

    async def delete_secret(
        self, namespace: str, name: str, uid: str, version: str
    ) -> Stale | Failed | None:
        """Delete that version of that Secret and no other; it may be gone already."""
        path = f"/api/v1/namespaces/{namespace}/secrets/{name}"
        preconditions = {"uid": uid, "resourceVersion": version}
        try:
            await self._plain.request("DELETE", path, json={"preconditions": preconditions})
        except EXPECTED as exc:
            return None if _is_gone(exc, "secrets") else unwritten(exc)
        return None

    def watch_namespaces(
        self, selector: str
    ) -> AsyncIterator[Listed | NamespaceSeen | NamespaceGone | Failed]:
        """What there is, then what changes, for as long as it is asked."""
        return self._namespaces.watch(selector)

    async def read_lease(self, namespace: str, name: str) -> LeaseSeen | Failed | None:
        """The Lease; None if there is none."""
        try:
            found = await self._client.get(Lease, name, namespace=namespace)
            return self._known(namespace, name, found)
        except EXPECTED as exc:
            return None if _is_gone(exc, "leases") else failed(exc)

    async def write_lease(
        self, namespace: str, name: str, lease: LeaseSeen
    ) -> LeaseSeen | Stale | Failed:
        """Create the Lease if `lease` has no version, else replace that version of it."""
        known = self._leases.get((namespace, name)) if lease.version else None
        written = lease_written(namespace, name, lease, known)
        try:
            if lease.version:
                found = await self._client.replace(written)
            else:
                found = await self._client.create(written)
            return self._known(namespace, name, found)
        except EXPECTED as exc:
            if lease.version and _is_gone(exc, "leases"):
                return Stale()
            return unwritten(exc)

    async def may(
        self, verb: str, resource: str, namespace: str = "", name: str = ""
    ) -> bool | Failed:
        """Whether this identity is allowed that, as the API server itself says."""
        try:
            return is_allowed(await self._client.create(review_of(verb, resource, namespace, name)))
        except EXPECTED as exc:
            return failed(exc)

    async def pulling_accounts(self, namespace: str, secret: str) -> tuple[str, ...] | Failed:
        """The ServiceAccounts there whose pods pull images with the Secret; in order."""
        try:
            accounts = self._client.list(ServiceAccount, namespace=namespace, chunk_size=PAGE)
            return tuple(
                sorted([name async for one in accounts for name in pulls_with(one, secret)])
            )
        except EXPECTED as exc:
            return failed(exc)

    async def close(self) -> None:
        """Let go of every connection."""
        await self._plain.aclose()
        await self._client.close()

    def _known(self, namespace: str, name: str, found: Mapping[str, object]) -> LeaseSeen:
        seen = lease_seen(found)
        self._leases[namespace, name] = found
        return seen


def _lightkube(access: Access, transport: GuardedTransport) -> AsyncClient:
    """A client that is told of neither TLS nor identity: the transport has both."""
    return AsyncClient(
        config=SingleConfig(
            context_name="lightkeeper",
            context=Context(cluster="lightkeeper", namespace=access.namespace),
            cluster=_Server(server=access.server, insecure=True),
            user=User(),
        ),
        timeout=httpx2.Timeout(None),  # the transport has the deadlines
        transport=transport,
        trust_env=False,
    )


def _is_gone(exc: Exception, kind: str) -> bool:
    """Whether there is no such object; an answer of somebody else's says nothing of that."""
    return (
        isinstance(exc, AnsweredError)
        and exc.code == HTTPStatus.NOT_FOUND
        and exc.status.about == kind
    )
