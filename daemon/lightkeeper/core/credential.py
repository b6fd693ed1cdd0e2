"""A credential: what Lightsail issued for a login. Knows no file format and no client."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timedelta
from functools import cached_property
from ipaddress import ip_address
from typing import Final, NewType, Self

from msgspec import Struct

RegistryHost = NewType("RegistryHost", str)
"""A registry as image references name it: lower case, no scheme, no path, a port only if given."""

Digest = NewType("Digest", str)
"""Which credential this is, told without giving it away."""

_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[0-9]{1,5})?")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_HALF: Final = re.compile(r"[\ud800-\udfff]")
"""Of a pair of surrogates: no encoding has bytes for it, so it is neither sent nor saved."""


class Secret:
    """A text that shows itself as `***` wherever it is printed, formatted or logged."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself; called only where it is written or sent."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str:
        msg = "a secret is not pickled"
        raise TypeError(msg)


def registry_host(text: str) -> RegistryHost:
    """The bare host that `text` names, however it is dressed up.

    Scheme, path and upper case are taken off: clients look an entry up by exact, case-sensitive
    host. A port stays if it was given. `ValueError` if no plain host is left.
    """
    bare = re.sub(r"^[a-z]+://", "", text.strip().lower()).split("/", 1)[0]
    if not _HOST.fullmatch(bare):
        msg = f"{bare[:80]!r} is not the bare host of a registry"
        raise ValueError(msg)
    return RegistryHost(bare)


def is_loopback(host: str) -> bool:
    """Whether a name or an address, without port and in brackets or not, is this machine's own."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def digest_of(username: str, password: Secret) -> Digest:
    """Name a credential by a cut hash: 64 bits tell ours apart and give nothing away."""
    text = f"{username}:{password.reveal()}".encode(errors="surrogateescape")
    return Digest(hashlib.sha256(text).hexdigest()[:16])


class Credential(Struct, frozen=True, kw_only=True, dict=True):
    """A registry credential that is whole: every client can send it and every file can hold it.

    `ValueError` for one that no client could use: docker splits `username:password` at the first
    colon, sends an empty half as an anonymous request, and a control character breaks the header.
    """

    registry: RegistryHost
    username: str
    password: Secret
    issued_at: datetime
    """Server's clock, aware UTC."""
    expires_at: datetime
    """Server's clock, aware UTC."""
    is_odd: bool = False
    """Whether the answer that it came in was unusual."""

    def __post_init__(self) -> None:
        if not self.username or ":" in self.username or _CONTROL.search(self.username):
            msg = "the username is empty or holds a colon or a control character"
            raise ValueError(msg)
        if not self.password.reveal() or _CONTROL.search(self.password.reveal()):
            msg = "the password is empty or holds a control character"
            raise ValueError(msg)
        if _HALF.search(self.username) or _HALF.search(self.password.reveal()):
            msg = "the username or the password holds half a character"
            raise ValueError(msg)
        if self.expires_at <= self.issued_at:
            msg = "the credential expires before it was issued"
            raise ValueError(msg)

    @cached_property
    def digest(self) -> Digest:
        """Which credential this is."""
        return digest_of(self.username, self.password)

    @property
    def lifetime(self) -> timedelta:
        """From issue to expiry."""
        return self.expires_at - self.issued_at

    def remaining(self, now: datetime) -> timedelta:
        """Until expiry, negative after it; `now` by the server's clock."""
        return self.expires_at - now

    def is_expired(self, now: datetime) -> bool:
        """Whether the registry refuses it for its age; `now` by the server's clock."""
        return now >= self.expires_at

    def outlives(self, other: Self) -> bool:
        """Whether this one may take the other's place: it expires later."""
        return self.expires_at > other.expires_at
