"""What a look at a place means: the fact that it ends in.

Knows no keeper, so that whoever only looks does not pay for an event loop.
"""

from __future__ import annotations

from typing import assert_never

from lightkeeper.core import facts
from lightkeeper.core.facts import LoginFact, LoginName, Place
from lightkeeper.core.moment import Moment
from lightkeeper.ports import Failed, Found, Pending


def seen_at(
    login: LoginName, place: Place, seen: Found | Pending | Failed, now: Moment
) -> LoginFact:
    """The fact that a look at a place, or a delivery that did not reach it, ends in."""
    match seen:
        case Found(digest=digest, settled=settled, notices=notices):
            return facts.PlaceRead(
                login=login, at=now, place=place, digest=digest, settled=settled, notices=notices
            )
        case Pending(detail=detail):
            return facts.PlacePending(login=login, at=now, place=place, detail=detail)
        case Failed(reason=reason, detail=detail):
            return facts.DeliveryFailed(
                login=login, at=now, place=place, reason=reason, detail=detail
            )
        case _:
            assert_never(seen)
