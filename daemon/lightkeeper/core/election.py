"""Leader election over a Lease, decided: whose it is, for how long, and what is written into it.

The semantics are client-go's (kubernetes/client-go, `tools/leaderelection/leaderelection.go`). What
another candidate wrote as a time is never compared with a clock: what counts is how long its record
has stayed as it is, by a clock of ours that nobody can set. So clocks may be wrong by years; their
rates may differ by as much as `duration` is longer than `renew_deadline`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum, unique
from typing import ClassVar, Final

from msgspec import Struct

from lightkeeper.core.failure import Failure
from lightkeeper.core.moment import Moment
from lightkeeper.core.reasons import Reason
from lightkeeper.core.upkeep import LEASE

JITTER: Final = 1.2
"""By how much two waits of candidates differ at the most."""
_CALLS: Final = 4
"""How many calls that hang one after the other fit between a renewal and its deadline."""
_RELEASED: Final = 1
"""Seconds, of a lease that nobody holds: the API server refuses 0."""
_TICK: Final = timedelta.resolution


class Settings(Struct, frozen=True, kw_only=True):
    """How long a lease lasts, and how soon its holder gives up."""

    duration: timedelta
    """A record that has stayed as it is for so long is nobody's any more; whole seconds, as the
    Lease has them."""
    renew_deadline: timedelta
    """Who has not renewed for so long leads no more: before anybody else may begin."""
    retry: timedelta
    """From one try to the next."""

    def __post_init__(self) -> None:
        """`ValueError` says which of them does not go with another."""
        least = self.retry * JITTER
        if self.retry <= timedelta(0):
            msg = "retry must be longer than 0 s"
        elif self.renew_deadline <= least:
            msg = f"renew_deadline must be longer than {JITTER} x retry, {_seconds(least)}"
        elif self.duration <= self.renew_deadline:
            msg = f"duration must be longer than renew_deadline, {_seconds(self.renew_deadline)}"
        elif self.duration % timedelta(seconds=1):
            msg = "duration must be whole seconds"
        else:
            return
        raise ValueError(msg)

    @property
    def call_timeout(self) -> timedelta:
        """How long one call to the API server may take."""
        return self.renew_deadline / _CALLS


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():g} s"


class Record(Struct, frozen=True, kw_only=True):
    """What a Lease says. Two are the same if nobody has written between the looks at them."""

    holder: str
    """Empty if it was released."""
    duration_seconds: int
    acquired_at: datetime | None
    renewed_at: datetime | None
    transitions: int
    """How often the holder has changed since the Lease was made."""


class Observed(Struct, frozen=True, kw_only=True):
    """A record, and since when we know it to be as it is."""

    record: Record
    since: timedelta
    """Boot clock."""

    @property
    def ends(self) -> timedelta:
        """When it is nobody's any more, by the boot clock and by the duration in the Lease."""
        return self.since + timedelta(seconds=self.record.duration_seconds)


def observed(before: Observed | None, record: Record, boot: timedelta) -> Observed:
    """What is known once `record` was seen; one that is as it was keeps its time."""
    if before is not None and before.record == record:
        return before
    return Observed(record=record, since=boot)


def is_free(seen: Observed, identity: str, boot: timedelta) -> bool:
    """Whether `identity` may take or keep the lease: it is its own, released, or left to lapse."""
    return seen.record.holder in ("", identity) or seen.ends <= boot


def needs_no_look(seen: Observed, identity: str, boot: timedelta) -> bool:
    """Whether the lease was `identity`'s so lately that it is renewed without reading it first.

    If it was taken all the same, the version that is sent along keeps the write from happening.
    """
    return seen.record.holder == identity and boot < seen.ends


def claim(before: Record | None, identity: str, settings: Settings, wall: datetime) -> Record:
    """What `identity` writes to take the lease, or to renew it.

    It always differs from what is there: the API server takes what changes nothing from anybody,
    and others could not tell a renewal from none.
    """
    renewed, acquired, transitions = wall, wall, 0
    if before is not None:
        is_mine = before.holder == identity
        renewed = wall + _TICK if wall == before.renewed_at else wall
        acquired = before.acquired_at or renewed if is_mine else renewed
        transitions = before.transitions + (not is_mine)
    return Record(
        holder=identity,
        duration_seconds=settings.duration // timedelta(seconds=1),
        acquired_at=acquired,
        renewed_at=renewed,
        transitions=transitions,
    )


