from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest

from lightkeeper.simulator import Endpoint
from lightkeeper.simulator.errors import ERRORS, AwsError, written


@pytest.mark.parametrize("code", ERRORS)
def test_an_error_has_the_status_and_message_of_its_code(code: str) -> None:
    error = AwsError(code=code)

    assert (error.status, error.message) == ERRORS[code]
    assert 400 <= error.status <= 599
    assert error.message


def test_a_message_of_its_own_replaces_the_usual_one() -> None:
    error = AwsError(code="ValidationError", message="RoleArn is missing.")

    assert json.loads(written(error, Endpoint.LIGHTSAIL).body)["message"] == "RoleArn is missing."


def test_lightsail_names_the_code_twice_in_the_body_and_once_in_a_header() -> None:
    answer = written(AwsError(code="NotFoundException"), Endpoint.LIGHTSAIL)

    body = json.loads(answer.body)
    assert body["__type"] == body["code"] == "NotFoundException"
    assert answer.headers["x-amzn-errortype"].partition(":")[0] == "NotFoundException"


@pytest.mark.parametrize(
    ("code", "in_query"),
    [("ThrottlingException", "Throttling"), ("ValidationError", "ValidationError")],
)
def test_sts_writes_xml_with_the_codes_of_the_query_protocol(code: str, in_query: str) -> None:
    answer = written(AwsError(code=code, message="<&>"), Endpoint.STS)

    error = ET.fromstring(answer.body)[0]  # noqa: S314 - our own
    told = {part.tag.rpartition("}")[2]: part.text for part in error}
    assert told == {"Type": "Sender", "Code": in_query, "Message": "<&>"}


def test_a_registry_lists_its_errors() -> None:
    answer = written(AwsError(code="DENIED"), Endpoint.REGISTRY)

    (error,) = json.loads(answer.body)["errors"]
    assert error["code"] == "DENIED"
    assert answer.status == 403
