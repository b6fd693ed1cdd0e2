"""What went wrong with a call, as a value: one table of answers, one of exceptions.

What the API server and its admission rules write in their own words is not quoted: some of them
were shown the Secret.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final

import aiohttp
from lightkube.core.exceptions import ApiError
from msgspec import MsgspecError

from lightkeeper.adapters.kubernetes.access import ClusterConfigError
from lightkeeper.adapters.kubernetes.transport import tls_error
from lightkeeper.adapters.kubernetes.trouble import (
    AnsweredError,
    AnswerTooLargeError,
    CallError,
    NoAnswerError,
    NotConnectedError,
    NoTokenError,
    NotSentError,
    ProxyError,
    Status,
    cause_of,
)
from lightkeeper.cluster import Stale
from lightkeeper.core.reasons import Reason
from lightkeeper.ports import Failed

EXPECTED: Final = (
    ApiError,
    CallError,
    ClusterConfigError,
    aiohttp.ClientError,
    MsgspecError,
    OSError,
)
"""What a call may raise for what a network, a server or a file does. An ssl.SSLError is an OSError;
what lightkube cannot decode is a MsgspecError, and what ends a watch an ApiError."""

_MAX_WORDS: Final = 300
_BY_RBAC: Final = re.compile(r'User "[^"\n]{1,253}" cannot \w+ resource[^\n]*')
_NOBODY: Final = 'User "system:anonymous"'
_WEBHOOK: Final = re.compile(r'webhook "([^"\n]{1,253})"')
_POLICY: Final = re.compile(
    r"AdmissionPolicy '([^'\n]{1,253})' (?:with binding '[^'\n]{1,253}' )?denied request"
)
_ENDING: Final = "NamespaceTerminating"

_EXCEPTIONS: Final = (
    (NotSentError, Reason.THROTTLED),
    (NoAnswerError, Reason.TIMEOUT),
    (NotConnectedError, Reason.TIMEOUT),
    (ProxyError, Reason.PROXY),
    (NoTokenError, Reason.UNAUTHENTICATED),
    (AnswerTooLargeError, Reason.TOO_LARGE),
    (ClusterConfigError, Reason.TLS),  # read once it runs, it is a file of certificates
    (aiohttp.ClientError, Reason.NETWORK),
    (OSError, Reason.NETWORK),
)


def failed(exc: Exception) -> Failed:
    """What a call that raised `exc`, one of `EXPECTED`, failed of."""
    if isinstance(exc, AnsweredError):
        return answered(exc)
    if isinstance(exc, ApiError):  # an event of a watch
        code = exc.status.code or 0
        return answered(AnsweredError(code, Status(kind="Status", reason=exc.status.reason or "")))
    spoken = None if isinstance(exc, CallError | ClusterConfigError) else tls_error(exc)
    if spoken is not None:
        said = getattr(spoken, "verify_message", "") or spoken.reason or "no TLS is spoken"
        return Failed(reason=Reason.TLS, detail=f"TLS: {said}")
    for kind, reason in _EXCEPTIONS:
        if isinstance(exc, kind):
            return Failed(reason=reason, detail=_told(exc))
    return Failed(
        reason=Reason.SERVICE_ERROR, detail="what answered is no API server, or none that we know"
    )


def _told(exc: Exception) -> str:
    if isinstance(exc, CallError | ClusterConfigError):
        return str(exc)
    return cause_of(exc) or f"the connection failed: {type(exc).__name__}"


def unwritten(exc: Exception) -> Stale | Failed:
    """As `failed`, for a write: a conflict is an answer and no failure."""
    if isinstance(exc, AnsweredError):
        is_other = any(one.field == "metadata.uid" for one in exc.status.causes)
        is_stale = exc.code == HTTPStatus.CONFLICT and bool(exc.status.kind)
        if is_stale or is_other:
            return Stale()
    return failed(exc)


def answered(answer: AnsweredError) -> Failed:
    """What an answer means that is none of success."""
    status = answer.status
    reason, words = _meaning(answer.code, status)
    told = f"the API server answered {answer.code}"
    if re.fullmatch(r"[A-Za-z]{1,40}", status.reason):
        told += f" {status.reason}"
    elif not status.kind:
        told += ", not as an API server does"
    return Failed(reason=reason, detail=f"{told}: {words[:_MAX_WORDS]}" if words else told)


_BY_CODE: Final = {
    401: Reason.UNAUTHENTICATED,
    404: Reason.SERVICE_ERROR,
    405: Reason.SERVICE_ERROR,
    406: Reason.SERVICE_ERROR,
    407: Reason.PROXY,
    410: Reason.SERVICE_ERROR,
    413: Reason.TOO_LARGE,
    429: Reason.THROTTLED,
}

_OF_GATEWAYS: Final = frozenset({401, 407, 413, 429})
"""What these mean is the same if something on the way says it, in words of its own."""


def _meaning(code: int, status: Status) -> tuple[Reason, str]:
    if (policy := _POLICY.search(status.message)) is not None:  # 401, 403, 413 or 422, as it says
        return Reason.INVALID_INPUT, f'by admission policy "{policy[1]}"'
    match code:
        case _ if 400 <= code < 500 and not status.kind and code not in _OF_GATEWAYS:  # noqa: PLR2004 - as below
            return Reason.SERVICE_ERROR, ""  # whoever that is judges nothing that we sent
        case 403:
            return _forbidden(status)
        case 404 if status.about == "namespaces":
            return Reason.NAMESPACE_MISSING, ""
        case 422:
            return _invalid(status)
        case 500 if status.kind and not status.reason:
            # So an API server tells that it cannot read what was sent.
            return Reason.INTERNAL_ERROR, "it cannot read what was sent"
        case _ if code in _BY_CODE:
            return _BY_CODE[code], ""
        case _ if 300 <= code < 400:  # noqa: PLR2004 - HTTP's class that says "elsewhere"
            return Reason.SERVICE_ERROR, "it leads elsewhere, which is not followed"
        case _ if 400 <= code < 500:  # noqa: PLR2004 - the class of what the client did
            return Reason.INVALID_INPUT, _webhook(status)
        case _:
            return Reason.SERVICE_ERROR, _webhook(status)


def _forbidden(status: Status) -> tuple[Reason, str]:
    if any(one.reason == _ENDING for one in status.causes):
        return Reason.NAMESPACE_TERMINATING, ""
    if _NOBODY in status.message:
        return Reason.UNAUTHENTICATED, "it takes us for nobody (system:anonymous)"
    if (told := _BY_RBAC.search(status.message)) is not None:
        return Reason.ACCESS_DENIED, told[0]
    if "exceeded quota" in status.message:
        return Reason.INVALID_INPUT, "a ResourceQuota of the namespace is used up"
    if webhook := _webhook(status):
        return Reason.INVALID_INPUT, webhook
    return Reason.ACCESS_DENIED, ""


def _webhook(status: Status) -> str:
    found = _WEBHOOK.search(status.message)
    return f'by admission webhook "{found[1]}"' if found else ""


def _invalid(status: Status) -> tuple[Reason, str]:
    """By the fields at fault; what is said of them could quote what was sent."""
    for one in status.causes:
        if one.reason == "FieldValueTooLong" or "Too long" in one.message:
            return Reason.TOO_LARGE, one.field
        if "is immutable when `immutable` is set" in one.message:
            return Reason.IMMUTABLE, one.field
        if one.field == "type" and "field is immutable" in one.message:
            return Reason.WRONG_TYPE, one.field
    return Reason.INVALID_INPUT, ", ".join(one.field for one in status.causes) or _webhook(status)
