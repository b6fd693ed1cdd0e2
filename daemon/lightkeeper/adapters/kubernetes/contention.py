"""How often a Secret that others write too is tried, and what is said once that was too often."""

from __future__ import annotations

from typing import Final

from lightkeeper.core.reasons import Reason
from lightkeeper.ports import Failed

TRIES: Final = 5


def contended(what: str = "") -> Failed:
    """Somebody else was faster each time."""
    subject = f"{what} was " if what else ""
    detail = f"{subject}changed by another {TRIES} times while being written"
    return Failed(reason=Reason.CONTENDED, detail=detail)
