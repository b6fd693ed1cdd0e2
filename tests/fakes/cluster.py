"""A Kubernetes API server in memory, as far as the port `Cluster` asks.

What it does was learned from real ones, 1.20 and 1.36, which agree, and is held to one by
`tests/contract/test_cluster.py`. It stands on the time of the running loop, virtual or not, and on
the wall clock that it is given. It draws nothing, so that a run can be given again.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, TypeVar

from msgspec.structs import replace as with_changes

from lightkeeper.cluster import (
    LeaseSeen,
    Listed,
    NamespaceGone,
    NamespaceSeen,
    SecretSeen,
    Stale,
)
from lightkeeper.core.reasons import Reason
from lightkeeper.ports import Failed
from tests.fakes.applying import (
    NOTHING,
    OURS,
    Path,
    Stored,
    Value,
    applied,
    edited,
    fields_of,
    refusal,
)

T = TypeVar("T")
Key = tuple[str, str]
"""A namespace, and a name in it."""


@dataclass(frozen=True, kw_only=True)
class Right:
    """A rule of RBAC: these verbs on a resource."""

    verbs: tuple[str, ...]
    resource: str
    names: tuple[str, ...] = ()
    """Of the objects; every one if there is none here."""
    namespace: str | None = None
    """In every one if there is none here."""

    def covers(self, verb: str, resource: str, namespace: str, name: str) -> bool:
        """Whether it allows this; what has no name, a list or a POST, no list of names allows."""
        return (
            verb in self.verbs
            and resource == self.resource
            and self.namespace in {None, namespace}
            and (not self.names or name in self.names)
        )


@dataclass
class Identity:
    """Who comes with a request; the test may change what it may do meanwhile."""

    rights: tuple[Right, ...] = ()
    expires_at: datetime | None = None
    """When its token ends."""


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What becomes of one call; by default it is done and answered at once."""

    arrives: float | None = 0.0
    """Seconds until the server does it, be it after the caller gave up; None for never."""
    answers: float | None = 0.0
    """Seconds more until the caller hears of it; None for never."""
    refusal: Reason | None = None
    """Said in place of doing it."""
    hidden: Reason | None = None
    """Said in place of the answer, when it is done."""


FINE: Final = Fate()
UNREACHABLE: Final = Fate(refusal=Reason.NETWORK)
THROTTLED: Final = Fate(refusal=Reason.THROTTLED)
BROKEN: Final = Fate(refusal=Reason.SERVICE_ERROR)
LOST: Final = Fate(arrives=None)
UNANSWERED: Final = Fate(answers=None)
CUT: Final = Fate(hidden=Reason.NETWORK)

_MISSING: Final = Failed(reason=Reason.NAMESPACE_MISSING, detail="the namespace is not there")
_ENDING: Final = Failed(
    reason=Reason.NAMESPACE_TERMINATING, detail="the namespace is being deleted"
)
_EXPIRED: Final = "410"
_REVIEWS: Final = "selfsubjectaccessreviews"
"""Whoever is known may ask what they may."""


class Labelled(NamespaceSeen, frozen=True, kw_only=True):
    """A namespace with what selectors look at, which no client is told."""

    labels: Mapping[str, str]

    def seen(self) -> NamespaceSeen:
        """As a client sees it."""
        return NamespaceSeen(name=self.name, is_ending=self.is_ending)


Told = tuple[Labelled | None, Labelled | None]
"""A namespace before and after a change."""


