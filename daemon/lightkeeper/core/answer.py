"""What Lightsail answered, whether it is believed, and which credential is the better one."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum, unique
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from lightkeeper.core.credential import Credential, RegistryHost, Secret, is_loopback, registry_host
from lightkeeper.core.moment import Moment, ServerClock
from lightkeeper.core.reasons import Reason

_ECR: Final = re.compile(r"[0-9]{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com")
_DISTANT: Final = timedelta(hours=48)
_USUAL_LIFETIME: Final = timedelta(hours=12)


@unique
class Verdict(StrEnum):
    """What a registry says of a credential."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    INCONCLUSIVE = "inconclusive"


@unique
class Oddity(StrEnum):
    """What is unusual about an answer that is used all the same; said once."""

    UNFAMILIAR_REGISTRY = "unfamiliar_registry"
    DISTANT_EXPIRY = "distant_expiry"
    NO_DATE = "no_date"


class Answer(Struct, frozen=True, kw_only=True):
    """The fields of an answer as they came; None for one that is absent or not of its type."""

    registry: str | None
    username: str | None
    password: Secret | None
    expires_at: datetime | None
    date: datetime | None
    """The answer's `Date`, aware UTC."""
    received: Moment


class Refusal(Struct, frozen=True, kw_only=True):
    """An attempt that brought no answer to look at."""

    reason: Reason
    detail: str
    """What was seen, in a few words; never a secret."""
    retry_after: timedelta = timedelta(0)
    clock: ServerClock | None = None
    """The server's clock, where the refusal was about time and told it."""


class Believed(Struct, frozen=True, kw_only=True):
    """An answer that holds a usable credential."""

    credential: Credential
    clock: ServerClock
    oddities: frozenset[Oddity]


def believe(answer: Answer, endpoint: str | None) -> Believed | Refusal:
    """Take an answer at its word if it is complete and not expired by its own `Date`.

    A strange host or a far expiry is no ground to refuse the only credential there is: it is used
    and said (`oddities`). `endpoint` is the configured endpoint URL, whose host is familiar.
    """
    oddities = set[Oddity]()
    if answer.date is None:
        oddities.add(Oddity.NO_DATE)
    clock = ServerClock(at=answer.date or answer.received.wall, seen=answer.received)
    if answer.expires_at is None or answer.expires_at.utcoffset() is None:
        return _unusable("it has no expiresAt with a time zone")
    expires_at = answer.expires_at
    if expires_at <= clock.at:
        return _unusable(f"it expired at {expires_at:%Y-%m-%dT%H:%M:%S%z}, before it was sent")
    if expires_at - clock.at > _DISTANT:
        oddities.add(Oddity.DISTANT_EXPIRY)
        expires_at = clock.at + _USUAL_LIFETIME
    expires_at = expires_at.astimezone(UTC)
    if answer.username is None or answer.password is None or answer.registry is None:
        return _unusable("it has no username, no password or no registry")
    try:
        credential = Credential(
            registry=registry_host(answer.registry),
            username=answer.username,
            password=answer.password,
            issued_at=clock.at,
            expires_at=expires_at,
        )
    except ValueError as exc:
        return _unusable(str(exc))
    if not _is_familiar(credential.registry, endpoint):
        oddities.add(Oddity.UNFAMILIAR_REGISTRY)
    if oddities - {Oddity.NO_DATE}:
        credential = replace(credential, is_odd=True)
    return Believed(credential=credential, clock=clock, oddities=frozenset(oddities))


def is_not_newer(new: Credential, held: Credential) -> bool:
    """Whether `new` would be no gain over `held`, if that one lives."""
    return held.registry == new.registry and not new.outlives(held)


def _is_familiar(host: RegistryHost, endpoint: str | None) -> bool:
    if _ECR.fullmatch(host) or is_loopback(host.partition(":")[0]):
        return True
    named = rf"[a-z]+://{re.escape(host.split(':')[0])}([:/].*)?"
    return endpoint is not None and re.fullmatch(named, endpoint.lower()) is not None


def _unusable(why: str) -> Refusal:
    return Refusal(reason=Reason.INVALID_RESPONSE, detail=f"the answer cannot be used: {why}")
