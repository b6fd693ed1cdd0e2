"""How a login's state is put down as JSON, and read again by this version or a later one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

import msgspec
from msgspec.structs import replace

from lightkeeper.core.credential import Secret
from lightkeeper.core.facts import LoginName
from lightkeeper.core.file_failure import FileFailure
from lightkeeper.core.reasons import Reason
from lightkeeper.core.saved import Saved

_VERSION: Final = 1
_DAMAGE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class NewerError(FileFailure):
    """It is of a newer version, and is to be left as it is."""


_Pairs: TypeAlias = Iterable[tuple[str, str]]
"""Of an output's name and a place's."""


class _Group(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Places of one output whose names end alike, as the Secrets of ten thousand namespaces do."""

    output: str
    end: str = ""
    """Of each name. A file has none, a Secret its own behind the namespace."""
    names: list[str]


class _Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What every version of the document has."""

    version: int
    state: msgspec.Raw = msgspec.Raw(b"null")
    places: msgspec.Raw = msgspec.Raw(b"[]")
    """Those of the state, in groups. Whoever knows of none finds a login without places, and saves
    them in its own way once it has served them."""


def written(saved: Saved) -> bytes:
    """The document."""
    state = msgspec.json.encode(replace(saved, places=()), enc_hook=_encoded)
    places = msgspec.json.encode(_grouped(saved.places))
    envelope = _Envelope(version=_VERSION, state=msgspec.Raw(state), places=msgspec.Raw(places))
    return msgspec.json.encode(envelope) + b"\n"


def read(data: bytes, login: LoginName) -> Saved:
    """What the document says of that login; `FileFailure`, of which `NewerError` is one."""
    try:
        envelope = msgspec.json.decode(data, type=_Envelope)
    except _DAMAGE as exc:
        raise FileFailure(Reason.MALFORMED, "the saved state is damaged") from exc
    if envelope.version > _VERSION:
        detail = f"the saved state is of a newer Lightkeeper (format {envelope.version})"
        raise NewerError(Reason.MALFORMED, detail)
    try:
        saved = msgspec.json.decode(envelope.state, type=Saved, dec_hook=_decoded)
        groups = msgspec.json.decode(envelope.places, type=list[_Group])
    except _DAMAGE as exc:
        raise FileFailure(Reason.MALFORMED, "the saved state is damaged") from exc
    if saved.login != login:
        detail = f"the saved state is of another login, {saved.login[:80]!r}"
        raise FileFailure(Reason.MALFORMED, detail)
    return replace(saved, places=tuple(sorted((*saved.places, *_named(groups)))))


def _grouped(places: _Pairs) -> list[_Group]:
    groups: dict[tuple[str, str], _Group] = {}
    for output, place in places:
        namespace, slash, secret = place.partition("/")
        name, end = (namespace, slash + secret) if namespace else (place, "")
        group = groups.setdefault((output, end), _Group(output=output, end=end, names=[]))
        group.names.append(name)
    return [*groups.values()]


def _named(groups: Iterable[_Group]) -> Iterator[tuple[str, str]]:
    return ((group.output, name + group.end) for group in groups for name in group.names)


def _encoded(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError


def _decoded(kind: type, value: object) -> object:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise NotImplementedError