@dataclass
class FakeApiServer:
    """What it keeps; the methods are what others do to it, as administrators."""

    now: Callable[[], datetime]
    namespaces: dict[str, Labelled] = field(default_factory=dict)
    secrets: dict[Key, Stored] = field(default_factory=dict)
    leases: dict[Key, LeaseSeen] = field(default_factory=dict)
    accounts: dict[Key, tuple[str, ...]] = field(default_factory=dict)
    """The ServiceAccounts, each with the Secrets that its pods pull with."""
    admits: Callable[[dict[Path, Value]], dict[Path, Value]] = dict
    """What an admission webhook makes of the fields of an apply."""
    writes: int = 0
    """What is written to etcd: each time an object changed. Versions count this."""
    uids: int = 0
    _watches: list[asyncio.Queue[Told | Failed | str]] = field(default_factory=list)

    def version(self) -> str:
        """A new one."""
        self.writes += 1
        return str(self.writes)

    def uid(self) -> str:
        """A new one."""
        self.uids += 1
        return f"uid-{self.uids}"

    def namespace(self, name: str, labels: Mapping[str, str] | None = None) -> None:
        """Make one."""
        self._tell(name, Labelled(name=name, labels=dict(labels or {}), is_ending=False))

    def label_namespace(self, name: str, labels: Mapping[str, str | None]) -> None:
        """Set labels of it, or take away those that are None."""
        old = self.namespaces[name]
        new = {key: text for key, text in {**old.labels, **labels}.items() if text is not None}
        self._tell(name, with_changes(old, labels=new))

    def end_namespace(self, name: str) -> None:
        """Let it be Terminating."""
        self._tell(name, with_changes(self.namespaces[name], is_ending=True))

    def finish_namespace(self, name: str) -> None:
        """Empty it, and let it go."""
        for table in (self.secrets, self.leases):
            for key in [key for key in table if key[0] == name]:
                del table[key]
        self._tell(name, None)

    def _tell(self, name: str, new: Labelled | None) -> None:
        old = self.namespaces.pop(name, None)
        if new is not None:
            self.namespaces[name] = new
        self.version()
        for watch in self._watches:
            watch.put_nowait((old, new))

    def end_watches(self, failed: Failed | None = None) -> None:
        """Each one ends: in this, or since what it goes on from is forgotten (410)."""
        for watch in self._watches:
            watch.put_nowait(failed or _EXPIRED)

    @contextmanager
    def watching(self) -> Iterator[asyncio.Queue[Told | Failed | str]]:
        """What happens to namespaces from now on."""
        watch: asyncio.Queue[Told | Failed | str] = asyncio.Queue()
        self._watches.append(watch)
        try:
            yield watch
        finally:
            self._watches.remove(watch)

    def edit_secret(
        self, namespace: str, name: str, changes: Mapping[Path, Value | None], manager: str
    ) -> None:
        """Somebody else changes fields of it, or removes them, as `kubectl edit` does."""
        old = self.secrets[namespace, name]
        self.keep((namespace, name), old, edited(old, changes, manager))

    def apply_secret(
        self, namespace: str, manifest: Mapping[str, object], manager: str
    ) -> SecretSeen | Stale | Failed:
        """Somebody else applies it."""
        return self.applied(namespace, manifest, manager)

    def delete_secret(self, namespace: str, name: str) -> None:
        """Somebody else deletes it."""
        del self.secrets[namespace, name]

    def delete_lease(self, namespace: str, name: str) -> None:
        """Somebody deletes it."""
        del self.leases[namespace, name]

    def keep(self, key: Key, old: Stored | None, new: Stored) -> Stored:
        """Store it; what has not changed keeps its version."""
        if old != new:
            new = replace(new, uid=new.uid or self.uid(), version=self.version())
            self.secrets[key] = new
        return new

    def applied(
        self,
        namespace: str,
        manifest: Mapping[str, object],
        manager: str,
        version: str | None = None,
        *,
        dry_run: bool = False,
        may_create: bool = True,
    ) -> SecretSeen | Stale | Failed:
        """Server-side apply, each check in the server's order; `version` as our client takes it."""
        metadata = manifest["metadata"]
        assert isinstance(metadata, Mapping)
        key = (namespace, str(metadata["name"]))
        old = self.secrets.get(key)
        if failed := self.cannot_hold(namespace, is_new=old is None):
            return failed
        fields = fields_of(manifest)
        if isinstance(fields, Failed):
            return fields
        new = applied(old or NOTHING, self.admits(fields), manager)
        # A version that is named holds nobody off from a Secret that is not there.
        if old is not None and version not in {None, old.version}:
            return Stale()
        if metadata.get("uid", new.uid) != new.uid:
            return Stale()
        if failed := refusal(old, new):
            return failed
        if old is None and not may_create:
            return _denied("create", "secrets")
        if dry_run:
            return replace(new, uid=new.uid or "dry-run").seen()
        return self.keep(key, old, new).seen()

    def cannot_hold(self, namespace: str, *, is_new: bool) -> Failed | None:
        """What is there may be changed to the end; nothing new comes into what ends."""
        there = self.namespaces.get(namespace)
        if there is None:
            return _MISSING
        return _ENDING if is_new and there.is_ending else None

    def write_lease(self, key: Key, lease: LeaseSeen) -> LeaseSeen | Stale | Failed:
        """POST it if it names no version, else PUT it.

        A PUT would make anew what is gone, whatever version it names (1.20 does); our client sends
        the uid along, which guards it.
        """
        old = self.leases.get(key)
        if failed := self.cannot_hold(key[0], is_new=old is None):
            return failed
        if lease.version != (old.version if old is not None else ""):
            return Stale()
        if lease.duration_seconds <= 0 or lease.transitions < 0:
            return Failed(reason=Reason.INVALID_INPUT, detail="spec: must be greater than 0")
        if lease != old:
            self.leases[key] = with_changes(lease, version=self.version())
        return self.leases[key]


