"""What AWS's library raised, in words for people: where it failed, and what the system says of it.

Never what a server sent or a program printed: either may hold a secret. The name of a class stands
only where nothing better is known.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
from collections.abc import Mapping
from json import JSONDecodeError
from string import Formatter
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from botocore import exceptions as aws
from botocore.parsers import ResponseParserError

from lightkeeper.adapters.lightsail.guard import GuardError

_LONGEST: Final = 200
_OPAQUE: Final = re.compile(r"[A-Za-z0-9+/=_-]{64,}")
_LOGIN: Final = re.compile("(?<=: ).*@")

_OF_THE_CONFIGURATION: Final = frozenset(
    {
        *("profile", "path", "provider", "cred_var", "name", "region_name", "mode"),
        *("source_profile", "visited_profiles", "config_key", "config_value", "valid_modes"),
        *("valid_options", "retry_config_option", "service_name"),
    }
)
"""What the library may fill into a sentence that we show."""

_ITS_OWN_WORDS: Final = (
    *(aws.InvalidConfigError, aws.MissingDependencyException, aws.SSOTokenLoadError),
    *(aws.LoginTokenLoadError, aws.TokenRetrievalError, aws.EndpointProviderError),
)
"""Exceptions whose free text the library writes itself, wherever it raises them."""

_FOR_PEOPLE: Final = re.compile(
    "Unsupported host|Auth token value|Credentials were refreshed, but|Invalid (endpoint|IPv6 URL)"
)
"""How the messages of Python's own exceptions begin that say something of the configuration."""

CONTROL_CHARACTER: Final = re.compile(".*detected in headers")
"""What aiohttp says of a header that it does not send."""

_PROVIDERS: Final = {
    "custom-process": "the credential_process",
    "container-role": "the container's endpoint for them",
    "EcsContainer": "the container's endpoint for them",
    "Ec2InstanceMetadata": "the instance metadata service",
}
_STATUS: Final = re.compile(r"Received non 200 response (\d{3})\b")
_PARAMETER: Final = re.compile(r"parameter (\w+)")
_USUAL_PORTS: Final = (None, 80, 443)
_UNREADABLE: Final[Mapping[type[Exception], str]] = {
    RecursionError: "the answer is nested too deep",
    UnicodeDecodeError: "the answer is not text",
    ResponseParserError: "the answer is not XML as it should be",
    **dict.fromkeys(
        (AttributeError, LookupError, TypeError),
        "the answer is not a JSON object of the form that it should have",
    ),
    **dict.fromkeys(
        (ArithmeticError, RuntimeError, ValueError),
        "the answer holds a value that is none of its kind, such as an expiresAt that is no time",
    ),
}
"""What the library's parsers raise, which check no types: what was wrong with the answer."""


def one_line(text: str) -> str:
    """What a server said, as one line, capped, with whatever looks like a token masked."""
    return _capped(_OPAQUE.sub("***", _printable(text)))


def detail_of(exc: Exception, *, created: bool) -> str:
    """What to tell of a failure; `created` is whether the client was, as for `refusal_of`."""
    inner = wrapped(exc)
    if isinstance(inner, GuardError):
        said = str(inner)
    elif isinstance(exc, aws.ConnectionError | aws.HTTPClientError):
        said = f"{_where(exc, inner)}{_transport(inner)}"
    elif isinstance(exc, aws.BotoCoreError):
        said = _configuration(exc)
    else:
        said = _python(exc, created=created)
    return _capped(_printable(said))


def wrapped(exc: Exception) -> BaseException:
    """What the library found when it tried to send; `exc` itself where it wraps nothing."""
    inner = getattr(exc, "kwargs", {}).get("error")
    return inner if isinstance(inner, BaseException) else exc


def is_proxy(exc: Exception) -> bool:
    """Whether no connection came about to some other host than the endpoint: to the proxy."""
    inner = wrapped(exc)
    if not isinstance(inner, aiohttp.ClientConnectorError):
        return False
    asked: str = getattr(exc, "kwargs", {}).get("endpoint_url", "")
    return inner.host != urlsplit(asked).hostname


def _printable(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text[:2000]).split())


