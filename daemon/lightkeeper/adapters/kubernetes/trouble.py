"""What a call to an API server may end in besides its answer. None of it quotes a body."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

import aiohttp
from msgspec import Struct, ValidationError
from msgspec.json import Decoder


class Cause(Struct, frozen=True):
    """One thing that is wrong with what was sent."""

    reason: str = ""
    message: str = ""
    field: str = ""


class _Details(Struct, frozen=True):
    kind: str = ""
    causes: tuple[Cause, ...] = ()


class Status(Struct, frozen=True):
    """What an API server says of a call that it did not do; empty if somebody else answered."""

    __repr__ = object.__repr__

    kind: str = ""
    reason: str = ""
    message: str = ""
    code: int = 0
    details: _Details | None = None

    @property
    def causes(self) -> tuple[Cause, ...]:
        """What is wrong, one by one."""
        return self.details.causes if self.details is not None else ()

    @property
    def about(self) -> str:
        """The kind of resource that this is about, in the plural."""
        return self.details.kind if self.details is not None else ""


_STATUS = Decoder(Status)


class CallError(Exception):
    """A call that failed. The words are ours, and without a secret."""


class AnsweredError(CallError):
    """An answer that is none of success."""

    def __init__(self, code: int, status: Status) -> None:
        super().__init__(f"answered with status {code}")
        self.code = code
        self.status = status

    @classmethod
    def of(cls, code: int, body: bytes) -> AnsweredError:
        """As the body tells, whatever its Content-Type is called."""
        try:
            status = _STATUS.decode(body)
        except (ValidationError, ValueError):  # a DecodeError is a ValueError
            status = Status()
        return cls(code, status if status.kind == "Status" else Status())


class NotSentError(CallError):
    """There was no turn in time: the API server was asked nothing."""


class NotConnectedError(CallError):
    """No connection was made in time: the API server was asked nothing."""


class ProxyError(CallError):
    """The proxy on the way made no connection: the API server was asked nothing."""


class NoAnswerError(CallError):
    """The deadline passed with the request under way: it may have been done all the same."""


class AnswerTooLargeError(CallError):
    """An answer is larger than any that is meant for us."""


class NoTokenError(CallError):
    """There is nothing to come with."""


class UnreadableAnswerError(CallError):
    """An answer that no API server gives."""


class WatchEndedError(CallError):
    """The API server ended the watch, as it does every few minutes."""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds of patience that an answer asks for; a date is not given by API servers."""
    text = headers.get("Retry-After", "").strip()
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 7 else None  # noqa: PLR2004


def cause_of(exc: BaseException) -> str:
    """What the system said of a connection that failed, without an address; empty if nothing."""
    cause: BaseException | None = exc
    while cause is not None:
        is_wrapped = isinstance(cause, aiohttp.ClientError)
        if isinstance(cause, OSError) and cause.strerror and not is_wrapped:
            if cause.errno is None or isinstance(cause, socket.gaierror):
                return cause.strerror
            return os.strerror(cause.errno)  # asyncio's own words name an address
        if isinstance(cause, BaseExceptionGroup):  # one of each address that was tried
            cause = cause.exceptions[0]
            continue
        cause = cause.__cause__ or cause.__context__
    return ""