@dataclass
class FakeCluster:
    """The port: one identity's way to the server, on which everything can go wrong."""

    server: FakeApiServer
    identity: Identity
    fate: Callable[[str], Fate] = lambda _: FINE
    """Asked for each call, as in `patch secrets`; it may raise, as a kill does."""
    deadline_seconds: float = 10.0

    async def read_secret(self, namespace: str, name: str) -> SecretSeen | Failed | None:
        def work() -> SecretSeen | None:
            there = self.server.secrets.get((namespace, name))
            return there.seen() if there else None

        return await self._call("get", "secrets", (namespace, name), work)

    async def apply_secret(
        self, namespace: str, manifest: Mapping[str, object], version: str, *, dry_run: bool = False
    ) -> SecretSeen | Stale | Failed:
        metadata = manifest["metadata"]
        assert isinstance(metadata, Mapping)
        assert "stringData" not in manifest, "its owner is not known as that of data"
        key = (namespace, str(metadata["name"]))

        def work() -> SecretSeen | Stale | Failed:
            return self.server.applied(
                namespace,
                manifest,
                OURS[0],
                version,
                dry_run=dry_run,
                may_create=self._may("create", "secrets", key),
            )

        return await self._call("patch", "secrets", key, work)

    async def delete_secret(
        self, namespace: str, name: str, uid: str, version: str
    ) -> Stale | Failed | None:
        def work() -> Stale | None:
            there = self.server.secrets.get((namespace, name))
            if there is None:
                return None
            if (there.uid, there.version) != (uid, version):
                return Stale()
            self.server.delete_secret(namespace, name)
            return None

        return await self._call("delete", "secrets", (namespace, name), work)

    async def watch_namespaces(
        self, selector: str
    ) -> AsyncIterator[Listed | NamespaceSeen | NamespaceGone | Failed]:
        wait = 0.0
        while True:
            with self.server.watching() as watch:
                listed = await self._call(
                    "list", "namespaces", ("", ""), lambda: self._list(selector)
                )
                yield listed
                if isinstance(listed, Listed):
                    wait = 0.0
                    async for told in self._follow(watch, selector):
                        yield told
            wait = min(8.0, max(1.0, 2 * wait))
            await asyncio.sleep(wait)

    async def _follow(
        self, watch: asyncio.Queue[Told | Failed | str], selector: str
    ) -> AsyncIterator[NamespaceSeen | NamespaceGone | Failed]:
        """What changes, until the watch ends."""
        begun = await self._call("watch", "namespaces", ("", ""), lambda: None)
        if begun is not None:
            yield begun
            return
        while True:
            told = await watch.get()
            if isinstance(told, str):
                return
            if isinstance(told, Failed):
                yield told
                return
            if event := _event(told, selector):
                yield event

    def _list(self, selector: str) -> Listed | Failed:
        try:
            matches(selector, {})
            found = [
                one.seen()
                for one in self.server.namespaces.values()
                if matches(selector, one.labels)
            ]
        except ValueError as exc:
            return Failed(reason=Reason.INVALID_INPUT, detail=str(exc))
        return Listed(tuple(sorted(found, key=lambda one: one.name)))

    async def read_lease(self, namespace: str, name: str) -> LeaseSeen | Failed | None:
        key = (namespace, name)
        return await self._call("get", "leases", key, lambda: self.server.leases.get(key))

    async def write_lease(
        self, namespace: str, name: str, lease: LeaseSeen
    ) -> LeaseSeen | Stale | Failed:
        # A POST is allowed without a name: no list of names covers it.
        key = (namespace, name)
        verb, asked = ("update", key) if lease.version else ("create", (namespace, ""))

        return await self._call(verb, "leases", asked, lambda: self.server.write_lease(key, lease))

    async def may(
        self, verb: str, resource: str, namespace: str = "", name: str = ""
    ) -> bool | Failed:
        return await self._call(
            *("create", _REVIEWS, ("", "")), lambda: self._may(verb, resource, (namespace, name))
        )

    async def pulling_accounts(self, namespace: str, secret: str) -> tuple[str, ...] | Failed:
        def work() -> tuple[str, ...]:
            accounts = self.server.accounts.items()
            return tuple(
                sorted(
                    name
                    for (there, name), pulls in accounts
                    if there == namespace and secret in pulls
                )
            )

        return await self._call("list", "serviceaccounts", (namespace, ""), work)

    async def close(self) -> None:
        """Nothing is held."""

    def _may(self, verb: str, resource: str, key: Key) -> bool:
        return any(right.covers(verb, resource, *key) for right in self.identity.rights)

    async def _call(self, verb: str, resource: str, key: Key, work: Callable[[], T]) -> T | Failed:
        """Do it on the server as this identity, if fate lets it arrive; answer in time."""
        fate = self.fate(f"{verb} {resource}")

        def arrive() -> T | Failed:
            expires_at = self.identity.expires_at
            if expires_at is not None and self.server.now() >= expires_at:
                return Failed(reason=Reason.UNAUTHENTICATED, detail="Unauthorized")
            is_allowed = resource == _REVIEWS or self._may(verb, resource, key)
            return work() if is_allowed else _denied(verb, resource)

        try:
            async with asyncio.timeout(self.deadline_seconds):
                if fate.arrives is None or fate.arrives >= self.deadline_seconds:
                    if fate.arrives is not None:
                        asyncio.get_running_loop().call_later(fate.arrives, arrive)
                    await asyncio.Event().wait()
                await asyncio.sleep(fate.arrives or 0)
                if fate.refusal is not None:
                    return Failed(reason=fate.refusal, detail="as the test wants it")
                done = arrive()
                await (
                    asyncio.Event().wait() if fate.answers is None else asyncio.sleep(fate.answers)
                )
        except TimeoutError:
            return Failed(reason=Reason.TIMEOUT, detail="no answer in time")
        return done if fate.hidden is None else Failed(reason=fate.hidden, detail="cut off")


