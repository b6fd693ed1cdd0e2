from __future__ import annotations

from datetime import UTC, datetime

from lightkeeper.simulator import Endpoint, Simulator
from lightkeeper.simulator.requests import Request, Requests
from lightkeeper.simulator.settings import ACCESS_KEY_ID
from tests.simulator.asking import OPERATION, ask, login, registry_status

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_requests_are_counted_by_endpoint() -> None:
    requests = Requests()
    for endpoint in (Endpoint.LIGHTSAIL, Endpoint.STS, Endpoint.LIGHTSAIL):
        requests.add(Request(at=NOW, endpoint=endpoint))

    assert requests.count() == 2
    assert requests.count(Endpoint.STS) == 1
    assert [one.endpoint for one in requests.of(Endpoint.STS)] == [Endpoint.STS]
    assert len(requests) == 3


def test_all_are_counted_though_the_last_ten_thousand_are_kept() -> None:
    requests = Requests()
    for number in range(10_002):
        requests.add(Request(at=NOW, endpoint=Endpoint.LIGHTSAIL, path=str(number)))

    kept = list(requests)

    assert requests.count() == len(requests) == 10_002
    assert (len(kept), kept[0].path) == (10_000, "2")


def test_clearing_counts_from_zero() -> None:
    requests = Requests()
    requests.add(Request(at=NOW, endpoint=Endpoint.LIGHTSAIL))

    requests.clear()

    assert (len(requests), requests.count(), list(requests)) == (0, 0, [])


async def test_one_login_by_aws_s_own_client_is_exactly_one_request(simulator: Simulator) -> None:
    await login(simulator)

    (request,) = simulator.requests
    assert (request.endpoint, request.method, request.path) == (Endpoint.LIGHTSAIL, "POST", "/")
    assert (request.action, request.access_key_id) == (OPERATION, ACCESS_KEY_ID)
    assert (request.status, request.code, request.fault) == (200, "", "")
    assert "botocore" in request.user_agent.lower()


async def test_a_refusal_is_recorded_with_its_code(simulator: Simulator) -> None:
    await ask(simulator, region="us-east-1")

    (request,) = simulator.requests
    assert (request.status, request.code) == (403, "InvalidSignatureException")


async def test_a_fault_is_recorded_in_place_of_a_status(simulator: Simulator) -> None:
    simulator.fail("html")
    await ask(simulator)

    (request,) = simulator.requests
    assert (request.status, request.fault) == (0, "html")


async def test_no_secret_is_recorded(simulator: Simulator) -> None:
    key = simulator.account.issue_aws_key()
    credential = await login(simulator)
    await registry_status(simulator, credential)

    record = repr(list(simulator.requests))

    assert credential["password"] not in record
    assert key.token not in record
    assert "Signature=" not in record
    assert "Basic " not in record


async def test_what_a_client_says_is_kept_only_so_far(simulator: Simulator) -> None:
    await ask(simulator, headers={"X-Amz-Target": "x" * 1000, "User-Agent": "y" * 1000})

    (request,) = simulator.requests
    assert (request.action, request.user_agent) == ("x" * 200, "y" * 200)
