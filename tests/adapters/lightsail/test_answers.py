"""What an answer says, from the bytes on the wire to what is believed; and whose clock is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from lightkeeper.adapters.lightsail import SharedAws
from lightkeeper.adapters.lightsail.failures import http_date
from lightkeeper.core.answer import Answer, Believed, Refusal, believe
from lightkeeper.core.reasons import Reason
from lightkeeper.simulator import Settings, simulate
from tests.adapters.lightsail.asking import answer_of, issuer_at, refusal_of, saying, serving

pytestmark = pytest.mark.usefixtures("_keys")

NOW = datetime(2026, 1, 1, tzinfo=UTC)
"""By the answer's `Date`, which alone counts."""

EXPIRES = NOW + timedelta(hours=12)
STAMP = round(EXPIRES.timestamp())
EAST = timezone(timedelta(hours=2))

REGISTRY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
LOGIN = {"username": "AWS", "password": "simulated+/=", "registry": REGISTRY}


def _reply(body: bytes, date: datetime | None = NOW, kind: str = "application/json") -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    if date is not None:
        lines.append(f"Date: {format_datetime(date, usegmt=True)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _body(**changes: object) -> bytes:
    return json.dumps({"registryLogin": LOGIN | {"expiresAt": STAMP} | changes}).encode()


async def _outcome(shared: SharedAws, reply: bytes) -> Believed | Refusal:
    async with serving(saying(reply)) as address:
        answer = await issuer_at(f"http://{address}", shared).issue(timedelta(seconds=20))
    return believe(answer, None) if isinstance(answer, Answer) else answer


@pytest.mark.parametrize(
    "written",
    [
        STAMP,
        STAMP + 0.123,
        str(STAMP),
        f"{STAMP}.5",
        f"{EXPIRES:%Y-%m-%dT%H:%M:%SZ}",
        f"{EXPIRES.astimezone(EAST):%Y-%m-%dT%H:%M:%S%z}",
        format_datetime(EXPIRES, usegmt=True),
        format_datetime(EXPIRES.astimezone(EAST)),
    ],
    ids=repr,
)
async def test_an_expiry_is_understood_however_it_is_written(
    shared: SharedAws, written: object
) -> None:
    believed = await _outcome(shared, _reply(_body(expiresAt=written)))

    assert isinstance(believed, Believed)
    assert believed.credential.expires_at.utcoffset() == timedelta(0)
    assert EXPIRES <= believed.credential.expires_at < EXPIRES + timedelta(seconds=1)
    assert believed.credential.issued_at == NOW
    assert believed.oddities == frozenset()


@pytest.mark.parametrize(
    "written",
    [
        *(None, True, False, -1, 0, "", "garbage", [], {}, 1e20, 253402300800, STAMP * 1000),
        *("2026-01-01T12:00:00", f"{NOW:%Y-%m-%dT%H:%M:%SZ}", "2025-12-31T23:59:59Z", "nan"),
    ],
    ids=repr,
)
async def test_an_expiry_that_is_none_is_not_believed(shared: SharedAws, written: object) -> None:
    refusal = await _outcome(shared, _reply(_body(expiresAt=written)))

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.INVALID_RESPONSE


@pytest.mark.parametrize("member", ["username", "password", "registry", "expiresAt"])
@pytest.mark.parametrize("value", [None, 5, [], {}, "", " \n", "a\x00b"], ids=repr)
async def test_a_member_that_is_none_is_not_believed(
    shared: SharedAws, member: str, value: object
) -> None:
    refusal = await _outcome(shared, _reply(_body(**{member: value})))

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.INVALID_RESPONSE
    assert refusal.detail.isprintable()


async def test_a_long_password_is_kept_whole(shared: SharedAws) -> None:
    """Those of ECR have one to three kilobytes."""
    password = "Ab+/=" * 1600

    believed = await _outcome(shared, _reply(_body(password=password)))

    assert isinstance(believed, Believed)
    assert believed.credential.password.reveal() == password


async def test_what_was_sent_instead_of_a_login_is_named_in_print(shared: SharedAws) -> None:
    kind = "text/html; \xe2\x80\xae" + "x" * 100

    refusal = await _outcome(shared, _reply(b"<p>", kind=kind))

    assert isinstance(refusal, Refusal)
    assert "text/html" in refusal.detail
    assert refusal.detail.isprintable()
    assert len(refusal.detail) <= 200


@pytest.mark.parametrize("minutes", [-10, 10, 60 * 24])
async def test_a_wrong_clock_is_told_by_how_much(shared: SharedAws, minutes: int) -> None:
    offset = timedelta(minutes=minutes)
    async with simulate(Settings(clock_offset=offset)) as simulator:
        refusal = await refusal_of(issuer_at(simulator.endpoint_url, shared))

    assert refusal.reason is Reason.CLOCK_SKEW
    assert refusal.clock is not None
    assert abs(refusal.clock.skew + offset) < timedelta(seconds=10)
    said = re.search(r"the clock here is (\d+) s (ahead of|behind) AWS's", refusal.detail)
    assert said is not None
    assert abs(int(said[1]) - abs(offset.total_seconds())) < 10
    assert said[2] == ("behind" if minutes > 0 else "ahead of")


@pytest.mark.parametrize(
    ("code", "message"),
    [("RequestExpired", ""), ("InvalidSignatureException", "Signature expired: it is too old")],
)
@pytest.mark.parametrize("minutes", [0, -4, 4])
async def test_a_request_that_came_late_is_not_taken_for_a_bad_clock(
    shared: SharedAws, code: str, message: str, minutes: int
) -> None:
    """It was held up, or this machine slept; a person who looks at the clock finds it right."""
    body = json.dumps({"__type": code, "message": message}).encode()
    date = datetime.now(UTC) + timedelta(minutes=minutes)
    reply = _reply(body, date).replace(b"200 OK", b"400 No", 1)

    refusal = await _outcome(shared, reply)

    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.clock) == (Reason.TIMEOUT, None)
    said = re.fullmatch(
        f"{code}: the request was not in time, and the clock here is within (\\d+) s of AWS's",
        refusal.detail,
    )
    assert said is not None
    assert abs(int(said[1]) - abs(minutes) * 60) < 20


