"""A failure that lasts: since when, how often, and when it was last said."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from lightkeeper.core.moment import Moment
from lightkeeper.core.reasons import Reason

REMINDER: Final = timedelta(hours=1)
"""After which a failure that lasts is said again; in a new process at once."""
DETAIL: Final = 200
"""The longest detail that is kept, in characters."""


class Failure(Struct, frozen=True, kw_only=True, gc=False):
    """A failure that lasts, from its first occurrence on."""

    reason: Reason
    detail: str
    since: datetime
    """By the wall clock that it was told with: of a login the server's, which nobody here sets."""
    count: int
    said: timedelta
    """Boot clock, when it was last reported."""
    lasts: timedelta = timedelta(0)
    """From the first occurrence to the last."""

    def is_said(self, reason: Reason, boot: timedelta) -> bool:
        """Whether one more of it is no news: same reason, reported within the hour."""
        return self.reason is reason and boot - self.said < REMINDER


def failed(before: Failure | None, reason: Reason, detail: str, at: Moment) -> Failure:
    """The failure after one more occurrence; another reason begins another failure."""
    if before is None or before.reason is not reason:
        return Failure(reason=reason, detail=detail[:DETAIL], since=at.wall, count=1, said=at.boot)
    said = before.said if before.is_said(reason, at.boot) else at.boot
    lasts = max(timedelta(0), at.wall - before.since)
    return replace(before, detail=detail[:DETAIL], count=before.count + 1, said=said, lasts=lasts)
