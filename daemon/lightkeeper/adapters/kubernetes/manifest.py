"""What a Secret is to hold, and what is found in one that is there. Asks no cluster."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from lightkeeper.cluster import SecretSeen
from lightkeeper.core.credential import Credential, Digest, RegistryHost
from lightkeeper.core.docker_config import Document, parse, put, take_out
from lightkeeper.core.docker_entry import aim
from lightkeeper.core.facts import LoginName
from lightkeeper.core.file_failure import FileFailure
from lightkeeper.core.moment import iso, utc
from lightkeeper.core.notices import Notice
from lightkeeper.core.reasons import Reason
from lightkeeper.core.state import Known
from lightkeeper.merging import delivered, foreign, found
from lightkeeper.ports import Delivery, Failed, Foreign, Found, IfForeign

KEY: Final = ".dockerconfigjson"
TYPE: Final = "kubernetes.io/dockerconfigjson"
MANAGER: Final = "lightkeeper"
DOMAIN: Final = "lightkeeper.io"

_NOTHING: Final = MappingProxyType[str, str]({})
_OURS: Final = {"app.kubernetes.io/managed-by": MANAGER}
_OF_FILES: Final = frozenset({Notice.FIRST_ENTRY})


class SecretOptions(Struct, frozen=True, kw_only=True):
    """How an output wants its Secrets."""

    name: str
    is_shared: bool = False
    """Whether entries of others stand in it beside ours."""
    labels: Mapping[str, str] = _NOTHING
    annotations: Mapping[str, str] = _NOTHING

    @property
    def wants(self) -> str:
        """All of it but the name, to be told apart."""
        metadata = [sorted(each.items()) for each in (self.labels, self.annotations)]
        return repr((self.is_shared, *metadata))


class Change(Struct, frozen=True, kw_only=True):
    """What is to be applied."""

    manifest: Mapping[str, Any]
    document: bytes
    """What its one key holds then."""


def look(
    seen: SecretSeen | None,
    held: Credential,
    spared: Collection[Digest] | None,
    login: LoginName,
    options: SecretOptions,
) -> Found | Failed:
    """What a Secret holds for the registry of `held`; see the port of outputs."""
    if seen is None:
        return Found(digest=None, settled=False)
    try:
        document = _document(seen)
    except FileFailure as exc:
        return Failed(reason=exc.reason, detail=exc.detail)
    marked = _marked(seen, document, held, login, options)
    there = found(document, held, None if spared is None else marked.union(spared))
    settled = (
        there.settled
        and (options.is_shared or not _strangers(document, held))
        and _marks(login, held, options).items() <= seen.annotations.items()
        and options.labels.items() <= seen.labels.items()
    )
    notices = there.notices - _OF_FILES
    by = seen.managers.get(KEY, "")
    barred = _barred(seen, document, held, options, is_spared=spared is not None)
    return replace(
        there,
        settled=settled,
        notices=notices,
        by=by,
        is_marked=bool(marked),
        obstacle=barred,
    )


def change(
    seen: SecretSeen | None,
    namespace: str,
    delivery: Delivery,
    options: SecretOptions,
    newer: Collection[Digest] = (),
) -> Change | Foreign | Failed:
    """What a delivery makes of a Secret, or what keeps it from one: what is `newer` stays."""
    try:
        document = parse(None) if seen is None else _document(seen)
        if document.holds(delivery.credential.registry) in newer:
            detail = "a newer login is there, which another Lightkeeper put there"
            return Failed(reason=Reason.SUPERSEDED, detail=detail)
        if seen is not None:
            held, login = delivery.credential, delivery.login
            marked = _marked(seen, document, held, login, options)
            delivery = replace(delivery, ours=delivery.ours | marked)
            if wrong := _obstacle(seen, document, delivery, options):
                return wrong
        if not options.is_shared:
            document = parse(None)
        data = delivered(document, delivery).data or (seen.data[KEY] if seen else b"")
    except FileFailure as exc:
        return Failed(reason=exc.reason, detail=exc.detail)
    marks = _marks(delivery.login, delivery.credential, options)
    return _change(namespace, data, _others_marks(seen, options) | marks, options)


def renewed(namespace: str, delivery: Delivery, options: SecretOptions) -> Change:
    """The same for a Secret of ours alone that is as we know it, unseen; any other is refused."""
    data = put(parse(None), delivery.credential).data or b""
    marks = _marks(delivery.login, delivery.credential, options)
    return _change(namespace, data, marks, options)


def is_rewritten(
    applied: SecretSeen, wanted: Change, delivery: Delivery, options: SecretOptions
) -> bool:
    """Whether what came of an apply is not what it asked for, as clients and our own looks take it.

    An API server answers with what it was sent, but for what admission makes of it.
    """
    metadata = wanted.manifest["metadata"]
    if (
        applied.data.get(KEY) == wanted.document
        and metadata["labels"].items() <= applied.labels.items()
        and metadata["annotations"].items() <= applied.annotations.items()
    ):
        return False
    is_spared = delivery.if_foreign is IfForeign.SPARE
    spared = delivery.ours | delivery.kin if is_spared else None
    there = look(applied, delivery.credential, spared, delivery.login, options)
    return not (isinstance(there, Found) and there.settled)


def is_of(seen: SecretSeen, login: LoginName, domain: str = DOMAIN) -> bool:
    """Whether the Secret is marked as the login's, and nobody else has written into it since."""
    return seen.annotations.get(f"{domain}/login") == login and KEY not in seen.managers


