"""The clusters that are delivered into, each with its writers and the namespaces that it serves."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import timedelta
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Final
from weakref import ref

from msgspec import Struct

from lightkeeper.adapters.kubernetes.output import KubernetesSecret, SecretWriters
from lightkeeper.adapters.kubernetes.pruning import End, Pruning
from lightkeeper.adapters.kubernetes.serving import Namespaces
from lightkeeper.cluster import Cluster, ClusterConfig, Hooks
from lightkeeper.core import policy
from lightkeeper.core.facts import LoginName, OutputName, Place
from lightkeeper.core.namespaces import Choice, Unlisted

if TYPE_CHECKING:
    from lightkeeper.adapters.kubernetes.client import KubernetesCluster
    from lightkeeper.adapters.kubernetes.clusters import Clusters
    from lightkeeper.adapters.kubernetes.manifest import SecretOptions
    from lightkeeper.owning import Ranks

_PAUSE: Final = timedelta(seconds=1)
"""Between two surveys: with ten thousand places each takes 50 ms, and namespaces may come in
hundreds a second."""
_LOOKS_SHARE: Final = 10
"""Of so many requests one is a look that nobody gave cause for."""
_LOOKS_PER_SECOND: Final = 2.0
"""Where requests have no limit: what is asked for is that writes are fast, not that looks are."""


class _Target(Struct):
    """One cluster, as one identity."""

    cluster: KubernetesCluster
    writers: SecretWriters
    namespaces: Namespaces
    outputs: Sequence[ServedSecret] = ()
    poll: timedelta = policy.POLL
    """How often each Secret is read, so that all of them together take their share."""

    def serve(self, outputs: Sequence[ServedSecret]) -> None:
        """Have these outputs and no others."""
        self.outputs = outputs
        self.namespaces.want([one.choice for one in outputs])
        self.writers.serve(one.options.name for one in outputs)
        self.cluster.limit(self._qps())
        self.count()

    def count(self) -> None:
        """Reckon with the Secrets that there are now."""
        qps = self._qps()
        looks = _LOOKS_PER_SECOND if qps is None else qps / _LOOKS_SHARE
        places = sum(len(self.namespaces.served(one.choice, one.known)) for one in self.outputs)
        self.poll = max(policy.POLL, timedelta(seconds=places / looks))

    def tidy(self) -> None:
        """Forget who had which Secret where none is served any more."""
        if self.writers.has_owners:
            served = (self.namespaces.served(one.choice, one.known) for one in self.outputs)
            self.writers.forget_all_but({*chain.from_iterable(served)})

    def _qps(self) -> int | None:
        """The lowest that an output asks for: who set a limit means the API server."""
        return min((one.where.qps for one in self.outputs if one.where.qps), default=None)


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
    left: frozenset[str] = frozenset()
    """Namespaces that it served once, where its Secret may still be."""
    is_pruned: bool
    """Whether what is ours goes from a namespace that it serves no more."""


class _Served(Struct):
    """What an output serves now."""

    target: _Target
    output: ServedSecret

    def namespaces(self) -> Collection[str]:
        """These have its Secret."""
        return self.target.namespaces.served(self.output.choice, self.output.known)

    def is_unlisted(self) -> bool:
        """Whether a list of these is still to come."""
        return self.target.namespaces.is_unlisted(self.output.choice)

    def is_gone(self, namespace: str) -> bool:
        """Whether it is known that nothing is left of one that it serves no more."""
        return self.target.namespaces.is_gone(self.output.choice, namespace)

    def is_served(self, namespace: str) -> bool:
        """Whether it, or another output of its login with the same Secret, serves that one."""
        login, name = self.output.login, self.output.options.name
        return any(
            namespace in self.target.namespaces.served(one.choice, one.known)
            for one in self.target.outputs
            if (one.login, one.options.name) == (login, name)
        )

    def poll(self) -> timedelta:
        """How often each Secret is read."""
        return self.target.poll


class Targets:
    """All of them."""

    def __init__(self, clusters: Clusters, ranks: Ranks, pause: timedelta = _PAUSE) -> None:
        self.hooks = Hooks()
        self._clusters = clusters
        self._ranks = ranks
        self._targets: dict[KubernetesCluster, _Target] = {}
        self._retired: list[tuple[ref[SecretWriters], KubernetesCluster]] = []
        """Those that nothing is served in any more, to be closed once no output is left that writes
        there: a reload waits for no delivery."""
        self._prunings: dict[tuple[LoginName, OutputName], Pruning] = {}
        self._pruning = set[asyncio.Task[None]]()
        self._is_draining = False
        self._tend = asyncio.Event()
        self._pause = pause.total_seconds()
        self._next = 0.0
        """When it may be told again, by the loop's clock."""
        self._later: asyncio.TimerHandle | None = None

    @property
    def insecure(self) -> list[str]:
        """The API servers whose certificates are not looked at."""
        accesses = (cluster.access for cluster in self._targets)
        return [access.server for access in accesses if access.is_insecure]

    @property
    def why_unlisted(self) -> Unlisted | None:
        """Why it is not known which namespaces there are."""
        for target in self._targets.values():
            for one in target.namespaces.failures:
                return Unlisted(reason=one.reason, detail=one.detail)
        return None

    @property
    def choosing_none(self) -> tuple[tuple[LoginName, OutputName], ...]:
        """The outputs that choose none of the namespaces that were listed."""
        return tuple(
            (one.login, one.name)
            for target in self._targets.values()
            for one in target.outputs
            if target.namespaces.is_listed(one.choice)
            and not target.namespaces.served(one.choice, one.known)
        )

    def output(self, served: ServedSecret) -> KubernetesSecret:
        """The output; nothing is sent yet. `ClusterConfigError` says what is wrong with it."""
        target = self._reach(served.where)
        return KubernetesSecret(
            served.login,
            served.name,
            served=_Served(target, served),
            replaces_foreign=served.replaces_foreign,
            options=served.options,
            writers=target.writers,
        )

    def cluster(self, where: ClusterConfig) -> Cluster:
        """The cluster itself; `ClusterConfigError` says what is wrong with it."""
        return self._reach(where).writers.cluster

    def serve(self, outputs: Iterable[ServedSecret]) -> None:
        """Have these outputs and no others: watch for what they ask."""
        by_target: dict[int, list[ServedSecret]] = defaultdict(list)
        former, self._prunings = self._prunings, {}
        for one in outputs:
            target = self._reach(one.where)
            by_target[id(target)].append(one)
            if one.is_pruned:
                self._prunings[one.login, one.name] = _pruning(one, target, former)
        for target in self._targets.values():
            target.serve(by_target[id(target)])
        self._retire([one for one, target in self._targets.items() if not target.outputs])
        self._tend.set()
        self._tell()  # how often each place is read hangs on how many there are in all

    async def list(self) -> None:
        """Learn once which namespaces there are, for whoever does not go on watching."""
        await asyncio.gather(*(target.namespaces.list() for target in self._targets.values()))

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
        wanted = {target.namespaces for target in self._targets.values()}
        for namespaces in watches.keys() - wanted:
            watches.pop(namespaces).cancel()
        for namespaces in wanted - watches.keys():
            watches[namespaces] = tasks.create_task(namespaces.run(), name="namespaces")

    def _begin_pruning(self, tasks: asyncio.TaskGroup) -> None:
        for (_, output), one in self._prunings.items():
            if one.is_due and not self._is_draining:
                task = tasks.create_task(self._prune(output, one), name="prune")
                self._pruning.add(task)
                task.add_done_callback(self._pruning.discard)

    def _retire(self, clusters: Iterable[KubernetesCluster]) -> None:
        """Reach these no more: their configuration is another by now, or nothing asks for them."""
        for cluster in clusters:
            target = self._targets.pop(cluster)
            self._retired.append((ref(target.writers), cluster))
        self._clusters.keep(self._targets.keys())

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

    async def _prune(self, output: OutputName, one: Pruning) -> None:
        """Until it is done, or another configuration is served."""
        pruned: list[str] = []
        try:
            async with aclosing(
                one.run(partial(self._is_for_us, one), partial(self.hooks.known, one.login))
            ) as ends:
                async for place, end in ends:
                    if end is End.PRUNED:
                        pruned.append(place)
                    tell = self.hooks.not_left if end is not End.STAYS else self.hooks.not_pruned
                    tell(one.login, Place(output=output, name=place))
        finally:
            if pruned:
                self.hooks.pruned(one.login, output, pruned)

    def _is_for_us(self, one: Pruning) -> bool:
        is_served = one in self._prunings.values() and not self._is_draining
        return is_served and self.hooks.leads()

    async def drain(self) -> None:
        """Delete nothing more, and wait until what is under way has ended."""
        self._is_draining = True
        if self._pruning:
            await asyncio.wait(self._pruning)

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
        for target in self._targets.values():
            target.count()
        self.hooks.changed()
        for target in self._targets.values():
            target.tidy()
        self.hooks.unchosen(self.choosing_none)
        # Once who delivers has heard: what it has left is told to be gone from there.
        for one in self._prunings.values():
            one.look()
        self._tend.set()

    def _tell_failure(self) -> None:
        self.hooks.unlisted(self.why_unlisted)

    def _reach(self, where: ClusterConfig) -> _Target:
        cluster = self._clusters.reach(where)
        target = self._targets.get(cluster)
        if target is None:
            target = self._targets[cluster] = _Target(
                cluster,
                SecretWriters(cluster, self._ranks),
                Namespaces(cluster, self._tell, self._tell_failure),
            )
        return target


def _pruning(
    one: ServedSecret, target: _Target, former: Mapping[tuple[LoginName, OutputName], Pruning]
) -> Pruning:
    pruning = Pruning(
        one.login,
        one.options,
        writers=target.writers,
        site=_Served(target, one),
        before=one.known,
        left=one.left,
    )
    if (before := former.get((one.login, one.name))) is not None:
        pruning.succeed(before)
    return pruning