def released(before: Record, wall: datetime) -> Record:
    """What its holder writes to let go of the lease: the next one need not wait for its end."""
    return Record(
        holder="",
        duration_seconds=_RELEASED,
        acquired_at=wall,
        renewed_at=wall,
        transitions=before.transitions,
    )


def term(
    until: timedelta | None, sent: timedelta, boot: timedelta, settings: Settings
) -> timedelta | None:
    """Until when we lead, after a write that was `sent` then succeeded; None if we do not.

    Others count from when they saw the write, which is later: so they begin after our end. A term
    that is over is not prolonged, whatever was written: whoever led until then has to stop first.
    """
    ends = sent + settings.renew_deadline
    if until is None:
        return ends if boot < ends else None
    return max(until, ends) if boot < until else until


def next_try(begun: timedelta, settings: Settings) -> timedelta:
    """When a leader renews again whose last try began then."""
    return begun + settings.retry


def next_look(
    begun: timedelta, seen: Observed | None, boot: timedelta, settings: Settings, u: float
) -> timedelta:
    """When a candidate tries again whose last try began then; `u` is drawn from [0, 1).

    Jitter keeps candidates apart and only shortens a wait, so that whoever is released has a
    successor within one `retry`. The end of what was seen is waited for to the instant.
    """
    poll = begun + settings.retry * (1 - u * (1 - 1 / JITTER))
    if seen is not None and boot < seen.ends < poll:
        return seen.ends
    return poll


def unled(
    lease: str,
    heard: timedelta | None,
    failure: Failure | None,
    boot: timedelta,
    settings: Settings,
) -> str:
    """Why a candidate knows of nobody who leads, and what to do; empty if all is as it may be.

    `heard` is when it last saw a sign of a holder, `failure` what its last try failed of. Before
    the first sign nothing is taken for well; after one, others have as long as a lease lasts.
    """
    if failure is None:
        return f"the Lease {lease} is being read" if heard is None else ""
    if heard is not None and boot < heard + settings.duration:
        return ""
    reason, detail = failure.reason, failure.detail
    advice = LEASE[reason].advice if reason in LEASE else ""
    return f"the Lease {lease} cannot be read or written, {reason}: {detail}. {advice}".rstrip()


@unique
class Ended(StrEnum):
    """Why somebody leads no more."""

    NOT_RENEWED = "not_renewed"
    """The deadline for it has passed."""
    TAKEN = "taken"
    """The Lease has another holder."""
    STOPPED = "stopped"
    """The daemon ends."""


class LeadershipBegan(Struct, frozen=True, kw_only=True):
    """We lead from now on."""

    event: ClassVar[str] = "leadership_began"

    at: Moment
    identity: str
    former: str
    """Who held the lease before; empty if nobody did."""
    transitions: int


class LeadershipEnded(Struct, frozen=True, kw_only=True):
    """We lead no more; the work of a leader is being stopped."""

    event: ClassVar[str] = "leadership_ended"

    at: Moment
    identity: str
    why: Ended
    holder: str
    """Whom the Lease names, as last seen."""
    detail: str
    """Of what kept us from renewing."""
    lasted: timedelta


class LeaderSeen(Struct, frozen=True, kw_only=True):
    """Another candidate leads, as far as is known."""

    event: ClassVar[str] = "leader_seen"

    at: Moment
    holder: str
    transitions: int


class LeaseReleased(Struct, frozen=True, kw_only=True):
    """Another candidate may begin at once."""

    event: ClassVar[str] = "lease_released"

    at: Moment
    identity: str


class ElectionFailed(Struct, frozen=True, kw_only=True):
    """The Lease could not be read or written; told when it begins, and each hour."""

    event: ClassVar[str] = "election_failed"

    at: Moment
    reason: Reason
    detail: str


ElectionFact = LeadershipBegan | LeadershipEnded | LeaderSeen | LeaseReleased | ElectionFailed
"""What happens in an election."""
