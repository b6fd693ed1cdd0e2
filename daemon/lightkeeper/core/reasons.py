"""Every reason why an attempt or a delivery fails: its word, what people should do, its caps.

The word is the same in log, metric, status, documents and tests. Adding one is a changelog line,
renaming one a breaking change.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Final

from msgspec import Struct


@unique
class Reason(StrEnum):
    """The closed list; `RENEWAL` and `DELIVERY` say where each may occur."""

    THROTTLED = "throttled"
    SERVICE_ERROR = "service_error"
    NETWORK = "network"
    TIMEOUT = "timeout"
    TLS = "tls"
    PROXY = "proxy"
    ACCESS_DENIED = "access_denied"
    UNAUTHENTICATED = "unauthenticated"
    AWS_CREDENTIALS_MISSING = "aws_credentials_missing"
    AWS_CREDENTIALS_EXPIRED = "aws_credentials_expired"
    AWS_CREDENTIALS_INVALID = "aws_credentials_invalid"
    IMDS_UNREACHABLE = "imds_unreachable"
    CLOCK_SKEW = "clock_skew"
    NO_CONTAINER_SERVICE = "no_container_service"
    REGION_SETUP_IN_PROGRESS = "region_setup_in_progress"
    NOT_FOUND = "not_found"
    INVALID_INPUT = "invalid_input"
    INVALID_RESPONSE = "invalid_response"
    REDIRECTED = "redirected"
    NOT_NEWER = "not_newer"
    REGISTRY_REJECTED = "registry_rejected"
    SUPERSEDED = "superseded"
    INTERNAL_ERROR = "internal_error"

    PERMISSION_DENIED = "permission_denied"
    READ_ONLY = "read_only"
    NO_SPACE = "no_space"
    IO_ERROR = "io_error"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    UNSAFE_PATH = "unsafe_path"
    SINGLE_FILE_MOUNT = "single_file_mount"
    OTHER_OWNER = "other_owner"
    CONTENDED = "contended"
    CONFLICT = "conflict"
    NAMESPACE_MISSING = "namespace_missing"
    NAMESPACE_TERMINATING = "namespace_terminating"
    WRONG_TYPE = "wrong_type"
    IMMUTABLE = "immutable"


class Caps(Struct, frozen=True, kw_only=True):
    """The longest wait after a failure of this reason."""

    while_valid: timedelta
    after_expiry: timedelta


_SOON: Final = Caps(while_valid=timedelta(minutes=1), after_expiry=timedelta(minutes=1))
_PERSON: Final = Caps(while_valid=timedelta(minutes=30), after_expiry=timedelta(minutes=5))
_REST: Final = Caps(while_valid=timedelta(minutes=5), after_expiry=timedelta(minutes=5))


class Failing(Struct, frozen=True, kw_only=True):
    """What a reason means to people, and to the next wait."""

    advice: str
    """One sentence: what it means and what to do."""
    caps: Caps = _REST
    passes: bool = False
    """Whether waiting may mend it; else a person must act, and its line is an error."""


RENEWAL: Final[Mapping[Reason, Failing]] = MappingProxyType(
    {
        Reason.THROTTLED: Failing(
            advice="Lightsail asks this account to call less often; Lightkeeper waits, look for"
            " other callers of CreateContainerServiceRegistryLogin if it lasts.",
            passes=True,
        ),
        Reason.SERVICE_ERROR: Failing(
            advice="Lightsail itself failed; Lightkeeper tries again, look at the AWS health"
            " dashboard if it lasts.",
            passes=True,
        ),
        Reason.NETWORK: Failing(
            advice="Lightsail could not be reached; check name resolution, routes and firewalls"
            " from this host to the endpoint.",
            caps=_SOON,
            passes=True,
        ),
        Reason.TIMEOUT: Failing(
            advice="No complete answer came in time; check the network path, proxy and resolver"
            " between this host and the endpoint.",
            caps=_SOON,
            passes=True,
        ),
        Reason.TLS: Failing(
            advice="No trusted connection can be made; check the endpoint's certificate and this"
            " host's clock, and if a proxy inspects TLS, name a readable file with its CA in"
            " AWS_CA_BUNDLE."
        ),
        Reason.PROXY: Failing(
            advice="The proxy cannot be used, or refused the connection; check HTTPS_PROXY (an"
            " http:// or https:// URL, no SOCKS), its login and NO_PROXY.",
            passes=True,
        ),
        Reason.ACCESS_DENIED: Failing(
            advice="The AWS identity may not do this; allow it the IAM action"
            " lightsail:CreateContainerServiceRegistryLogin on resource *.",
            caps=_PERSON,
        ),
        Reason.UNAUTHENTICATED: Failing(
            advice="AWS does not accept these AWS credentials; check that the key exists, is active"
            " and belongs to this account."
        ),
        Reason.AWS_CREDENTIALS_MISSING: Failing(
            advice="No AWS credentials were found; give the daemon a role, a profile or the AWS"
            " environment variables.",
            caps=_SOON,
        ),
        Reason.AWS_CREDENTIALS_EXPIRED: Failing(
            advice="The AWS credentials have expired and their source gave no newer ones; renew the"
            " session (aws sso login) or repair the source."
        ),
        Reason.AWS_CREDENTIALS_INVALID: Failing(
            advice="The AWS configuration or credential source is broken; check the profile, role"
            " and credential_process in the AWS config file, and the AWS variables."
        ),
        Reason.IMDS_UNREACHABLE: Failing(
            advice="The instance metadata service did not answer; in a container the instance's"
            " metadata hop limit must be 2 or more, and NO_PROXY must hold 169.254.169.254.",
            caps=_SOON,
            passes=True,
        ),
        Reason.CLOCK_SKEW: Failing(
            advice="AWS refuses the signature because this host's clock is wrong; set the clock and"
            " keep it in step (NTP)."
        ),
        Reason.NO_CONTAINER_SERVICE: Failing(
            advice="The account has no container service in this region yet; create one, or check"
            " the region."
        ),
        Reason.REGION_SETUP_IN_PROGRESS: Failing(
            advice="AWS is still setting this region up for the account; Lightkeeper waits, it"
            " takes minutes.",
            passes=True,
        ),
        Reason.NOT_FOUND: Failing(
            advice="Lightsail found nothing to log in to; check region, account and endpoint_url."
        ),
        Reason.INVALID_INPUT: Failing(
            advice="The request cannot be sent, or Lightsail does not take it as it came; check"
            " region, endpoint_url and AWS_ENDPOINT_URL, and that nothing on the way changes"
            " requests."
        ),
        Reason.INVALID_RESPONSE: Failing(
            advice="The answer is not a usable registry login; check that endpoint_url is Lightsail"
            " and that no captive portal or proxy answers instead.",
            passes=True,
        ),
        Reason.REDIRECTED: Failing(
            advice="The endpoint sent the request elsewhere and Lightkeeper does not follow, since"
            " the AWS session token would go along; check endpoint_url and the proxy."
        ),
        Reason.NOT_NEWER: Failing(
            advice="Lightsail answered with a login that expires no later than the one in use; that"
            " one stays, check that nothing on the way caches answers.",
            passes=True,
        ),
        Reason.REGISTRY_REJECTED: Failing(
            advice="The registry refuses the new login and not the one in use, so that one stays;"
            " check that endpoint and registry belong together.",
            passes=True,
        ),
        Reason.SUPERSEDED: Failing(
            advice="The registry refuses a login that it took before, again within the hour:"
            " another caller of this account seems to end our logins; let one daemon serve all"
            " places."
        ),
        Reason.INTERNAL_ERROR: Failing(
            advice="Lightkeeper has a bug here; the traceback is in the log, please report it."
        ),
    }
)
"""Why an attempt fails."""

OF_VERIFICATION: Final = frozenset({Reason.SUPERSEDED})
"""Those of them that are no end of an attempt: a question to the registry brought them."""

DELIVERY: Final[Mapping[Reason, Failing]] = MappingProxyType(
    {
        Reason.PERMISSION_DENIED: Failing(
            advice="The daemon may not read or write there; give its user the right to the"
            " directory, or run it as the user who owns it."
        ),
        Reason.READ_ONLY: Failing(
            advice="The file system or the unit's sandbox is read-only there; remount it, or add"
            " the directory to ReadWritePaths."
        ),
        Reason.NO_SPACE: Failing(
            advice="The file system is full or over quota; make room, what was there before is"
            " untouched."
        ),
        Reason.IO_ERROR: Failing(
            advice="The disk or network file system failed; check the kernel log, what was there"
            " before is untouched.",
            passes=True,
        ),
        Reason.TIMEOUT: Failing(
            advice="The place did not answer in time; check a hanging network mount, or the network"
            " path to the API server. What was asked may have been done all the same.",
            passes=True,
        ),
        Reason.MALFORMED: Failing(
            advice="The place, or the seed if the detail names it, holds no Docker config that"
            " clients could read, so it is left as it is; repair it by hand, or move a place's file"
            " away or delete the Secret."
        ),
        Reason.TOO_LARGE: Failing(
            advice="What the place holds, or would, is larger than any Docker config or than a"
            " Secret's 1 MiB; check that it is the right one, it is left as it is."
        ),
        Reason.UNSAFE_PATH: Failing(
            advice="The path, or that of the seed if the detail names it, is not a regular file, or"
            " its links lead in a circle or nowhere; give the path of a Docker config file."
        ),
        Reason.SINGLE_FILE_MOUNT: Failing(
            advice="The file is a mount of its own and cannot be replaced; mount its directory"
            " instead, or set in_place: true and accept that readers can see half a file."
        ),
        Reason.OTHER_OWNER: Failing(
            advice="The file belongs to another user, who could not read it once replaced; run"
            " Lightkeeper as that user (User= in the unit)."
        ),
        Reason.CONTENDED: Failing(
            advice="Another program rewrites the place without a pause; Lightkeeper tries again,"
            " find out who it is if it lasts.",
            passes=True,
        ),
        Reason.CONFLICT: Failing(
            advice="The place holds what is not this login's to replace. If the detail names"
            " another login, give one of the two another path or Secret; if it names logins of"
            " other registries, set merge: true, which leaves them there; else Lightkeeper did not"
            " write the credential for this registry: remove it, or set if_foreign: replace, which"
            " of a Secret without merge: true replaces all that it holds."
        ),
        Reason.ACCESS_DENIED: Failing(
            advice="The API server does not let this identity do it; apply the Role that"
            " `lightkeeper check --rbac` prints."
        ),
        Reason.UNAUTHENTICATED: Failing(
            advice="There is no identity to come with that the API server knows; check the"
            " ServiceAccount's token, or the user of the kubeconfig and what gives its token."
        ),
        Reason.NETWORK: Failing(
            advice="The API server could not be reached; check its address, name resolution,"
            " NetworkPolicies and firewalls.",
            passes=True,
        ),
        Reason.TLS: Failing(
            advice="No trusted connection to the API server can be made; check the CA and the"
            " client certificate of the kubeconfig, and this host's clock."
        ),
        Reason.PROXY: Failing(
            advice="The proxy on the way to the API server cannot be used, or refused the"
            " connection; check proxy-url in the kubeconfig, else HTTPS_PROXY, its login and"
            " NO_PROXY.",
            passes=True,
        ),
        Reason.THROTTLED: Failing(
            advice="The API server asks for patience, or other calls went first; Lightkeeper"
            " waits, look for what else keeps that API server busy if it lasts.",
            passes=True,
        ),
        Reason.SERVICE_ERROR: Failing(
            advice="The API server itself failed, or something else answers at its address;"
            " Lightkeeper tries again, look at the API server if it lasts.",
            passes=True,
        ),
        Reason.NAMESPACE_MISSING: Failing(
            advice="There is no such namespace; create it, or take it out of the output's"
            " namespaces."
        ),
        Reason.NAMESPACE_TERMINATING: Failing(
            advice="The namespace is being deleted and takes nothing new; Lightkeeper forgets it"
            " once it is gone.",
            passes=True,
        ),
        Reason.WRONG_TYPE: Failing(
            advice="The Secret is of another type than kubernetes.io/dockerconfigjson, which"
            " cannot be changed; delete it, or set the output's secret to another name."
        ),
        Reason.IMMUTABLE: Failing(
            advice="The Secret is immutable and cannot be renewed; delete it, so that Lightkeeper"
            " makes it anew."
        ),
        Reason.INVALID_INPUT: Failing(
            advice="The API server, or an admission rule or quota of the cluster, does not take the"
            " Secret as it would be; check the output's names, labels and annotations, and what"
            " the detail names."
        ),
        Reason.SUPERSEDED: Failing(
            advice="Another Lightkeeper that shares our state put a newer login there, which stays;"
            " this one steps back, look at which of them leads if it lasts.",
            passes=True,
        ),
        Reason.INTERNAL_ERROR: Failing(
            advice="Lightkeeper has a bug here; please report it, with the traceback or the answer"
            " that is in the log."
        ),
    }
)
"""Why a delivery fails."""

NO_LOGIN: Final = frozenset({Reason.MALFORMED, Reason.NAMESPACE_MISSING, Reason.WRONG_TYPE})
"""Why a delivery fails, where it says that there is nothing in which a client finds a login."""
