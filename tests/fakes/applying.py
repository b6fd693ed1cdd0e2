"""Server-side apply of a Secret: which field manager owns what, and what a write makes of it.

Fields are a flat table, from the path of a leaf to its value. Pure: an object goes in and another
comes out.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from lightkeeper.cluster import SecretSeen
from lightkeeper.core.reasons import Reason
from lightkeeper.ports import Failed

Path = tuple[str, str]
"""`("data", KEY)`, likewise of `labels` and `annotations`; `TYPE` or `IMMUTABLE`."""
Value = str | bytes | bool
Manager = tuple[str, str]
"""A name, and `Apply` or `Update`: the same name may own fields in both ways."""

TYPE: Final = ("type", "")
IMMUTABLE: Final = ("immutable", "")
OURS: Final = ("lightkeeper", "Apply")

_DOCKER: Final = "kubernetes.io/dockerconfigjson"
_DOCKER_KEY: Final = ("data", ".dockerconfigjson")
_DATA_LIMIT_BYTES: Final = 1 << 20
_DEFAULTS: Final[Mapping[Path, Value]] = {TYPE: "Opaque"}


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A Secret as the server keeps it."""

    uid: str
    version: str
    fields: Mapping[Path, Value]
    owned: Mapping[Manager, frozenset[Path]]

    def data(self) -> dict[str, bytes]:
        return {
            key: value
            for (group, key), value in self.fields.items()
            if group == "data" and isinstance(value, bytes)
        }

    def texts(self, group: str) -> dict[str, str]:
        """Labels or annotations."""
        return {key: str(value) for (name, key), value in self.fields.items() if name == group}

    def seen(self) -> SecretSeen:
        """What the server answers."""
        managers = {
            key: manager
            for (manager, way), paths in sorted(self.owned.items(), reverse=True)
            for group, key in paths
            if group == "data" and (manager, way) != OURS
        }
        return SecretSeen(
            uid=self.uid,
            version=self.version,
            type=str(self.fields[TYPE]),
            data=self.data(),
            managers=managers,
            labels=self.texts("labels"),
            annotations=self.texts("annotations"),
            is_immutable=bool(self.fields.get(IMMUTABLE)),
        )


NOTHING: Final = Stored(uid="", version="", fields={}, owned={})


def fields_of(manifest: Mapping[str, object]) -> dict[Path, Value] | Failed:
    """What a manifest applies; unknown fields and bad base64 are a bug of whoever sent them."""
    fields: dict[Path, Value] = {}
    for name, value in manifest.items():
        match name, value:
            case "type", str():
                fields[TYPE] = value
            case "immutable", bool():
                fields[IMMUTABLE] = value
            case "data", Mapping():
                try:
                    decoded = {
                        key: base64.b64decode(text, validate=True) for key, text in value.items()
                    }
                except binascii.Error:
                    return _ours("illegal base64 data")
                fields |= {("data", key): data for key, data in decoded.items()}
            case "metadata", Mapping():
                for group in ("labels", "annotations"):
                    fields |= {(group, key): text for key, text in value.get(group, {}).items()}
            case (("apiVersion" | "kind"), str()):
                pass
            case _:
                return _ours(f".{name}: field not declared in schema")
    return fields


def applied(old: Stored, fields: Mapping[Path, Value], manager: str) -> Stored:
    """`old` with these fields as all that `manager` applies by force; uid and version stay.

    What it applied before and leaves out now goes, unless somebody else owns it too.
    """
    ours = (manager, "Apply")
    theirs = {owner: paths for owner, paths in old.owned.items() if owner != ours}
    changed = frozenset(path for path in fields if old.fields.get(path) != fields[path])
    dropped = old.owned.get(ours, frozenset()) - fields.keys() - _all_of(theirs.values())
    kept = {path: value for path, value in old.fields.items() if path not in dropped}
    return Stored(
        uid=old.uid,
        version=old.version,
        fields={**_DEFAULTS, **kept, **fields},
        owned=_without(theirs, changed) | {ours: frozenset(fields)},
    )


def edited(old: Stored, changes: Mapping[Path, Value | None], manager: str) -> Stored:
    """`old` after somebody set these fields, or took away those of None, as `kubectl edit` does.

    Who changes a field takes it over, unasked.
    """
    removed = frozenset(path for path, value in changes.items() if value is None)
    changed = frozenset(
        path
        for path, value in changes.items()
        if value is not None and old.fields.get(path) != value
    )
    kept = {path: value for path, value in old.fields.items() if path not in removed}
    new = {path: value for path, value in changes.items() if value is not None}
    owner = (manager, "Update")
    owned = _without(old.owned, changed | removed)
    if changed:
        owned[owner] = owned.get(owner, frozenset()) | changed
    return Stored(
        uid=old.uid, version=old.version, fields={**_DEFAULTS, **kept, **new}, owned=owned
    )


def _without(
    owned: Mapping[Manager, frozenset[Path]], paths: frozenset[Path]
) -> dict[Manager, frozenset[Path]]:
    """Who owns nothing more is no longer among them."""
    left = {owner: held - paths for owner, held in owned.items()}
    return {owner: held for owner, held in left.items() if held}


def _all_of(several: Iterable[frozenset[Path]]) -> frozenset[Path]:
    return frozenset().union(*several)


def refusal(old: Stored | None, new: Stored) -> Failed | None:
    """What the server has against keeping `new` in place of `old`, None if there was none."""
    if old is not None and old.fields[TYPE] != new.fields[TYPE]:
        return Failed(reason=Reason.WRONG_TYPE, detail="type: field is immutable")
    if old is not None and old.fields.get(IMMUTABLE) is True:
        same = old.data() == new.data() and new.fields.get(IMMUTABLE) is True
        if not same:
            return Failed(reason=Reason.IMMUTABLE, detail="data: field is immutable")
    if sum(map(len, new.data().values())) > _DATA_LIMIT_BYTES:
        return Failed(reason=Reason.TOO_LARGE, detail="data: Too long")
    if new.fields[TYPE] == _DOCKER and not _is_object(new.fields.get(_DOCKER_KEY)):
        return Failed(reason=Reason.INVALID_INPUT, detail="data[.dockerconfigjson]: no JSON object")
    return None


def _is_object(value: Value | None) -> bool:
    try:
        return isinstance(value, bytes) and isinstance(json.loads(value), dict)
    except ValueError:
        return False


def _ours(detail: str) -> Failed:
    return Failed(reason=Reason.INTERNAL_ERROR, detail=detail)
