"""As much of a registry as `docker login` asks: `GET /v2/` with Basic auth, challenged like ECR."""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Final

from aiohttp import web

from lightkeeper.simulator.account import Account
from lightkeeper.simulator.errors import AwsError, written
from lightkeeper.simulator.requests import Endpoint

_VERSION: Final = {"Docker-Distribution-Api-Version": "registry/2.0"}


async def answer(account: Account, request: web.BaseRequest) -> web.Response:
    """200 for a credential that is valid now, 401 with a challenge for all else."""
    if not _may_enter(account, request.headers.get("Authorization", "")):
        refusal = written(AwsError(code="UNAUTHORIZED"), Endpoint.REGISTRY)
        realm = f"{request.scheme}://{request.host}/"
        challenge = f'Basic realm="{realm}",service="ecr.amazonaws.com"'
        headers = _VERSION | refusal.headers | {"WWW-Authenticate": challenge}
        return web.Response(status=refusal.status, body=refusal.body, headers=headers)
    if request.path != "/v2/":
        raise AwsError(code="NAME_UNKNOWN")
    return web.json_response({}, headers=_VERSION)


def _may_enter(account: Account, authorization: str) -> bool:
    scheme, _, value = authorization.partition(" ")
    try:
        username, colon, password = b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return False
    if scheme.lower() != "basic" or not colon:
        return False
    return account.credentials.accepts(username, password, account.clock.now())
