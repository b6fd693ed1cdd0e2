"""The AWS credentials that the simulator knows: one fixed pair, and what it handed out since."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from lightkeeper.simulator.clock import Clock
from lightkeeper.simulator.settings import ACCESS_KEY_ID, SECRET_ACCESS_KEY

_REMEMBERED: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsKey:
    """An access key; a temporary one has a session token and an end."""

    id: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)
    expires_at: datetime | None = None


class AwsKeys:
    """Who may call, and who may not."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        first = AwsKey(id=ACCESS_KEY_ID, secret=SECRET_ACCESS_KEY)
        self._keys = {first.id: first}
        self._denied = set[str]()

    def create(self) -> AwsKey:
        """One more pair, valid until it is revoked."""
        return self._add(AwsKey(id=_new_id("AKIA"), secret=_new_secret()))

    def create_temporary(self, lifetime: timedelta) -> AwsKey:
        """One with a session token, as the companion endpoints hand out."""
        self._forget_those_long_expired()
        return self._add(
            AwsKey(
                id=_new_id("ASIA"),
                secret=_new_secret(),
                token=f"simulated-{secrets.token_urlsafe(300)}",
                expires_at=self._clock.now() + lifetime,
            )
        )

    def revoke(self, key_id: str) -> None:
        """Know it no more, as after a rotation."""
        self._keys.pop(key_id, None)

    def deny(self, name: str) -> None:
        """Refuse it by policy: the id of an access key, or the ARN of a role."""
        self._denied.add(name)

    def allow(self, name: str) -> None:
        """Take `deny` back."""
        self._denied.discard(name)

    def is_denied(self, name: str) -> bool:
        """Whether policy refuses the access key or role of this name."""
        return name in self._denied

    def find(self, key_id: str) -> AwsKey | None:
        """The key of this id, if it is known; it may have expired."""
        return self._keys.get(key_id)

    def _add(self, key: AwsKey) -> AwsKey:
        self._keys[key.id] = key
        return key

    def _forget_those_long_expired(self) -> None:
        horizon = self._clock.now() - _REMEMBERED
        self._keys = {
            key.id: key
            for key in self._keys.values()
            if key.expires_at is None or key.expires_at > horizon
        }


def _new_id(prefix: str) -> str:
    return f"{prefix}SIMULATED{secrets.token_hex(4)[:7].upper()}"


def _new_secret() -> str:
    return f"simulated-{secrets.token_hex(15)}"
