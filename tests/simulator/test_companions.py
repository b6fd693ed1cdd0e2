from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiobotocore.session import get_session
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ClientError

from lightkeeper.simulator import Endpoint, Simulator
from tests.simulator.asking import REGION, ask, aws_client, post

ROLE_ARN = "arn:aws:iam::123456789012:role/deployer"


def _key(parts: Mapping[str, Any]) -> ReadOnlyCredentials:
    token = parts.get("SessionToken") or parts["Token"]
    return ReadOnlyCredentials(parts["AccessKeyId"], parts["SecretAccessKey"], token, None)


async def _log_in_as_the_environment_says(simulator: Simulator) -> str:
    """Call with whatever credentials botocore finds by itself; the access key that it used."""
    async with get_session().create_client(
        "lightsail", region_name=REGION, endpoint_url=simulator.endpoint_url, verify=False
    ) as client:
        await client.create_container_service_registry_login()
    return simulator.requests.of()[-1].access_key_id


async def test_an_assumed_role_may_call(simulator: Simulator) -> None:
    async with aws_client(simulator, "sts") as sts:
        assumed = await sts.assume_role(RoleArn=ROLE_ARN, RoleSessionName="test")

    assert assumed["Credentials"]["Expiration"] > datetime.now(UTC)
    assert (await ask(simulator, key=_key(assumed["Credentials"]))).status == 200


async def test_a_role_may_be_denied(simulator: Simulator) -> None:
    simulator.account.keys.deny(ROLE_ARN)

    async with aws_client(simulator, "sts") as sts:
        with pytest.raises(ClientError) as refused:
            await sts.assume_role(RoleArn=ROLE_ARN, RoleSessionName="test")

    assert refused.value.response["Error"]["Code"] == "AccessDenied"


async def test_assuming_a_role_wants_a_signature_of_a_known_key(simulator: Simulator) -> None:
    simulator.account.keys.revoke("AKIASIMULATEDKEY0001")

    async with aws_client(simulator, "sts") as sts:
        with pytest.raises(ClientError) as refused:
            await sts.assume_role(RoleArn=ROLE_ARN, RoleSessionName="test")

    assert refused.value.response["Error"]["Code"] == "InvalidClientTokenId"


async def test_a_web_identity_token_assumes_a_role_without_a_signature(
    simulator: Simulator,
) -> None:
    async with aws_client(simulator, "sts") as sts:
        assumed = await sts.assume_role_with_web_identity(
            RoleArn=ROLE_ARN, RoleSessionName="test", WebIdentityToken="e30.e30.e30"
        )

    assert (await ask(simulator, key=_key(assumed["Credentials"]))).status == 200
    assert "authorization" not in simulator.requests.of(Endpoint.STS)[0].headers


async def test_says_who_calls(simulator: Simulator) -> None:
    async with aws_client(simulator, "sts") as sts:
        identity = await sts.get_caller_identity()

    assert identity["Account"] == "123456789012"
    assert simulator.requests.of(Endpoint.STS)[0].action == "GetCallerIdentity"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"Action=DropTables", b"InvalidAction"),
        (b"Action=AssumeRoleWithWebIdentity&RoleArn=x", b"InvalidAction"),
        (b"Action=AssumeRoleWithWebIdentity&WebIdentityToken=x", b"ValidationError"),
        (b"Action=AssumeRole&RoleArn=x", b"MissingAuthenticationToken"),
    ],
)
async def test_sts_refuses_in_xml(simulator: Simulator, body: bytes, code: bytes) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    answer = await post(f"{simulator.endpoint_url}/", body, form)

    assert answer.status in {400, 403}
    assert b"<Code>" + code + b"</Code>" in answer.body


async def test_botocore_finds_container_credentials(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{simulator.endpoint_url}/container"
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)

    used = await _log_in_as_the_environment_says(simulator)

    assert used.startswith("ASIASIMULATED")
    assert simulator.requests.count(Endpoint.CONTAINER) == 1


async def test_botocore_finds_the_role_of_an_instance(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", simulator.endpoint_url)

    used = await _log_in_as_the_environment_says(simulator)

    assert used.startswith("ASIASIMULATED")
    asked = [(one.method, one.status) for one in simulator.requests.of(Endpoint.IMDS)]
    assert asked == [("PUT", 200), ("GET", 200), ("GET", 200)]


@pytest.mark.parametrize(
    ("path", "status"),
    [("/latest/api/token", 405), ("/latest/meta-data/iam/security-credentials/", 401)],
)
async def test_instance_metadata_wants_a_token_fetched_by_put(
    simulator: Simulator, http: aiohttp.ClientSession, path: str, status: int
) -> None:
    async with http.get(simulator.endpoint_url + path) as response:
        assert response.status == status


async def test_instance_metadata_knows_credentials_alone(
    simulator: Simulator, http: aiohttp.ClientSession
) -> None:
    async with http.put(f"{simulator.endpoint_url}/latest/api/token") as response:
        token = await response.text()
    headers = {"X-aws-ec2-metadata-token": token}

    async with http.get(f"{simulator.endpoint_url}/latest/user-data", headers=headers) as response:
        assert response.status == 404


async def test_sso_gives_the_credentials_of_a_role(simulator: Simulator) -> None:
    async with aws_client(simulator, "sso") as sso:
        answer = await sso.get_role_credentials(
            roleName="deployer", accountId="123456789012", accessToken="anything"
        )

    role = answer["roleCredentials"]
    key = ReadOnlyCredentials(
        role["accessKeyId"], role["secretAccessKey"], role["sessionToken"], None
    )
    assert role["expiration"] / 1000 > datetime.now(UTC).timestamp()
    assert (await ask(simulator, key=key)).status == 200


async def test_sso_wants_a_token(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{simulator.endpoint_url}/federation/credentials") as response:
        refusal = await response.json(content_type=None)

    assert (response.status, refusal["__type"]) == (401, "UnauthorizedException")


async def test_companions_meet_faults_of_their_own(simulator: Simulator) -> None:
    simulator.fail("ThrottlingException", at=Endpoint.STS)

    async with aws_client(simulator, "sts") as sts:
        with pytest.raises(ClientError) as refused:
            await sts.get_caller_identity()

    assert refused.value.response["Error"]["Code"] == "Throttling"
    assert (await ask(simulator)).status == 200
