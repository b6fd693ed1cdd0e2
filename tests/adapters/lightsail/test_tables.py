"""Everything that AWS and its library call a failure has a reason here."""

from __future__ import annotations

import inspect
import itertools
from typing import Any

import pytest
from botocore import exceptions as aws
from botocore.session import Session

from lightkeeper.adapters.lightsail.tables import CODES, EXCEPTIONS, reason_of
from lightkeeper.core.reasons import RENEWAL, Reason

_OF_OTHERS = {Reason.NOT_NEWER, Reason.REGISTRY_REJECTED, Reason.SUPERSEDED}
"""Reasons that come of comparing credentials, not of asking for one."""

_BY_HINT = {Reason.NO_CONTAINER_SERVICE}
"""Lightsail has no code of its own for it."""

_OTHERWISE = {"BotoCoreError", "ClientError", "EventStreamError"}
"""The base of all, and the two that go by their code."""

_BUGS = (
    *(aws.DataNotFoundError, aws.ApiVersionNotFoundError, aws.MissingParametersError),
    *(aws.UnknownServiceStyle, aws.PaginationError, aws.OperationNotPageableError),
    *(aws.ChecksumError, aws.FlexibleChecksumError, aws.AwsChunkedWrapperError),
    *(aws.MD5UnavailableError, aws.UnseekableStreamError, aws.WaiterError),
    *(aws.WaiterConfigError, aws.InvalidExpressionError, aws.UnknownClientMethodError),
    *(aws.UnknownSignatureVersionError, aws.UnsupportedSignatureVersionError),
    *(aws.UnsupportedServiceProtocolsError, aws.CapacityNotAvailableError),
    *(aws.UnsupportedS3ArnError, aws.UnsupportedS3ControlArnError),
    *(aws.UnsupportedOutpostResourceError, aws.UnsupportedS3ConfigurationError),
    *(aws.UnsupportedS3AccesspointConfigurationError, aws.StubResponseError),
    *(aws.UnsupportedS3ControlConfigurationError, aws.UndefinedModelAttributeError),
)
"""Not met on our way through the library, or only where it is broken: `internal_error`."""

DOCUMENTED = {
    "throttled": "ThrottlingException Throttling RequestLimitExceeded TooManyRequestsException"
    " ThrottledException 429",
    "service_error": "ServiceException InternalFailure ServiceUnavailable"
    " OperationFailureException",
    "timeout": "RequestTimeoutException 408",
    "aws_credentials_expired": "ExpiredTokenException ExpiredToken",
    "clock_skew": "RequestExpired",
    "unauthenticated": "InvalidSignatureException SignatureDoesNotMatch UnauthenticatedException"
    " UnrecognizedClientException InvalidClientTokenId",
    "invalid_input": "IncompleteSignature MissingAuthenticationToken InvalidInputException"
    " MissingAuthenticationTokenException ValidationError InvalidAction UnknownOperationException"
    " MalformedHttpRequestException RequestEntityTooLargeException",
    "access_denied": "AccessDeniedException NotAuthorized OptInRequired",
    "region_setup_in_progress": "RegionSetupInProgressException AccountSetupInProgressException",
    "not_found": "NotFoundException",
    "proxy": "407",
}
"""The codes of Lightsail's page of common errors and of AWS's general list, by reason."""


def _model() -> Any:  # noqa: ANN401 - botocore ships no types
    return Session().get_service_model("lightsail")


def _library_exceptions() -> list[type[Exception]]:
    classes = [one for _, one in inspect.getmembers(aws, inspect.isclass)]
    return [
        one
        for one in classes
        if issubclass(one, Exception)
        and not issubclass(one, Warning)
        and one.__module__ == aws.__name__
        and one.__name__ not in _OTHERWISE
    ]


def test_every_error_of_the_operation_has_a_reason() -> None:
    operation = _model().operation_model("CreateContainerServiceRegistryLogin")

    names = {shape.name for shape in operation.error_shapes}

    assert len(names) >= 6
    assert names - set(CODES) == set()


def test_every_error_of_the_service_has_a_reason() -> None:
    assert {shape.name for shape in _model().error_shapes} - set(CODES) == set()


@pytest.mark.parametrize("service", ["sts", "sso"])
def test_every_error_of_the_services_on_the_way_has_a_reason(service: str) -> None:
    model = Session().get_service_model(service)
    operations = {
        "sts": ("AssumeRole", "AssumeRoleWithWebIdentity", "GetCallerIdentity"),
        "sso": ("GetRoleCredentials",),
    }[service]
    shapes = itertools.chain.from_iterable(
        model.operation_model(operation).error_shapes for operation in operations
    )

    codes = {shape.metadata.get("error", {}).get("code", shape.name) for shape in shapes}

    assert codes - set(CODES) == set()


@pytest.mark.parametrize(
    ("code", "reason"),
    [(code, reason) for reason, codes in DOCUMENTED.items() for code in codes.split()],
)
def test_every_documented_code_has_its_reason(code: str, reason: str) -> None:
    assert CODES[code] == reason


@pytest.mark.parametrize("kind", _library_exceptions(), ids=lambda kind: kind.__name__)
def test_every_exception_of_the_library_has_a_reason(kind: type[Exception]) -> None:
    nearest = next((one for one in kind.__mro__ if one in EXCEPTIONS), None)

    # A reason by way of a builtin alone (UnknownEndpointError is a ValueError too) is an accident.
    is_known = nearest is not None and nearest.__module__ == aws.__name__
    assert is_known or issubclass(kind, _BUGS)


@pytest.mark.parametrize("kind", _BUGS, ids=lambda kind: kind.__name__)
def test_what_only_a_bug_can_raise_is_taken_for_nothing_else(kind: type[Exception]) -> None:
    assert reason_of(kind.__new__(kind)) is None


def test_the_walk_meets_the_whole_library() -> None:
    assert len(_library_exceptions()) > 80


def test_an_exception_that_nobody_knows_has_none() -> None:
    class Unheard(Exception):  # noqa: N818 - it is no error of anybody's
        pass

    assert reason_of(Unheard()) is None


def test_every_reason_of_an_attempt_can_be_met() -> None:
    met = {*CODES.values(), *EXCEPTIONS.values()} | _BY_HINT

    assert met == set(RENEWAL) - _OF_OTHERS
