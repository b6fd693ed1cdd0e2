"""What a place shows for a host, and from when to when something was wrong."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lightkeeper.core.credential import Digest, Secret, digest_of


@dataclass
class Span:
    """From when to when something was wrong, in true seconds."""

    begin: float
    detail: str
    end: float = float("inf")


@dataclass
class Shown:
    """What a place showed for a host from some second on."""

    since: float
    digest: Digest | None
    by_edit: str
    """Who changed it: the kind of edit, or empty for us."""
    is_foreign: bool
    """Whether the daemon cannot know it as its own."""


@lru_cache(maxsize=64)
def auth_of(data: bytes | None, host: str) -> str | None:
    """The entry that a client would use."""
    auths = _auths(data)
    for key in (host, *_aliases(auths, host)):
        if key in auths:
            return str(auths[key]["auth"])
    return None


def has_alias(data: bytes | None, host: str) -> bool:
    """Whether an entry names the host by another key than its own."""
    return bool(_aliases(_auths(data), host))


def _auths(data: bytes | None) -> dict[str, Any]:
    try:
        return json.loads(data or b"{}").get("auths") or {}
    except ValueError:
        return {}


def _aliases(auths: dict[str, Any], host: str) -> list[str]:
    """Docker takes the host itself, and else any key that names it: https://host/v1/ and so on."""
    return [
        key
        for key in auths
        if key != host and key.removeprefix("https://").partition("/")[0] == host
    ]


@lru_cache(maxsize=64)
def digest_in(auth: str | None) -> Digest | None:
    """Which credential an entry holds."""
    if auth is None:
        return None
    username, _, password = base64.b64decode(auth).decode().partition(":")
    return digest_of(username, Secret(password))


def longest_calm(wrong: list[Span], begin: float, end: float) -> float:
    """The longest stretch within [begin, end] in which nothing was wrong."""
    calm, at = 0.0, begin
    for span in sorted(wrong, key=lambda span: span.begin):
        if span.end <= at:
            continue
        if span.begin >= end:
            break
        calm = max(calm, span.begin - at)
        at = max(at, span.end)
    return max(calm, end - at)
