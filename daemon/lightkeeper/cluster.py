"""The port to a Kubernetes cluster: what its API server is asked for, in values of our own.

Every call ends in a value within its own deadline; none raises for what a network or a server does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from lightkeeper.core.facts import LoginName, OutputName, Place
from lightkeeper.core.namespaces import Unlisted
from lightkeeper.core.state import Known
from lightkeeper.ports import Failed


class ClusterConfig(Struct, frozen=True, kw_only=True):
    """Which cluster, and as whom: by default the one we run in, else the user's kubeconfig."""

    kubeconfig: str | None = None
    context: str | None = None
    qps: int | None = None
    """Requests a second that it is asked at the most; None for no limit."""


class SecretSeen(Struct, frozen=True, kw_only=True, eq=False):
    """A Secret as the API server has it; printed, it shows nothing of its content."""

    __repr__ = object.__repr__

    uid: str
    version: str
    """`resourceVersion`: the same one means that nothing has changed."""
    type: str
    data: Mapping[str, bytes]
    """Decoded."""
    managers: Mapping[str, str]
    """Of each key of `data` that another field manager than ours owns: which one."""
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    is_immutable: bool


class Stale(Struct, frozen=True):
    """Nothing was written: the object is another than the one that `version` names."""


class NamespaceSeen(Struct, frozen=True, kw_only=True):
    """A namespace that is there."""

    name: str
    is_ending: bool
    """Whether it is being deleted: nothing new can be made in it."""


class NamespaceGone(Struct, frozen=True):
    """A namespace is deleted, or no longer what the selector asks for."""

    name: str


class Listed(Struct, frozen=True):
    """Every namespace there is: what is not among them is gone. Begins each watch."""

    namespaces: tuple[NamespaceSeen, ...]


class LeaseSeen(Struct, frozen=True, kw_only=True):
    """A Lease, as leader election writes it."""

    version: str
    holder: str
    """Empty if it was released."""
    duration_seconds: int
    acquired_at: datetime | None
    renewed_at: datetime | None
    transitions: int


class Cluster(Protocol):
    """The API server of one cluster, as one identity."""

    async def read_secret(self, namespace: str, name: str) -> SecretSeen | Failed | None:
        """The Secret; None if there is none."""
        ...

    async def apply_secret(
        self, namespace: str, manifest: Mapping[str, object], version: str, *, dry_run: bool = False
    ) -> SecretSeen | Stale | Failed:
        """Server-side apply, as field manager `lightkeeper`; what others own is taken over.

        `manifest` is the whole of what we manage in it. It is applied to that version of the Secret
        or to none; an empty one is that of a Secret which is not there. One that was deleted since
        is made anew, whatever its version was. `dry_run` proves that it could be done, and writes
        nothing.
        """
        ...

    async def delete_secret(
        self, namespace: str, name: str, uid: str, version: str
    ) -> Stale | Failed | None:
        """Delete that version of that Secret and no other; it may be gone already."""
        ...

    def watch_namespaces(
        self, selector: str
    ) -> AsyncIterator[Listed | NamespaceSeen | NamespaceGone | Failed]:
        """What there is, then what changes, for as long as it is asked.

        After a `Failed` it tries again by itself, with a back-off, and begins with a list.
        """
        ...

    async def read_lease(self, namespace: str, name: str) -> LeaseSeen | Failed | None:
        """The Lease; None if there is none."""
        ...

    async def write_lease(
        self, namespace: str, name: str, lease: LeaseSeen
    ) -> LeaseSeen | Stale | Failed:
        """Create the Lease if `lease` has no version, else replace that version of it."""
        ...

    async def may(
        self, verb: str, resource: str, namespace: str = "", name: str = ""
    ) -> bool | Failed:
        """Whether this identity is allowed that, as the API server itself says.

        Without a name it is meant of every one, without a namespace everywhere.
        """
        ...

    async def pulling_accounts(self, namespace: str, secret: str) -> tuple[str, ...] | Failed:
        """The ServiceAccounts there whose pods pull images with the Secret; in order."""
        ...

    async def close(self) -> None:
        """Let go of every connection."""
        ...


class Hooks(Struct, kw_only=True):
    """Who hears of the clusters that are delivered into, and who is asked before they are."""

    changed: Callable[[], object] = lambda: None
    """Is told that the namespaces are others now."""
    unlisted: Callable[[Unlisted | None], None] = lambda _: None
    """Is told why it is not known which namespaces there are, and that it is known again."""
    unchosen: Callable[[Collection[tuple[LoginName, OutputName]]], None] = lambda _: None
    """Is told, as often as `changed`, which outputs choose none."""
    not_left: Callable[[LoginName, Place], None] = lambda _, __: None
    """Is told in which Secret nothing of a login is left that should not be."""
    pruned: Callable[[LoginName, OutputName, Sequence[str]], None] = lambda _, __, ___: None
    """Is told which Secrets were deleted, or had our entries taken out, in one go."""
    not_pruned: Callable[[LoginName, Place], None] = lambda _, __: None
    """Is told which Secret of a login stays where it should not, until it can be pruned."""
    known: Callable[[LoginName, str], Collection[Known]] = lambda _, __: ()
    """Says what a login ever had in a place."""
    leads: Callable[[], bool] = lambda: True
    """Whether it is for us to write; asked before a Secret is deleted."""
