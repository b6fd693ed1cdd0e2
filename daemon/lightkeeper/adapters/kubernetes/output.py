"""Delivers into Secrets: one writer a real Secret, whoever asks, each write to a known version."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Protocol
from weakref import WeakValueDictionary

from lightkeeper.adapters.kubernetes.contention import TRIES, contended
from lightkeeper.adapters.kubernetes.manifest import (
    Change,
    SecretOptions,
    change,
    is_rewritten,
    look,
    renewed,
    withdrawn,
)
from lightkeeper.cluster import Cluster, SecretSeen, Stale
from lightkeeper.core.credential import Credential, Digest, RegistryHost
from lightkeeper.core.facts import LoginName, OutputName, Place
from lightkeeper.core.reasons import Reason
from lightkeeper.owning import Owners, Ranks
from lightkeeper.ports import Delivery, Failed, Foreign, Found, IfForeign, Pending, Put


class SecretWriters:
    """Every real Secret's one writer; shared by all outputs that deliver into one cluster."""

    def __init__(self, cluster: Cluster, ranks: Ranks) -> None:
        self.cluster = cluster
        self._ranks = ranks
        self._served = Counter[str]()
        """By name of Secret, how many outputs deliver into such."""
        self._owners: dict[str, Owners] = {}
        self._writing = WeakValueDictionary[str, asyncio.Lock]()

    def serve(self, names: Iterable[str]) -> None:
        """Have outputs for Secrets of these names from now on, one each; what was owned is not."""
        self._served = Counter(names)
        self._owners.clear()

    @property
    def has_owners(self) -> bool:
        """Whether it is known of any Secret which login keeps it from others."""
        return bool(self._owners)

    def forget_all_but(self, namespaces: Collection[str]) -> None:
        """Know of no owners where nothing is served any more."""
        for place in tuple(self._owners):
            if place.partition("/")[0] not in namespaces:
                del self._owners[place]

    @asynccontextmanager
    async def writing(self, place: str) -> AsyncIterator[None]:
        """Have the Secret to ourselves."""
        lock = self._writing.setdefault(place, asyncio.Lock())
        async with lock:
            yield

    def refusal(self, place: str, host: RegistryHost, login: LoginName) -> Failed | None:
        """What keeps the login from the Secret: another one that keeps the same in it."""
        if self._served[place.partition("/")[2]] < 2:  # noqa: PLR2004 - one alone has no other
            return None
        owners = self._owners.setdefault(place, Owners(self._ranks))
        return owners.admit(host, (login, place))


class Served(Protocol):
    """What an output serves now."""

    def namespaces(self) -> Collection[str]:
        """These have its Secret."""
        ...

    def is_unlisted(self) -> bool:
        """Whether a list of these is still to come."""
        ...

    def is_gone(self, namespace: str) -> bool:
        """Whether it is known that nothing is left of one that it serves no more."""
        ...

    def poll(self) -> timedelta:
        """How often each Secret is read."""
        ...


