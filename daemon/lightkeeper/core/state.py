"""What one login has come to: the fold of its facts. Frozen values; no clock, no chance, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from lightkeeper.core.answer import Verdict
from lightkeeper.core.credential import Credential, Digest, RegistryHost
from lightkeeper.core.facts import Cause, LoginName, OutputName, Place, RoundEnded
from lightkeeper.core.failure import Failure
from lightkeeper.core.moment import Moment, ServerClock
from lightkeeper.core.place import PlaceState, Proof, served_as
from lightkeeper.core.places import NO_PLACES, Places
from lightkeeper.core.policy import Policy, early_end_pause
from lightkeeper.core.reasons import OF_VERIFICATION, Reason

_KNOWN: Final = 8
_LEFT: Final = 100
_NOTHING: Final = MappingProxyType[Any, Any]({})


class Note(Struct, frozen=True, kw_only=True, gc=False):
    """A fact as it is remembered: short, and without the credential."""

    at: datetime
    """Server's clock."""
    fact: str
    word: str
    """Reason, cause, verdict or why, whichever the fact has."""
    place: str
    detail: str


class Known(Struct, frozen=True, kw_only=True, gc=False):
    """A credential that we held, without its secret."""

    digest: Digest
    registry: RegistryHost
    expires_at: datetime


class LeftPlace(Struct, frozen=True, kw_only=True, gc=False):
    """A place that is served no more, with an entry of ours if nobody took it out."""

    name: str
    known: tuple[Known, ...]
    """One of these is in it."""
    output: OutputName = OutputName("")
    """Which one served it: two clusters may have a Secret of one name. Empty where an older version
    did not say."""

    @property
    def place(self) -> Place:
        """What it was while it was served."""
        return Place(output=self.output, name=self.name)


class OutputCounts(Struct, frozen=True, kw_only=True, gc=False):
    """What happened to an output since the process began; places come and go, this stays."""

    changed: int = 0
    unchanged: int = 0
    failures: Mapping[Reason, int] = _NOTHING
    repairs: Mapping[Cause, int] = _NOTHING


class Round(Struct, frozen=True, kw_only=True, gc=False):
    """The deliveries that a new credential set going, so far."""

    changed: int = 0
    unchanged: int = 0


