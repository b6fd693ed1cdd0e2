"""When a renewal is due, how long to wait after a failure, what counts as ready.

Every draw `u` is uniform in [0, 1), made once by the keeper and folded into the state, so that
asking again changes nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from lightkeeper.core.credential import Credential
from lightkeeper.core.reasons import RENEWAL, Reason

HEARTBEAT: Final = timedelta(seconds=15)
"""How often clocks are compared and every plan is asked again."""

POLL: Final = timedelta(seconds=60)
"""How often a place is read although nobody said that it changed (NFS tells nobody)."""

DELIVERY_RETRY: Final = timedelta(seconds=10)
"""After a failed delivery; short of a heartbeat, so that the next one finds it due."""
_RETRIES_A_POLL: Final = 6
"""How often a place is tried that goes on failing, for each time that one is read which does not.

Where there are so many places that they are read seldom, those that fail leave time to the others.
"""

SAVE_RETRY: Final = DELIVERY_RETRY
"""After a state that could not be saved."""

SETTLE: Final = timedelta(seconds=120)
"""How long a command waits for all to settle: an attempt, a repair that waits, and a delivery.

What is not done by then, such as a repair in a long dispute, shows in what it is told.
"""

PROVEN_AT_ONCE: Final = 20
"""Of how many places dry runs are made at the first look, and again soon after one that failed.

Of more, they are made on the slow round: they cost an API server as much as a write.
"""

LOOK_PAUSE: Final = timedelta(seconds=1)
"""Between two looks at a place that somebody keeps writing."""

REMOVED_WAIT: Final = timedelta(seconds=1)
"""Before an entry that was taken out is put back: a logout may be followed by a login."""

_FLOOR: Final = timedelta(seconds=30)
_FLOOR_SHARE: Final = 10
_LADDER: Final = tuple(timedelta(seconds=s) for s in (2, 4, 8, 16, 30))
_CHECK: Final = timedelta(minutes=15)
_CHECK_SHARE: Final = 48
_EARLY_END: Final = timedelta(hours=1)
_EARLY_END_SHARE: Final = 12
_DISPUTE: Final = (timedelta(seconds=5), timedelta(minutes=5))
_DISPUTE_OVER: Final = timedelta(minutes=10)


class Policy(Struct, frozen=True, kw_only=True, gc=False):
    """What the operator chose for one login."""

    renew_at: float
    """The share of the lifetime after which a renewal is due, at the latest."""
    spread: float
    """The share of the lifetime by which a draw makes it earlier."""
    verify: bool
    """Whether the registry is asked."""


def delivery_wait(failures: int, poll: timedelta) -> timedelta:
    """How long to wait after so many failed deliveries of a place that is read each `poll`."""
    most = max(DELIVERY_RETRY, poll / _RETRIES_A_POLL)
    doubled: timedelta = DELIVERY_RETRY * 2 ** min(failures - 1, 30)
    return min(most, doubled)


def due_at(credential: Credential, policy: Policy, u: float) -> datetime:
    """The instant of the next renewal, by the server's clock."""
    return credential.issued_at + credential.lifetime * (policy.renew_at - policy.spread * u)


def floor(held: Credential | None, attempts: int, *, valid: bool) -> timedelta:
    """The shortest time from one attempt to the next.

    `attempts` counts those since the last success, one that a crash cut short included: without a
    valid credential they climb a ladder, so that a crash loop is no storm either.
    """
    ladder = _LADDER[min(max(attempts, 1), len(_LADDER)) - 1]
    if held is None:
        return ladder
    usual = min(_FLOOR, held.lifetime / _FLOOR_SHARE)
    return usual if valid else min(ladder, usual)


def wait_after_failure(
    reason: Reason,
    *,
    held: Credential | None,
    remaining: timedelta,
    attempts: int,
    retry_after: timedelta,
    u: float,
) -> timedelta:
    """How long the next attempt waits, counted from the failure.

    `remaining` is that of the held credential, zero or less when it expired or none is held: with
    a tenth of it as ceiling the retries come faster as expiry comes near.
    """
    caps = RENEWAL[reason].caps
    valid = remaining > timedelta(0)
    low = floor(held, attempts, valid=valid)
    if valid:
        cap = caps.while_valid
        wait = _between(low, max(low, min(cap, remaining / 10)), u)
    else:
        cap = caps.after_expiry
        soon = reason in (Reason.NETWORK, Reason.TIMEOUT)
        wait = low if soon else _between(low, max(low, cap), u)
    return max(wait, min(retry_after, cap))


def check_after(lifetime: timedelta, u: float) -> timedelta:
    """When the registry is asked again about a credential that it took: 15 min, jittered.

    A credential that lives less than 12 h is asked about in proportion.
    """
    return min(_CHECK, lifetime / _CHECK_SHARE) * (0.9 + 0.2 * u)


def early_end_pause(lifetime: timedelta) -> timedelta:
    """The least time between two renewals because a credential was ended early: an hour."""
    return min(_EARLY_END, lifetime / _EARLY_END_SHARE)


def repair_wait(repairs: int) -> timedelta:
    """How long to leave a writer alone who put something else in our place `repairs` times.

    From 5 s, doubled, to 5 min: short enough to heal, too long for a fight.
    """
    shortest, longest = _DISPUTE
    return min(shortest * (1 << min(repairs, 10)), longest)


def is_dispute_over(last_repair: timedelta, boot: timedelta) -> bool:
    """Whether a repaired place has been left alone for long enough to forget the dispute."""
    return boot - last_repair > _DISPUTE_OVER


def call_deadline(held: Credential | None) -> timedelta:
    """How long one attempt at Lightsail may take in all: 30 s, less for a short lifetime."""
    if held is None:
        return timedelta(seconds=30)
    return min(timedelta(seconds=30), max(timedelta(seconds=2), held.lifetime / 4))


def verify_deadline(lifetime: timedelta) -> timedelta:
    """How long the registry may take to answer."""
    return min(timedelta(seconds=5), lifetime / 10)


def is_fresh(credential: Credential, policy: Policy, now: datetime) -> bool:
    """Ready: at least half of what a renewal in time leaves is left; `now` by the server."""
    least = credential.lifetime * (1 - policy.renew_at) / 2
    return credential.remaining(now) >= least


def _between(low: timedelta, high: timedelta, u: float) -> timedelta:
    return low + (high - low) * u
