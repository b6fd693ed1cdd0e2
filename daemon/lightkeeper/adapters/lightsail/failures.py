"""What AWS's library raised, as a `Refusal`: a reason, and a few words without a secret."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from botocore.exceptions import ClientError, HTTPClientError, InvalidConfigError
from botocore.parsers import ResponseParserError
from msgspec.structs import replace

from lightkeeper.adapters.lightsail.data import OPERATION
from lightkeeper.adapters.lightsail.details import (
    CONTROL_CHARACTER,
    detail_of,
    is_proxy,
    one_line,
    wrapped,
)
from lightkeeper.adapters.lightsail.tables import CODES, reason_of
from lightkeeper.core.answer import Refusal
from lightkeeper.core.moment import Moment, ServerClock
from lightkeeper.core.reasons import Reason

_TOLERATED: Final = timedelta(minutes=5)
"""By how much AWS lets a signature be off."""

_ABOUT_TIME: Final = re.compile(r"signature expired|not yet current", re.IGNORECASE)
_NO_SERVICE: Final = re.compile(r"container service", re.IGNORECASE)
_SIGNATURE_CODES: Final = frozenset({"InvalidSignatureException", "SignatureDoesNotMatch"})
# The library puts the body into the message where it finds no code, and AWS puts the session token
# into what it says of signatures: only these are shown.
_SAYS_WHY: Final = frozenset(
    {
        *(Reason.ACCESS_DENIED, Reason.NO_CONTAINER_SERVICE, Reason.NOT_FOUND),
        *(Reason.INVALID_INPUT, Reason.REGION_SETUP_IN_PROGRESS, Reason.SERVICE_ERROR),
    }
)
_BY_WORDS: Final = (
    (RuntimeError, re.compile(".*still expired"), Reason.AWS_CREDENTIALS_EXPIRED),
    (ValueError, re.compile("Invalid (endpoint|IPv6 URL)|Port "), Reason.INVALID_INPUT),
    (ValueError, CONTROL_CHARACTER, Reason.AWS_CREDENTIALS_INVALID),
    (InvalidConfigError, re.compile("Invalid CA bundle"), Reason.TLS),
)
"""What the class alone does not tell; all of it the library's or Python's own words."""


def refusal_of(exc: Exception, seen: Moment, *, created: bool) -> Refusal:
    """Name a failure; `created` is whether the client was.

    Before it is, the library only looks for AWS credentials: what it stumbles over is theirs, but
    for an answer of STS that is none.
    """
    if isinstance(exc, ClientError):
        return _answered(exc, seen)
    cause = _cause(exc)
    reason = _reason_by_words(cause) or reason_of(cause) or reason_of(exc) or Reason.INTERNAL_ERROR
    if reason is Reason.NETWORK and is_proxy(exc):
        reason = Reason.PROXY
    elif reason is Reason.INVALID_RESPONSE and not created and not _is_answer(exc):
        reason = Reason.AWS_CREDENTIALS_INVALID
    return Refusal(reason=reason, detail=detail_of(exc, created=created))


def _reason_by_words(exc: BaseException) -> Reason | None:
    return next(
        (
            reason
            for kind, words, reason in _BY_WORDS
            if isinstance(exc, kind) and words.match(str(exc))
        ),
        None,
    )


def _is_answer(exc: Exception) -> bool:
    return isinstance(exc, ResponseParserError)


def http_date(text: str | None) -> datetime | None:
    """What a `Date` header says, aware UTC; None for what is no date."""
    try:
        date = parsedate_to_datetime(text or "")
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _answered(exc: ClientError, seen: Moment) -> Refusal:
    error = exc.response.get("Error", {})
    meta = exc.response.get("ResponseMetadata", {})
    headers = meta.get("HTTPHeaders", {})
    code, message = str(error.get("Code", "")), str(error.get("Message", ""))
    date = http_date(headers.get("date"))
    clock = None if date is None else ServerClock(at=date, seen=seen)
    reason = _reason_of_answer(code, message, meta.get("HTTPStatusCode", 0), clock)
    shown = f"status {code}" if code.isdigit() else code
    words = [shown] if exc.operation_name == OPERATION else [exc.operation_name, shown]
    if reason in _SAYS_WHY and not code.isdigit() and message:
        words.append(message)
    if clock is not None and (reason is Reason.CLOCK_SKEW or _is_about_time(code, message)):
        words.append(_said(clock.skew))
    refusal = Refusal(
        reason=reason,
        detail=one_line(": ".join(words)),
        retry_after=_retry_after(headers.get("retry-after"), date or seen.wall),
    )
    return replace(refusal, clock=clock) if reason is Reason.CLOCK_SKEW else refusal


def _reason_of_answer(code: str, message: str, status: int, clock: ServerClock | None) -> Reason:
    reason = CODES.get(code)
    if reason is None:
        return Reason.SERVICE_ERROR if status >= 500 else Reason.INVALID_RESPONSE  # noqa: PLR2004
    is_off = clock is not None and abs(clock.skew) >= _TOLERATED
    if _is_about_time(code, message):
        # A clock that is right now leaves only the way, or a machine that slept before it sent.
        return Reason.CLOCK_SKEW if is_off or clock is None else Reason.TIMEOUT
    if code in _SIGNATURE_CODES:
        return Reason.CLOCK_SKEW if is_off else reason
    # The code that Lightsail gives for an account without a container service is not documented.
    if code in {"NotFoundException", "InvalidInputException"} and _NO_SERVICE.search(message):
        return Reason.NO_CONTAINER_SERVICE
    return reason


def _is_about_time(code: str, message: str) -> bool:
    """Whether AWS says that a request was not signed at the time when it came."""
    if code in _SIGNATURE_CODES:
        return _ABOUT_TIME.search(message) is not None
    return CODES.get(code) is Reason.CLOCK_SKEW


def _said(skew: timedelta) -> str:
    if abs(skew) < _TOLERATED:
        within = max(1, round(abs(skew).total_seconds()))
        return f"the request was not in time, and the clock here is within {within} s of AWS's"
    seconds = round(skew.total_seconds())
    return f"the clock here is {abs(seconds)} s {'ahead of' if seconds > 0 else 'behind'} AWS's"


def _retry_after(text: str | None, now: datetime) -> timedelta:
    """Seconds or a date; zero for neither."""
    wanted = (text or "").strip()
    if re.fullmatch(r"[0-9]{1,7}", wanted):
        return timedelta(seconds=int(wanted))
    date = http_date(wanted)
    return timedelta(0) if date is None else max(date - now, timedelta(0))


def _cause(exc: Exception) -> BaseException:
    """What the library wrapped: its word for "whatever went wrong while sending" says nothing."""
    return wrapped(exc) if type(exc) is HTTPClientError else exc
