"""The world of one seed: clocks, Lightsail, a registry, and how each of them can fail."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from lightkeeper.core.answer import Answer, Refusal, Verdict
from lightkeeper.core.credential import Credential, Digest, Secret, digest_of
from lightkeeper.core.moment import Moment, ServerClock
from lightkeeper.core.reasons import Reason
from tests.simulation.loop import SimLoop

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
MARK = "unspeakable"
"""Part of every password in this world, whoever issued it, and of nothing else."""


class Killed(BaseException):
    """The process is gone, at this very instruction."""


@dataclass
class Clocks:
    """This machine's clocks; the loop's time is the one that stands still in a suspend."""

    loop: SimLoop
    slept: float = 0.0
    """Seconds of all suspends: true time and boot clock went on."""
    stepped: float = 0.0
    """Seconds by which the wall clock is wrong."""
    booted: float = 0.0
    """True time of the machine's start."""
    boot_id: str = "boot-0"
    _last: tuple[object, Moment] | None = None

    @property
    def true(self) -> float:
        """Seconds of real time, as the server counts them."""
        return self.loop.virtual + self.slept

    def true_at(self) -> datetime:
        """Real time as a date."""
        return EPOCH + timedelta(seconds=self.true)

    def now(self) -> Moment:
        """What the daemon reads; the same value for as long as all clocks stand still."""
        read = (self.loop.virtual, self.slept, self.stepped, self.booted)
        if self._last is None or self._last[0] != read:
            true = self.true
            now = Moment(
                wall=EPOCH + timedelta(seconds=true + self.stepped),
                boot=timedelta(seconds=true - self.booted),
            )
            self._last = read, now
        return self._last[1]

    def monotonic(self) -> timedelta:
        """What the daemon reads."""
        return timedelta(seconds=self.loop.virtual)

    def reboot(self) -> None:
        """Start the machine anew."""
        self.booted = self.true
        self.boot_id = f"boot-{self.booted:.0f}"


@dataclass
class Life:
    """One incarnation of the daemon; at its end nothing that it started has an effect."""

    is_over: bool = False
    points: int = 0
    """How often it met the world; a kill is aimed at one of them."""
    kill_at: int | None = None

    def point(self) -> None:
        """The daemon meets the world here: this may be the end."""
        self.points += 1
        if self.kill_at is not None and self.points >= self.kill_at:
            self.is_over = True
        if self.is_over:
            raise Killed


@dataclass
class Issued:
    """A credential that the simulated Lightsail handed out."""

    issued_at: float
    """True seconds, as all of these."""
    expires: float
    """Moved when it is ended early."""
    born_to_expire: float
    is_whole: bool
    """Whether the answer that it came in can be believed."""


@dataclass
class Lightsail:
    """Issues credentials and, as the registry, judges them; on true time."""

    clocks: Clocks
    random: Random
    lifetime: float
    host: str
    ends_former: bool = False
    faults: list[str] = field(default_factory=list)
    """What is wrong now, by name of `FAULTS`; the last one counts."""
    registry_down: int = 0
    issued: dict[Digest, Issued] = field(default_factory=dict)
    calls: list[float] = field(default_factory=list)
    """True seconds of every call's start."""
    met: Counter[str] = field(default_factory=Counter)
    serial: int = 0
    on_early_end: Callable[[], None] = lambda: None
    on_overlap: Callable[[], None] = lambda: None
    on_call: Callable[[], None] = lambda: None
    on_answer: Callable[[Reason | None], None] = lambda _: None
    """Told how an attempt must end that gets this answer: as a failure, or well (None)."""
    on_verdict: Callable[[Digest, Verdict], None] = lambda *_: None
    in_flight: int = 0
    """Calls of Lightsail."""
    asked: int = 0
    """Questions to the registry that are not answered yet."""
    _living: list[Issued] = field(default_factory=list)

    def is_accepted(self, digest: Digest | None) -> bool:
        """Whether the registry takes it now."""
        known = self.issued.get(digest) if digest else None
        return known is not None and self.clocks.true < known.expires

    def end_early(self) -> None:
        """Somebody ends what is out there."""
        for issued in self._living:
            issued.expires = min(issued.expires, self.clocks.true)
        self._living.clear()

    def issue(
        self, *, lifetime: float | None = None, is_whole: bool = True
    ) -> tuple[str, str, float]:
        """A new credential: username, password, true second of its expiry."""
        if self.ends_former:
            self.end_early()
            if not is_whole:
                self.on_early_end()
        self.serial += 1
        self._living = [issued for issued in self._living if issued.expires > self.clocks.true]
        password = f"{MARK}-{self.serial}-{self.random.getrandbits(64):x}+/="
        now = self.clocks.true
        expires = now + (self.lifetime if lifetime is None else lifetime)
        digest = digest_of("AWS", Secret(password))
        self.issued[digest] = Issued(now, expires, expires, is_whole)
        self._living.append(self.issued[digest])
        return "AWS", password, expires


