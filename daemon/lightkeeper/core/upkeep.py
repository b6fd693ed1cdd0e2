"""Why what a daemon itself stands on fails, by the same reasons.

That is its saved state, its Lease, and the list of namespaces that it chooses from.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from lightkeeper.core.reasons import DELIVERY, Failing, Reason

STORE: Final[Mapping[Reason, Failing]] = MappingProxyType(
    {
        **{
            reason: DELIVERY[reason]
            for reason in (
                *(Reason.PERMISSION_DENIED, Reason.READ_ONLY, Reason.NO_SPACE, Reason.IO_ERROR),
                *(Reason.TIMEOUT, Reason.CONTENDED, Reason.ACCESS_DENIED, Reason.UNAUTHENTICATED),
                *(Reason.NETWORK, Reason.TLS, Reason.PROXY, Reason.THROTTLED),
                Reason.SERVICE_ERROR,
                *(Reason.NAMESPACE_TERMINATING, Reason.IMMUTABLE, Reason.INTERNAL_ERROR),
            )
        },
        Reason.SUPERSEDED: Failing(
            advice="Another Lightkeeper that shares this state saved a newer login, which stays;"
            " this one steps back, look at which of them leads if it lasts.",
            passes=True,
        ),
        Reason.NAMESPACE_MISSING: Failing(
            advice="There is no such namespace; create it, or name another one in state.secret."
        ),
        Reason.WRONG_TYPE: Failing(
            advice="The Secret is of another type than a saved state's, which cannot be changed;"
            " delete it, or name another one in state.secret."
        ),
        Reason.INVALID_INPUT: Failing(
            advice="The API server, or an admission rule or quota of the cluster, does not take the"
            " state's Secret as it would be; check its name, and what the detail names."
        ),
        Reason.MALFORMED: Failing(
            advice="A newer Lightkeeper saved this state, so it is left as it is; run that version"
            " again, or move the file away or delete the Secret, which costs one call."
        ),
        Reason.TOO_LARGE: Failing(
            advice="What is there is larger than any saved state, or the state than a Secret's"
            " 1 MiB; move it out of the state directory, or name another Secret."
        ),
        Reason.UNSAFE_PATH: Failing(
            advice="The state directory is none, or a file in it is no regular one; check state_dir"
            " and what its links lead to."
        ),
        Reason.SINGLE_FILE_MOUNT: Failing(
            advice="The file is a mount of its own and cannot be replaced; mount the state"
            " directory instead."
        ),
        Reason.OTHER_OWNER: Failing(
            advice="The state directory or a file in it belongs to another user; run Lightkeeper as"
            " that user (User= in the unit), or give it a state_dir of its own."
        ),
    }
)
"""Why a state is not saved."""

LEASE: Final[Mapping[Reason, Failing]] = MappingProxyType(
    {
        **{
            reason: DELIVERY[reason]
            for reason in (
                *(Reason.ACCESS_DENIED, Reason.UNAUTHENTICATED, Reason.NETWORK, Reason.TLS),
                *(Reason.PROXY, Reason.THROTTLED, Reason.SERVICE_ERROR),
                Reason.NAMESPACE_TERMINATING,
                *(Reason.CONTENDED, Reason.INTERNAL_ERROR),
            )
        },
        Reason.TIMEOUT: Failing(
            advice="The API server did not answer in time; check the network path to it.",
            passes=True,
        ),
        Reason.NAMESPACE_MISSING: Failing(
            advice="There is no such namespace; create it, or name another one in"
            " leader_election.lease."
        ),
        Reason.INVALID_INPUT: Failing(
            advice="The API server, or an admission rule or quota of the cluster, does not take the"
            " Lease as it would be; check its name, and what the detail names."
        ),
        Reason.TOO_LARGE: Failing(
            advice="What was sent or answered is larger than any Lease; look what answers at the"
            " API server's address."
        ),
    }
)
"""Why the Lease of leader election is not read or written."""

NAMESPACES: Final[Mapping[Reason, Failing]] = MappingProxyType(
    {
        **{
            reason: DELIVERY[reason]
            for reason in (
                *(Reason.ACCESS_DENIED, Reason.UNAUTHENTICATED, Reason.NETWORK, Reason.TLS),
                *(Reason.PROXY, Reason.THROTTLED, Reason.SERVICE_ERROR, Reason.INTERNAL_ERROR),
            )
        },
        Reason.TIMEOUT: LEASE[Reason.TIMEOUT],
        Reason.INVALID_INPUT: Failing(
            advice="The API server does not take the question for namespaces as it is put; check"
            " namespace_selector, and what the detail names."
        ),
        Reason.TOO_LARGE: Failing(
            advice="What was answered is larger than any namespace; look what answers at the API"
            " server's address."
        ),
    }
)
"""Why it is not known which namespaces there are."""
