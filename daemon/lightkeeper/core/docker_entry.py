"""One entry of a Docker config: which registry its key names, and what clients read in its value.

What each client takes from a key or a value was measured with the clients themselves; where they
differ, the rule here holds for whichever of them would be misled.
"""

from __future__ import annotations

import base64
import re
from enum import Enum, auto, unique
from typing import Final

from lightkeeper.core.credential import Digest, Secret, digest_of
from lightkeeper.core.docker_schema import ENTRY, fits

_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*://(?:[^/?#]*@)?([^/?#]*)", re.IGNORECASE)
_VERSIONS: Final = frozenset({"", "v1", "v1/", "v2", "v2/"})
_PUSHED: Final = frozenset({"sr", "sr/"})
"""The only repository that a Lightsail registry has."""


@unique
class Form(Enum):
    """What a key says beside the host."""

    BARE = auto()
    """Nothing: every client looks for this one first, or next after a path."""
    ALIAS = auto()
    """Scheme, user, API version: clients that find no bare key take any of these, by chance."""
    PUSHED = auto()
    """The repository that is pushed to: podman, skopeo and crane prefer it to the bare key."""
    PATH = auto()
    """Another path."""


def aim(key: str) -> tuple[str, Form]:
    """The host that `key` is an entry for, and in which form; hosts are compared by case."""
    url = _URL.match(key)
    if url is not None:
        return url[1], Form.ALIAS
    host, slash, path = key.partition("/")
    if not slash:
        return host, Form.BARE
    if path in _VERSIONS:
        return host, Form.ALIAS
    return host, Form.PUSHED if path in _PUSHED else Form.PATH


def digest_in(value: object) -> Digest | None:
    """Of the credential that a client would send; None if there is none that it could."""
    if not isinstance(value, dict):
        return None
    fields = _folded(value)
    auth = fields.get("auth")
    pair = _decoded(auth) if auth else (fields.get("username"), fields.get("password"))
    match pair:
        case (str(username), str(password)) if username and password:
            return _digest(username, password)
        case _:
            return None


def is_broken(value: object) -> bool:
    """Whether some client cannot read such an entry, and then fails for every other as well.

    A wrong type stops docker too, a broken `auth` only crane, kaniko and docker-py.
    """
    if not isinstance(value, dict) or not fits(value, ENTRY):
        return True
    auth = _folded(value).get("auth")
    return bool(auth) and _decoded(auth) is None


def _folded(value: dict[str, object]) -> dict[str, object]:
    """The fields by the names that docker reads them under, which is in any case."""
    return {name.casefold(): field for name, field in value.items()}


def _decoded(auth: object) -> tuple[str, str] | None:
    """Username and password as docker takes them apart; the password may be empty."""
    if not isinstance(auth, str):
        return None
    try:
        pair = base64.b64decode(re.sub(r"[\r\n]", "", auth), validate=True)
    except ValueError:
        return None
    username, colon, password = pair.decode(errors="surrogateescape").partition(":")
    return (username, password) if username and colon else None


def _digest(username: str, password: str) -> Digest | None:
    try:
        return digest_of(username, Secret(password))
    except ValueError:
        # Half a character, escaped in the JSON, that no encoding has bytes for.
        return None
