"""What happened: frozen values that move the state, make the log lines and count in the metrics."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum, unique
from typing import Final, NewType

from lightkeeper.core.answer import Oddity, Verdict
from lightkeeper.core.credential import Credential, Digest
from lightkeeper.core.moment import Moment, ServerClock
from lightkeeper.core.reasons import Reason

LoginName = NewType("LoginName", str)
OutputName = NewType("OutputName", str)

NO_DIGEST: Final = Digest("")
"""Of no credential."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """One file or one Secret of an output."""

    output: OutputName
    name: str
    """What people call it: the configured path, or namespace/name."""


@unique
class Why(StrEnum):
    """What made an attempt necessary."""

    FIRST = "first"
    DUE = "due"
    EXPIRED = "expired"
    REFUSED = "refused"
    """The registry no longer takes the held credential."""
    REQUESTED = "requested"


@unique
class Cause(StrEnum):
    """How somebody else changed our entry."""

    REMOVED = "removed"
    REPLACED = "replaced"
    """By a credential that we did not write."""
    REVERTED = "reverted"
    """By a former credential of ours."""
    ALTERED = "altered"
    """It holds ours, and beside it something that clients may take instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStarted:
    """One try at a renewal begins; saved before the call."""

    login: LoginName
    at: Moment
    why: Why


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """A new credential came and is held from now on."""

    login: LoginName
    at: Moment
    credential: Credential
    clock: ServerClock
    verdict: Verdict | None
    """None where the registry is not asked."""
    oddities: frozenset[Oddity]
    took: timedelta
    draw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalFailed:
    """An attempt brought nothing; what is held stays."""

    login: LoginName
    at: Moment
    reason: Reason
    detail: str
    retry_after: timedelta
    clock: ServerClock | None
    took: timedelta
    draw: float
    remaining: timedelta | None = None
    """What the held credential has left, zero once it expired; None if none is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalRequested:
    """A person wants a new credential now."""

    login: LoginName
    at: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationStarted:
    """The registry is asked about the held credential."""

    login: LoginName
    at: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """The registry said what it thinks of the held credential."""

    login: LoginName
    at: Moment
    digest: Digest
    verdict: Verdict
    draw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LookStarted:
    """A place is read."""

    login: LoginName
    at: Moment
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRead:
    """What a place holds for our registry, read back from it."""

    login: LoginName
    at: Moment
    place: Place
    digest: Digest | None
    settled: bool
    """Whether delivering what is held would change nothing."""
    notices: frozenset[str] = frozenset()
    """What is to be said once about the place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceTouched:
    """Somebody wrote where a place is."""

    login: LoginName
    at: Moment
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacePending:
    """A place cannot be there yet: its runtime directory does not exist."""

    login: LoginName
    at: Moment
    place: Place
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted:
    """Somebody else changed our entry; a repair becomes necessary."""

    login: LoginName
    at: Moment
    place: Place
    cause: Cause
    digest: Digest | None
    """What is there instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryStarted:
    """The held credential is being put into a place."""

    login: LoginName
    at: Moment
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """A place holds the credential: it was read back."""

    login: LoginName
    at: Moment
    place: Place
    digest: Digest
    changed: bool
    repaired: Cause | None
    notices: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFailed:
    """A place could not be read or written; it holds what it held."""

    login: LoginName
    at: Moment
    place: Place
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundEnded:
    """Everything that a new credential or a repair set going has come to its end."""

    login: LoginName
    at: Moment
    changed: int
    unchanged: int
    failing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StateNotSaved:
    """The store took nothing: the floor between attempts holds within this process only."""

    login: LoginName
    at: Moment
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSaved:
    """The store holds what a restart needs."""

    login: LoginName
    at: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Surprised:
    """A bug, caught at the keeper's boundary."""

    login: LoginName
    at: Moment
    doing: str
    traceback: str
    """Without local variables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStepped:
    """Clocks went apart between two heartbeats."""

    at: Moment
    stepped: timedelta
    """How far the wall clock was set, forward if positive."""
    suspended: timedelta
    """How long the machine slept."""


LoginFact = (
    AttemptStarted
    | Renewed
    | RenewalFailed
    | RenewalRequested
    | VerificationStarted
    | Verified
    | LookStarted
    | PlaceRead
    | PlaceTouched
    | PlacePending
    | Drifted
    | DeliveryStarted
    | Delivered
    | DeliveryFailed
    | RoundEnded
    | StateNotSaved
    | StateSaved
    | Surprised
)
"""What happens to one login."""
