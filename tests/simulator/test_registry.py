from __future__ import annotations

from datetime import timedelta

import aiohttp
import pytest

from lightkeeper.simulator import Endpoint, Settings, Simulator, Validity, simulate
from tests.simulator.asking import basic, login, registry_status


async def test_challenges_whoever_sends_no_credential(
    simulator: Simulator, http: aiohttp.ClientSession
) -> None:
    async with http.get(f"http://{simulator.registry}/v2/") as response:
        refusal = await response.json()

    assert response.status == 401
    realm = f'Basic realm="http://{simulator.registry}/"'
    assert response.headers["WWW-Authenticate"].startswith(realm)
    assert response.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
    assert refusal["errors"][0]["code"] == "UNAUTHORIZED"


async def test_takes_a_credential_that_lightsail_issued(
    simulator: Simulator, http: aiohttp.ClientSession
) -> None:
    credential = await login(simulator)
    headers = basic(credential["username"], credential["password"])

    async with http.get(f"http://{credential['registry']}/v2/", headers=headers) as response:
        body = await response.json()

    assert (response.status, body) == (200, {})
    assert response.headers["Docker-Distribution-Api-Version"] == "registry/2.0"


@pytest.mark.parametrize(
    "headers",
    [
        basic("AWS", "wrong"),
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic QVdT"},
        {"Authorization": "Basic /w=="},
        {"Authorization": "Bearer QVdTOng="},
        {"Authorization": ""},
    ],
)
async def test_refuses_what_it_never_issued(
    simulator: Simulator, http: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    await login(simulator)

    async with http.get(f"http://{simulator.registry}/v2/", headers=headers) as response:
        assert response.status == 401


async def test_refuses_the_right_password_of_another_user(simulator: Simulator) -> None:
    credential = await login(simulator)

    assert await registry_status(simulator, credential | {"username": "aws"}) == 401


async def test_refuses_a_credential_that_expired(simulator: Simulator) -> None:
    credential = await login(simulator)
    simulator.move_clock(timedelta(hours=12, seconds=1))

    assert await registry_status(simulator, credential) == 401


async def test_refuses_a_credential_that_was_ended_early(simulator: Simulator) -> None:
    older, newer = await login(simulator), await login(simulator)
    simulator.end_newest()

    assert await registry_status(simulator, newer) == 401
    assert await registry_status(simulator, older) == 200


async def test_refuses_all_when_all_were_ended(simulator: Simulator) -> None:
    credentials = [await login(simulator), await login(simulator)]
    simulator.end_all()

    assert [await registry_status(simulator, one) for one in credentials] == [401, 401]


async def test_a_new_credential_ends_its_predecessor_if_asked_to() -> None:
    async with simulate(Settings(validity=Validity.END_PREDECESSOR)) as simulator:
        older, newer = await login(simulator), await login(simulator)

        assert await registry_status(simulator, older) == 401
        assert await registry_status(simulator, newer) == 200


async def test_a_new_credential_leaves_its_predecessor_alone_by_default(
    simulator: Simulator,
) -> None:
    older, newer = await login(simulator), await login(simulator)

    assert await registry_status(simulator, older) == 200
    assert await registry_status(simulator, newer) == 200


async def test_knows_no_repositories(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    credential = await login(simulator)
    headers = basic(credential["username"], credential["password"])

    async with http.get(f"http://{simulator.registry}/v2/_catalog", headers=headers) as response:
        refusal = await response.json(content_type=None)

    assert response.status == 404
    assert refusal["errors"][0]["code"] == "NAME_UNKNOWN"


async def test_meets_faults_too(simulator: Simulator) -> None:
    credential = await login(simulator)
    simulator.fail("status_503", at=Endpoint.REGISTRY)

    assert await registry_status(simulator, credential) == 503
    assert await registry_status(simulator, credential) == 200


async def test_an_aws_error_is_written_as_a_registry_writes_it(
    simulator: Simulator, http: aiohttp.ClientSession
) -> None:
    simulator.fail("DENIED", at=Endpoint.REGISTRY)

    async with http.get(f"http://{simulator.registry}/v2/") as response:
        refusal = await response.json(content_type=None)

    assert response.status == 403
    assert [error["code"] for error in refusal["errors"]] == ["DENIED"]
