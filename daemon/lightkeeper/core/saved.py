"""What outlives the process: how a login's state is put down, and how it is taken up again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import Struct

from lightkeeper.core.answer import Verdict
from lightkeeper.core.credential import Credential, Secret, registry_host
from lightkeeper.core.facts import LoginName, OutputName, Place
from lightkeeper.core.failure import REMINDER, Failure
from lightkeeper.core.moment import Moment, ServerClock
from lightkeeper.core.policy import Policy
from lightkeeper.core.reasons import RENEWAL, Reason
from lightkeeper.core.state import Known, LeftPlace, LoginState, leave

_YEARS: Final = range(1970, 9900)
_CENTURY: Final = timedelta(days=36525)


class SavedCredential(Struct, frozen=True, kw_only=True):
    """The held credential, and how the server's clock stood when it came."""

    registry: str
    username: str
    password: Secret
    issued_at: datetime
    expires_at: datetime
    server_at: datetime
    seen_wall: datetime
    seen_boot: timedelta
    draw: float
    once_accepted: bool
    is_odd: bool = False
    is_refused: bool = False
    """Whether the registry, when last asked, no longer took it."""

    def __post_init__(self) -> None:
        _check_reckonable(
            [self.issued_at, self.expires_at, self.server_at, self.seen_wall], [self.seen_boot]
        )
        if not 0.0 <= self.draw <= 1.0:
            msg = "the draw is no share"
            raise ValueError(msg)
        self.credential()
        Moment(wall=self.seen_wall, boot=self.seen_boot)

    def credential(self) -> Credential:
        """The credential itself; `ValueError` if it is none."""
        return Credential(
            registry=registry_host(self.registry),
            username=self.username,
            password=self.password,
            issued_at=self.issued_at.astimezone(UTC),
            expires_at=self.expires_at.astimezone(UTC),
            is_odd=self.is_odd,
        )


class SavedFailure(Struct, frozen=True, kw_only=True):
    """Why the last attempt failed, and since when."""

    reason: str
    """A word that another version may not know."""
    detail: str
    since: datetime
    count: int

    def __post_init__(self) -> None:
        _check_reckonable([self.since], [])

    def failure(self, boot: timedelta) -> Failure | None:
        """The failure in a process that begins at `boot`; what is not known is forgotten."""
        if self.reason not in RENEWAL:
            return None
        return Failure(
            reason=Reason(self.reason),
            detail=self.detail,
            since=self.since.astimezone(UTC),
            count=self.count,
            said=boot - REMINDER,
        )


class Saved(Struct, frozen=True, kw_only=True):
    """One login as a restart needs it."""

    login: str
    fingerprint: str
    """Of the source: name, region, profile, role, endpoint. Another source starts anew."""
    boot_id: str
    """Of the machine's start in which the boot clock was read."""
    wall: datetime
    boot: timedelta
    """Both clocks when it was saved."""
    credential: SavedCredential | None
    known: tuple[Known, ...]
    attempts: int
    last_attempt: timedelta | None
    next_attempt: timedelta | None
    refused_attempt: timedelta | None
    last_success: datetime | None
    places: tuple[tuple[str, str], ...]
    """Output and name of each, so that one no longer configured can be told."""
    left: tuple[LeftPlace, ...] = ()
    """Places that are configured no more."""
    failure: SavedFailure | None = None

    def __post_init__(self) -> None:
        _check_reckonable(
            [self.wall, self.last_success, *(one.expires_at for one in self.known)],
            [self.boot, self.last_attempt, self.next_attempt, self.refused_attempt],
        )
        Moment(wall=self.wall, boot=self.boot)

    def all_places(self) -> tuple[LeftPlace, ...]:
        """Every place that may hold an entry of ours, as if all had been left."""
        places = (Place(output=OutputName(output), name=name) for output, name in self.places)
        return (*self.left, *leave(places, self.known))