async def test_without_a_date_what_aws_says_of_the_clock_is_believed(shared: SharedAws) -> None:
    body = json.dumps({"__type": "RequestExpired"}).encode()
    reply = _reply(body, None).replace(b"200 OK", b"400 No", 1)

    refusal = await _outcome(shared, reply)

    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.detail) == (Reason.CLOCK_SKEW, "RequestExpired")


@pytest.mark.parametrize("code", ["InvalidSignatureException", "SignatureDoesNotMatch"])
async def test_a_bad_secret_is_not_taken_for_a_bad_clock(shared: SharedAws, code: str) -> None:
    async with simulate() as simulator:
        simulator.fail(code, times=2)
        refusal = await refusal_of(issuer_at(simulator.endpoint_url, shared))

    assert (refusal.reason, refusal.clock) == (Reason.UNAUTHENTICATED, None)


async def test_a_clock_within_tolerance_changes_nothing(shared: SharedAws) -> None:
    """The credential's instants are the server's all the same."""
    async with simulate(Settings(clock_offset=timedelta(minutes=4))) as simulator:
        answer = await answer_of(issuer_at(simulator.endpoint_url, shared))

    believed = believe(answer, None)
    assert isinstance(believed, Believed)
    ahead = believed.credential.issued_at - answer.received.wall
    assert abs(ahead - timedelta(minutes=4)) < timedelta(seconds=10)
    assert abs(believed.credential.lifetime - timedelta(hours=12)) <= timedelta(seconds=1)


async def test_an_account_without_a_container_service_is_told_so(shared: SharedAws) -> None:
    async with simulate(Settings(service_present=False)) as simulator:
        refusal = await refusal_of(issuer_at(simulator.endpoint_url, shared))

    assert refusal.reason is Reason.NO_CONTAINER_SERVICE
    assert "container service" in refusal.detail


async def _refused_with(shared: SharedAws, head: str, **error: object) -> Refusal:
    body = json.dumps(error).encode()
    reply = f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    async with serving(saying(reply)) as address:
        return await refusal_of(issuer_at(f"http://{address}", shared))


@pytest.mark.parametrize("code", ["NotFoundException", "InvalidInputException"])
async def test_not_every_refusal_is_about_a_container_service(shared: SharedAws, code: str) -> None:
    refusal = await _refused_with(shared, "400 Bad", __type=code, message="Something else")

    assert refusal.reason in {Reason.NOT_FOUND, Reason.INVALID_INPUT}


@pytest.mark.parametrize(("status", "reason"), [(400, "invalid_response"), (503, "service_error")])
async def test_a_code_that_nobody_knows_goes_by_its_status(
    shared: SharedAws, status: int, reason: str
) -> None:
    refusal = await _refused_with(shared, f"{status} No", __type="NewException", message="x")

    assert refusal.reason == reason
    assert refusal.detail.startswith("NewException")


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        *(("20", 20), (" 20 ", 20), ("0", 0), ("-5", 0), ("soon", 0), ("9" * 30, 0), ("1.5", 0)),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60),
        ("Wed, 31 Dec 2025 00:01:00 GMT", 0),
    ],
)
async def test_retry_after_is_seconds_or_a_date(
    shared: SharedAws, said: str, seconds: float
) -> None:
    date = format_datetime(NOW, usegmt=True)
    head = f"400 Bad\r\nDate: {date}\r\nRetry-After: {said}"

    refusal = await _refused_with(shared, head, __type="ThrottlingException", message="")

    assert refusal.retry_after == timedelta(seconds=seconds)


LATER: Callable[[str], str] = "Thu, 01 Jan 2026 00:00:00 {}".format


@pytest.mark.parametrize("text", [LATER("GMT"), LATER("+0000"), LATER("-0000"), LATER("")])
def test_a_date_is_read_in_utc(text: str) -> None:
    assert http_date(text) == NOW


@pytest.mark.parametrize("text", [None, "", "soon", LATER("+9999")])
def test_what_is_no_date_is_none(text: str | None) -> None:
    assert http_date(text) is None
