"""The state as people and probes see it: one snapshot behind metrics, probes, status and commands.

Instants stand on the server's clock, by which credentials expire.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum, unique

from msgspec import Struct

from lightkeeper.core import policy
from lightkeeper.core.answer import Verdict
from lightkeeper.core.credential import RegistryHost
from lightkeeper.core.facts import Cause, LoginName, OutputName, Place, Why
from lightkeeper.core.failure import Failure
from lightkeeper.core.moment import Moment
from lightkeeper.core.namespaces import Unlisted, none_chosen
from lightkeeper.core.notices import Notice, ordered
from lightkeeper.core.part import ALONE, Part
from lightkeeper.core.place import PlaceState
from lightkeeper.core.plan import next_renewal
from lightkeeper.core.reasons import DELIVERY, RENEWAL, Failing, Reason
from lightkeeper.core.state import LoginState, Note, OutputCounts


@unique
class Standing(StrEnum):
    """How a place stands."""

    OK = "ok"
    """It was read back, and holds the held credential, which lives."""
    FAILING = "failing"
    PENDING = "pending"
    """It cannot be there yet, or its delivery is still to come."""


class PlaceReport(Struct, frozen=True, kw_only=True):
    """One place."""

    place: Place
    standing: Standing
    expires_at: datetime | None
    """Of what was read there; None if that is not a credential of ours."""
    failure: Failure | None
    pending: str
    drift: Cause | None
    waits: str
    """What a pending place waits for, and until when; empty if it does not wait."""
    notices: tuple[Notice, ...]
    """The worst first."""
    is_failing_ahead: bool
    """Whether it holds the held credential, and what failed is the dry run of the next write."""


class OutputReport(Struct, frozen=True, kw_only=True):
    """One output of a login."""

    name: OutputName
    places: tuple[PlaceReport, ...]
    counts: OutputCounts

    @property
    def lacks(self) -> str:
        """That it has no place, and what to do; empty if it has one."""
        return "" if self.places else none_chosen(self.name)

    @property
    def earliest(self) -> datetime | None:
        """The first expiry among its places; None if one holds nothing of ours."""
        held = [place.expires_at for place in self.places]
        known = [instant for instant in held if instant is not None]
        return min(known) if known and len(known) == len(held) else None

    def count(self, standing: Standing) -> int:
        """How many places stand like this."""
        return sum(place.standing is standing for place in self.places)


class LoginReport(Struct, frozen=True, kw_only=True):
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
    is_refused: bool
    """Whether the registry no longer takes what it took before."""
    skew: timedelta
    """How far the wall clock here is ahead of the server's."""
    renewals: int
    renewal_failures: Mapping[Reason, int]
    verifications: Mapping[Verdict, int]
    delivered_at: datetime | None
    """When every place last came to hold what is held, by the wall clock here."""
    unsaved: Failure | None
    bug: Failure | None
    outputs: tuple[OutputReport, ...]
    notes: tuple[Note, ...]

    @property
    def is_valid(self) -> bool:
        """Whether a credential is held that has not expired."""
        return self.remaining > timedelta(0)


class Report(Struct, frozen=True, kw_only=True):
    """All logins at one moment."""

    at: datetime
    """By the wall clock here."""
    logins: tuple[LoginReport, ...]
    part: Part = ALONE
    unlisted: Unlisted | None = None
    """Why it is not known which namespaces there are; None if it is, or nobody asks."""


class NotReady(Struct, frozen=True, kw_only=True):
    """What keeps a login from being ready."""

    login: LoginName
    output: str
    """Empty if it is the login itself."""
    place: str
    reason: str
    """A reason word; where nothing failed, the cause of a drift, `rejected`, `expired` or
    `pending`."""
    sentence: str


def report(
    logins: Sequence[tuple[LoginState, str]],
    now: Moment,
    unchosen: Collection[tuple[LoginName, OutputName]] = (),
) -> Report:
    """The snapshot of these states, each with its login's region.

    An output without a place is among `unchosen`, or it is not known yet that it has none.
    """
    told = (
        _login(state, region, now, [output for login, output in unchosen if login == state.login])
        for state, region in logins
    )
    return Report(at=now.wall, logins=tuple(told))


def unready(report: Report, *, every_place: bool) -> tuple[NotReady, ...]:
    """What is not ready, login by login.

    A login with too little left, or that the registry no longer takes; an output none of whose
    places holds what is held. With `every_place` each place has to hold it and to take the next,
    each output has to have one, and it has to be known which there are.
    """
    waiting = (
        NotReady(login=LoginName(""), output="", place="", reason="pending", sentence=told)
        for told in [report.part.waits]
        if told
    )
    unknown = (
        NotReady(login=LoginName(""), output="", place="", reason=one.reason, sentence=one.sentence)
        for one in [report.unlisted]
        if one is not None and every_place
    )
    failing = (one for login in report.logins for one in _unready(login, every_place=every_place))
    return (*waiting, *unknown, *failing)


