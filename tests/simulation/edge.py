"""What one life of the daemon works with and tells to, beside its Issuer, Verifier and Alarm."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from lightkeeper.core.facts import ClockStepped, LoginFact
from lightkeeper.core.failure import Failure
from lightkeeper.core.reasons import Reason
from lightkeeper.ports import Failed
from tests.simulation.world import Life

if TYPE_CHECKING:
    from tests.simulation.machine import Machine

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class InlineWorkers:
    """The Workers of one life: everything runs at once, unless the disk hangs."""

    life: Life
    machine: Machine

    async def run(self, name: str, work: Callable[[], T], deadline: timedelta) -> T | Failed:
        self.life.point()
        is_state = name.startswith("state")
        hangs = (self.machine.state_fault if is_state else self.machine.disk_fault) == "hang"
        await self._wait(deadline.total_seconds() if hangs else 0.003)
        login, _, path = name.rpartition(" ")
        path = self.machine.state_file(path) if is_state else path
        if hangs:
            self.machine.judge.ledger.hung(path)
            return Failed(reason=Reason.TIMEOUT, detail="no answer")
        return self.machine.watched(work, path, "" if is_state else login)

    async def _wait(self, seconds: float) -> None:
        self.machine.at_work += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self.machine.at_work -= 1
        self.life.point()


@dataclass(frozen=True, slots=True)
class SimRecorder:
    """The Recorder of one life: everything goes to the judge."""

    machine: Machine
    life: Life

    def record(
        self, fact: LoginFact | ClockStepped, *, news: bool, failure: Failure | None = None
    ) -> None:
        if self.life.is_over or isinstance(fact, ClockStepped):
            return
        try:
            self.machine.heard(fact, news=news)
        except Exception:  # noqa: BLE001 - the daemon would take the judge's bug for its own
            self.machine.judge.blame(f"the judge broke: {traceback.format_exc()}")
