"""Whether a request was signed (AWS Signature Version 4) by a key that may call.

botocore's own signer signs the request once more, and the two signatures are compared. Its methods
have public names but no documented contract: `expected_signature` is the one place that uses them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from typing import Final

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from lightkeeper.simulator.aws_keys import AwsKey, AwsKeys
from lightkeeper.simulator.errors import AwsError

_AUTHORIZATION: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key_id>[^/,\s]+)/(?P<date>\d{8})/(?P<region>[^/,\s]+)"
    r"/(?P<service>[^/,\s]+)/aws4_request,\s*SignedHeaders=(?P<names>[a-z0-9;-]+)"
    r",\s*Signature=(?P<signature>[0-9a-f]{64})"
)
_STAMP: Final = "%Y%m%dT%H%M%SZ"
_MAX_SKEW: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What of a request a signature covers."""

    method: str
    url: str
    headers: Mapping[str, str]
    """Found whatever the case of the name."""
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """The parts of an `Authorization` header."""

    key_id: str
    date: str
    region: str
    service: str
    names: str
    signature: str


def key_id_of(headers: Mapping[str, str]) -> str:
    """The access key that a request names, for the record; "" if it names none."""
    match = _AUTHORIZATION.fullmatch(headers.get("Authorization", ""))
    return match["key_id"] if match else ""


def authenticate(
    request: Signed, keys: AwsKeys, *, service: str, region: str | None, now: datetime
) -> AwsKey:
    """The key that signed `request` for `service` and, unless None, `region`.

    Raises AwsError with the code that tells what is wrong: AWS refuses in this order too, as far as
    its answers show.
    """
    claim = _claim(request.headers)
    stamp = request.headers.get("X-Amz-Date", "")
    key = keys.find(claim.key_id)
    if key is None:
        raise AwsError(code="UnrecognizedClientException")
    _check_scope(claim, stamp, service=service, region=region)
    _check_skew(stamp, now)
    if not compare_digest(expected_signature(request, key.secret, claim), claim.signature):
        raise AwsError(code="InvalidSignatureException")
    _check_token(key, request.headers.get("X-Amz-Security-Token", ""), now)
    if keys.is_denied(key.id):
        raise AwsError(code="AccessDeniedException")
    return key


def expected_signature(request: Signed, secret: str, claim: _Claim) -> str:
    """The signature that `secret` gives for the headers named in `claim`."""
    signed = {name: request.headers.get(name, "") for name in claim.names.split(";")}
    again = AWSRequest(method=request.method, url=request.url, headers=signed, data=request.body)
    again.context["timestamp"] = request.headers.get("X-Amz-Date", "")
    # The token, if any, is among the signed headers already.
    signer = SigV4Auth(
        ReadOnlyCredentials(claim.key_id, secret, None, None), claim.service, claim.region
    )
    text = signer.string_to_sign(again, signer.canonical_request(again))
    return str(signer.signature(text, again))


def _claim(headers: Mapping[str, str]) -> _Claim:
    if "Authorization" not in headers:
        raise AwsError(code="MissingAuthenticationTokenException")
    match = _AUTHORIZATION.fullmatch(headers["Authorization"])
    if match is None:
        raise AwsError(code="IncompleteSignature")
    claim = _Claim(**match.groupdict())
    token = {"x-amz-security-token"} if "X-Amz-Security-Token" in headers else set()
    if not {"host", "x-amz-date"} | token <= set(claim.names.split(";")):
        message = "host, x-amz-date and x-amz-security-token must be signed."
        raise AwsError(code="IncompleteSignature", message=message)
    return claim


def _check_scope(claim: _Claim, stamp: str, *, service: str, region: str | None) -> None:
    if claim.date != stamp[:8]:
        wrong = "Date in Credential scope does not match X-Amz-Date."
    elif region not in (None, claim.region):
        wrong = f"Credential should be scoped to the region {region!r}, not {claim.region!r}."
    elif claim.service != service:
        wrong = f"Credential should be scoped to correct service: {service!r}."
    else:
        return
    raise AwsError(code="InvalidSignatureException", message=wrong)


def _check_skew(stamp: str, now: datetime) -> None:
    try:
        signed_at = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
    except ValueError as exc:
        message = "X-Amz-Date must be of the form YYYYMMDD'T'HHMMSS'Z'."
        raise AwsError(code="IncompleteSignature", message=message) from exc
    here = now.strftime(_STAMP)
    if signed_at < now - _MAX_SKEW:
        early = (now - _MAX_SKEW).strftime(_STAMP)
        message = f"Signature expired: {stamp} is now earlier than {early} ({here} - 5 min.)"
    elif signed_at > now + _MAX_SKEW:
        late = (now + _MAX_SKEW).strftime(_STAMP)
        message = f"Signature not yet current: {stamp} is still later than {late} ({here} + 5 min.)"
    else:
        return
    raise AwsError(code="InvalidSignatureException", message=message)


def _check_token(key: AwsKey, token: str, now: datetime) -> None:
    if not compare_digest(key.token.encode(), token.encode()):
        raise AwsError(code="UnrecognizedClientException")
    if key.expires_at is not None and key.expires_at <= now:
        raise AwsError(code="ExpiredTokenException")
