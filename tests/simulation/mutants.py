"""Daemons with one fault each, built of a worse part: the oracle must find every one of them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from msgspec.structs import replace

from lightkeeper.core import facts
from lightkeeper.core.facts import LoginFact
from lightkeeper.core.moment import Moment
from lightkeeper.fleet import Fleet, Kept
from lightkeeper.keeper import Keeper
from tests.fakes.disk import Disk
from tests.simulation.machine import Parts
from tests.simulation.world import EPOCH, Clocks, SimIssuer


class NamesNotSynced(Disk):
    """fsync of a directory does nothing."""

    def fsync(self, file: int) -> None:
        if not self.is_dir(file):
            super().fsync(file)


class BlindSwap(Disk):
    """A swap brings nothing out to look at: what stood there is gone, as with a plain rename."""

    def exchange(self, directory: int, one: str, other: str) -> None:
        self.before("exchange")
        super().rename(directory, one, other)


class PatientIssuer(SimIssuer):
    """A call that hangs is waited for without end."""

    async def _hang(self, deadline: timedelta) -> None:
        await asyncio.Event().wait()


class HastyKeeper(Keeper):
    """Waits for nothing but the floor after a failure."""

    def _happened(self, fact: LoginFact) -> None:
        super()._happened(fact)
        if isinstance(fact, facts.RenewalFailed):
            self.state = replace(self.state, next_attempt=None)


class HastyFleet(Fleet):
    """Runs such keepers."""

    def _begin(self, kept: Kept) -> Keeper:
        usual = super()._begin(kept)
        return HastyKeeper(
            usual.state,
            fingerprint=kept.fingerprint,
            source=kept.source,
            outputs=kept.outputs,
            world=self._world,
        )


@dataclass(frozen=True, slots=True)
class WallOnly:
    """A clock that knows the wall clock alone: what is set back comes again."""

    clocks: Clocks

    def now(self) -> Moment:
        wall = self.clocks.now().wall
        return Moment(wall=wall, boot=wall - EPOCH)

    def monotonic(self) -> timedelta:
        return self.clocks.monotonic()


MUTANTS = {
    "no fsync of the directory": (Parts(disk=NamesNotSynced), "acknowledged and lost", 1),
    "no look after the swap": (Parts(disk=BlindSwap), "only our entry", 15),
    "no timeout": (Parts(issuer=PatientIssuer), "an accepted login", 4),
    "no back-off": (Parts(fleet=HastyFleet), "not a storm", 1),
    "due by the wall clock alone": (Parts(clock=WallOnly), "not a storm", 0),
}
"""What is missing, the promise that is broken by it, and a seed that is known to show it."""