class KubernetesSecret:
    """One output of one login: a Secret of one name, in each of some namespaces."""

    def __init__(
        self,
        login: LoginName,
        name: OutputName,
        *,
        served: Served,
        replaces_foreign: bool,
        options: SecretOptions,
        writers: SecretWriters,
    ) -> None:
        self.name = name
        self.replaces_foreign = replaces_foreign
        self.wants = options.wants
        self._login = login
        self._served = served
        self._options = options
        self._writers = writers
        self._versions: dict[str, str] = {}
        """By place: of the Secret as we wrote it, or found it to be ours; empty where a look found
        none."""

    @property
    def poll(self) -> timedelta:
        """How often each is read."""
        return self._served.poll()

    @property
    def is_unlisted(self) -> bool:
        """Whether it is still to be told which namespaces there are."""
        return self._served.is_unlisted()

    def places(self) -> Iterable[Place]:
        """The Secret in each namespace."""
        places = [
            Place(output=self.name, name=f"{namespace}/{self._options.name}")
            for namespace in self._served.namespaces()
        ]
        if len(self._versions) > len(places):  # namespaces come and go for years
            for name in self._versions.keys() - {place.name for place in places}:
                del self._versions[name]
        return places

    def may_stay(self, place: Place) -> bool:
        """A Secret goes with its namespace."""
        return not self._served.is_gone(place.namespace)

    async def read(
        self, place: Place, held: Credential, spared: frozenset[Digest] | None
    ) -> Found | Pending | Failed:
        """What the Secret holds for the registry of `held`; see the port."""
        seen = await self._read(place)
        if isinstance(seen, Failed):
            return seen
        there = look(seen, held, spared, self._login, self._options)
        if seen is None or (isinstance(there, Found) and there.settled):
            self._know(place, seen)
        return there

    async def deliver(self, place: Place, delivery: Delivery) -> Put | Foreign | Pending | Failed:
        """Put the credential into the Secret, and read it back."""
        host = delivery.credential.registry
        if not self._options.is_shared:
            host = RegistryHost(self._options.name)  # one login has the whole of it
        async with self._writers.writing(place.name):
            if refused := self._writers.refusal(place.name, host, delivery.login):
                return refused
            for _ in range(TRIES):
                if (outcome := await self._try(place, delivery)) is not None:
                    return outcome
        return contended()

    async def prove(self, place: Place, delivery: Delivery) -> Failed | None:
        """What would keep a delivery from the Secret: a dry run of just what it would apply."""
        wanted, before = await self._wanted(place, delivery)
        if isinstance(wanted, Failed):
            return wanted
        if isinstance(wanted, Foreign):
            return _changed_meanwhile()
        applied = await self._writers.cluster.apply_secret(
            place.namespace, wanted.manifest, before, dry_run=True
        )
        match applied:
            case SecretSeen():
                is_wrong = is_rewritten(applied, wanted, delivery, self._options)
                return _rewritten() if is_wrong else None
            case Stale():
                return _changed_meanwhile()
            case Failed():
                return applied

    async def _wanted(
        self, place: Place, delivery: Delivery
    ) -> tuple[Change | Foreign | Failed, str]:
        """What a delivery would apply, and to which version; to none where no Secret is."""
        namespace, options = place.namespace, self._options
        if (before := self._versions.get(place.name)) is not None:
            return renewed(namespace, delivery, options), before
        seen = await self._read(place)
        if isinstance(seen, Failed):
            return seen, ""
        newer = await _newer(seen, delivery)
        if isinstance(newer, Failed):
            return newer, ""
        version = seen.version if seen else ""
        return change(seen, namespace, delivery, options, newer), version

    async def _try(
        self, place: Place, delivery: Delivery
    ) -> Put | Foreign | Pending | Failed | None:
        """What a delivery comes to; None if somebody else wrote meanwhile."""
        wanted, before = await self._wanted(place, delivery)
        if not isinstance(wanted, Change):
            return wanted
        self._versions.pop(place.name, None)
        applied = await self._writers.cluster.apply_secret(place.namespace, wanted.manifest, before)
        match applied:
            case SecretSeen() if is_rewritten(applied, wanted, delivery, self._options):
                return _rewritten()
            case SecretSeen():
                self._know(place, applied)
                return Put(changed=applied.version != before, notices=frozenset())
            case Stale():
                return None
            case Failed():
                return applied

    async def _read(self, place: Place) -> SecretSeen | Failed | None:
        self._versions.pop(place.name, None)
        return await self._writers.cluster.read_secret(place.namespace, self._options.name)

    def _know(self, place: Place, seen: SecretSeen | None) -> None:
        # One that is shared is read before each write: what others have in it is to stay. One
        # that is immutable shows that where it is read, and takes what it holds already.
        if not (self._options.is_shared or (seen is not None and seen.is_immutable)):
            self._versions[place.name] = seen.version if seen else ""


async def _newer(seen: SecretSeen | None, delivery: Delivery) -> frozenset[Digest] | Failed:
    """What must stay of what was seen, though it is not ours: asked only where it would not."""
    if seen is None or delivery.if_foreign is not IfForeign.REPLACE:
        return frozenset()
    return await delivery.newer()


async def withdraw(
    cluster: Cluster,
    place: str,
    login: LoginName,
    hosts: Collection[RegistryHost],
    ours: Collection[Digest],
) -> bool | Failed:
    """Take our entries for these registries out of a Secret; whether there were any.

    The Secret itself stays: who may write into it need not be allowed to delete it.
    """
    namespace, _, name = place.partition("/")
    for _ in range(TRIES):
        seen = await cluster.read_secret(namespace, name)
        if seen is None or isinstance(seen, Failed):
            return seen or False
        wanted = withdrawn(seen, namespace, name, login, hosts, ours)
        if not isinstance(wanted, Change):
            return wanted or False
        applied = await cluster.apply_secret(namespace, wanted.manifest, seen.version)
        if isinstance(applied, Failed):
            return applied
        if isinstance(applied, SecretSeen):
            return True
    return contended()


def _rewritten() -> Failed:
    detail = "an admission webhook or policy of the cluster changes what is written"
    return Failed(reason=Reason.INVALID_INPUT, detail=detail)


def _changed_meanwhile() -> Failed:
    return Failed(reason=Reason.CONTENDED, detail="changed by another at the same moment")