REFUSALS: dict[str, Reason] = {
    reason.value: reason
    for reason in (
        Reason.THROTTLED,
        Reason.SERVICE_ERROR,
        Reason.NETWORK,
        Reason.TLS,
        Reason.PROXY,
        Reason.ACCESS_DENIED,
        Reason.UNAUTHENTICATED,
        Reason.AWS_CREDENTIALS_MISSING,
        Reason.AWS_CREDENTIALS_EXPIRED,
        Reason.AWS_CREDENTIALS_INVALID,
        Reason.IMDS_UNREACHABLE,
        Reason.NO_CONTAINER_SERVICE,
        Reason.REGION_SETUP_IN_PROGRESS,
        Reason.NOT_FOUND,
        Reason.INVALID_INPUT,
        Reason.REDIRECTED,
    )
}
"""Faults that come as a refusal of that reason."""

HALF_ANSWERS = ("no_username", "no_expiry", "expired_answer", "bad_registry", "colon_in_username")
"""Faults that come as an answer which must not be believed."""

FAULTS = (*REFUSALS, *HALF_ANSWERS, "hang", "answer_lost", "bug")
"""Everything that can be wrong with a call."""

MEANT: dict[str, Reason | None] = {
    "": None,
    **REFUSALS,
    **dict.fromkeys(HALF_ANSWERS, Reason.INVALID_RESPONSE),
    "clock_skew": Reason.CLOCK_SKEW,
    "hang": Reason.TIMEOUT,
    "answer_lost": Reason.TIMEOUT,
    "bug": Reason.INTERNAL_ERROR,
}
"""The one reason by which people are to be told of each fault."""


@dataclass
class SimIssuer:
    """The Issuer of one login of one life."""

    lightsail: Lightsail
    life: Life
    random: Random

    async def issue(self, deadline: timedelta) -> Answer | Refusal:
        self.life.point()
        if self.lightsail.in_flight:
            self.lightsail.on_overlap()
        self.lightsail.in_flight += 1
        try:
            return await self._issue(deadline)
        finally:
            self.lightsail.in_flight -= 1

    async def _issue(self, deadline: timedelta) -> Answer | Refusal:
        world, clocks = self.lightsail, self.lightsail.clocks
        world.calls.append(clocks.true)
        world.on_call()
        fault = world.faults[-1] if world.faults else ""
        await self._wait(self.random.uniform(0.05, 0.8))
        skew = abs(clocks.stepped)
        if not fault and skew > 300:
            fault = "clock_skew"
        if fault:
            world.met[fault] += 1
        if fault in ("hang", "answer_lost"):
            if fault == "answer_lost":
                world.issue(is_whole=False)
            await self._hang(deadline)
        world.on_answer(MEANT[fault])
        return self._said(fault, skew)

    def _said(self, fault: str, skew: float) -> Answer | Refusal:
        clocks = self.lightsail.clocks
        match fault:
            case "":
                return self._answer()
            case "clock_skew":
                clock = ServerClock(at=clocks.true_at(), seen=clocks.now())
                detail = f"our clock is wrong by {skew:.0f} s"
                return Refusal(reason=Reason.CLOCK_SKEW, detail=detail, clock=clock)
            case "hang" | "answer_lost":
                return Refusal(reason=Reason.TIMEOUT, detail="no answer in time")
            case "bug":
                msg = f"a bug that quotes a password: {MARK}"
                raise LookupError(msg)
            case _ if fault in REFUSALS:
                return Refusal(reason=REFUSALS[fault], detail=fault)
            case _:
                return self._half_answer(fault)

    async def _hang(self, deadline: timedelta) -> None:
        await self._wait(max(0.0, deadline.total_seconds() - 0.8))

    async def _wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.life.point()

    def _answer(self) -> Answer:
        clocks = self.lightsail.clocks
        username, password, expires = self.lightsail.issue()
        return Answer(
            registry=self.lightsail.host,
            username=username,
            password=Secret(password),
            expires_at=EPOCH + timedelta(seconds=expires),
            date=clocks.true_at().replace(microsecond=0),
            received=clocks.now(),
        )

    def _half_answer(self, fault: str) -> Answer:
        clocks = self.lightsail.clocks
        lifetime = -60.0 if fault == "expired_answer" else None
        username, password, expires = self.lightsail.issue(lifetime=lifetime, is_whole=False)
        changes: dict[str, dict[str, object]] = {
            "no_username": {"username": None},
            "no_expiry": {"expires_at": None},
            "expired_answer": {},
            "bad_registry": {"registry": "not a host"},
            "colon_in_username": {"username": "A:B"},
        }
        fields: dict[str, object] = {
            "registry": self.lightsail.host,
            "username": username,
            "password": Secret(password),
            "expires_at": EPOCH + timedelta(seconds=expires),
            "date": clocks.true_at().replace(microsecond=0),
            "received": clocks.now(),
        }
        return Answer(**{**fields, **changes[fault]})  # type: ignore[arg-type]


@dataclass
class SimVerifier:
    """The Verifier of one life."""

    lightsail: Lightsail
    life: Life
    met: Counter[str]

    async def verify(self, credential: Credential, deadline: timedelta) -> Verdict:
        self.life.point()
        self.lightsail.asked += 1
        try:
            await asyncio.sleep(0.02)
        finally:
            self.lightsail.asked -= 1
        self.life.point()
        if self.lightsail.registry_down:
            verdict = Verdict.INCONCLUSIVE
        elif self.lightsail.is_accepted(credential.digest):
            verdict = Verdict.ACCEPTED
        else:
            verdict = Verdict.REJECTED
        self.met[f"verdict_{verdict}"] += 1
        self.lightsail.on_verdict(credential.digest, verdict)
        return verdict
