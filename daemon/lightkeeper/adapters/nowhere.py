"""Keeps nothing: what a process holds ends with it."""

from __future__ import annotations

from lightkeeper.core.facts import LoginName
from lightkeeper.core.saved import Saved
from lightkeeper.core.state import Known


class Nowhere:
    """The Store of a sidecar, whose files end with it."""

    async def load(self) -> tuple[dict[LoginName, Saved], dict[LoginName, str]]:
        """Nothing."""
        return {}, {}

    async def save(self, saved: Saved) -> None:
        """It is held, and that is all."""

    async def forget(self, login: LoginName) -> None:
        """It is."""

    async def remove(self, login: LoginName) -> None:
        """There is nothing of it."""

    async def known(self, login: LoginName) -> tuple[Known, ...]:  # noqa: ARG002 - as the port says
        """Nobody else knows anything either."""
        return ()