class LoginState(Struct, frozen=True, kw_only=True, gc=False):
    """One login. Instants of the boot clock are `timedelta`, those of a wall clock `datetime`."""

    login: LoginName
    policy: Policy
    clock: ServerClock

    held: Credential | None = None
    draw: float = 0.0
    """Where between the earliest and the latest instant the renewal is due."""
    known: tuple[Known, ...] = ()
    """The last credentials that we held, newest first."""
    kin: frozenset[Digest] = frozenset()
    """Of what all logins of the same state directory held when they were last configured."""

    verdict: Verdict | None = None
    """The registry's last word on the held credential."""
    once_accepted: bool = False
    checked_at: timedelta | None = None
    next_check: timedelta | None = None
    verifying: bool = False

    renewing: bool = False
    requested: bool = False
    attempts: int = 0
    """Since the last success, the one in flight included."""
    last_attempt: timedelta | None = None
    next_attempt: timedelta | None = None
    refused_attempt: timedelta | None = None
    """The last attempt that replaced a credential which the registry refused."""
    failure: Failure | None = None
    is_end_told: bool = False
    """Whether the last attempt failed with nothing valid held, which is told at once."""
    last_success: datetime | None = None
    unsaved: Failure | None = None
    save_again: timedelta = timedelta(0)
    """When what could not be saved is tried again."""
    bug: Failure | None = None
    """The last surprise, by what was being done."""

    places: Places = NO_PLACES
    unlisted: frozenset[OutputName] = frozenset()
    """Outputs of which it is still to be told which places they have."""
    left: tuple[LeftPlace, ...] = ()
    edition: int = 0
    """Of the set of places: grows with each that the store does not know of."""
    stored: int = 0
    """The last edition that the store was given, whether it took it or not."""
    round: Round | None = None
    delivered_at: datetime | None = None
    """When the last place that lacked it came to hold what is held, by the wall clock."""

    renewals: int = 0
    renewal_failures: Mapping[Reason, int] = _NOTHING
    verifications: Mapping[Verdict, int] = _NOTHING
    outputs: Mapping[OutputName, OutputCounts] = _NOTHING
    notes: tuple[Note, ...] = ()

    def server_now(self, now: Moment) -> datetime:
        """The server's time."""
        return self.clock.now(now)

    def remaining(self, now: Moment) -> timedelta:
        """What is left of the held credential; zero if it expired or none is held."""
        if self.held is None:
            return timedelta(0)
        return max(timedelta(0), self.held.remaining(self.server_now(now)))

    def is_valid(self, now: Moment) -> bool:
        """Whether a credential is held that has not expired."""
        return self.held is not None and not self.held.is_expired(self.server_now(now))

    @property
    def is_refused(self) -> bool:
        """Whether the registry no longer takes what it took before."""
        return self.once_accepted and self.verdict is Verdict.REJECTED

    def is_superseded(self, now: Moment) -> bool:
        """Whether it is refused again so soon that renewing once more would be a fight."""
        return (
            self.held is not None
            and self.is_refused
            and self.refused_attempt is not None
            and now.boot < self.refused_attempt + early_end_pause(self.held.lifetime)
        )

    @property
    def ours(self) -> frozenset[Digest]:
        """The digests of what we held and hold."""
        return frozenset(known.digest for known in self.known)

    def ours_in(self, place: PlaceState | None) -> frozenset[Digest]:
        """The same for one place, which may be out of reach until what it holds is forgotten."""
        confirmed = {place.confirmed} if place and place.confirmed else set()
        return self.ours | confirmed

    @property
    def former_registries(self) -> frozenset[RegistryHost]:
        """Registries whose entries of ours are to be taken out: the account's host changed."""
        held = {self.held.registry} if self.held else set()
        return frozenset(known.registry for known in self.known) - held

    def expiry_of(self, digest: Digest | None) -> datetime | None:
        """When what a place holds expires; None if it is not ours."""
        return next((known.expires_at for known in self.known if known.digest == digest), None)

    def drift_of(
        self, place: PlaceState, digest: Digest | None, *, settled: bool, is_marked: bool = False
    ) -> Cause | None:
        """What somebody else did to our entry, given what was just read; None if nothing new.

        What `is_marked` is ours, though it need not be among what is known.
        """
        if place.drift is not None and place.digest == digest and place.settled == settled:
            return None
        held = self.held.digest if self.held else None
        was_ours = held is not None and place.confirmed == held
        if digest is None:
            return Cause.REMOVED if was_ours else None
        if digest == held:
            # Unsettled without a drift is what we want otherwise ourselves.
            was_well = place.settled or place.drift is not None
            return Cause.ALTERED if was_ours and was_well and not settled else None
        if is_marked or digest in self.ours_in(place) or digest in self.kin:
            return Cause.REVERTED if was_ours else None
        return Cause.REPLACED

    def round_ended(self, now: Moment) -> RoundEnded:
        """The fact that sums up the deliveries of a renewal."""
        counts = self.round or Round()
        return RoundEnded(
            login=self.login,
            at=now,
            changed=counts.changed,
            unchanged=counts.unchanged,
            failing=sum(place.failure is not None for place in self.places.values()),
        )

    def under(self, policy: Policy, kin: frozenset[Digest]) -> LoginState:
        """The same login under another policy, among these credentials of all."""
        return replace(self, policy=policy, kin=kin)

    def unproven(self) -> LoginState:
        """The same login, none of whose next writes is known to be taken: others may do them."""
        return replace(
            self,
            places=Places.of(
                replace(one, proof=Proof.DUE) if one.proof is Proof.GIVEN else one
                for one in self.places.values()
            ),
        )

    def with_places(
        self,
        places: Iterable[PlaceState],
        may_stay: Callable[[Place], bool] = lambda _: True,
        unlisted: frozenset[OutputName] = frozenset(),
    ) -> LoginState:
        """The same login with these places: known ones keep what is known of them.

        `may_stay` says whether an entry may be where one that is served no more was; `unlisted` are
        outputs that may have more of them.
        """
        served = {new.place: new for new in places}
        known = {*(one.place for one in self.left), *self.places}
        gone = set(unserved(known, served))
        again = {one.name for one in self.left if one.place not in gone}
        kept = Places.of(
            served_as(self.places[place], new)
            if place in self.places
            else replace(new, had_ours=place.name in again)
            for place, new in served.items()
        )
        is_new = not known.issuperset(served)
        ours = (*self.left, *leave(filter(may_stay, self.places), self.known))
        outputs = {place.output: self.outputs.get(place.output, OutputCounts()) for place in kept}
        return replace(
            self,
            places=kept,
            unlisted=unlisted,
            left=tuple({one.place: one for one in ours if one.place in gone}.values())[-_LEFT:],
            edition=self.edition + is_new,
            outputs=MappingProxyType(outputs),
        )

    def without_left(self, place: Place) -> LoginState:
        """The same login, which has no entry any more at a place that it does not serve."""
        return replace(self, left=tuple(one for one in self.left if one.place != place))


def digests_of(all_known: Iterable[Iterable[Known]]) -> frozenset[Digest]:
    """Which credentials several logins held."""
    return frozenset(known.digest for each in all_known for known in each)


def failed_attempts(failures: Mapping[Reason, int]) -> int:
    """How many of these failures of renewals are of attempts."""
    return sum(failures[reason] for reason in failures if reason not in OF_VERIFICATION)


def leave(places: Iterable[Place], known: tuple[Known, ...]) -> tuple[LeftPlace, ...]:
    """Places that held what is `known`; none if nothing ever was."""
    if not known:
        return ()
    return tuple(LeftPlace(output=one.output, name=one.name, known=known) for one in places)


def unserved(before: Collection[Place], served: Collection[Place]) -> list[Place]:
    """Those of `before` that are not `served`, in their order.

    An output may be called otherwise and serve what it did: a file has its path, whoever serves it;
    a Secret, of whose cluster only the output knows, is taken over where its output is gone and
    another has come with a Secret of that name.
    """
    gone = [place for place in before if place not in served]
    if not gone:
        return []
    known = frozenset(before)
    outputs = {place.output for place in served}
    names = {place.name for place in served}
    come = {place.name for place in served if place not in known}

    def is_served(place: Place) -> bool:
        if place.is_file:
            return place.name in names
        return place.name in come and place.output not in outputs

    return [place for place in gone if not is_served(place)]


def remember(known: tuple[Known, ...], credential: Credential) -> tuple[Known, ...]:
    """The last few credentials with `credential` in front."""
    newest = Known(
        digest=credential.digest,
        registry=credential.registry,
        expires_at=credential.expires_at,
    )
    others = (entry for entry in known if entry.digest != credential.digest)
    return (newest, *others)[:_KNOWN]
