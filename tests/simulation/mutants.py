"""Daemons with one fault each, built of a worse part: the oracle must find every one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from msgspec.structs import replace

from lightkeeper.core import facts
from lightkeeper.core.credential import Digest
from lightkeeper.core.facts import LoginFact, LoginName
from lightkeeper.core.moment import Moment
from lightkeeper.core.saved import Saved
from lightkeeper.fleet import Fleet, Kept
from lightkeeper.history import History
from lightkeeper.keeper import Keeper
from lightkeeper.ports import World
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


class NothingUnlinked(Disk):
    """What was swapped out stays, and what a crash left too."""

    def unlink(self, directory: int, name: str) -> None:
        self.before("unlink")


class NothingClosed(Disk):
    """Descriptors stay open."""

    def close(self, file: int) -> None:
        self.before("close")


class PatientIssuer(SimIssuer):
    """A call that hangs is waited for without end."""

    async def _hang(self, deadline: timedelta) -> None:
        await asyncio.Event().wait()


class HastyHistory(History):
    """Waits for nothing but the floor after a failure."""

    def happened(self, fact: LoginFact) -> None:
        super().happened(fact)
        if isinstance(fact, facts.RenewalFailed):
            self.state = replace(self.state, next_attempt=None)


class ForgetfulHistory(History):
    """Does not count what fails."""

    def happened(self, fact: LoginFact) -> None:
        counted = self.state.renewal_failures
        super().happened(fact)
        self.state = replace(self.state, renewal_failures=counted)


class BlindHistory(History):
    """Takes a place that our entry was taken out of for what it was."""

    def happened(self, fact: LoginFact) -> None:
        known = self.state.places
        super().happened(fact)
        if isinstance(fact, facts.Drifted) and fact.cause is facts.Cause.REMOVED:
            place = replace(known[fact.place], busy=False, read_at=fact.at.boot)
            self.state = replace(self.state, places={**known, fact.place: place})


class TalkativeHistory(History):
    """Says what a failed call was made with."""

    def happened(self, fact: LoginFact) -> None:
        held = self.state.held
        if isinstance(fact, facts.RenewalFailed) and held is not None:
            fact = replace(fact, detail=f"{fact.detail}, with {held.password.reveal()}")
        super().happened(fact)


def keeping(history: type[History]) -> type[Fleet]:
    """A fleet that keeps such histories."""

    class Keeping(Fleet):
        def _begin(self, kept: Kept, saved: Saved | None, kin: frozenset[Digest]) -> Keeper:
            usual = super()._begin(kept, saved, kin)
            return Keeper(
                history(usual.state, self._world),
                fingerprint=kept.fingerprint,
                source=kept.source,
                outputs=kept.outputs,
                world=self._world,
            )

    return Keeping


class AmnesiacFleet(Fleet):
    """Begins as if nothing had been saved."""

    def __init__(self, world: World, saved: Mapping[LoginName, Saved]) -> None:
        super().__init__(world, {})


class SlowFleet(Fleet):
    """Takes its time to end."""

    async def run(self) -> None:
        try:
            await super().run()
        finally:
            await asyncio.sleep(6)


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
    "no back-off": (Parts(fleet=keeping(HastyHistory)), "not a storm", 1),
    "due by the wall clock alone": (Parts(clock=WallOnly), "not a storm", 0),
    "no unlinking": (Parts(disk=NothingUnlinked), "residue", 0),
    "no closing": (Parts(disk=NothingClosed), "residue", 0),
    "no secrecy": (Parts(fleet=keeping(TalkativeHistory)), "secret", 1),
    "no counting": (Parts(fleet=keeping(ForgetfulHistory)), "counted", 1),
    "no eye for a removal": (Parts(fleet=keeping(BlindHistory)), "readiness", 0),
    "no memory": (Parts(fleet=AmnesiacFleet), "not a storm", 0),
    "no end in time": (Parts(fleet=SlowFleet), "shutdown", 0),
}
"""What is missing, the promise that is broken by it, and a seed that is known to show it."""