def put_down(state: LoginState, *, fingerprint: str, boot_id: str, now: Moment) -> Saved:
    """What must be kept of `state`."""
    held, failure = state.held, state.failure
    return Saved(
        login=state.login,
        fingerprint=fingerprint,
        boot_id=boot_id,
        wall=now.wall,
        boot=now.boot,
        credential=None
        if held is None
        else SavedCredential(
            registry=held.registry,
            username=held.username,
            password=held.password,
            issued_at=held.issued_at,
            expires_at=held.expires_at,
            server_at=state.clock.at,
            seen_wall=state.clock.seen.wall,
            seen_boot=state.clock.seen.boot,
            draw=state.draw,
            once_accepted=state.once_accepted,
            is_odd=held.is_odd,
            is_refused=state.is_refused,
        ),
        known=state.known,
        attempts=state.attempts,
        last_attempt=state.last_attempt,
        next_attempt=state.next_attempt,
        refused_attempt=state.refused_attempt,
        last_success=state.last_success,
        places=tuple((place.output, place.name) for place in sorted(state.places)),
        left=state.left,
        failure=None
        if failure is None
        else SavedFailure(
            reason=failure.reason,
            detail=failure.detail,
            since=failure.since,
            count=failure.count,
        ),
    )


def take_up(saved: Saved, policy: Policy, *, boot_id: str, now: Moment) -> LoginState:
    """The state that goes on from `saved`.

    After a restart of the machine the boot clock counts anew: what was noted on it is moved by the
    time that the wall clock says has passed, never less than none. So too where the kernel does not
    say which start it is, and where the boot clock went back, as only another machine's could.
    """
    shift = timedelta(0)
    if not boot_id or saved.boot_id != boot_id or now.boot < saved.boot:
        passed = max(timedelta(0), now.wall - saved.wall)
        shift = now.boot - passed - saved.boot

    def moved(boot: timedelta | None) -> timedelta | None:
        return None if boot is None else boot + shift

    clock = ServerClock(at=now.wall, seen=now)
    held = None
    kept = saved.credential
    if kept is not None:
        seen = Moment(wall=kept.seen_wall, boot=kept.seen_boot + shift)
        clock = ServerClock(at=kept.server_at, seen=seen)
        held = kept.credential()
    return LoginState(
        login=LoginName(saved.login),
        policy=policy,
        clock=clock,
        held=held,
        draw=kept.draw if kept else 0.0,
        known=saved.known,
        left=saved.all_places(),
        verdict=Verdict.REJECTED if kept and kept.is_refused else None,
        once_accepted=kept.once_accepted if kept else False,
        next_check=now.boot,
        attempts=saved.attempts,
        last_attempt=moved(saved.last_attempt),
        next_attempt=moved(saved.next_attempt),
        refused_attempt=moved(saved.refused_attempt),
        last_success=saved.last_success,
        failure=saved.failure.failure(now.boot) if saved.failure else None,
    )


def begin(
    saved: Saved | None,
    login: LoginName,
    policy: Policy,
    *,
    fingerprint: str,
    boot_id: str,
    now: Moment,
) -> LoginState:
    """The state that a login starts with: what was kept of it, if it is of the same source."""
    if saved is not None and saved.fingerprint == fingerprint:
        return take_up(saved, policy, boot_id=boot_id, now=now)
    # Of another source, but still ours: what it wrote may be taken out again.
    known, left = (saved.known, saved.all_places()) if saved else ((), ())
    clock = ServerClock(at=now.wall, seen=now)
    return LoginState(login=login, policy=policy, clock=clock, known=known, left=left)


def _check_reckonable(
    instants: Iterable[datetime | None], boots: Iterable[timedelta | None]
) -> None:
    """`ValueError` for what can be written down and not be reckoned with."""
    for at in instants:
        if at is not None and (at.tzinfo is None or at.year not in _YEARS):
            msg = f"{at.isoformat()} is no instant of ours"
            raise ValueError(msg)
    if any(boot is not None and abs(boot) > _CENTURY for boot in boots):
        msg = "a boot clock is out of all bounds"
        raise ValueError(msg)
