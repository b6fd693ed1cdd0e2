"""The types that docker wants in a Docker config: where it finds another, it sends nothing at all.

Only what it knows is listed. Names are matched in any case and null is as good as absent, because
Go's decoder has it so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Shape = type[str] | type[list[str]] | Mapping[str, "Shape"]
"""A text, a list of texts, or an object whose fields have shapes of their own."""

_ANY: Final = ""
"""Stands for every field that is not named."""
_TEXTS: Final[Shape] = {_ANY: str}

ENTRY: Final[Shape] = dict.fromkeys(
    ["auth", "username", "password", "email", "serveraddress", "identitytoken", "registrytoken"],
    str,
)
"""An entry of `auths`."""

_PROXY: Final[Shape] = dict.fromkeys(
    ["allproxy", "ftpproxy", "httpproxy", "httpsproxy", "noproxy"], str
)
SECTIONS: Final[Mapping[str, Shape]] = {
    "aliases": _TEXTS,
    "clipluginsextradirs": list[str],
    "configformat": str,
    "credhelpers": _TEXTS,
    "credsstore": str,
    "currentcontext": str,
    "detachkeys": str,
    "experimental": str,
    "features": _TEXTS,
    "httpheaders": _TEXTS,
    "imagesformat": str,
    "networksformat": str,
    "nodesformat": str,
    "plugins": {_ANY: _TEXTS},
    "pluginsformat": str,
    "proxies": {_ANY: _PROXY},
    "prunefilters": list[str],
    "psformat": str,
    "secretformat": str,
    "serviceinspectformat": str,
    "servicesformat": str,
    "statsformat": str,
    "tasksformat": str,
    "volumesformat": str,
}
"""What stands beside `auths`."""


def fits(value: object, shape: Shape | None) -> bool:
    """Whether `value` decodes into `shape`; None is the shape of what no client looks at."""
    if value is None or shape is None:
        return True
    if isinstance(shape, Mapping):
        return isinstance(value, dict) and all(
            fits(each, shape.get(name.casefold(), shape.get(_ANY))) for name, each in value.items()
        )
    if shape is str:
        return isinstance(value, str)
    return isinstance(value, list) and all(fits(each, str) for each in value)
