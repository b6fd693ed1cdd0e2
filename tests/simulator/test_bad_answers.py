from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from lightkeeper.simulator import Endpoint, Simulator
from lightkeeper.simulator.bad_answers import BAD_BODIES, BAD_FIELDS, ERROR_ANSWERS, ODD_BUT_GOOD
from lightkeeper.simulator.errors import ERRORS
from lightkeeper.simulator.wire import Fault
from tests.simulator.asking import ask, aws_client, login

_ERRORS_OF_AWS = [fault.name for fault in ERROR_ANSWERS if fault.name in ERRORS]
_LARGE = {"gzip_bomb", "huge_body"}


def _named(faults: tuple[Fault, ...], *, without: Collection[str] = ()) -> list[str]:
    return [fault.name for fault in faults if fault.name not in without]


async def _login_of(simulator: Simulator, name: str) -> Any:  # noqa: ANN401
    simulator.fail(name)
    return (await ask(simulator)).json["registryLogin"]


@pytest.mark.parametrize("code", _ERRORS_OF_AWS)
async def test_an_error_of_aws_is_read_as_its_code(simulator: Simulator, code: str) -> None:
    simulator.fail(code)

    with pytest.raises(ClientError) as raised:
        await login(simulator)

    status, _ = ERRORS[code]
    assert raised.value.response["Error"]["Code"] == code
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


@pytest.mark.parametrize("status", [300, 400, 403, 404, 407, 429, 500, 502, 503, 504])
async def test_a_middlebox_answers_html(simulator: Simulator, status: int) -> None:
    simulator.fail(f"status_{status}")

    answer = await ask(simulator)

    assert answer.status == status
    assert answer.headers["Content-Type"] == "text/html"
    assert answer.body.startswith(b"<!doctype html>")


@pytest.mark.parametrize(
    ("name", "status"), [("throttled_with_retry_after", 400), ("status_503_with_retry_after", 503)]
)
async def test_says_when_to_come_again(simulator: Simulator, name: str, status: int) -> None:
    simulator.fail(name)

    answer = await ask(simulator)

    assert (answer.status, answer.headers["Retry-After"]) == (status, "20")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_points_to_the_second_listener(simulator: Simulator, status: int) -> None:
    simulator.fail(f"redirect_{status}")

    answer = await ask(simulator)

    assert answer.status == status
    assert not answer.headers["Location"].startswith(simulator.endpoint_url)
    assert simulator.requests.count(Endpoint.ELSEWHERE) == 0


async def test_whoever_follows_a_redirect_gets_a_false_credential_and_is_seen(
    simulator: Simulator,
) -> None:
    simulator.fail("redirect_307")

    credential = await login(simulator)

    assert not simulator.accepts(credential["username"], credential["password"])
    assert [one.path for one in simulator.requests.of(Endpoint.ELSEWHERE)] == ["/"]


async def test_a_redirect_may_loop(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    simulator.fail("redirect_loop")

    with pytest.raises(aiohttp.TooManyRedirects):
        await http.post(f"{simulator.endpoint_url}/", max_redirects=4)

    assert simulator.requests.count(Endpoint.ELSEWHERE) >= 3


async def test_a_redirect_may_lack_its_place(simulator: Simulator) -> None:
    simulator.fail("redirect_nowhere")

    answer = await ask(simulator)

    assert answer.status == 301
    assert "Location" not in answer.headers


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("error_empty", b""),
        ("error_list", b"[]"),
        ("error_null", b"null"),
        ("error_type_number", b'{"__type":5}'),
        ("empty_body", b""),
        ("empty_object", b"{}"),
        ("null", b"null"),
        ("list", b"[]"),
        ("login_null", b'{"registryLogin": null}'),
    ],
)
async def test_sends_the_body_that_it_is_named_for(
    simulator: Simulator, name: str, body: bytes
) -> None:
    simulator.fail(name)

    answer = await ask(simulator)

    assert answer.body == body
    assert (answer.status == 200) is not name.startswith("error_")


async def test_an_error_code_may_be_in_a_header_alone(simulator: Simulator) -> None:
    simulator.fail("error_type_in_header")

    answer = await ask(simulator)

    assert answer.headers["x-amzn-errortype"] == "AccessDeniedException"
    assert answer.json == {}


