"""What part a process has in keeping the logins, and what people are told of it."""

from __future__ import annotations

from enum import StrEnum, unique
from typing import Final

from msgspec import Struct


@unique
class Role(StrEnum):
    """What a process is among those that serve the same logins."""

    ALONE = "alone"
    LEADER = "leader"
    STANDBY = "standby"
    """It keeps nothing, and takes over when the leader is gone."""


class Part(Struct, frozen=True, kw_only=True):
    """The part of one process, now."""

    role: Role = Role.ALONE
    lease: str = ""
    """Which one the replicas share, as namespace/name."""
    leader: str = ""
    """Which replica holds it, as last seen; empty if none is known to."""
    waits: str = ""
    """What keeps the logins from being kept, although they should be: by this process, or by any
    that it knows of. Empty if nothing does."""

    @property
    def aside(self) -> str:
        """Why no login is kept here, and what to do; empty if they are."""
        if self.role is not Role.STANDBY:
            return self.waits and f"no login is kept here yet: {self.waits}"
        if self.leader:
            return (
                f"this replica is the standby and keeps no login: {self.leader} leads, which holds"
                f" the Lease {self.lease}; ask that one"
            )
        said = "this replica is the standby and keeps no login, and it knows of none that leads"
        if self.waits:
            return f"{said}: {self.waits}"
        return f"{said}; ask again soon, and look at the Lease {self.lease} if it stays so"

    def document(self) -> dict[str, str | None]:
        """What documents tell of it: nothing of a process that is alone."""
        if self.role is Role.ALONE:
            return {}
        return {"role": self.role.value, "leader": self.leader or None}


ALONE: Final = Part()
"""Of a process that shares its logins with no other."""
