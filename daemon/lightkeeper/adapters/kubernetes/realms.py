"""The clusters that are delivered into, each with its writers and the namespaces that it serves."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from msgspec import Struct

from lightkeeper.adapters.kubernetes.output import KubernetesSecret, SecretWriters
from lightkeeper.adapters.kubernetes.serving import Namespaces
from lightkeeper.cluster import Cluster, ClusterConfig
from lightkeeper.core.facts import LoginName, OutputName
from lightkeeper.core.namespaces import Choice

if TYPE_CHECKING:
    from lightkeeper.adapters.kubernetes.clusters import Clusters
    from lightkeeper.adapters.kubernetes.manifest import SecretOptions
    from lightkeeper.owning import Ranks


class _Realm(Struct, frozen=True):
    """One cluster, as one identity."""

    writers: SecretWriters
    namespaces: Namespaces


class ServedSecret(Struct, frozen=True, kw_only=True):
    """An output of Secrets as it is configured."""

    login: LoginName
    name: OutputName
    where: ClusterConfig
    choice: Choice
    options: SecretOptions
    replaces_foreign: bool
    known: frozenset[str]
    """Namespaces that it served before, for as long as it is not known which there are."""


class Realms:
    """All of them."""

    def __init__(self, clusters: Clusters, ranks: Ranks) -> None:
        self.changed: Callable[[], None] = lambda: None
        """Is told that the namespaces are others now."""
        self._clusters = clusters
        self._ranks = ranks
        self._realms: dict[object, _Realm] = {}
        self._tend = asyncio.Event()

    def output(self, served: ServedSecret) -> KubernetesSecret:
        """The output; nothing is sent yet. `ClusterConfigError` says what is wrong with it."""
        realm = self._reach(served.where)
        return KubernetesSecret(
            served.login,
            served.name,
            namespaces=lambda: realm.namespaces.served(served.choice, served.known),
            replaces_foreign=served.replaces_foreign,
            options=served.options,
            writers=realm.writers,
        )

    def cluster(self, where: ClusterConfig) -> Cluster:
        """The cluster itself; `ClusterConfigError` says what is wrong with it."""
        return self._reach(where).writers.cluster

    def serve(self, outputs: Iterable[ServedSecret]) -> None:
        """Have these outputs and no others: watch for what they ask."""
        by_realm: dict[int, list[ServedSecret]] = defaultdict(list)
        for one in outputs:
            by_realm[id(self._reach(one.where))].append(one)
        for realm in self._realms.values():
            ours = by_realm[id(realm)]
            realm.namespaces.want([one.choice for one in ours])
            realm.writers.serve(one.options.name for one in ours)
        self._tend.set()

    async def list(self) -> None:
        """Learn once which namespaces there are, for whoever does not go on watching."""
        await asyncio.gather(*(realm.namespaces.list() for realm in self._realms.values()))

    async def run(self) -> None:
        """Watch until cancelled."""
        watched: set[object] = set()
        async with asyncio.TaskGroup() as tasks:
            while True:
                for cluster, realm in tuple(self._realms.items()):
                    if cluster not in watched:
                        watched.add(cluster)
                        tasks.create_task(realm.namespaces.run(), name="namespaces")
                await self._tend.wait()
                self._tend.clear()

    async def close(self) -> None:
        """Let go of every connection."""
        await self._clusters.close()

    def _tell(self) -> None:
        self.changed()

    def _reach(self, where: ClusterConfig) -> _Realm:
        cluster = self._clusters.reach(where)
        realm = self._realms.get(cluster)
        if realm is None:
            realm = self._realms[cluster] = _Realm(
                SecretWriters(cluster, self._ranks), Namespaces(cluster, self._tell)
            )
        return realm