def _denied(verb: str, resource: str) -> Failed:
    return Failed(reason=Reason.ACCESS_DENIED, detail=f"{verb} {resource} is forbidden")


def _event(told: Told, selector: str) -> NamespaceSeen | NamespaceGone | None:
    """What a watch with this selector tells of it."""
    old, new = (one if one and matches(selector, one.labels) else None for one in told)
    if new:
        return new.seen()
    return NamespaceGone(old.name) if old else None


_TERM: Final = re.compile(
    r"\s*(?:(?P<set>[\w./-]+)\s+(?P<how>in|notin)\s*\((?P<values>[\w.,\s-]*)\)"
    r"|(?P<key>[\w./-]+)\s*(?P<op>==|=|!=)\s*(?P<value>[\w.-]*)"
    r"|(?P<absent>!?)\s*(?P<there>[\w./-]+))\s*(?:,|$)"
)


def matches(selector: str, labels: Mapping[str, str]) -> bool:
    """Whether a label selector takes these; ValueError if it is none."""
    at, taken = 0, True
    while at < len(selector):
        term = _TERM.match(selector, at)
        if term is None:
            message = f"unable to parse the selector {selector!r}"
            raise ValueError(message)
        at = term.end()
        taken = _matches(term, labels) and taken
    return taken


def _matches(term: re.Match[str], labels: Mapping[str, str]) -> bool:
    if term["set"]:
        values = {value.strip() for value in term["values"].split(",")}
        is_in = labels.get(term["set"]) in values
        return is_in is (term["how"] == "in")
    if term["key"]:
        return (labels.get(term["key"]) == term["value"]) is (term["op"] != "!=")
    return (term["there"] in labels) is not bool(term["absent"])
