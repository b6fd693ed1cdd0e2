"""What there is to do for a login: the steps of a plan."""

from __future__ import annotations

from msgspec import Struct

from lightkeeper.core.facts import Place, Why


class Renew(Struct, frozen=True):
    """Ask Lightsail for a new credential."""

    why: Why


class Verify(Struct, frozen=True):
    """Ask the registry about the held credential."""


class Look(Struct, frozen=True):
    """Read what a place holds."""

    place: Place
    proves: bool = False
    """Where it holds what is held, a dry run of the next write is to be made."""


class Deliver(Struct, frozen=True):
    """Put the held credential into a place."""

    place: Place
    replace_foreign: bool
    """What is there was not written by us, the registry was asked, and it may go."""


class Save(Struct, frozen=True):
    """Keep what a restart needs: it could not be kept before, or has new places."""


Step = Renew | Verify | Look | Deliver | Save
