"""The clusters that are delivered into, each with its writers and the namespaces that it serves."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import timedelta
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Final
from weakref import ref

from msgspec import Struct

from lightkeeper.adapters.kubernetes.output import KubernetesSecret, SecretWriters
from lightkeeper.adapters.kubernetes.pruning import Pruning
from lightkeeper.adapters.kubernetes.serving import Namespaces
from lightkeeper.cluster import Cluster, ClusterConfig
from lightkeeper.core import policy
from lightkeeper.core.facts import LoginName, OutputName
from lightkeeper.core.namespaces import Choice, Unlisted

if TYPE_CHECKING:
    from lightkeeper.adapters.kubernetes.client import KubernetesCluster
    from lightkeeper.adapters.kubernetes.clusters import Clusters
    from lightkeeper.adapters.kubernetes.manifest import SecretOptions
    from lightkeeper.core.state import Known
    from lightkeeper.owning import Ranks

_PAUSE: Final = timedelta(seconds=1)
"""Between two surveys: with ten thousand places each takes 50 ms, and namespaces may come in
hundreds a second."""
_LOOKS_SHARE: Final = 10
"""Of so many requests one is a look that nobody gave cause for."""
_LOOKS_PER_SECOND: Final = 2.0
"""Where requests have no limit: what is asked for is that writes are fast, not that looks are."""


class _Realm(Struct):
    """One cluster, as one identity."""

    cluster: KubernetesCluster
    writers: SecretWriters
    namespaces: Namespaces
    outputs: Sequence[ServedSecret] = ()

    def serve(self, outputs: Sequence[ServedSecret]) -> None:
        """Have these outputs and no others."""
        self.outputs = outputs
        self.namespaces.want([one.choice for one in outputs])
        self.writers.serve(one.options.name for one in outputs)
        self.cluster.limit(self._qps())

    def tidy(self) -> None:
        """Forget who had which Secret where none is served any more."""
        if self.writers.has_owners:
            served = (self.namespaces.served(one.choice, one.known) for one in self.outputs)
            self.writers.forget_all_but({*chain.from_iterable(served)})

    def _qps(self) -> int | None:
        """The lowest that an output asks for: who set a limit means the API server."""
        return min((one.where.qps for one in self.outputs if one.where.qps), default=None)

    def poll(self) -> timedelta:
        """How often each Secret is read, so that all of them together take their share."""
        qps = self._qps()
        looks = _LOOKS_PER_SECOND if qps is None else qps / _LOOKS_SHARE
        places = sum(len(self.namespaces.served(one.choice, one.known)) for one in self.outputs)
        return max(policy.POLL, timedelta(seconds=places / looks))


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
    is_pruned: bool
    """Whether what is ours goes from a namespace that it serves no more."""


class _Served(Struct):
    """What an output serves now."""

    realm: _Realm
    output: ServedSecret

    def namespaces(self) -> Collection[str]:
        """These have its Secret."""
        return self.realm.namespaces.served(self.output.choice, self.output.known)

    def is_gone(self, namespace: str) -> bool:
        """Whether it is known that nothing is left of one that it serves no more."""
        return self.realm.namespaces.is_gone(self.output.choice, namespace)

    def is_served(self, namespace: str) -> bool:
        """Whether it, or another output of its login with the same Secret, serves that one."""
        login, name = self.output.login, self.output.options.name
        return any(
            namespace in self.realm.namespaces.served(one.choice, one.known)
            for one in self.realm.outputs
            if (one.login, one.options.name) == (login, name)
        )

    def poll(self) -> timedelta:
        """How often each Secret is read."""
        return self.realm.poll()


class Realms:
    """All of them."""

    def __init__(self, clusters: Clusters, ranks: Ranks, pause: timedelta = _PAUSE) -> None:
        self.changed: Callable[[], None] = lambda: None
        """Is told that the namespaces are others now."""
        self.unlisted: Callable[[Unlisted | None], None] = lambda _: None
        """Is told why it is not known which namespaces there are, and that it is known again."""
        self.unchosen: Callable[[Collection[tuple[LoginName, OutputName]]], None] = lambda _: None
        """Is told, as often as `changed`, which outputs choose none."""
        self.pruned: Callable[[LoginName, str], None] = lambda _, __: None
        """Is told in which Secret nothing of a login is left that should not be."""
        self.not_pruned: Callable[[LoginName, str], None] = lambda _, __: None
        """Is told which Secret of a login stays where it should not, until it can be pruned."""
        self.known: Callable[[LoginName, str], Collection[Known]] = lambda _, __: ()
        """Says what a login ever had in a place."""
        self.leads: Callable[[], bool] = lambda: True
        """Whether it is for us to write; asked before a Secret is deleted."""
        self._clusters = clusters
        self._ranks = ranks
        self._realms: dict[KubernetesCluster, _Realm] = {}
        self._retired: list[tuple[ref[SecretWriters], KubernetesCluster]] = []
        """Those that nothing is served in any more, to be closed once no output is left that writes
        there: a reload waits for no delivery."""
        self._prunings: dict[tuple[LoginName, OutputName], Pruning] = {}
        self._tend = asyncio.Event()
        self._pause = pause.total_seconds()
        self._next = 0.0
        """When it may be told again, by the loop's clock."""
        self._later: asyncio.TimerHandle | None = None

    @property
    def insecure(self) -> list[str]:
        """The API servers whose certificates are not looked at."""
        accesses = (cluster.access for cluster in self._realms)
        return [access.server for access in accesses if access.is_insecure]

    @property
    def why_unlisted(self) -> Unlisted | None:
        """Why it is not known which namespaces there are."""
        for realm in self._realms.values():
            for one in realm.namespaces.failures:
                return Unlisted(reason=one.reason, detail=one.detail)
        return None

    @property
    def choosing_none(self) -> tuple[tuple[LoginName, OutputName], ...]:
        """The outputs that choose none of the namespaces that were listed."""
        return tuple(
            (one.login, one.name)
            for realm in self._realms.values()
            for one in realm.outputs
            if realm.namespaces.is_listed(one.choice)
            and not realm.namespaces.served(one.choice, one.known)
        )

    def output(self, served: ServedSecret) -> KubernetesSecret:
        """The output; nothing is sent yet. `ClusterConfigError` says what is wrong with it."""
        realm = self._reach(served.where)
        return KubernetesSecret(
            served.login,
            served.name,
            served=_Served(realm, served),
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
        former, self._prunings = self._prunings, {}
        for one in outputs:
            realm = self._reach(one.where)
            by_realm[id(realm)].append(one)
            if one.is_pruned:
                self._prunings[one.login, one.name] = _pruning(one, realm, former)
        for realm in self._realms.values():
            realm.serve(by_realm[id(realm)])
        self._retire([one for one, realm in self._realms.items() if not realm.outputs])
        self._tend.set()
        self._tell()  # how often each place is read hangs on how many there are in all

    async def list(self) -> None:
        """Learn once which namespaces there are, for whoever does not go on watching."""
        await asyncio.gather(*(realm.namespaces.list() for realm in self._realms.values()))

    async def run(self) -> None:
        """Watch until cancelled."""
        watches: dict[Namespaces, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._watch(tasks, watches)
                self._begin_pruning(tasks)
                await self._close_retired()
                await self._tend.wait()
                self._tend.clear()

    def _watch(
        self, tasks: asyncio.TaskGroup, watches: dict[Namespaces, asyncio.Task[None]]
    ) -> None:
        wanted = {realm.namespaces for realm in self._realms.values()}
        for namespaces in watches.keys() - wanted:
            watches.pop(namespaces).cancel()
        for namespaces in wanted - watches.keys():
            watches[namespaces] = tasks.create_task(namespaces.run(), name="namespaces")

    def _begin_pruning(self, tasks: asyncio.TaskGroup) -> None:
        for one in self._prunings.values():
            if one.is_due:
                tasks.create_task(self._prune(one), name="prune")

    def _retire(self, clusters: Iterable[KubernetesCluster]) -> None:
        """Reach these no more: their configuration is another by now, or nothing asks for them."""
        for cluster in clusters:
            realm = self._realms.pop(cluster)
            self._retired.append((ref(realm.writers), cluster))
        self._clusters.keep(self._realms.keys())

    async def _close_retired(self) -> None:
        idle = [cluster for writers, cluster in self._retired if writers() is None]
        self._retired = [one for one in self._retired if one[1] not in idle]
        for cluster in idle:
            await cluster.close()

    def beat(self) -> None:
        """Try again what could not be pruned, and close what is idle by now."""
        for one in self._prunings.values():
            one.retry()
        self._tend.set()

    async def _prune(self, one: Pruning) -> None:
        """Until it is done, or another configuration is served."""
        async with aclosing(
            one.run(partial(self._is_for_us, one), partial(self.known, one.login))
        ) as pruned:
            async for place, is_gone in pruned:
                tell = self.pruned if is_gone else self.not_pruned
                tell(one.login, place)

    def _is_for_us(self, one: Pruning) -> bool:
        return one in self._prunings.values() and self.leads()

    async def close(self) -> None:
        """Let go of every connection."""
        if self._later is not None:
            self._later.cancel()
        for _, cluster in self._retired:
            await cluster.close()
        await self._clusters.close()

    def _tell(self) -> None:
        """Now, or once the pause after the last time is over: then for all that came meanwhile."""
        loop = asyncio.get_running_loop()
        if loop.time() >= self._next:
            self._tell_now()
        elif self._later is None:
            self._later = loop.call_at(self._next, self._tell_now)

    def _tell_now(self) -> None:
        self._later = None
        self._next = asyncio.get_running_loop().time() + self._pause
        self.changed()
        for realm in self._realms.values():
            realm.tidy()
        self.unchosen(self.choosing_none)
        # Once who delivers has heard: what it has left is told to be gone from there.
        for one in self._prunings.values():
            one.look()
        self._tend.set()

    def _tell_failure(self) -> None:
        self.unlisted(self.why_unlisted)

    def _reach(self, where: ClusterConfig) -> _Realm:
        cluster = self._clusters.reach(where)
        realm = self._realms.get(cluster)
        if realm is None:
            realm = self._realms[cluster] = _Realm(
                cluster,
                SecretWriters(cluster, self._ranks),
                Namespaces(cluster, self._tell, self._tell_failure),
            )
        return realm


def _pruning(
    one: ServedSecret, realm: _Realm, former: Mapping[tuple[LoginName, OutputName], Pruning]
) -> Pruning:
    pruning = Pruning(
        one.login,
        one.options,
        writers=realm.writers,
        site=_Served(realm, one),
        before=one.known,
    )
    if (before := former.get((one.login, one.name))) is not None:
        pruning.succeed(before)
    return pruning
