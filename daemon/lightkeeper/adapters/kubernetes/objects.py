"""Objects of the API, from and to the port's values."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from lightkube.generic_resource import (
    GenericGlobalResource,
    GenericNamespacedResource,
    create_global_resource,
    create_namespaced_resource,
)
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace, Secret, ServiceAccount

from lightkeeper.adapters.kubernetes.trouble import UnreadableAnswerError
from lightkeeper.cluster import LeaseSeen, NamespaceSeen, SecretSeen
from lightkeeper.core.moment import utc

FIELD_MANAGER: Final = "lightkeeper"

Lease: Final = create_namespaced_resource("coordination.k8s.io", "v1", "Lease", "leases")
"""As plain JSON: lightkube's own would write times without a fraction, which a Lease's may not."""

_REVIEWS: Final = ("authorization.k8s.io", "v1", "SelfSubjectAccessReview")
Review: Final = create_global_resource(*_REVIEWS, "selfsubjectaccessreviews")
_GROUPS: Final = {"leases": "coordination.k8s.io"}
"""Of resources that are not in the core group."""


def review_of(verb: str, resource: str, namespace: str, name: str) -> GenericGlobalResource:
    """The question whether we are allowed that."""
    asked = {"verb": verb, "group": _GROUPS.get(resource, ""), "resource": resource}
    where = {"namespace": namespace, "name": name}
    made: GenericGlobalResource = Review.from_dict(
        {"metadata": {}, "spec": {"resourceAttributes": {**asked, **where}}}
    )
    return made


def is_allowed(found: Mapping[str, object]) -> bool:
    """What the API server answered to it."""
    return _part(found, "status").get("allowed") is True


def pulls_with(found: ServiceAccount, secret: str) -> Iterator[str]:
    """The name of the ServiceAccount, if its pods pull with the Secret."""
    if any(one.name == secret for one in found.imagePullSecrets or ()):
        yield _metadata(found.metadata).name or ""


def secret_seen(found: Secret) -> SecretSeen:
    """A Secret as the API server has it."""
    metadata = _metadata(found.metadata)
    data = found.data or {}
    try:
        decoded = {key: base64.b64decode(text or "") for key, text in data.items()}
    except (ValueError, TypeError):  # a binascii.Error is a ValueError
        message = "the data of a Secret is not base64"
        raise UnreadableAnswerError(message) from None
    return SecretSeen(
        uid=metadata.uid or "",
        version=metadata.resourceVersion or "",
        type=found.type or "",
        data=decoded,
        managers=dict(_managers(metadata, data)),
        labels=metadata.labels or {},
        annotations=metadata.annotations or {},
        is_immutable=bool(found.immutable),
    )


def _managers(metadata: ObjectMeta, data: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for entry in metadata.managedFields or ():
        if entry.manager == FIELD_MANAGER and entry.operation == "Apply":
            continue
        for kind in ("f:data", "f:stringData"):
            owned = (entry.fieldsV1 or {}).get(kind) or {}
            for key in owned:
                if key.startswith("f:") and key[2:] in data:
                    yield key[2:], entry.manager or "unknown"


def namespace_seen(found: Namespace) -> NamespaceSeen:
    """A namespace that is there."""
    metadata = _metadata(found.metadata)
    is_ending = found.status is not None and found.status.phase == "Terminating"
    return NamespaceSeen(
        name=metadata.name or "",
        is_ending=is_ending or metadata.deletionTimestamp is not None,
    )


def lease_seen(found: Mapping[str, object]) -> LeaseSeen:
    """A Lease as leader election writes it."""
    metadata, spec = _part(found, "metadata"), _part(found, "spec")
    try:
        return LeaseSeen(
            version=str(metadata.get("resourceVersion") or ""),
            holder=str(spec.get("holderIdentity") or ""),
            duration_seconds=_number(spec.get("leaseDurationSeconds")),
            acquired_at=_instant(spec.get("acquireTime")),
            renewed_at=_instant(spec.get("renewTime")),
            transitions=_number(spec.get("leaseTransitions")),
        )
    except ValueError:
        message = "a Lease holds a time that is none"
        raise UnreadableAnswerError(message) from None


def lease_written(
    namespace: str, name: str, lease: LeaseSeen, known: Mapping[str, object] | None
) -> GenericNamespacedResource:
    """The object that says `lease`, with all else as it is `known`."""
    metadata: dict[str, object] = {"namespace": namespace, "name": name}
    spec: dict[str, object] = {}
    if known is not None:
        metadata, spec = {**_part(known, "metadata")}, {**_part(known, "spec")}
        metadata.pop("managedFields", None)
    if lease.version:
        metadata["resourceVersion"] = lease.version
    spec |= {
        "holderIdentity": lease.holder,
        "leaseDurationSeconds": lease.duration_seconds,
        "leaseTransitions": lease.transitions,
        "acquireTime": _micro(lease.acquired_at),
        "renewTime": _micro(lease.renewed_at),
    }
    written: GenericNamespacedResource = Lease.from_dict({"metadata": metadata, "spec": spec})
    return written


def _metadata(found: ObjectMeta | None) -> ObjectMeta:
    return found if found is not None else ObjectMeta()


def _part(found: Mapping[str, object], key: str) -> Mapping[str, object]:
    part = found.get(key)
    return part if isinstance(part, dict) else {}


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _instant(value: object) -> datetime | None:
    return utc(value) if isinstance(value, str) and value else None


def _micro(at: datetime | None) -> str | None:
    """With exactly six digits, or the API server answers 400."""
    return None if at is None else f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
