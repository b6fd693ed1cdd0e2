"""What AWS and its library call a failure, and what we call it: the two tables.

A code or an exception that is in neither is `invalid_response` or `internal_error`. Tests walk the
service's model and the library's own list of exceptions, so that neither grows unnoticed; those of
which nothing else than a bug can be said stand there.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from json import JSONDecodeError
from types import MappingProxyType
from typing import Final, TypeVar

import aiohttp
from botocore import exceptions as aws
from botocore.parsers import ResponseParserError
from botocore.utils import BadIMDSRequestError

from lightkeeper.adapters.lightsail import guard
from lightkeeper.core.reasons import Reason

K = TypeVar("K")


def _table(groups: Mapping[Reason, tuple[K, ...]]) -> Mapping[K, Reason]:
    return MappingProxyType({key: reason for reason, keys in groups.items() for key in keys})


CODES: Final = _table(
    {
        Reason.THROTTLED: (
            *("ThrottlingException", "Throttling", "ThrottledException", "RequestLimitExceeded"),
            *("TooManyRequestsException", "RequestThrottled", "RequestThrottledException"),
            *("SlowDown", "429"),
        ),
        Reason.SERVICE_ERROR: (
            *("ServiceException", "InternalFailure", "InternalError", "InternalServerError"),
            *("InternalServerException", "OperationFailureException", "IDPCommunicationError"),
            *("ServiceUnavailable", "ServiceUnavailableException"),
        ),
        Reason.TIMEOUT: ("RequestTimeoutException", "RequestTimeout", "408"),
        Reason.PROXY: ("407",),
        Reason.ACCESS_DENIED: (
            *("AccessDeniedException", "AccessDenied", "NotAuthorized", "OptInRequired"),
            *("UnauthorizedOperation", "ForbiddenException", "RegionDisabledException"),
        ),
        Reason.UNAUTHENTICATED: (
            *("UnauthenticatedException", "UnrecognizedClientException", "InvalidClientTokenId"),
            *("InvalidAccessKeyId", "AuthFailure", "UnauthorizedException"),
            *("InvalidSignatureException", "SignatureDoesNotMatch"),
        ),
        Reason.AWS_CREDENTIALS_EXPIRED: (
            "ExpiredTokenException",
            "ExpiredToken",
            "TokenRefreshRequired",
        ),
        Reason.AWS_CREDENTIALS_INVALID: (
            *("InvalidIdentityToken", "InvalidIdentityTokenException", "IDPRejectedClaim"),
            *("ResourceNotFoundException", "InvalidRequestException"),  # what SSO says of a role
        ),
        Reason.CLOCK_SKEW: ("RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture"),
        Reason.REGION_SETUP_IN_PROGRESS: (
            "RegionSetupInProgressException",
            "AccountSetupInProgressException",
        ),
        Reason.NOT_FOUND: ("NotFoundException",),
        Reason.INVALID_INPUT: (
            *("InvalidInputException", "ValidationError", "ValidationException", "InvalidAction"),
            *("UnknownOperationException", "MalformedHttpRequestException"),
            *("RequestEntityTooLargeException", "SerializationException", "MissingAction"),
            *("MalformedQueryString", "MissingParameter", "InvalidParameterValue"),
            *("InvalidParameterCombination", "InvalidQueryParameter", "IncompleteSignature"),
            *("IncompleteSignatureException", "MissingAuthenticationToken"),
            *("MissingAuthenticationTokenException", "PackedPolicyTooLarge"),
            "MalformedPolicyDocument",
        ),
    }
)
"""The code of an error that was answered; a status in digits where there was no code."""

EXCEPTIONS: Final[Mapping[type[BaseException], Reason]] = _table(
    {
        Reason.NETWORK: (
            *(aws.ConnectionError, aws.EndpointConnectionError, aws.ConnectionClosedError),
            *(aws.HTTPClientError, aws.ResponseStreamingError, aws.IncompleteReadError),
        ),
        Reason.TIMEOUT: (aws.ConnectTimeoutError, aws.ReadTimeoutError, TimeoutError),
        Reason.TLS: (aws.SSLError, guard.UnusableCertificatesError, ssl.SSLError),
        Reason.PROXY: (
            *(aws.ProxyConnectionError, aws.InvalidProxiesConfigError, guard.UnusableProxyError),
        ),
        Reason.REDIRECTED: (guard.RedirectedError,),
        Reason.INVALID_RESPONSE: (
            *(guard.AnswerTooLargeError, aiohttp.ClientResponseError, ResponseParserError),
            # What the library's parser stumbles over: it checks no types.
            *(ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError),
        ),
        Reason.AWS_CREDENTIALS_MISSING: (aws.NoCredentialsError, aws.NoAuthTokenError),
        Reason.AWS_CREDENTIALS_EXPIRED: (
            *(aws.SSOError, aws.LoginError, aws.TokenRetrievalError),
            aws.RefreshWithMFAUnsupportedError,
        ),
        Reason.AWS_CREDENTIALS_INVALID: (
            *(aws.PartialCredentialsError, aws.ProfileNotFound, aws.ConfigParseError),
            *(aws.ConfigNotFound, aws.InvalidConfigError, aws.CredentialRetrievalError),
            *(aws.UnknownCredentialError, aws.UnknownTokenProviderError),
            *(aws.MissingDependencyException, aws.ParamValidationError, aws.ValidationError),
            *(aws.InvalidIMDSEndpointModeError, aws.InvalidRetryConfigurationError),
            *(aws.InvalidSTSRegionalEndpointsConfigError, aws.InvalidDefaultsMode),
            *(aws.InvalidChecksumConfigError, aws.InvalidEndpointDiscoveryConfigurationError),
            *(aws.InvalidS3AddressingStyleError, aws.InvalidS3UsEast1RegionalEndpointConfigError),
            OSError,  # a file of tokens, or the program of a credential_process
            JSONDecodeError,  # what that program printed
        ),
        Reason.IMDS_UNREACHABLE: (
            *(aws.MetadataRetrievalError, aws.InvalidIMDSEndpointError, BadIMDSRequestError),
        ),
        Reason.ACCESS_DENIED: (aws.LoginInsufficientPermissions,),
        Reason.INVALID_INPUT: (
            *(aws.BaseEndpointResolverError, aws.EndpointProviderError, aws.InvalidRegionError),
            *(aws.UnknownRegionError, aws.InvalidEndpointConfigurationError),
            *(aws.ServiceNotInRegionError, aws.InvalidHostLabelError, aws.InvalidDNSNameError),
            guard.UnusableEndpointError,
        ),
        Reason.INTERNAL_ERROR: (MemoryError,),
    }
)
"""The class of an exception; of a derived one, that of its nearest ancestor here.

What is in no row is `internal_error`: not met on our way through the library, or only where it is
broken. `MemoryError` would else be taken for what the library wraps it in.
"""


def reason_of(exc: BaseException) -> Reason | None:
    """The reason of the nearest class in the table."""
    return next((EXCEPTIONS[kind] for kind in type(exc).__mro__ if kind in EXCEPTIONS), None)
