"""Asks Lightsail for a registry login, once for each attempt, within one deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, Generic, TypeVar

from aiobotocore.session import AioSession
from msgspec import Struct
from msgspec.structs import replace

from lightkeeper.adapters.lightsail.caller import Callers, keys_of, named_source
from lightkeeper.adapters.lightsail.details import one_line
from lightkeeper.adapters.lightsail.failures import http_date, refusal_of
from lightkeeper.adapters.lightsail.metadata import is_metadata_silent
from lightkeeper.adapters.lightsail.source import AwsSource
from lightkeeper.core.answer import Answer, Refusal
from lightkeeper.core.credential import Secret
from lightkeeper.core.reasons import Reason
from lightkeeper.ports import Clock

T = TypeVar("T")

_ANSWER: Final = "no complete answer"

_STALE: Final = frozenset({Reason.AWS_CREDENTIALS_EXPIRED, Reason.UNAUTHENTICATED})
"""Newer AWS credentials may lie where these came from, and a session does not look again."""

_SPOILT: Final = _STALE | {
    *(Reason.AWS_CREDENTIALS_MISSING, Reason.AWS_CREDENTIALS_INVALID, Reason.IMDS_UNREACHABLE),
    *(Reason.ACCESS_DENIED, Reason.TLS, Reason.INTERNAL_ERROR),
}
"""What a person mends in files that a session has already read: the next attempt reads anew."""


class LightsailIssuer:
    """The Issuer of one login: a client for each call, as one of our AWS identities."""

    def __init__(self, source: AwsSource, callers: Callers, clock: Clock) -> None:
        self._source = source
        self._caller = callers.of(source)
        self._clock = clock

    async def issue(self, deadline: timedelta) -> Answer | Refusal:
        """Ask for a login; a second time with AWS credentials read anew if these have gone stale.

        Reasons: those of a renewal, except for `not_newer` and what a registry says.
        """
        call = _Call("lightsail", self._source.endpoint_url, self._login)
        return await self._within(deadline, call)

    async def identity(self, deadline: timedelta) -> str | Refusal:
        """The ARN that AWS knows us by."""
        return await self._within(deadline, _Call("sts", None, _arn))

    async def _within(self, deadline: timedelta, call: _Call[T]) -> T | Refusal:
        try:
            return await self._caller.run(partial(self._twice, call), deadline)
        except TimeoutError:
            detail = f"{call.lacks} within {deadline.total_seconds():g} s"
            return Refusal(reason=Reason.TIMEOUT, detail=detail)

    async def _twice(self, call: _Call[T], turn: asyncio.Lock) -> T | Refusal:
        outcome = await self._once(call, turn)
        if isinstance(outcome, Refusal) and outcome.reason in _STALE:
            outcome = await self._once(call, turn)
        return outcome

    async def _once(self, call: _Call[T], turn: asyncio.Lock) -> T | Refusal:
        session: AioSession | None = None
        created = False
        try:
            session = self._caller.session()
            async with turn:
                call.lacks = f"no AWS credentials{named_source(session)}"
                keys = await keys_of(session)
            call.lacks = _ANSWER
            async with session.create_client(
                call.service,
                region_name=self._source.region,
                endpoint_url=call.endpoint_url,
                aws_access_key_id=keys.access_key,
                aws_secret_access_key=keys.secret_key,
                aws_session_token=keys.token,
            ) as client:
                created = True
                return await call.ask(client)
        except Exception as exc:  # the library raises whatever its parser met
            refusal = refusal_of(exc, self._clock.now(), created=created)
            if await is_metadata_silent(exc):
                refusal = replace(refusal, reason=Reason.IMDS_UNREACHABLE)
        if session is not None and refusal.reason in _SPOILT:
            self._caller.forget(session)
        return refusal

    async def _login(self, client: Any) -> Answer | Refusal:  # noqa: ANN401 - made at run time
        response = await client.create_container_service_registry_login()
        received = self._clock.now()
        headers = response["ResponseMetadata"]["HTTPHeaders"]
        login = response.get("registryLogin")
        if not login:
            kind = headers.get("content-type", "no content type")[:60]
            detail = one_line(f"the answer holds no registryLogin ({kind})")
            return Refusal(reason=Reason.INVALID_RESPONSE, detail=detail)
        password = _text(login.get("password"))
        return Answer(
            registry=_text(login.get("registry")),
            username=_text(login.get("username")),
            password=None if password is None else Secret(password),
            expires_at=_instant(login.get("expiresAt")),
            date=http_date(headers.get("date")),
            received=received,
        )


class _Call(Struct, Generic[T]):
    """One operation of one service, asked for once."""

    service: str
    endpoint_url: str | None
    ask: Callable[[Any], Awaitable[T | Refusal]]
    lacks: str = _ANSWER
    """What has not come if it is cut now."""


async def _arn(client: Any) -> str | Refusal:  # noqa: ANN401 - made at run time
    arn = _text((await client.get_caller_identity()).get("Arn"))
    return arn or Refusal(reason=Reason.INVALID_RESPONSE, detail="the answer holds no Arn")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _instant(value: object) -> datetime | None:
    """In UTC; one without a zone stays as it is, for whoever judges the answer."""
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo is None else value.astimezone(UTC)