async def test_a_gzip_bomb_is_small_on_the_wire_and_large_behind_it(simulator: Simulator) -> None:
    simulator.fail("gzip_bomb")

    async with aiohttp.ClientSession(auto_decompress=False) as session:
        answer = await session.post(f"{simulator.endpoint_url}/", data=b"{}")
        sent = await answer.read()

    assert len(sent) < 1 << 18
    first_of_many = zlib.decompressobj(wbits=31).decompress(sent)
    assert len(first_of_many) == 1 << 20
    assert sent.count(sent[:10]) == 200


async def test_a_good_body_in_gzip_is_a_login(simulator: Simulator) -> None:
    simulator.fail("gzip")

    async with aiohttp.ClientSession(auto_decompress=False) as session:
        answer = await session.post(f"{simulator.endpoint_url}/", data=b"{}")
        body = json.loads(gzip.decompress(await answer.read()))

    assert body["registryLogin"]["registry"] == simulator.registry


async def test_a_huge_body_has_60_megabytes(simulator: Simulator) -> None:
    simulator.fail("huge_body")

    answer = await ask(simulator)

    assert len(answer.body) == 60_000_000


@pytest.mark.parametrize("name", _named(BAD_BODIES, without={*_LARGE, "gzip"}))
async def test_a_bad_body_gives_no_client_a_whole_login(simulator: Simulator, name: str) -> None:
    simulator.fail(name)

    answer = await ask(simulator)

    assert answer.status == 200
    try:
        found = json.loads(answer.body)["registryLogin"]
    except (ValueError, TypeError, KeyError, RecursionError):
        found = None
    assert not found


@pytest.mark.parametrize("name", _named(BAD_FIELDS))
async def test_a_bad_field_is_the_one_thing_that_is_wrong(simulator: Simulator, name: str) -> None:
    usual = (await ask(simulator)).json["registryLogin"]

    odd = await _login_of(simulator, name)

    assert set(odd) == set(usual)
    wrong = "expiresAt" if name.startswith("expires") else name.partition("_")[0]
    others = set(usual) - {wrong, "password", "expiresAt"}
    assert {member: odd[member] for member in others} == {m: usual[m] for m in others}
    assert odd[wrong] != usual[wrong]


@pytest.mark.parametrize("name", _named(BAD_FIELDS))
async def test_a_bad_field_comes_with_a_password_that_no_registry_takes(
    simulator: Simulator, name: str
) -> None:
    odd = await _login_of(simulator, name)

    assert not simulator.accepts("AWS", str(odd["password"]))
    assert simulator.account.credentials.count == 0


async def test_milliseconds_are_a_thousand_times_too_late(simulator: Simulator) -> None:
    odd = await _login_of(simulator, "expires_milliseconds")

    in_twelve_hours = datetime.now(UTC) + timedelta(hours=12)
    assert abs(odd["expiresAt"] / 1000 - in_twelve_hours.timestamp()) < 60


async def test_the_past_is_a_minute_ago_on_the_simulator_s_clock(simulator: Simulator) -> None:
    simulator.move_clock(timedelta(hours=1))

    odd = await _login_of(simulator, "expires_past")

    expected = datetime.now(UTC) + timedelta(minutes=59)
    assert abs(odd["expiresAt"] - expected.timestamp()) < 30


@pytest.mark.parametrize(
    "name", _named(ODD_BUT_GOOD, without={"refused_credential", "slow_answer"})
)
async def test_an_odd_answer_holds_a_credential_that_the_registry_takes(
    simulator: Simulator, name: str
) -> None:
    simulator.fail(name)

    credential = await login(simulator)

    assert credential["expiresAt"] > datetime.now(UTC)
    assert simulator.accepts(credential["username"], credential["password"])


async def test_a_slow_answer_outlasts_a_short_patience(simulator: Simulator) -> None:
    simulator.fail("slow_answer")

    async with aws_client(simulator, timeout_seconds=0.2) as client:
        with pytest.raises(ReadTimeoutError):
            await client.create_container_service_registry_login()

    assert simulator.account.credentials.count == 1


async def test_a_refused_credential_looks_right(simulator: Simulator) -> None:
    simulator.fail("refused_credential")

    async with aws_client(simulator) as client:
        answer = await client.create_container_service_registry_login()

    credential = answer["registryLogin"]
    assert credential["registry"] == simulator.registry
    assert not simulator.accepts(credential["username"], credential["password"])
