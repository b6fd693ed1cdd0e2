"""What the tests of the core share: instants, credentials, states and facts, one call each.

Time begins at `NOON`, where the boot clock shows `BOOT` and the server's clock agrees with ours.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from lightkeeper.core import facts
from lightkeeper.core.answer import Oddity, Verdict
from lightkeeper.core.credential import Credential, Digest, RegistryHost, Secret
from lightkeeper.core.facts import Cause, LoginFact, LoginName, OutputName, Place, Why
from lightkeeper.core.fold import fold
from lightkeeper.core.moment import Moment, ServerClock
from lightkeeper.core.notices import Notice
from lightkeeper.core.place import PlaceState
from lightkeeper.core.places import Places
from lightkeeper.core.policy import Policy
from lightkeeper.core.reasons import Reason
from lightkeeper.core.state import LoginState

NONE = timedelta(0)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
BOOT = timedelta(hours=100)
LIFETIME = 12 * HOUR

LOGIN = LoginName("prod")
POLICY = Policy(renew_at=0.5, spread=0.1, verify=True)
OUTPUT = OutputName("docker_config:/a")
HERE = Place(OUTPUT, "/a/config.json")
THERE = Place(OUTPUT, "/b/config.json")
NOWHERE = Place(OutputName("gone"), "/gone")
FOREIGN = Digest("f" * 16)


def at(after: timedelta = NONE) -> Moment:
    """When it is `after` past noon, on both clocks."""
    return Moment(wall=NOON + after, boot=BOOT + after)


def a_clock(seen: timedelta = NONE) -> ServerClock:
    """A server's clock that agrees with ours, compared at `seen`."""
    return ServerClock(at=NOON + seen, seen=at(seen))


def a_credential(
    password: str = "simulated-1",
    *,
    issued: timedelta = NONE,
    lifetime: timedelta = LIFETIME,
    registry: str = "registry.test",
    is_odd: bool = False,
) -> Credential:
    return Credential(
        registry=RegistryHost(registry),
        username="AWS",
        password=Secret(password),
        issued_at=NOON + issued,
        expires_at=NOON + issued + lifetime,
        is_odd=is_odd,
    )


FIRST = a_credential("simulated-1")
SECOND_ONE = a_credential("simulated-2", issued=HOUR)


def with_places(state: LoginState, *places: PlaceState | Place) -> LoginState:
    """The same state with these places and no others."""
    known = (one if isinstance(one, PlaceState) else PlaceState(place=one) for one in places)
    return replace(state, places=Places.of(known))


def a_state(*places: PlaceState | Place, policy: Policy = POLICY) -> LoginState:
    """A login of which nothing is known yet."""
    return with_places(LoginState(login=LOGIN, policy=policy, clock=a_clock()), *places)


def after(state: LoginState, *happened: LoginFact) -> LoginState:
    """The state after these facts."""
    for fact in happened:
        state = fold(state, fact)
    return state


def holding(*places: PlaceState | Place, policy: Policy = POLICY) -> LoginState:
    """A login that holds `FIRST` since noon, which the registry accepted."""
    return after(a_state(*places, policy=policy), started(), renewed())


def delivered_to(*places: Place, policy: Policy = POLICY) -> LoginState:
    """The same, with the credential in all of these places."""
    state = after(holding(*places, policy=policy), *(delivered(place=place) for place in places))
    return replace(state, round=None)


def started(when: timedelta = NONE, why: Why = Why.FIRST) -> facts.AttemptStarted:
    return facts.AttemptStarted(login=LOGIN, at=at(when), why=why)


def renewed(
    when: timedelta = NONE,
    credential: Credential = FIRST,
    *,
    verdict: Verdict | None = Verdict.ACCEPTED,
    draw: float = 0.5,
) -> facts.Renewed:
    return facts.Renewed(
        login=LOGIN,
        at=at(when),
        credential=credential,
        clock=a_clock(when),
        verdict=verdict,
        oddities=frozenset[Oddity](),
        took=SECOND,
        draw=draw,
    )


