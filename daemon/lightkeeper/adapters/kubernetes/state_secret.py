"""Keeps what outlives the pod: one Secret, with a document for each login as its data."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from msgspec.structs import replace

from lightkeeper.adapters.kubernetes.contention import TRIES, contended
from lightkeeper.cluster import Cluster, SecretSeen, Stale
from lightkeeper.core.facts import LoginName
from lightkeeper.core.file_failure import FileFailure
from lightkeeper.core.reasons import Reason
from lightkeeper.core.saved import Saved
from lightkeeper.core.state import Known
from lightkeeper.ports import Failed
from lightkeeper.saving import NewerError, read, written

_SUFFIX: Final = ".json"
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


class StateSecret:
    """The Store of a daemon in a cluster; its replicas share it, and one of them writes."""

    def __init__(self, cluster: Cluster, namespace: str, name: str) -> None:
        self.path = f"{namespace}/{name}"
        self._cluster = cluster
        self._namespace = namespace
        self._name = name
        self._lock = asyncio.Lock()
        self._seen: SecretSeen | None = None

    async def load(self) -> tuple[dict[LoginName, Saved], dict[LoginName, str]] | Failed:
        """What is kept, and why of some logins it cannot be used."""
        async with self._lock:
            failed = await self._look()
            if failed is not None:
                return failed
            saved: dict[LoginName, Saved] = {}
            unusable: dict[LoginName, str] = {}
            for key, data in self._documents().items():
                login = LoginName(key.removesuffix(_SUFFIX))
                try:
                    saved[login] = read(data, login)
                except FileFailure as exc:
                    unusable[login] = exc.detail
            return saved, unusable

    async def save(self, saved: Saved) -> Failed | None:
        """Keep `saved`, unless what is kept is of a later login than that: then we are behind."""
        return await self._change(LoginName(saved.login), saved)

    async def forget(self, login: LoginName) -> Failed | None:
        """Keep no credential of `login`, only what `withdraw` needs to know its entries by."""
        return await self._change(login, None)

    async def remove(self, login: LoginName) -> Failed | None:
        """Keep nothing of `login`."""
        async with self._lock:
            if (failed := await self._look()) is not None:
                return failed
            key, left = f"{login}{_SUFFIX}", self._documents()
            left.pop(key, None)
            outcome = await self._write(left)
            if outcome is None and key in self._documents():
                # Another manager's too, as of a backup that was put back: its value is taken first.
                outcome = await self._write({**left, key: b""}) or await self._write(left)
        if outcome is None or isinstance(outcome, Failed):
            return outcome
        detail = f"{self.path} was changed by another while being written"
        return Failed(reason=Reason.CONTENDED, detail=detail)

    async def known(self, login: LoginName) -> tuple[Known, ...] | Failed:
        """The credentials that whoever wrote here last knew of."""
        async with self._lock:
            if (failed := await self._look()) is not None:
                return failed
            kept = self._kept(login)
        if isinstance(kept, Failed):
            detail = f"what is newer cannot be told: {self.path}: {kept.detail}"
            return Failed(reason=Reason.SUPERSEDED, detail=detail)
        return kept.known if kept else ()

    async def prove(self) -> Failed | None:
        """What would keep a state from being saved: a dry run with what is kept, as it is."""
        async with self._lock:
            if (failed := await self._look()) is not None:
                return failed
            if self._seen is not None and self._seen.is_immutable:
                return Failed(reason=Reason.IMMUTABLE, detail="it is marked as immutable")
            tried = await self._apply(self._documents(), self._seen, dry_run=True)
        if isinstance(tried, Stale):
            detail = f"{self.path} was changed by another at the same moment"
            return Failed(reason=Reason.CONTENDED, detail=detail)
        return tried if isinstance(tried, Failed) else None

    async def _change(self, login: LoginName, saved: Saved | None) -> Failed | None:
        async with self._lock:
            for _ in range(TRIES):
                if self._seen is None and (failed := await self._look()) is not None:
                    return failed
                kept = self._kept(login)
                if isinstance(kept, Failed):
                    return kept
                after = saved or (replace(kept, credential=None) if kept else None)
                if after is None:
                    return None
                if saved is not None and _expiry(kept) > _expiry(saved):
                    detail = f"{self.path} holds a newer login, which another Lightkeeper put there"
                    return Failed(reason=Reason.SUPERSEDED, detail=detail)
                documents = {**self._documents(), f"{login}{_SUFFIX}": written(after)}
                outcome = await self._write(documents)
                if outcome is None or isinstance(outcome, Failed):
                    return outcome
        return contended(self.path)

    async def _write(self, documents: Mapping[str, bytes]) -> Failed | Stale | None:
        before, self._seen = self._seen, None
        applied = await self._apply(documents, before)
        if not isinstance(applied, SecretSeen):
            return applied
        self._seen = applied
        return None

    async def _apply(
        self, documents: Mapping[str, bytes], before: SecretSeen | None, *, dry_run: bool = False
    ) -> SecretSeen | Stale | Failed:
        # No label: whoever made it, as Helm does, has its own.
        metadata: dict[str, object] = {"name": self._name, "namespace": self._namespace}
        manifest = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata,
            "type": "Opaque",
            "data": {key: base64.b64encode(data).decode() for key, data in documents.items()},
        }
        version = before.version if before else ""
        return await self._cluster.apply_secret(self._namespace, manifest, version, dry_run=dry_run)

    async def _look(self) -> Failed | None:
        seen = await self._cluster.read_secret(self._namespace, self._name)
        if isinstance(seen, Failed):
            return seen
        self._seen = seen
        return None

    def _documents(self) -> dict[str, bytes]:
        data = self._seen.data if self._seen else {}
        return {key: value for key, value in data.items() if key.endswith(_SUFFIX)}

    def _kept(self, login: LoginName) -> Saved | Failed | None:
        """What is kept of the login; damage is nothing, a newer version is to be left alone."""
        data = self._documents().get(f"{login}{_SUFFIX}")
        if data is None:
            return None
        try:
            return read(data, login)
        except NewerError as exc:
            return Failed(reason=exc.reason, detail=exc.detail)
        except FileFailure:
            return None


def _expiry(saved: Saved | None) -> datetime:
    return max((one.expires_at for one in saved.known), default=_NEVER) if saved else _NEVER
