from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from botocore.credentials import ReadOnlyCredentials

from lightkeeper.simulator import Simulator
from lightkeeper.simulator.aws_keys import AwsKey
from lightkeeper.simulator.settings import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from lightkeeper.simulator.signature import key_id_of
from tests.simulator.asking import ask, post, signed_headers


def _as_read(key: AwsKey, *, token: str | None = None) -> ReadOnlyCredentials:
    return ReadOnlyCredentials(key.id, key.secret, token or key.token or None, None)


async def test_takes_what_botocore_signs(simulator: Simulator) -> None:
    assert (await ask(simulator)).status == 200
    assert (await ask(simulator, at=datetime.now(UTC))).status == 200


async def test_takes_a_temporary_key_with_its_token(simulator: Simulator) -> None:
    key = simulator.account.issue_aws_key()

    assert (await ask(simulator, key=_as_read(key))).status == 200
    assert simulator.requests.of()[0].access_key_id == key.id


async def test_wants_a_signature(simulator: Simulator) -> None:
    url = f"{simulator.endpoint_url}/"
    headers = signed_headers(url, b"{}")
    del headers["Authorization"]

    answer = await post(url, b"{}", headers)

    assert (answer.status, answer.code) == (403, "MissingAuthenticationTokenException")


@pytest.mark.parametrize("shape", ["Basic QVdTOng=", "AWS4-HMAC-SHA256 Credential=AKIA", "x"])
async def test_a_header_of_another_shape_is_incomplete(simulator: Simulator, shape: str) -> None:
    url = f"{simulator.endpoint_url}/"

    answer = await post(url, b"{}", signed_headers(url, b"{}") | {"Authorization": shape})

    assert (answer.status, answer.code) == (400, "IncompleteSignature")


async def test_the_host_must_be_signed(simulator: Simulator) -> None:
    url = f"{simulator.endpoint_url}/"
    headers = signed_headers(url, b"{}")
    headers["Authorization"] = headers["Authorization"].replace(";host;", ";")

    answer = await post(url, b"{}", headers)

    assert answer.code == "IncompleteSignature"


async def test_the_time_must_be_readable(simulator: Simulator) -> None:
    url = f"{simulator.endpoint_url}/"
    headers = signed_headers(url, b"{}")
    headers["X-Amz-Date"] = headers["X-Amz-Date"][:8] + "Tnoon"

    answer = await post(url, b"{}", headers)

    assert answer.code == "IncompleteSignature"


async def test_an_unknown_key_is_unrecognized(simulator: Simulator) -> None:
    stranger = ReadOnlyCredentials("AKIASTRANGER00000000", SECRET_ACCESS_KEY, None, None)

    answer = await ask(simulator, key=stranger)

    assert (answer.status, answer.code) == (403, "UnrecognizedClientException")


async def test_a_wrong_secret_gives_a_wrong_signature(simulator: Simulator) -> None:
    wrong = ReadOnlyCredentials(ACCESS_KEY_ID, "wrong", None, None)

    answer = await ask(simulator, key=wrong)

    assert (answer.status, answer.code) == (403, "InvalidSignatureException")
    assert simulator.account.credentials.count == 0


async def test_a_body_that_was_changed_gives_a_wrong_signature(simulator: Simulator) -> None:
    url = f"{simulator.endpoint_url}/"

    answer = await post(url, b'{"a": 1}', signed_headers(url, b"{}"))

    assert answer.code == "InvalidSignatureException"


async def test_a_signed_header_that_was_changed_gives_a_wrong_signature(
    simulator: Simulator,
) -> None:
    url = f"{simulator.endpoint_url}/"
    headers = signed_headers(url, b"{}", headers={"X-Amz-Extra": "one"})

    answer = await post(url, b"{}", headers | {"X-Amz-Extra": "two"})

    assert answer.code == "InvalidSignatureException"


@pytest.mark.parametrize("scope", [{"region": "us-east-1"}, {"service": "ecr"}])
async def test_another_region_or_service_is_out_of_scope(
    simulator: Simulator, scope: dict[str, str]
) -> None:
    answer = await ask(simulator, **scope)

    assert answer.code == "InvalidSignatureException"
    assert "scoped" in answer.json["message"]


@pytest.mark.parametrize(
    ("offset", "said"),
    [(timedelta(minutes=-6), "Signature expired"), (timedelta(minutes=6), "not yet current")],
)
async def test_more_than_five_minutes_of_skew_are_refused(
    simulator: Simulator, offset: timedelta, said: str
) -> None:
    answer = await ask(simulator, at=datetime.now(UTC) + offset)

    assert (answer.status, answer.code) == (403, "InvalidSignatureException")
    assert said in answer.json["message"]


@pytest.mark.parametrize("offset", [timedelta(minutes=-4), timedelta(minutes=4)])
async def test_less_than_five_minutes_of_skew_are_taken(
    simulator: Simulator, offset: timedelta
) -> None:
    assert (await ask(simulator, at=datetime.now(UTC) + offset)).status == 200


async def test_the_skew_is_measured_against_the_simulator_s_clock(simulator: Simulator) -> None:
    simulator.move_clock(timedelta(hours=3))

    here = await ask(simulator)
    there = await ask(simulator, at=datetime.now(UTC) + timedelta(hours=3))

    assert (here.code, there.status) == ("InvalidSignatureException", 200)


async def test_a_foreign_token_is_unrecognized(simulator: Simulator) -> None:
    key = simulator.account.issue_aws_key()

    answer = await ask(simulator, key=_as_read(key, token="another's"))

    assert answer.code == "UnrecognizedClientException"


async def test_a_temporary_key_without_its_token_is_unrecognized(simulator: Simulator) -> None:
    key = simulator.account.issue_aws_key()

    answer = await ask(simulator, key=ReadOnlyCredentials(key.id, key.secret, None, None))

    assert answer.code == "UnrecognizedClientException"


async def test_a_token_expires(simulator: Simulator) -> None:
    key = simulator.account.issue_aws_key()
    simulator.move_clock(timedelta(hours=1, seconds=1))

    later = datetime.now(UTC) + timedelta(hours=1)
    answer = await ask(simulator, key=_as_read(key), at=later)

    assert (answer.status, answer.code) == (403, "ExpiredTokenException")


async def test_a_denied_key_may_not_call_until_it_is_allowed(simulator: Simulator) -> None:
    simulator.account.keys.deny(ACCESS_KEY_ID)
    denied = await ask(simulator)
    simulator.account.keys.allow(ACCESS_KEY_ID)

    allowed = await ask(simulator)

    assert (denied.code, allowed.status) == ("AccessDeniedException", 200)


def test_the_key_of_a_request_without_a_signature_is_empty() -> None:
    assert key_id_of({}) == key_id_of({"Authorization": "Basic x"}) == ""
