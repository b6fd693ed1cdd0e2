"""Answers that arrive whole and are wrong, or odd, in what they say."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable
from datetime import timedelta
from email.utils import format_datetime
from typing import Final

from lightkeeper.simulator.errors import ERRORS
from lightkeeper.simulator.wire import Fault, Scene

_HTML: Final = b"<!doctype html><title>Sign in</title><p>Please accept the terms of this network."
_MIB: Final = 1 << 20

Pieces = Callable[[Scene], Iterable[bytes]]


def _body(body: bytes, status: int = 200, **headers: str) -> Pieces:
    return lambda scene: scene.answer(body, status, **headers)


def _login(**changes: object) -> Pieces:
    return lambda scene: scene.answer(scene.login(**changes))


def _expires(written: Callable[[Scene], object]) -> Pieces:
    return lambda scene: scene.answer(scene.login(expiresAt=written(scene)))


def _error_code(code: str) -> Fault:
    status, message = ERRORS[code]
    return Fault(code, f"The error {code}, status {status}: {message}", lambda s: s.error(code))


def _middlebox(status: int) -> Fault:
    sentence = f"Status {status} with a page of HTML, as a proxy or load balancer sends"
    return Fault(f"status_{status}", sentence, _body(_HTML, status, content_type="text/html"))


def _redirect(status: int) -> Fault:
    sentence = f"Status {status} that points to a second listener, which answers a false credential"
    return Fault(
        f"redirect_{status}",
        sentence,
        lambda s: s.answer(status=status, location=f"{s.elsewhere}/"),
    )


def _iso(scene: Scene, form: str) -> str:
    return scene.credential.expires_at.strftime(form)


_STATUSES: Final = (300, 400, 403, 404, 407, 429, 500, 502, 503, 504)

ERROR_ANSWERS: Final = (
    *(_error_code(code) for code in ERRORS),
    *(_middlebox(status) for status in _STATUSES),
    Fault(
        "throttled_with_retry_after",
        "ThrottlingException with `Retry-After: 20`",
        lambda s: s.error("ThrottlingException", retry_after=20),
    ),
    Fault(
        "status_503_with_retry_after",
        "An empty status 503 with `Retry-After: 20`",
        lambda s: s.answer(status=503, retry_after=20),
    ),
    Fault("error_empty", "Status 500 without a body", _body(b"", 500)),
    Fault("error_cut_json", "Status 500 with JSON that breaks off", _body(b'{"__type": "Ser', 500)),
    Fault(
        "error_without_type", "Status 400, JSON without `__type`", _body(b'{"message":"no"}', 400)
    ),
    Fault("error_list", "Status 400 with the body `[]`", _body(b"[]", 400)),
    Fault("error_null", "Status 400 with the body `null`", _body(b"null", 400)),
    Fault(
        "error_type_number", "Status 400 with a number for `__type`", _body(b'{"__type":5}', 400)
    ),
    Fault("error_xml", "Status 400 with XML where JSON belongs", _body(b"<Error><Code/>", 400)),
    Fault(
        "error_type_in_header",
        "Status 400 with the code in `x-amzn-errortype` alone, which botocore ignores here",
        _body(b"{}", 400, x_amzn_errortype="AccessDeniedException"),
    ),
    Fault(
        "error_query_header",
        "AccessDeniedException whose `x-amzn-query-error` header replaces the code",
        lambda s: s.error("AccessDeniedException", x_amzn_query_error="Foo.Bar;Sender"),
    ),
    *(_redirect(status) for status in (301, 302, 303, 307, 308)),
    Fault(
        "redirect_loop",
        "Status 307 to a place that redirects to itself for ever",
        lambda s: s.answer(status=307, location=f"{s.elsewhere}/loop"),
    ),
    Fault("redirect_nowhere", "Status 301 without a `Location`", _body(b"", 301)),
)

BAD_BODIES: Final = (
    Fault("html", "200 with a page of HTML, as a captive portal answers", _body(_HTML)),
    Fault("empty_body", "200 without a body", _body(b"")),
    Fault("empty_object", "200 with the body `{}`", _body(b"{}")),
    Fault("null", "200 with the body `null`", _body(b"null")),
    Fault("list", "200 with the body `[]`", _body(b"[]")),
    Fault("text", "200 with a JSON string", _body(b'"x"')),
    Fault("login_null", "`registryLogin` is null", _body(b'{"registryLogin": null}')),
    Fault("login_list", "`registryLogin` is a list", _body(b'{"registryLogin": []}')),
    Fault("login_empty", "`registryLogin` has no members", _body(b'{"registryLogin": {}}')),
    Fault("cut_json", "200, JSON that breaks off", lambda s: s.answer(s.login()[:-40])),
    Fault("deep_json", "200 with lists nested 100,000 deep", _body(b"[" * 100_000)),
    Fault("not_utf8", "200 with bytes that are no UTF-8", _body(b"\xff\xfe")),
    Fault(
        "gzip",
        "A good body in gzip, which nobody asked for",
        lambda s: s.answer(gzip.compress(s.login()), content_encoding="gzip"),
    ),
    Fault(
        "gzip_bomb",
        "200 MiB of zeros in 200 kB of gzip",
        lambda s: s.answer(gzip.compress(bytes(_MIB)) * 200, content_encoding="gzip"),
    ),
    Fault(
        "huge_body",
        "200 with 60 MB of spaces",
        lambda s: [s.head(content_length=60_000_000), *[b" " * 1_000_000] * 60],
    ),
)

BAD_FIELDS: Final = (
    Fault("username_null", "`username` is null", _login(username=None)),
    Fault("username_number", "`username` is a number", _login(username=5)),
    Fault(
        "username_colon",
        "`username` has a colon, which Basic auth cannot carry",
        _login(username="A:B"),
    ),
    Fault("password_null", "`password` is null", _login(password=None)),
    Fault("password_control", "`password` has a line break", _login(password="simulated-\n")),  # noqa: S106
    Fault("registry_null", "`registry` is null", _login(registry=None)),
    Fault("registry_malformed", "`registry` is no host", _login(registry="../not a host")),
    Fault(
        "registry_unknown",
        "`registry` is a host that does not exist",
        _login(registry="registry.invalid"),
    ),
    Fault("expires_null", "`expiresAt` is null", _login(expiresAt=None)),
    Fault("expires_true", "`expiresAt` is true", _login(expiresAt=True)),
    Fault("expires_negative", "`expiresAt` is -1", _login(expiresAt=-1)),
    Fault("expires_empty", "`expiresAt` is an empty text", _login(expiresAt="")),
    Fault("expires_garbage", "`expiresAt` is no time", _login(expiresAt="garbage")),
    Fault("expires_list", "`expiresAt` is a list", _login(expiresAt=[])),
    Fault("expires_object", "`expiresAt` is an object", _login(expiresAt={})),
    Fault("expires_year_10000", "`expiresAt` is in the year 10000", _login(expiresAt=253402300800)),
    Fault("expires_huge", "`expiresAt` is 1e20", _login(expiresAt=1e20)),
    Fault(
        "expires_milliseconds",
        "`expiresAt` is in milliseconds",
        _expires(lambda s: round(s.credential.expires_at.timestamp() * 1000)),
    ),
    Fault(
        "expires_naive",
        "`expiresAt` is a text without a zone",
        _expires(lambda s: _iso(s, "%Y-%m-%dT%H:%M:%S")),
    ),
    Fault(
        "expires_past",
        "`expiresAt` was a minute ago",
        _expires(lambda s: (s.now - timedelta(minutes=1)).timestamp()),
    ),
)

ODD_BUT_GOOD: Final = (
    Fault(
        "expires_text",
        "A good answer, `expiresAt` a text that ends in Z",
        _expires(lambda s: _iso(s, "%Y-%m-%dT%H:%M:%SZ")),
        issues=True,
    ),
    Fault(
        "expires_offset",
        "A good answer, `expiresAt` a text with the offset +00:00",
        _expires(lambda s: _iso(s, "%Y-%m-%dT%H:%M:%S+00:00")),
        issues=True,
    ),
    Fault(
        "expires_rfc1123",
        "A good answer, `expiresAt` as HTTP writes dates",
        _expires(lambda s: format_datetime(s.credential.expires_at, usegmt=True)),
        issues=True,
    ),
    Fault(
        "expires_number_text",
        "A good answer, `expiresAt` a number in quotes",
        _expires(lambda s: str(s.credential.expires_at.timestamp())),
        issues=True,
    ),
    Fault(
        "expires_in_ten_years",
        "A good answer that claims to be valid for ten years",
        _expires(lambda s: (s.now + timedelta(days=3650)).timestamp()),
        issues=True,
    ),
    Fault(
        "registry_url",
        "A good answer, `registry` a URL with a path and upper case",
        lambda s: s.answer(s.login(registry=f"HTTPS://{s.credential.registry.upper()}/v2/")),
        issues=True,
    ),
    Fault(
        "unknown_members",
        "A good answer with members that nobody knows",
        lambda s: s.answer(
            json.dumps({"registryLogin": s.credential.as_answer() | {"new": [1]}, "x": {}}).encode()
        ),
        issues=True,
    ),
    Fault(
        "no_date",
        "A good answer without a `Date`",
        lambda s: s.answer(s.login(), date=None),
        issues=True,
    ),
    Fault(
        "bad_date",
        "A good answer whose `Date` is no date",
        lambda s: s.answer(s.login(), date="soon"),
        issues=True,
    ),
    Fault("refused_credential", "A good answer whose credential no registry takes", _login()),
    Fault(
        "slow_answer",
        "A good answer after two seconds",
        _login(),
        pause_seconds=2.0,
        issues=True,
    ),
)
