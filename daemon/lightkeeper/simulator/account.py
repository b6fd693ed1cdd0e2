"""The simulated account in its region: what it holds, and how a credential is issued in it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path

from lightkeeper.simulator.aws_keys import AwsKey, AwsKeys
from lightkeeper.simulator.clock import Clock
from lightkeeper.simulator.credentials import Credential, Credentials, new_credential
from lightkeeper.simulator.errors import AwsError
from lightkeeper.simulator.htpasswd import hashed_line, replace_our_lines, user_name
from lightkeeper.simulator.settings import Settings, SetupError, Throttle
from lightkeeper.simulator.throttle import Bucket


@dataclass(slots=True, kw_only=True)
class Account:
    """Everything that an answer depends on, faults excepted. One task of the loop owns it."""

    region: str
    registry: str
    """The host that credentials are for."""
    clock: Clock
    keys: AwsKeys
    credentials: Credentials
    lifetime: timedelta
    aws_lifetime: timedelta
    service_present: bool
    htpasswd: Path | None
    _bucket: Bucket | None = None
    _numbers: count[int] = field(default_factory=lambda: count(1))
    _lines: dict[str, str] = field(default_factory=dict)
    _alarm: asyncio.TimerHandle | None = None

    @property
    def throttle(self) -> Throttle | None:
        """How calls are throttled; None lets all through."""
        return None if self._bucket is None else self._bucket.throttle

    def set_throttle(self, throttle: Throttle | None) -> None:
        """Throttle calls from now on, beginning with a full bucket; None lets all through."""
        self._bucket = None if throttle is None else Bucket(throttle, self.clock.now())

    def check_call(self) -> None:
        """Raise AwsError if a call that is signed well is refused all the same."""
        if self._bucket is not None and not self._bucket.take(self.clock.now()):
            raise AwsError(code="ThrottlingException")
        if not self.service_present:
            raise AwsError(code="NotFoundException")

    def draft(self) -> Credential:
        """A credential that nobody takes: it looks right and was never issued."""
        number = next(self._numbers)
        return new_credential(
            registry=self.registry,
            username="AWS" if self.htpasswd is None else user_name(number),
            now=self.clock.now(),
            lifetime=self.lifetime,
        )

    async def issue(self) -> Credential:
        """A credential that the registry takes until it expires or is ended."""
        credential = self.draft()
        if self.htpasswd is not None:
            line = await hashed_line(credential.username, credential.password)
            self._lines[credential.username] = line
        self.credentials.add(credential)
        self.settle()
        return credential

    def issue_aws_key(self) -> AwsKey:
        """Temporary AWS credentials."""
        return self.keys.create_temporary(self.aws_lifetime)

    def end_newest(self) -> None:
        """End the newest valid credential before its time."""
        self.credentials.end_newest(self.clock.now())
        self.settle()

    def end_all(self) -> None:
        """End every credential before its time."""
        self.credentials.end_all()
        self.settle()

    def move_clock(self, offset: timedelta) -> None:
        """Let the clock be ahead of its source by `offset`."""
        self.clock.offset = offset
        self.settle()

    def settle(self) -> None:
        """Bring the htpasswd file in step with what is valid now, and again at the next expiry."""
        if self.htpasswd is None:
            return
        now = self.clock.now()
        alive = self.credentials.alive(now)
        # A clock that is set back revives the expired, so their lines are kept.
        names = {one.username for one in self.credentials.not_ended}
        self._lines = {name: line for name, line in self._lines.items() if name in names}
        replace_our_lines(self.htpasswd, [self._lines[one.username] for one in alive])
        self._cancel_alarm()
        if alive:
            wait = min(one.expires_at for one in alive) - now
            loop = asyncio.get_running_loop()
            self._alarm = loop.call_later(wait.total_seconds(), self.settle)

    def close(self) -> None:
        """End all that was issued, since nobody is left to end it in time."""
        self.end_all()
        self._cancel_alarm()

    def _cancel_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None


def new_account(settings: Settings, *, registry: str, clock: Clock) -> Account:
    """An account in which nothing was issued yet. Raises SetupError if it cannot keep htpasswd."""
    account = Account(
        region=settings.region,
        registry=registry,
        clock=clock,
        keys=AwsKeys(clock),
        credentials=Credentials(settings.validity),
        lifetime=settings.lifetime,
        aws_lifetime=settings.aws_lifetime,
        service_present=settings.service_present,
        htpasswd=settings.htpasswd,
    )
    account.set_throttle(settings.throttle)
    try:
        account.settle()
    except OSError as exc:
        message = f"cannot write {settings.htpasswd}: {exc.strerror}"
        raise SetupError(message) from exc
    return account
