"""The API server's own history, and each replica's way to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from lightkeeper.cluster import SecretSeen, Stale
from lightkeeper.core.reasons import Reason
from lightkeeper.ports import Failed
from tests.fakes.applying import Stored
from tests.fakes.cluster import FakeApiServer, FakeCluster, Identity, Key, Right

if TYPE_CHECKING:
    from tests.simulation.replicas.replica import Replica

T = TypeVar("T")

STATE: Key = ("lk", "lightkeeper-state")
DEADLINE = 10.0
"""Of one call, as our client has it."""
RIGHTS = (
    Right(verbs=("get", "create", "patch"), resource="secrets"),
    Right(verbs=("list", "watch"), resource="namespaces"),
)


class Annals(FakeApiServer):
    """The model of the API server, which tells who changed which Secret, at that instant."""

    writer = ""
    """Whose request is being done; empty if it is an administrator's."""

    def __post_init__(self) -> None:
        self.on_kept: Callable[[str, Key, Stored | None, Stored], object] = lambda *_: None

    def keep(self, key: Key, old: Stored | None, new: Stored) -> Stored:
        kept = super().keep(key, old, new)
        if kept.version != (old.version if old else ""):
            self.on_kept(self.writer, key, old, kept)
        return kept


class SimCluster(FakeCluster):
    """The `Cluster` of one replica: what it asks is done when and if it arrives."""

    __hash__ = object.__hash__

    def __init__(self, server: Annals, replica: Replica) -> None:
        super().__init__(server, Identity(rights=RIGHTS))
        self._annals = server
        self._replica = replica

    def limit(self, per_second: float | None) -> None:
        """A rate is kept by the transport, which is not here."""

    async def apply_secret(
        self, namespace: str, manifest: Mapping[str, Any], version: str, *, dry_run: bool = False
    ) -> SecretSeen | Stale | Failed:
        try:
            return await super().apply_secret(namespace, manifest, version, dry_run=dry_run)
        except asyncio.CancelledError:
            if not dry_run:  # that is part of a look
                place = f"{namespace}/{manifest['metadata']['name']}"
                self._replica.town.judge.cuts(self._replica, place)
            raise

    async def _call(self, verb: str, resource: str, key: Key, work: Callable[[], T]) -> T | Failed:
        replica, what = self._replica, f"{verb} {resource} {key[0]}/{key[1]}"

        def do() -> T | Failed:
            if replica.is_denied_state and (verb, key) == ("get", STATE):
                return Failed(reason=Reason.ACCESS_DENIED, detail="get secrets is forbidden")
            self._annals.writer = replica.name
            try:
                said = work()
            finally:
                self._annals.writer = ""
            replica.town.answered(said)
            return said

        if verb == "patch":
            replica.town.judge.writes(replica, what)
        try:
            async with asyncio.timeout(DEADLINE):
                return await replica.ask(what, do, replica.network)
        except TimeoutError:
            return Failed(reason=Reason.TIMEOUT, detail="no answer in time")
