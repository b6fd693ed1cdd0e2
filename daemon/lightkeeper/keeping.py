"""When the logins are kept: at once, or while a Lease says so; each time with what was saved."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Final, TypeAlias

from lightkeeper.core.facts import LoginName
from lightkeeper.core.part import Part, Role
from lightkeeper.core.saved import Saved
from lightkeeper.core.upkeep import STORE
from lightkeeper.electing import Electing
from lightkeeper.fleet import Fleet
from lightkeeper.pace import pause
from lightkeeper.ports import Failed

AllSaved: TypeAlias = Mapping[LoginName, Saved]

_PAUSE: Final = timedelta(seconds=5)


class Keeping:
    """Opens the fleet and closes it."""

    def __init__(
        self,
        fleet: Fleet,
        load: Callable[[], Awaitable[AllSaved | Failed]],
        begin: Callable[[], str],
        electing: Electing | None,
        unread: Callable[[Failed], object],
        *,
        end: Callable[[], None],
    ) -> None:
        """`begin` has the logins kept, or says why they cannot be; it is asked again then.

        `end` takes back what it began, but for the logins: they are closed by then.
        `unread` is told each time that the saved state could not be read.
        """
        self.is_open = False
        """Whether the logins are kept here and now."""
        self._work: asyncio.Task[None] | None = None
        """What keeps them, or kept them last."""
        self._waits = ""
        """What keeps them from being kept, although they should be."""
        self._electing = electing
        self._fleet = fleet
        self._load = load
        self._begin = begin
        self._end = end
        self._unread = unread

    @property
    def part(self) -> Part:
        """What people are told that this process is, and does."""
        if self._electing is None:
            return Part(waits=self._waits)
        return Part(
            role=Role.LEADER if self._electing.is_leading else Role.STANDBY,
            lease=self._electing.lease,
            leader=self._electing.leader,
            waits=self._waits or self._electing.unled,
        )

    async def run(self) -> None:
        """Keep the logins whenever it is for us to; until cancelled."""
        if self._electing is None:
            await self._keep()
        else:
            await self._electing.run(self._keep)

    async def drain(self) -> None:
        """Begin nothing more, and wait for what is under way.

        For while `run` still runs, so that we lead until the last write is done. Who loses the
        Lease meanwhile stops at once, as ever.
        """
        self._fleet.drain()
        if self._work is not None:
            await asyncio.wait([self._work])

    async def release(self) -> None:
        """Let another lead; for when the last write is done."""
        if self._electing is not None:
            await self._electing.release()

    async def _keep(self) -> None:
        self._waits = "the saved state is being read"
        try:
            self._fleet.open(await self._loaded())
            while why := self._begin():
                self._waits = why
                await pause(_PAUSE)
            self._work = asyncio.current_task()
            self.is_open, self._waits = True, ""
            await self._fleet.run()
        finally:
            self.is_open, self._waits = False, ""
            self._fleet.close()
            self._end()

    async def _loaded(self) -> AllSaved:
        """What was saved; whoever begins without it could call more often than may be."""
        while isinstance(found := await self._load(), Failed):
            advice = STORE[found.reason].advice if found.reason in STORE else ""
            self._waits = (
                f"the saved state cannot be read, {found.reason}: {found.detail}. {advice}"
            )
            self._unread(found)
            await pause(_PAUSE)
        return found
