"""The state as people and probes see it: one snapshot behind metrics, probes, status and commands.

Instants stand on the server's clock, by which credentials expire.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum, unique

from lightkeeper.core import policy
from lightkeeper.core.answer import Verdict
from lightkeeper.core.credential import RegistryHost
from lightkeeper.core.facts import Cause, LoginName, OutputName, Place, Why
from lightkeeper.core.failure import Failure
from lightkeeper.core.moment import Moment
from lightkeeper.core.place import PlaceState
from lightkeeper.core.plan import next_renewal
from lightkeeper.core.reasons import DELIVERY, RENEWAL, Reason
from lightkeeper.core.state import LoginState, Note, OutputCounts


@unique
class Standing(StrEnum):
    """How a place stands."""

    OK = "ok"
    """It was read back, and holds the held credential, which lives."""
    FAILING = "failing"
    PENDING = "pending"
    """It cannot be there yet, or its delivery is still to come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceReport:
    """One place."""

    place: Place
    standing: Standing
    expires_at: datetime | None
    """Of what was read there; None if that is not a credential of ours."""
    failure: Failure | None
    pending: str
    drift: Cause | None
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputReport:
    """One output of a login."""

    name: OutputName
    places: tuple[PlaceReport, ...]
    counts: OutputCounts

    @property
    def earliest(self) -> datetime | None:
        """The first expiry among its places; None if one holds nothing of ours."""
        held = [place.expires_at for place in self.places]
        known = [instant for instant in held if instant is not None]
        return min(known) if known and len(known) == len(held) else None

    def count(self, standing: Standing) -> int:
        """How many places stand like this."""
        return sum(place.standing is standing for place in self.places)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginReport:
    """One login."""

    login: LoginName
    region: str
    registry: RegistryHost | None
    issued_at: datetime | None
    expires_at: datetime | None
    lifetime: timedelta
    remaining: timedelta
    """Zero once it expired, and where none is held."""
    is_fresh: bool
    """Whether as much is left as a renewal in time leaves."""
    is_renewing: bool
    due: datetime | None
    """Of the next renewal, as it was fixed when the credential came."""
    next_attempt: datetime
    next_why: Why
    last_success: datetime | None
    """By the wall clock here."""
    consecutive_failures: int
    failure: Failure | None
    verdict: Verdict | None
    is_superseded: bool
    skew: timedelta
    """How far the wall clock here is ahead of the server's."""
    renewals: int
    renewal_failures: Mapping[Reason, int]
    verifications: Mapping[Verdict, int]
    unsaved: Failure | None
    bug: Failure | None
    outputs: tuple[OutputReport, ...]
    notes: tuple[Note, ...]

    @property
    def is_valid(self) -> bool:
        """Whether a credential is held that has not expired."""
        return self.remaining > timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All logins at one moment."""

    at: datetime
    """By the wall clock here."""
    logins: tuple[LoginReport, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotReady:
    """What keeps a login from being ready."""

    login: LoginName
    output: str
    """Empty if it is the login itself."""
    place: str
    reason: str
    """A reason word, or `pending` before anything has failed."""
    sentence: str


def report(logins: Sequence[tuple[LoginState, str]], now: Moment) -> Report:
    """The snapshot of these states, each with its login's region."""
    return Report(at=now.wall, logins=tuple(_login(state, region, now) for state, region in logins))


def unready(report: Report, *, every_place: bool) -> tuple[NotReady, ...]:
    """What is not ready: logins with too little left, and outputs none of whose places hold theirs.

    With `every_place` each place has to hold it.
    """
    return tuple(one for login in report.logins for one in _unready(login, every_place=every_place))


def advice(failure: Failure, *, of_delivery: bool) -> str:
    """What people should do about a failure."""
    table = DELIVERY if of_delivery else RENEWAL
    return table[failure.reason].advice if failure.reason in table else ""


def _login(state: LoginState, region: str, now: Moment) -> LoginReport:
    held, server_now = state.held, state.server_now(now)
    why, at = next_renewal(state, now)
    return LoginReport(
        login=state.login,
        region=region,
        registry=held.registry if held else None,
        issued_at=held.issued_at if held else None,
        expires_at=held.expires_at if held else None,
        lifetime=held.lifetime if held else timedelta(0),
        remaining=state.remaining(now),
        is_fresh=held is not None and policy.is_fresh(held, state.policy, server_now),
        is_renewing=state.renewing,
        due=policy.due_at(held, state.policy, state.draw) if held else None,
        next_attempt=server_now + max(timedelta(0), at - now.boot),
        next_why=why,
        last_success=state.last_success,
        consecutive_failures=max(0, state.attempts - state.renewing),
        failure=state.failure,
        verdict=state.verdict,
        is_superseded=state.is_superseded(now),
        skew=state.clock.skew,
        renewals=state.renewals,
        renewal_failures=state.renewal_failures,
        verifications=state.verifications,
        unsaved=state.unsaved,
        bug=state.bug,
        outputs=tuple(_outputs(state, now)),
        notes=state.notes,
    )


def _outputs(state: LoginState, now: Moment) -> Iterator[OutputReport]:
    places: dict[OutputName, list[PlaceReport]] = {name: [] for name in state.outputs}
    for place in state.places.values():
        places[place.place.output].append(_place(state, place, now))
    for name, reports in places.items():
        yield OutputReport(name=name, places=tuple(reports), counts=state.outputs[name])


def _place(state: LoginState, place: PlaceState, now: Moment) -> PlaceReport:
    return PlaceReport(
        place=place.place,
        standing=_standing(state, place, now),
        expires_at=state.expiry_of(place.digest) if place.is_read else None,
        failure=place.failure,
        pending=place.pending,
        drift=place.drift,
        notices=tuple(sorted(place.notices)),
    )


def _standing(state: LoginState, place: PlaceState, now: Moment) -> Standing:
    if place.failure is not None:
        return Standing.FAILING
    if not place.holds(state.held):
        return Standing.PENDING
    return Standing.OK if state.is_valid(now) else Standing.FAILING


def _unready(login: LoginReport, *, every_place: bool) -> Iterator[NotReady]:
    if not login.is_fresh:
        reason = login.failure.reason if login.failure else "pending"
        yield NotReady(
            login=login.login, output="", place="", reason=reason, sentence=_why_not_fresh(login)
        )
    for output in login.outputs:
        wrong = [place for place in output.places if place.standing is not Standing.OK]
        if every_place or len(wrong) == len(output.places):
            yield from _misplaced(login, wrong)


def _misplaced(login: LoginReport, places: Iterable[PlaceReport]) -> Iterator[NotReady]:
    for place in places:
        failure = place.failure
        if failure is not None:
            said = f"{failure.detail}. {advice(failure, of_delivery=True)}"
        else:
            said = place.pending or "what is held is not delivered there yet."
        yield NotReady(
            login=login.login,
            output=place.place.output,
            place=place.place.name,
            reason=failure.reason if failure else place.standing,
            sentence=f"{login.login} at {place.place.name}: {said}",
        )


def _why_not_fresh(login: LoginReport) -> str:
    has = "has little time left" if login.is_valid else "has no valid credential"
    if login.failure is None:
        return f"{login.login} {has}; an attempt is under way or about to start."
    said = f"{login.failure.reason}: {login.failure.detail}"
    return f"{login.login} {has}, {said}. {advice(login.failure, of_delivery=False)}"