def _capped(line: str) -> str:
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _where(exc: Exception, inner: BaseException) -> str:
    kwargs: dict[str, Any] = getattr(exc, "kwargs", {})
    proxy = "proxy " if "proxy_url" in kwargs or is_proxy(exc) else ""
    if isinstance(inner, aiohttp.ClientConnectorError):
        host, port = inner.host, inner.port
    else:
        url = kwargs.get("proxy_url") or kwargs.get("endpoint_url")
        if isinstance(inner, aiohttp.ClientResponseError) and not url:
            url = inner.request_info.real_url
        parts = urlsplit(str(url or ""))
        host, port = parts.hostname or "", parts.port
    shown = f"[{host}]" if ":" in host else host
    return f"{proxy}{shown}{'' if port in _USUAL_PORTS else f':{port}'}: " if host else ""


def _transport(inner: BaseException) -> str:
    match inner:
        case aiohttp.ClientConnectorError(os_error=cause):
            return _system(cause)
        case aiohttp.ClientHttpProxyError(status=status):
            return f"status {status}"
        case aiohttp.ClientResponseError() | UnicodeDecodeError():
            return "the answer is not HTTP as it should be"
        case aiohttp.ClientPayloadError():
            return "the answer broke off"
        case aiohttp.ServerDisconnectedError():
            return "the connection was closed"
        case aiohttp.ConnectionTimeoutError():
            return "no connection in time"
        case TimeoutError():
            return "no answer in time"
        case OSError():
            return _system(inner)
        case ValueError() if CONTROL_CHARACTER.match(str(inner)):
            return "the AWS credentials hold a control character, such as a line break"
        case _:
            return type(inner).__name__


def _system(error: OSError) -> str:
    """The sentence of the system or of OpenSSL; that of asyncio quotes addresses instead."""
    match error:
        case ssl.SSLCertVerificationError(verify_message=said):
            return str(said)
        case ssl.SSLError():
            reason = getattr(error, "reason", None) or "TLS failed"
            return str(reason).replace("_", " ").lower()
        case socket.gaierror(strerror=str(said)):
            return said
        case OSError(errno=int(number)) if number in errno.errorcode:
            return os.strerror(number)
        case _:
            return "the connection broke"


def _configuration(exc: aws.BotoCoreError) -> str:
    """The library's own sentence where it may be shown; else what is known to be harmless."""
    kwargs = exc.kwargs
    match exc:
        case aws.ProfileNotFound() if not kwargs["profile"]:
            return "AWS_PROFILE is set, and empty"
        case aws.ConfigParseError():
            return f"{kwargs['path']}: {_line(kwargs.get('error'))}cannot be understood"
        case aws.CredentialRetrievalError():
            status = _STATUS.search(str(kwargs["error_msg"]))
            provider = _PROVIDERS.get(kwargs["provider"], kwargs["provider"])
            answered = f" (status {status[1]})" if status else ""
            return f"no AWS credentials came from {provider}{answered}"
        case aws.ParamValidationError():
            names = ", ".join(_PARAMETER.findall(str(kwargs["report"])))
            return f"STS cannot be given this {names}: too short, or not of its kind"
        case aws.InvalidIMDSEndpointError():
            return "AWS_EC2_METADATA_SERVICE_ENDPOINT is not the URL of a host"
        case _:
            pass
    filled_in = {name for _, name, _, _ in Formatter().parse(exc.fmt) if name is not None}
    is_ours = isinstance(exc, _ITS_OWN_WORDS) or filled_in <= _OF_THE_CONFIGURATION
    return str(exc) if is_ours else type(exc).__name__


def _line(error: object) -> str:
    errors = getattr(error, "errors", None)
    number = errors[0][0] if errors else getattr(error, "lineno", None)
    return f"line {number} " if number else ""


def _python(exc: Exception, *, created: bool) -> str:
    """An exception of Python itself: from a file that is missing to an answer that is no JSON."""
    kind, message = type(exc).__name__, str(exc)
    if message.startswith("Port "):
        return "the port of the endpoint URL is none"
    if _FOR_PEOPLE.match(message):
        return _LOGIN.sub("***@", message)
    if isinstance(exc, OSError):
        return ": ".join(str(word) for word in (exc.filename, exc.strerror or kind) if word)
    if isinstance(exc, JSONDecodeError) and not created:
        return "the credential_process printed no JSON"
    wrong = next((_UNREADABLE[one] for one in type(exc).__mro__ if one in _UNREADABLE), None)
    if wrong is None:
        return kind
    if created or isinstance(exc, ResponseParserError):
        return wrong
    return f"what should be AWS credentials or a setting cannot be read ({kind})"