def holds_any(seen: SecretSeen, known: Collection[Known]) -> bool:
    """Whether one of these credentials is in the Secret."""
    try:
        document = _document(seen)
    except FileFailure:
        return False
    return any(document.holds(one.registry) == one.digest for one in known)


def withdrawn(
    seen: SecretSeen,
    namespace: str,
    name: str,
    login: LoginName,
    hosts: Collection[RegistryHost],
    ours: Collection[Digest],
) -> Change | Failed | None:
    """A Secret without our entries for these registries; None if there is none of them in it."""
    try:
        document = _document(seen)
    except FileFailure as exc:
        return Failed(reason=exc.reason, detail=exc.detail)
    for host in hosts:
        document = take_out(document, host, ours)
    if (data := document.data) is None:
        return None
    options = SecretOptions(name=name, is_shared=True)
    marks = {
        key: value
        for key, value in _others_marks(seen, options).items()
        if not key.startswith(f"{login}.")
    }
    return _change(namespace, data, marks, options)


def _obstacle(
    seen: SecretSeen, document: Document, delivery: Delivery, options: SecretOptions
) -> Foreign | Failed | None:
    if steps_back := foreign(document, delivery):
        return replace(steps_back, by=seen.managers.get(KEY, ""))
    is_spared = delivery.if_foreign is IfForeign.SPARE
    return _barred(seen, document, delivery.credential, options, is_spared=is_spared)


def _barred(
    seen: SecretSeen,
    document: Document,
    held: Credential,
    options: SecretOptions,
    *,
    is_spared: bool,
) -> Failed | None:
    """What keeps every write from a Secret, whatever is in it for the registry of `held`."""
    if seen.is_immutable:
        return Failed(reason=Reason.IMMUTABLE, detail="it is marked as immutable")
    if options.is_shared or not is_spared or KEY not in seen.managers:
        return None
    if not _strangers(document, held):
        return None
    detail = (
        f"{seen.managers[KEY]} manages it, and keeps logins of other registries in it;"
        " merge: true shares it with them, if_foreign: replace would throw them away"
    )
    return Failed(reason=Reason.CONFLICT, detail=detail)


def _marked(
    seen: SecretSeen,
    document: Document,
    held: Credential,
    login: LoginName,
    options: SecretOptions,
) -> frozenset[Digest]:
    """What is there for the registry, if the marks tell that it is ours, and no later than `held`.

    No state needs to know it: one that was lost would leave our own Secrets a stranger's for ever.
    """
    domain, there = _domain(login, options), document.holds(held.registry)
    if there is None or there == held.digest or not is_of(seen, login, domain):
        return frozenset()
    try:
        is_later = utc(seen.annotations.get(f"{domain}/expires-at", "")) > held.expires_at
    except (ValueError, OverflowError):  # no instant of ours
        return frozenset()
    is_ours = not is_later and seen.annotations.get(f"{domain}/registry") == held.registry
    return frozenset({there}) if is_ours else frozenset()


def _document(seen: SecretSeen) -> Document:
    if seen.type != TYPE:
        raise FileFailure(Reason.WRONG_TYPE, f"it is of type {seen.type[:80]}")
    return parse(seen.data.get(KEY))


def _strangers(document: Document, held: Credential) -> bool:
    """Whether anything of others is in it; what is for our own registry is told apart elsewhere."""
    entries = any(aim(entry.key)[0] != held.registry for entry in document.entries)
    return entries or bool(document.before) or bool(document.after)


def _change(
    namespace: str, data: bytes, annotations: Mapping[str, str], options: SecretOptions
) -> Change:
    metadata: dict[str, Any] = {
        "name": options.name,
        "namespace": namespace,
        # One that is shared is managed by whoever made it.
        "labels": {**({} if options.is_shared else _OURS), **options.labels},
        "annotations": dict(annotations),
    }
    return Change(
        document=data,
        manifest={
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata,
            "type": TYPE,
            "data": {KEY: base64.b64encode(data).decode()},
        },
    )


def _marks(login: LoginName, held: Credential, options: SecretOptions) -> dict[str, str]:
    """What `kubectl describe` tells of the login; never its password."""
    domain = _domain(login, options)
    return {
        **options.annotations,
        f"{domain}/login": login,
        f"{domain}/registry": held.registry,
        f"{domain}/issued-at": iso(held.issued_at),
        f"{domain}/expires-at": iso(held.expires_at),
    }


def _domain(login: LoginName, options: SecretOptions) -> str:
    return f"{login}.{DOMAIN}" if options.is_shared else DOMAIN


def _others_marks(seen: SecretSeen | None, options: SecretOptions) -> dict[str, str]:
    """Those of our other logins in the same Secret, which an apply without them would remove."""
    if seen is None or not options.is_shared:
        return {}
    ends = f".{DOMAIN}"
    return {
        key: value
        for key, value in seen.annotations.items()
        if key.partition("/")[0].endswith(ends)
    }
