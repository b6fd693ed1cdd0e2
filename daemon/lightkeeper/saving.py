"""How a login's state is put down as JSON, and read again by this version or a later one."""

from __future__ import annotations

from typing import Final

import msgspec

from lightkeeper.core.credential import Secret
from lightkeeper.core.facts import LoginName
from lightkeeper.core.file_failure import FileFailure
from lightkeeper.core.reasons import Reason
from lightkeeper.core.saved import Saved

_VERSION: Final = 1
_DAMAGE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class NewerError(FileFailure):
    """It is of a newer version, and is to be left as it is."""


class _Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What every version of the document has."""

    version: int
    state: msgspec.Raw = msgspec.Raw(b"null")


def written(saved: Saved) -> bytes:
    """The document."""
    state = msgspec.Raw(msgspec.json.encode(saved, enc_hook=_encoded))
    return msgspec.json.encode(_Envelope(version=_VERSION, state=state)) + b"\n"


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
    except _DAMAGE as exc:
        raise FileFailure(Reason.MALFORMED, "the saved state is damaged") from exc
    if saved.login != login:
        detail = f"the saved state is of another login, {saved.login[:80]!r}"
        raise FileFailure(Reason.MALFORMED, detail)
    return saved


def _encoded(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError


def _decoded(kind: type, value: object) -> object:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise NotImplementedError
