"""Lightsail's endpoint: one operation, refused for the reasons and with the codes that AWS has."""

from __future__ import annotations

import json
from typing import Final

from aiohttp import web

from lightkeeper.simulator.account import Account
from lightkeeper.simulator.errors import JSON, AwsError
from lightkeeper.simulator.signature import Signed, authenticate

OPERATION: Final = "CreateContainerServiceRegistryLogin"
_TARGET: Final = f"Lightsail_20161128.{OPERATION}"


async def answer(account: Account, request: web.BaseRequest, signed: Signed) -> web.Response:
    """Issue a credential. Raises AwsError."""
    if request.method != "POST":
        message = f"{request.method} is not POST."
        raise AwsError(code="MalformedHttpRequestException", message=message)
    if request.headers.get("X-Amz-Target") != _TARGET:
        raise AwsError(code="UnknownOperationException")
    if request.content_type != JSON:
        message = f"Content-Type is not {JSON}."
        raise AwsError(code="MalformedHttpRequestException", message=message)
    now = account.clock.now()
    authenticate(signed, account.keys, service="lightsail", region=account.region, now=now)
    if not _is_object(signed.body):
        raise AwsError(code="SerializationException")
    account.check_call()
    credential = await account.issue()
    body = json.dumps({"registryLogin": credential.as_answer()}).encode()
    return web.Response(body=body, content_type=JSON)


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except ValueError:
        return False
