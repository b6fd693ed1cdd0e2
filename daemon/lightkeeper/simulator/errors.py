"""The errors that AWS answers: code, status, message; and how each endpoint writes one down."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from lightkeeper.simulator.requests import Endpoint

JSON: Final = "application/x-amz-json-1.1"
NO_SERVICE: Final = (
    "You must create a container service before retrieving container registry login credentials"
)

# Statuses vary between editions of AWS's own pages; clients go by the code.
ERRORS: Final[dict[str, tuple[int, str]]] = {
    "ThrottlingException": (400, "Rate exceeded"),
    "Throttling": (400, "Rate exceeded"),
    "ThrottledException": (400, "Rate exceeded"),
    "RequestLimitExceeded": (400, "Request limit exceeded."),
    "TooManyRequestsException": (400, "Too many requests"),
    "ServiceException": (500, "A general service exception."),
    "InternalFailure": (500, "The request processing has failed because of an unknown error."),
    "ServiceUnavailable": (503, "The request has failed due to a temporary failure."),
    "RequestTimeoutException": (408, "The request took too long to arrive."),
    "OperationFailureException": (400, "The operation failed to execute."),
    "AccessDeniedException": (
        400,
        "User is not authorized to perform: lightsail:CreateContainerServiceRegistryLogin",
    ),
    "NotAuthorized": (400, "You do not have permission to perform this action."),
    "OptInRequired": (403, "The AWS access key ID needs a subscription for the service."),
    "UnauthenticatedException": (400, "The user was not authenticated."),
    "UnrecognizedClientException": (403, "The security token included in the request is invalid."),
    "InvalidClientTokenId": (403, "The security token included in the request is invalid."),
    "ExpiredTokenException": (403, "The security token included in the request is expired"),
    "ExpiredToken": (403, "The security token included in the request is expired"),
    "RequestExpired": (400, "Request has expired."),
    "InvalidSignatureException": (
        403,
        "The request signature we calculated does not match the signature you provided.",
    ),
    "SignatureDoesNotMatch": (
        403,
        "The request signature we calculated does not match the signature you provided.",
    ),
    "IncompleteSignature": (400, "The request signature does not conform to AWS standards."),
    "MissingAuthenticationToken": (403, "Missing Authentication Token"),
    "MissingAuthenticationTokenException": (403, "Missing Authentication Token"),
    "RegionSetupInProgressException": (400, "The region is being set up; try again in minutes."),
    "AccountSetupInProgressException": (400, "The account is being set up; try again later."),
    "NotFoundException": (400, NO_SERVICE),
    "InvalidInputException": (400, NO_SERVICE),
    "ValidationError": (400, "The input fails to satisfy the constraints of the service."),
    "InvalidAction": (400, "The action or operation requested is invalid."),
    "UnknownOperationException": (404, "The operation is not known."),
    "MalformedHttpRequestException": (400, "The request is malformed at the HTTP level."),
    "RequestEntityTooLargeException": (413, "The request is too large."),
    "SerializationException": (400, "The body is not a JSON object."),
    "UnauthorizedException": (401, "Session token not found or invalid"),
    "UNAUTHORIZED": (401, "authentication required"),
    "DENIED": (403, "Your authorization token has expired. Reauthenticate and try again."),
    "NAME_UNKNOWN": (404, "the simulator answers the login check alone"),
}

_IN_QUERY_PROTOCOL: Final = {
    "AccessDeniedException": "AccessDenied",
    "ExpiredTokenException": "ExpiredToken",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "ThrottlingException": "Throttling",
    "UnknownOperationException": "InvalidAction",
    "UnrecognizedClientException": "InvalidClientTokenId",
}


class AwsError(Exception):
    """A request is refused with a code of `ERRORS`."""

    def __init__(self, *, code: str, message: str = "") -> None:
        self.code = code
        self.status, usual = ERRORS[code]
        self.message = message or usual
        super().__init__(code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """An error as an endpoint puts it on the wire."""

    status: int
    headers: dict[str, str]
    body: bytes


def written(error: AwsError, endpoint: Endpoint) -> Written:
    """Write `error` down in the endpoint's own format."""
    code = error.code
    match endpoint:
        case Endpoint.STS:
            code = _IN_QUERY_PROTOCOL.get(code, code)
            headers = {"Content-Type": "text/xml"}
            body = (
                '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error>'
                f"<Type>Sender</Type><Code>{code}</Code><Message>{escape(error.message)}</Message>"
                "</Error></ErrorResponse>"
            )
        case Endpoint.REGISTRY:
            headers = {"Content-Type": "application/json"}
            body = json.dumps({"errors": [{"code": code, "message": error.message}]})
        case _:
            headers = {"Content-Type": JSON, "x-amzn-errortype": f"{code}:http://simulated/"}
            body = json.dumps(
                {"__type": code, "code": code, "docs": "", "message": error.message, "tip": ""}
            )
    return Written(status=error.status, headers=headers, body=body.encode())