def failed(
    when: timedelta = NONE,
    reason: Reason = Reason.NETWORK,
    *,
    detail: str = "no route",
    retry_after: timedelta = NONE,
    clock: ServerClock | None = None,
    draw: float = 0.5,
) -> facts.RenewalFailed:
    return facts.RenewalFailed(
        login=LOGIN,
        at=at(when),
        reason=reason,
        detail=detail,
        retry_after=retry_after,
        clock=clock,
        took=SECOND,
        draw=draw,
    )


def requested(when: timedelta = NONE) -> facts.RenewalRequested:
    return facts.RenewalRequested(login=LOGIN, at=at(when))


def verifying(when: timedelta = NONE) -> facts.VerificationStarted:
    return facts.VerificationStarted(login=LOGIN, at=at(when))


def verified(
    when: timedelta = NONE,
    verdict: Verdict = Verdict.ACCEPTED,
    *,
    digest: Digest = FIRST.digest,
    draw: float = 0.5,
) -> facts.Verified:
    return facts.Verified(login=LOGIN, at=at(when), digest=digest, verdict=verdict, draw=draw)


def looking(when: timedelta = NONE, *, place: Place = HERE) -> facts.LookStarted:
    return facts.LookStarted(login=LOGIN, at=at(when), place=place)


def seen(
    when: timedelta = NONE,
    digest: Digest | None = FIRST.digest,
    *,
    place: Place = HERE,
    settled: bool = True,
    notices: frozenset[Notice] = frozenset(),
    proven: bool = False,
    is_marked: bool = False,
) -> facts.PlaceRead:
    return facts.PlaceRead(
        login=LOGIN,
        at=at(when),
        place=place,
        digest=digest,
        settled=settled,
        notices=notices,
        proven=proven,
        is_marked=is_marked,
    )


def touched(when: timedelta = NONE, *, place: Place = HERE) -> facts.PlaceTouched:
    return facts.PlaceTouched(login=LOGIN, at=at(when), place=place)


def pending(when: timedelta = NONE, *, place: Place = HERE) -> facts.PlacePending:
    return facts.PlacePending(login=LOGIN, at=at(when), place=place, detail="/run/user/1")


def drifted(
    when: timedelta = NONE,
    cause: Cause = Cause.REPLACED,
    *,
    place: Place = HERE,
    digest: Digest | None = FOREIGN,
    by: str = "",
) -> facts.Drifted:
    return facts.Drifted(login=LOGIN, at=at(when), place=place, cause=cause, digest=digest, by=by)


def delivering(when: timedelta = NONE, *, place: Place = HERE) -> facts.DeliveryStarted:
    return facts.DeliveryStarted(login=LOGIN, at=at(when), place=place)


def delivered(
    when: timedelta = NONE,
    digest: Digest = FIRST.digest,
    *,
    place: Place = HERE,
    changed: bool = True,
    repaired: Cause | None = None,
    notices: frozenset[Notice] = frozenset(),
) -> facts.Delivered:
    return facts.Delivered(
        login=LOGIN,
        at=at(when),
        place=place,
        digest=digest,
        changed=changed,
        repaired=repaired,
        notices=notices,
    )


def not_delivered(
    when: timedelta = NONE,
    reason: Reason = Reason.READ_ONLY,
    *,
    place: Place = HERE,
    detail: str = "/a: read-only",
    foreseen: bool = False,
) -> facts.DeliveryFailed:
    return facts.DeliveryFailed(
        login=LOGIN,
        at=at(when),
        place=place,
        reason=reason,
        detail=detail,
        foreseen=foreseen,
    )


def round_ended(when: timedelta = NONE) -> facts.RoundEnded:
    return facts.RoundEnded(login=LOGIN, at=at(when), changed=1, unchanged=0, failing=0)


def not_saved(
    when: timedelta = NONE,
    reason: Reason = Reason.NO_SPACE,
    *,
    detail: str = "/s: full",
    edition: int = 0,
) -> facts.StateNotSaved:
    return facts.StateNotSaved(
        login=LOGIN, at=at(when), reason=reason, detail=detail, edition=edition
    )


def saved(when: timedelta = NONE, *, edition: int = 0) -> facts.StateSaved:
    return facts.StateSaved(login=LOGIN, at=at(when), edition=edition)


def surprised(when: timedelta = NONE, doing: str = "renew") -> facts.Surprised:
    return facts.Surprised(login=LOGIN, at=at(when), doing=doing, traceback="LookupError")
