"""Replicas with one fault each, built of a worse part: the judge must find every one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from lightkeeper.adapters.kubernetes.output import KubernetesSecret
from lightkeeper.adapters.kubernetes.state_secret import StateSecret
from lightkeeper.adapters.kubernetes.targets import ServedSecret, Targets
from lightkeeper.cluster import SecretSeen, Stale
from lightkeeper.core.answer import Answer, Refusal
from lightkeeper.core.credential import Digest
from lightkeeper.core.facts import LoginName, Place
from lightkeeper.core.reasons import Reason
from lightkeeper.core.saved import Saved
from lightkeeper.core.state import Known
from lightkeeper.electing import Electing
from lightkeeper.fleet import Fleet
from lightkeeper.ports import Delivery, Failed, Foreign, Pending, Put, World
from lightkeeper.saving import written
from tests.simulation.replicas.cluster import STATE, SimCluster
from tests.simulation.replicas.replica import Parts, SimIssuer, Working

Said = SecretSeen | Stale | Failed


class Unversioned(SimCluster):
    """Names no version: whatever is there is written over."""

    def _is_bare(self, manifest: Mapping[str, Any], version: str) -> bool:
        return True

    async def apply_secret(
        self, namespace: str, manifest: Mapping[str, Any], version: str, *, dry_run: bool = False
    ) -> Said:
        if not self._is_bare(manifest, version) or dry_run:
            return await super().apply_secret(namespace, manifest, version, dry_run=dry_run)
        key = (namespace, str(manifest["metadata"]["name"]))

        def work() -> Said:
            there = self.server.secrets.get(key)
            version = there.version if there else ""
            return self.server.applied(namespace, manifest, "lightkeeper", version)

        return await self._call("patch", "secrets", key, work)


class UnversionedTargets(Unversioned):
    """Names none where it delivers."""

    def _is_bare(self, manifest: Mapping[str, Any], version: str) -> bool:
        return bool(manifest["metadata"]["name"] != STATE[1])


class UnversionedMaking(Unversioned):
    """Names none where it has seen nothing."""

    def _is_bare(self, manifest: Mapping[str, Any], version: str) -> bool:
        return not version


class Forcing(Unversioned):
    """Takes a conflict for a reason to write all the same."""

    def _is_bare(self, manifest: Mapping[str, Any], version: str) -> bool:
        return version == "whatever"

    async def apply_secret(
        self, namespace: str, manifest: Mapping[str, Any], version: str, *, dry_run: bool = False
    ) -> Said:
        said = await super().apply_secret(namespace, manifest, version, dry_run=dry_run)
        if isinstance(said, Stale):
            said = await super().apply_secret(namespace, manifest, "whatever", dry_run=dry_run)
        return said


class Ignorant(StateSecret):
    """Does not know what others know."""

    async def known(self, login: LoginName) -> tuple[Known, ...]:
        return ()


class Careless(StateSecret):
    """Takes what it cannot read for nothing."""

    async def known(self, login: LoginName) -> tuple[Known, ...]:
        known = await super().known(login)
        return () if isinstance(known, Failed) else known


class Blunt(StateSecret):
    """Saves without a look at how new that is which is kept."""

    async def save(self, saved: Saved) -> Failed | None:
        async with self._lock:
            for _ in range(5):
                if (failed := await self._look()) is not None:
                    return failed
                documents = {**self._documents(), f"{saved.login}.json": written(saved)}
                outcome = await self._write(documents)
                if outcome is None or isinstance(outcome, Failed):
                    return outcome
        return Failed(reason=Reason.CONTENDED, detail="as it is wanted")


class Early(KubernetesSecret):
    """Asks once what is newer, before it looks."""

    async def deliver(self, place: Place, delivery: Delivery) -> Put | Foreign | Pending | Failed:
        known = await delivery.newer()

        async def newer() -> frozenset[Digest] | Failed:
            return known

        return await super().deliver(place, replace(delivery, newer=newer))


class EarlyTargets(Targets):
    def output(self, served: ServedSecret) -> KubernetesSecret:
        output = super().output(served)
        output.__class__ = Early
        return output


class Amnesiac(Fleet):
    """Begins as if nothing had been saved."""

    def open(self, saved: Mapping[LoginName, Saved]) -> None:
        super().open({})


class Unled(Fleet):
    """Acts whoever leads, until it is told to end."""

    def __init__(self, world: World, saved: Mapping[LoginName, Saved]) -> None:
        super().__init__(replace(world, leads=lambda: True), saved)


class Heedless(Working):
    """Goes on with the work of a leader, whatever becomes of the Lease."""

    async def _keep(self) -> None:
        task = self.replica.loop.create_task(super()._keep())
        await asyncio.shield(task)


class Endless(Electing):
    """Does not see that its term is over."""

    @property
    def is_leading(self) -> bool:
        return self._until is not None

    async def _until_end(self) -> None:
        await asyncio.Event().wait()


class Abrupt(Working):
    """Cancels what is under way when it is told to end."""

    async def drain(self) -> None:
        pass


class Hasty(Abrupt):
    """Lets go of the lease, and ends what is going on after that."""

    async def run(self) -> None:
        work = self.replica.loop.create_task(super().run())
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            await self.release()
            await asyncio.sleep(20)
            work.cancel()
            await asyncio.wait([work])
            raise


class Impatient(SimIssuer):
    """Takes an answer that does not come for a call that was not made."""

    async def issue(self, deadline: timedelta) -> Answer | Refusal:
        said = await super().issue(deadline / 3)
        if isinstance(said, Refusal) and said.reason is Reason.TIMEOUT:
            return await super().issue(deadline / 3)
        return said


MUTANTS: dict[str, tuple[Parts, str, int]] = {
    "no version": (Parts(cluster=UnversionedTargets), "never worse", 7),
    "no version where there is nothing": (Parts(cluster=UnversionedMaking), "never worse", 75),
    "no stepping back from a conflict": (Parts(cluster=Forcing), "never worse", 6),
    "no word of what is newer": (Parts(store=Ignorant), "never worse", 6),
    "no patience where the state cannot be read": (Parts(store=Careless), "never worse", 7),
    "no compare before a save": (Parts(store=Blunt), "never worse", 9),
    "no look before it is asked what is newer": (Parts(targets=EarlyTargets), "never worse", 2),
    "no memory": (Parts(fleet=Amnesiac), "calls", 0),
    "no look at the clock before a call": (Parts(fleet=Unled), "calls", 0),
    "no end of the work with the term": (Parts(keeping=Heedless, fleet=Unled), "standby", 0),
    "no end of the term": (Parts(electing=Endless), "election", 1),
    "no last write before the release": (Parts(keeping=Hasty, fleet=Unled), "released", 1),
    "no wait for what was sent before the end": (Parts(keeping=Abrupt), "drain", 3),
    "no doubt that a lost call was none": (Parts(issuer=Impatient), "calls", 2),
}
"""What is missing, the promise that is broken by it, and a seed that is known to show it."""
