"""The credentials that were issued, and which of them a registry should take now."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Final

from lightkeeper.simulator.settings import Validity

MARKER: Final = "simulated-"
"""Every password starts with it: a leak can be searched for, and a scanner sees what it is."""
_KEPT: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What Lightsail issues."""

    registry: str
    username: str
    password: str = field(repr=False)
    issued_at: datetime
    expires_at: datetime

    def as_answer(self) -> dict[str, object]:
        """The members of `registryLogin`; `expiresAt` in seconds with a fraction as on the wire."""
        return {
            "username": self.username,
            "password": self.password,
            "expiresAt": self.expires_at.timestamp(),
            "registry": self.registry,
        }


def new_credential(
    *, registry: str, username: str, now: datetime, lifetime: timedelta
) -> Credential:
    """A credential as Lightsail would make it, recorded nowhere yet."""
    expires_at = now + lifetime
    return Credential(
        registry=registry,
        username=username,
        password=_new_password(),
        issued_at=now,
        expires_at=expires_at.replace(microsecond=expires_at.microsecond // 1000 * 1000),
    )


def _new_password() -> str:
    """1 to 3 kB with `+`, `/` and `=`, as ECR's; its first 72 bytes are unique, for bcrypt."""
    size_bytes = 750 + secrets.randbelow(1450)
    return f"{MARKER}{b64encode(secrets.token_bytes(size_bytes)).decode()}+/="


class Credentials:
    """The issued credentials under a policy that decides what a new one does to the others."""

    def __init__(self, validity: Validity) -> None:
        self.validity = validity
        self.count = 0
        """How many were issued since the start."""
        self.issued = deque[Credential](maxlen=_KEPT)
        """The last 10,000, oldest first, alive or not."""
        self.not_ended: list[Credential] = []
        """Those that nothing but their expiry may have ended, oldest first."""

    def add(self, credential: Credential) -> None:
        """Let it be valid, and end the others if that is the policy."""
        keep = self.validity is Validity.KEEP
        self.not_ended = [*(self.alive(credential.issued_at) if keep else ()), credential]
        self.issued.append(credential)
        self.count += 1

    def alive(self, now: datetime) -> list[Credential]:
        """Those that are valid now, oldest first."""
        return [credential for credential in self.not_ended if credential.expires_at > now]

    def end_newest(self, now: datetime) -> None:
        """End the newest valid one before its time."""
        for newest in self.alive(now)[-1:]:
            self.not_ended.remove(newest)

    def end_all(self) -> None:
        """End every one before its time."""
        self.not_ended.clear()

    def accepts(self, username: str, password: str, now: datetime) -> bool:
        """Whether a registry should let this pair in."""
        return any(
            credential.username == username
            and compare_digest(credential.password.encode(), password.encode())
            for credential in self.alive(now)
        )
