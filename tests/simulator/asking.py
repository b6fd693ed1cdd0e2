"""How tests ask a simulator: with AWS's own client, or with a request signed by botocore's."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from lightkeeper.simulator import Simulator
from lightkeeper.simulator.settings import ACCESS_KEY_ID, SECRET_ACCESS_KEY

OPERATION: Final = "CreateContainerServiceRegistryLogin"
AMZ_JSON: Final = "application/x-amz-json-1.1"
REGION: Final = "eu-central-1"
FIXED_KEY: Final = ReadOnlyCredentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - what came is for the test to say
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json["__type"])


@asynccontextmanager
async def aws_client(
    simulator: Simulator, service: str = "lightsail", *, timeout_seconds: float = 5.0
) -> AsyncIterator[Any]:
    """AWS's own client, which tries once."""
    session = get_session()
    session.set_credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY)
    verify = str(simulator.certificate.ca) if simulator.certificate else False
    config = AioConfig(
        connect_timeout=timeout_seconds,
        read_timeout=timeout_seconds,
        retries={"total_max_attempts": 1},
    )
    async with session.create_client(
        service,
        region_name=REGION,
        endpoint_url=simulator.endpoint_url,
        verify=verify,
        config=config,
    ) as client:
        yield client


async def login(simulator: Simulator) -> dict[str, Any]:
    """The `registryLogin` that AWS's own client reads out of the answer."""
    async with aws_client(simulator) as client:
        answer = await client.create_container_service_registry_login()
    return dict(answer["registryLogin"])


def signed_headers(
    url: str,
    body: bytes,
    *,
    key: ReadOnlyCredentials = FIXED_KEY,
    region: str = REGION,
    service: str = "lightsail",
    at: datetime | None = None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The headers of a POST with `body` as botocore signs it, at another time if `at` is given."""
    usual = {"Content-Type": AMZ_JSON, "X-Amz-Target": f"Lightsail_20161128.{OPERATION}"}
    request = AWSRequest("POST", url, headers=usual | dict(headers or {}), data=body)
    signer = SigV4Auth(key, service, region)
    if at is None:
        signer.add_auth(request)
        return dict(request.headers.items())
    stamp = at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    request.headers["X-Amz-Date"] = request.context["timestamp"] = stamp
    if key.token:
        request.headers["X-Amz-Security-Token"] = key.token
    text = signer.string_to_sign(request, signer.canonical_request(request))
    signature = signer.signature(text, request)
    names = signer.signed_headers(signer.headers_to_sign(request))
    request.headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, SignedHeaders={names}, "
        f"Signature={signature}"
    )
    return dict(request.headers.items())


async def post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=body, headers=headers, allow_redirects=False) as response,
    ):
        return Answer(status=response.status, headers=response.headers, body=await response.read())


async def ask(simulator: Simulator, body: bytes = b"{}", /, **signing: Any) -> Answer:  # noqa: ANN401
    """The answer to a call of the operation, signed with `signing` as `signed_headers` takes it."""
    url = f"{simulator.endpoint_url}/"
    return await post(url, body, signed_headers(url, body, **signing))


def basic(username: str, password: str) -> dict[str, str]:
    """The header with which a Docker client logs in."""
    pair = b64encode(f"{username}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


async def registry_status(simulator: Simulator, credential: Mapping[str, Any]) -> int:
    """What the registry's login check answers to a `registryLogin`."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            f"{simulator.endpoint_url}/v2/",
            headers=basic(credential["username"], credential["password"]),
        ) as response,
    ):
        return response.status


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for what happens in its own time elsewhere on the loop."""
    async with asyncio.timeout(10):
        while True:
            if is_so():
                return
            await asyncio.sleep(0.01)
