from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from uuid import UUID

import aiohttp
import pytest
from botocore.exceptions import ClientError
from botocore.session import Session

from lightkeeper.simulator import Settings, Simulator, simulate
from tests.simulator.asking import AMZ_JSON, OPERATION, ask, aws_client, login, signed_headers


async def test_answers_aws_s_own_client_with_a_credential(simulator: Simulator) -> None:
    credential = await login(simulator)

    assert credential["username"] == "AWS"
    assert credential["registry"] == simulator.registry
    assert simulator.accepts("AWS", credential["password"])


async def test_a_credential_is_valid_for_its_lifetime() -> None:
    now = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
    async with simulate(Settings(lifetime=timedelta(minutes=7)), now=lambda: now) as simulator:
        credential = await simulator.account.issue()

        answer = await ask(simulator, at=now)

    expected = now.replace(microsecond=123000) + timedelta(minutes=7)
    assert credential.expires_at == expected
    assert answer.json["registryLogin"]["expiresAt"] == expected.timestamp()


def test_the_operation_is_what_botocore_s_model_says() -> None:
    service = Session().get_service_model("lightsail")
    operation = service.operation_model(OPERATION)

    target = f"{service.metadata['targetPrefix']}.{OPERATION}"

    assert signed_headers("http://127.0.0.1/", b"{}")["X-Amz-Target"] == target
    assert f"application/x-amz-json-{service.metadata['jsonVersion']}" == AMZ_JSON
    assert operation.http["method"] == "POST"
    assert operation.http["requestUri"].rstrip("/") in {"", f"/ls/api/2016-11-28/{OPERATION}"}


async def test_the_answer_has_exactly_the_members_of_botocore_s_model(simulator: Simulator) -> None:
    operation = Session().get_service_model("lightsail").operation_model(OPERATION)
    modelled = operation.output_shape.members

    answer = (await ask(simulator)).json

    assert set(answer) == set(modelled) == {"registryLogin"}
    members = modelled["registryLogin"].members
    assert set(answer["registryLogin"]) == set(members)
    assert members["expiresAt"].type_name == "timestamp"
    assert isinstance(answer["registryLogin"]["expiresAt"], float)


async def test_the_errors_it_issues_itself_are_of_the_model_where_the_model_has_them() -> None:
    operation = Session().get_service_model("lightsail").operation_model(OPERATION)
    async with (
        simulate(Settings(service_present=False)) as simulator,
        aws_client(simulator) as client,
    ):
        with pytest.raises(client.exceptions.NotFoundException) as refused:
            await client.create_container_service_registry_login()

    assert "NotFoundException" in {shape.name for shape in operation.error_shapes}
    assert "container service" in refused.value.response["Error"]["Message"]


async def test_says_json_a_request_id_and_its_own_date(simulator: Simulator) -> None:
    simulator.move_clock(timedelta(minutes=2))

    answer = await ask(simulator)

    assert answer.status == 200
    assert answer.headers["Content-Type"] == AMZ_JSON
    assert UUID(answer.headers["x-amzn-RequestId"]).version == 4
    ahead = parsedate_to_datetime(answer.headers["Date"]) - datetime.now(UTC)
    assert timedelta(minutes=1) < ahead < timedelta(minutes=3)


async def test_refuses_other_operations_before_it_looks_at_signatures(simulator: Simulator) -> None:
    answer = await ask(simulator, headers={"X-Amz-Target": "Lightsail_20161128.GetInstances"})

    assert (answer.status, answer.code) == (404, "UnknownOperationException")


@pytest.mark.parametrize("content_type", ["application/json", "application/x-amz-json-1.0"])
async def test_refuses_other_content_types(simulator: Simulator, content_type: str) -> None:
    answer = await ask(simulator, headers={"Content-Type": content_type})

    assert (answer.status, answer.code) == (400, "MalformedHttpRequestException")


async def test_refuses_other_methods(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{simulator.endpoint_url}/") as response:
        refusal = json.loads(await response.read())

    assert response.status == 400
    assert refusal["__type"] == "MalformedHttpRequestException"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'"x"'])
async def test_refuses_bodies_that_are_no_json_object(simulator: Simulator, body: bytes) -> None:
    answer = await ask(simulator, body)

    assert (answer.status, answer.code) == (400, "SerializationException")


async def test_refused_calls_issue_nothing(simulator: Simulator) -> None:
    await ask(simulator, b"[]")
    await ask(simulator, region="us-east-1")

    assert simulator.account.credentials.count == 0


async def test_a_new_container_service_ends_the_refusals() -> None:
    async with simulate(Settings(service_present=False)) as simulator:
        before = await ask(simulator)
        simulator.account.service_present = True

        after = await ask(simulator)

    assert (before.code, after.status) == ("NotFoundException", 200)


async def test_an_error_has_its_code_in_the_body_and_in_a_header(simulator: Simulator) -> None:
    simulator.account.service_present = False

    answer = await ask(simulator)

    assert answer.headers["x-amzn-errortype"].startswith("NotFoundException:")
    assert answer.json["code"] == answer.json["__type"] == "NotFoundException"
    with pytest.raises(ClientError, match="NotFoundException"):
        await login(simulator)
