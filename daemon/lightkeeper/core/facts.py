"""What happened: frozen values that move the state, make the log lines and count in the metrics.

`event` is what a fact is called wherever people meet it: in the log, in /status and by commands.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum, unique
from typing import ClassVar, Final, NewType

from msgspec import Struct

from lightkeeper.core.answer import Oddity, Verdict
from lightkeeper.core.credential import Credential, Digest
from lightkeeper.core.moment import Moment, ServerClock
from lightkeeper.core.notices import Notice
from lightkeeper.core.reasons import Reason

LoginName = NewType("LoginName", str)
OutputName = NewType("OutputName", str)

NO_DIGEST: Final = Digest("")
"""Of no credential."""


class Place(Struct, frozen=True, order=True, gc=False):
    """One file or one Secret of an output."""

    output: OutputName
    name: str
    """What people call it: the configured path, or namespace/name."""

    @property
    def is_file(self) -> bool:
        """Whether it is a path."""
        return self.name.startswith("/")

    @property
    def namespace(self) -> str:
        """Of a Secret."""
        return self.name.partition("/")[0]

    @property
    def secret(self) -> str:
        """The name of a Secret in its namespace."""
        return self.name.partition("/")[2]


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


class AttemptStarted(Struct, frozen=True, kw_only=True):
    """One try at a renewal begins; saved before the call."""

    event: ClassVar[str] = "attempt_started"

    login: LoginName
    at: Moment
    why: Why


class Renewed(Struct, frozen=True, kw_only=True):
    """A new credential came and is held from now on."""

    event: ClassVar[str] = "credential_renewed"

    login: LoginName
    at: Moment
    credential: Credential
    clock: ServerClock
    verdict: Verdict | None
    """None where the registry is not asked."""
    oddities: frozenset[Oddity]
    took: timedelta
    draw: float


class RenewalFailed(Struct, frozen=True, kw_only=True):
    """An attempt brought nothing; what is held stays."""

    event: ClassVar[str] = "renewal_failed"

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


class RenewalRequested(Struct, frozen=True, kw_only=True):
    """A person wants a new credential now."""

    event: ClassVar[str] = "renewal_requested"

    login: LoginName
    at: Moment


class VerificationStarted(Struct, frozen=True, kw_only=True):
    """The registry is asked about the held credential."""

    event: ClassVar[str] = "verification_started"

    login: LoginName
    at: Moment


class Verified(Struct, frozen=True, kw_only=True):
    """The registry said what it thinks of the held credential."""

    event: ClassVar[str] = "credential_verified"

    login: LoginName
    at: Moment
    digest: Digest
    verdict: Verdict
    draw: float


class LookStarted(Struct, frozen=True, kw_only=True):
    """A place is read."""

    event: ClassVar[str] = "look_started"

    login: LoginName
    at: Moment
    place: Place


class PlaceRead(Struct, frozen=True, kw_only=True):
    """What a place holds for our registry, read back from it."""

    event: ClassVar[str] = "place_read"

    login: LoginName
    at: Moment
    place: Place
    digest: Digest | None
    settled: bool
    """Whether delivering what is held would change nothing."""
    notices: frozenset[Notice] = frozenset()
    """What each look at the place finds again."""
    is_marked: bool = False
    """Whether the place tells that it is ours, whatever is known of it here."""
    proven: bool = False
    """Whether a dry run told that the next write would be taken."""


class PlaceTouched(Struct, frozen=True, kw_only=True):
    """Somebody wrote where a place is."""

    event: ClassVar[str] = "place_touched"

    login: LoginName
    at: Moment
    place: Place


class PlacePending(Struct, frozen=True, kw_only=True):
    """A place cannot be there yet: its runtime directory does not exist."""

    event: ClassVar[str] = "place_pending"

    login: LoginName
    at: Moment
    place: Place
    detail: str


class Drifted(Struct, frozen=True, kw_only=True):
    """Somebody else changed our entry, or had one there before us; a repair becomes necessary."""

    event: ClassVar[str] = "place_drifted"

    login: LoginName
    at: Moment
    place: Place
    cause: Cause
    digest: Digest | None
    """What is there instead."""
    by: str = ""
    """Who did it, as far as the place tells; empty if it does not."""


class DeliveryStarted(Struct, frozen=True, kw_only=True):
    """The held credential is being put into a place."""

    event: ClassVar[str] = "delivery_started"

    login: LoginName
    at: Moment
    place: Place


class Delivered(Struct, frozen=True, kw_only=True):
    """A place holds the credential: it was read back."""

    event: ClassVar[str] = "place_delivered"

    login: LoginName
    at: Moment
    place: Place
    digest: Digest
    changed: bool
    repaired: Cause | None
    notices: frozenset[Notice]


class DeliveryFailed(Struct, frozen=True, kw_only=True):
    """A place could not be read or written; it holds what it held."""

    event: ClassVar[str] = "delivery_failed"

    login: LoginName
    at: Moment
    place: Place
    reason: Reason
    detail: str
    foreseen: bool = False
    """Whether it is the next write that would fail: the place holds what is held."""


class RoundEnded(Struct, frozen=True, kw_only=True):
    """Everything that a new credential or a repair set going has come to its end."""

    event: ClassVar[str] = "credential_delivered"

    login: LoginName
    at: Moment
    changed: int
    unchanged: int
    failing: int


class StateNotSaved(Struct, frozen=True, kw_only=True):
    """The store took nothing: the floor between attempts holds within this process only."""

    event: ClassVar[str] = "state_not_saved"

    login: LoginName
    at: Moment
    reason: Reason
    detail: str
    edition: int = 0
    """Of the set of places that was to be kept."""


class StateSaved(Struct, frozen=True, kw_only=True):
    """The store holds what a restart needs."""

    event: ClassVar[str] = "state_saved"

    login: LoginName
    at: Moment
    edition: int = 0
    """Of the set of places that is kept."""


class Surprised(Struct, frozen=True, kw_only=True):
    """A bug, caught at the keeper's boundary."""

    event: ClassVar[str] = "surprised"

    login: LoginName
    at: Moment
    doing: str
    traceback: str
    """Without local variables."""


class ClockStepped(Struct, frozen=True, kw_only=True):
    """Clocks went apart between two heartbeats."""

    event: ClassVar[str] = "clock_stepped"

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