def advice(failure: Failure, table: Mapping[Reason, Failing]) -> str:
    """What people should do about a failure of this table's kind."""
    return table[failure.reason].advice if failure.reason in table else ""


def _login(
    state: LoginState, region: str, now: Moment, unchosen: Sequence[OutputName]
) -> LoginReport:
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
        is_refused=state.is_refused,
        skew=state.clock.skew_at(now),
        renewals=state.renewals,
        renewal_failures=state.renewal_failures,
        verifications=state.verifications,
        delivered_at=state.delivered_at,
        unsaved=state.unsaved,
        bug=state.bug,
        outputs=tuple(_outputs(state, now, unchosen)),
        notes=state.notes,
    )


def _outputs(
    state: LoginState, now: Moment, unchosen: Sequence[OutputName]
) -> Iterator[OutputReport]:
    places: dict[OutputName, list[PlaceReport]] = {name: [] for name in state.outputs}
    for place in state.places.values():
        places[place.place.output].append(_place(state, place, now))
    for name, reports in places.items():
        yield OutputReport(name=name, places=tuple(reports), counts=state.outputs[name])
    for name in unchosen:
        if name not in places:  # else its last place is about to go
            yield OutputReport(name=name, places=(), counts=OutputCounts())


def _place(state: LoginState, place: PlaceState, now: Moment) -> PlaceReport:
    standing = _standing(state, place, now)
    return PlaceReport(
        place=place.place,
        standing=standing,
        expires_at=state.expiry_of(None if place.is_unusable else place.digest),
        failure=place.failure,
        pending=place.pending,
        drift=place.disputed,
        waits=_waits(state, place, now) if standing is Standing.PENDING else "",
        notices=ordered(place.notices),
        is_failing_ahead=place.is_failing_ahead(state.held),
    )


def _standing(state: LoginState, place: PlaceState, now: Moment) -> Standing:
    if place.failure is not None:
        return Standing.FAILING
    if not place.holds(state.held):
        return Standing.PENDING
    return Standing.OK if state.is_valid(now) else Standing.FAILING


def _waits(state: LoginState, place: PlaceState, now: Moment) -> str:
    if state.held is None:
        return "waits for the first login: none is held that could be put there"
    if not state.is_valid(now):
        return "waits for the next login: the one that is held has expired"
    again = f"{now.wall_at(max(place.not_before, now.boot)):%H:%M:%SZ}"
    if place.drift is not None:
        done, does = f"somebody else {place.drift} our entry", "repaired"
        if place.disputed is None:
            done, does = "it holds a login that is not ours", "replaced"
        if place.drift is Cause.REPLACED and state.policy.verify:
            return f"{done}; the registry is asked, and it is to be {does} after {again}"
        return f"{done}; it is to be {does} at {again}"
    if place.pending:
        return f"{place.pending}; looked for again from {again} on"
    if place.digest == state.held.digest:
        return "it holds what is held, and is to be written otherwise; its delivery comes next"
    return "what is held is not there yet; its delivery comes next"


def _unready(login: LoginReport, *, every_place: bool) -> Iterator[NotReady]:
    if not login.is_fresh or login.is_refused:
        yield _lacking(login)
    for output in login.outputs:
        if output.lacks and every_place:
            said = f"{login.login}: {output.lacks}"
            yield NotReady(
                login=login.login, output=output.name, place="", reason="pending", sentence=said
            )
        wrong = [place for place in output.places if place.standing is not Standing.OK]
        lacking = [place for place in wrong if not place.is_failing_ahead]
        if every_place or len(lacking) == len(output.places):
            yield from (_misplaced(login, place) for place in wrong)


def _lacking(login: LoginReport) -> NotReady:
    if login.is_refused:
        word, has = Verdict.REJECTED.value, "is refused by the registry that took it before"
    elif login.is_valid:
        word, has = "pending", "has little time left"
    else:
        word, has = "expired" if login.expires_at else "pending", "has no valid credential"
    failure = login.failure
    if failure is None:
        does = "an attempt is under way" if login.is_renewing else "an attempt is to come"
        said = f"{has}; {does}."
    else:
        word = failure.reason
        said = f"{has}: {_told(failure, RENEWAL)}"
    return NotReady(
        login=login.login, output="", place="", reason=word, sentence=f"{login.login} {said}"
    )


def _misplaced(login: LoginReport, place: PlaceReport) -> NotReady:
    if place.failure is not None:
        word, said = place.failure.reason.value, _told(place.failure, DELIVERY)
    elif place.standing is Standing.FAILING:
        word, said = "expired", "it holds a credential that has expired."
    else:
        word, said = place.drift.value if place.drift else "pending", f"{place.waits}."
    name = place.place
    sentence = f"{login.login} at {name.name}: {said}"
    return NotReady(
        login=login.login, output=name.output, place=name.name, reason=word, sentence=sentence
    )


def _told(failure: Failure, table: Mapping[Reason, Failing]) -> str:
    return f"{failure.detail} ({failure.reason}). {advice(failure, table)}"
