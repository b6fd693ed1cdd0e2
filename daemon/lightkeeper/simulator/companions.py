"""The endpoints from which AWS credentials come: STS, SSO, containers and instance metadata."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs
from uuid import uuid4

from aiohttp import web

from lightkeeper.simulator.account import Account
from lightkeeper.simulator.aws_keys import AwsKey
from lightkeeper.simulator.errors import AwsError
from lightkeeper.simulator.signature import Signed, authenticate

ROLE: Final = "simulated-role"
_ACCOUNT: Final = "123456789012"
_IMDS_ROLES: Final = "/latest/meta-data/iam/security-credentials/"
_IMDS_TOKEN: Final = "simulated-imds-token"  # noqa: S105
_ISO: Final = "%Y-%m-%dT%H:%M:%SZ"


async def answer_sts(account: Account, signed: Signed) -> web.Response:
    """AssumeRole, AssumeRoleWithWebIdentity and GetCallerIdentity, in the query protocol."""
    fields = {name: values[0] for name, values in parse_qs(signed.body.decode("latin-1")).items()}
    role = fields.get("RoleArn", "")
    match fields.get("Action"):
        case "AssumeRole":
            _sign_in(account, signed)
        case "AssumeRoleWithWebIdentity" if fields.get("WebIdentityToken"):
            pass
        case "GetCallerIdentity":
            key = _sign_in(account, signed)
            arn = f"arn:aws:iam::{_ACCOUNT}:user/simulated"
            identity = f"<Arn>{arn}</Arn><UserId>{key.id}</UserId><Account>{_ACCOUNT}</Account>"
            return _xml("GetCallerIdentity", identity)
        case _:
            raise AwsError(code="InvalidAction")
    if not role:
        raise AwsError(code="ValidationError", message="RoleArn is missing.")
    if account.keys.is_denied(role):
        raise AwsError(
            code="AccessDeniedException", message="Not authorized to perform: sts:AssumeRole"
        )
    return _xml(fields["Action"], _credentials_xml(account.issue_aws_key()))


async def answer_sso(account: Account, request: web.BaseRequest) -> web.Response:
    """The credentials of a role, for whoever shows a token of IAM Identity Center."""
    if request.path != "/federation/credentials" or not request.headers.get(
        "x-amz-sso_bearer_token"
    ):
        raise AwsError(code="UnauthorizedException")
    key = account.issue_aws_key()
    role = {
        "accessKeyId": key.id,
        "secretAccessKey": key.secret,
        "sessionToken": key.token,
        "expiration": int(key.expires_at.timestamp() * 1000) if key.expires_at else 0,
    }
    return web.json_response({"roleCredentials": role})


async def answer_container(account: Account) -> web.Response:
    """What `AWS_CONTAINER_CREDENTIALS_FULL_URI` names in ECS and EKS; any token will do."""
    return web.json_response(_credentials_json(account.issue_aws_key()))


async def answer_imds(account: Account, request: web.BaseRequest) -> web.Response:
    """IMDSv2: a token by PUT, then the role's name, then its credentials."""
    if request.path == "/latest/api/token":
        if request.method != "PUT":
            raise web.HTTPMethodNotAllowed(request.method, ["PUT"])
        return web.Response(text=_IMDS_TOKEN)
    if request.headers.get("X-aws-ec2-metadata-token") != _IMDS_TOKEN:
        raise web.HTTPUnauthorized
    if request.path == _IMDS_ROLES:
        return web.Response(text=ROLE)
    if request.path == f"{_IMDS_ROLES}{ROLE}":
        kind = {"Code": "Success", "Type": "AWS-HMAC"}
        return web.json_response(kind | _credentials_json(account.issue_aws_key()))
    raise web.HTTPNotFound


def _sign_in(account: Account, signed: Signed) -> AwsKey:
    now = account.clock.now()
    return authenticate(signed, account.keys, service="sts", region=None, now=now)


def _expiration(key: AwsKey) -> str:
    return key.expires_at.strftime(_ISO) if key.expires_at else ""


def _credentials_json(key: AwsKey) -> dict[str, str]:
    return {
        "AccessKeyId": key.id,
        "SecretAccessKey": key.secret,
        "Token": key.token,
        "Expiration": _expiration(key),
    }


def _credentials_xml(key: AwsKey) -> str:
    return (
        f"<Credentials><AccessKeyId>{key.id}</AccessKeyId>"
        f"<SecretAccessKey>{key.secret}</SecretAccessKey><SessionToken>{key.token}</SessionToken>"
        f"<Expiration>{_expiration(key)}</Expiration></Credentials>"
        f"<AssumedRoleUser><AssumedRoleId>{key.id}:simulated</AssumedRoleId>"
        f"<Arn>arn:aws:sts::{_ACCOUNT}:assumed-role/{ROLE}/simulated</Arn></AssumedRoleUser>"
    )


def _xml(action: str, result: str) -> web.Response:
    body = (
        f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
        f"<{action}Result>{result}</{action}Result>"
        f"<ResponseMetadata><RequestId>{uuid4()}</RequestId></ResponseMetadata></{action}Response>"
    )
    return web.Response(text=body, content_type="text/xml")
