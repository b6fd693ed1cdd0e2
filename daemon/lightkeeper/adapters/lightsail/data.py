"""AWS's own data files, as the library wants them, and of them only what our calls need.

Whole they are 11 MiB in memory, a sixth of a daemon: every endpoint of every service, and every
operation of Lightsail with its documentation.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import Raw, json

OPERATION: Final = "CreateContainerServiceRegistryLogin"
SERVICES: Final = frozenset({"lightsail", "oidc", "portal.sso", "signin", "sso", "sts"})
"""Lightsail, and who hands out AWS credentials."""

_ENDINGS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    ".json": bytes,
    ".json.gz": gzip.decompress,
}
"""With what makes text of such a file."""


class DataFiles:
    """A `file_loader` for botocore's Loader; paths come without their ending."""

    def exists(self, path: str) -> bool:
        """Whether there is such a file."""
        return any(Path(path + ending).is_file() for ending in _ENDINGS)

    def load_file(self, path: str) -> Any:  # noqa: ANN401 - as botocore has it
        """What the file holds; None if there is none."""
        for ending, read in _ENDINGS.items():
            file = Path(path + ending)
            if file.is_file():
                return _cut(Path(path), read(file.read_bytes()))
        return None


def _cut(path: Path, text: bytes) -> Any:  # noqa: ANN401 - as above
    if path.name == "endpoints":
        return _endpoints(text)
    if path.name == "service-2" and path.parent.parent.name == "lightsail":
        return _model(text)
    return json.decode(text)


def _endpoints(text: bytes) -> dict[str, Any]:
    whole = json.decode(text, type=dict[str, Raw])
    partitions = [
        {
            name: _of_ours(part) if name == "services" else json.decode(part)
            for name, part in partition.items()
        }
        for partition in json.decode(whole.pop("partitions"), type=list[dict[str, Raw]])
    ]
    return {name: json.decode(part) for name, part in whole.items()} | {"partitions": partitions}


def _of_ours(services: Raw) -> dict[str, Any]:
    named = json.decode(services, type=dict[str, Raw])
    return {name: json.decode(named[name]) for name in named if name in SERVICES}


def _model(text: bytes) -> dict[str, Any]:
    """The model of Lightsail with one operation, and the shapes that it leads to."""
    whole = json.decode(text, type=dict[str, Raw])
    operation = json.decode(json.decode(whole.pop("operations"), type=dict[str, Raw])[OPERATION])
    shapes = json.decode(whole.pop("shapes"), type=dict[str, Raw])
    kept = dict[str, Any]()
    open_ends = [operation]
    while open_ends:
        for name in _shapes_of(open_ends.pop()):
            if name not in kept:
                kept[name] = json.decode(shapes[name])
                open_ends.append(kept[name])
    rest = {name: json.decode(part) for name, part in whole.items()}
    return rest | {"operations": {OPERATION: operation}, "shapes": kept}


def _shapes_of(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        for name, value in part.items():
            if name == "shape" and isinstance(value, str):
                yield value
            else:
                yield from _shapes_of(value)
    elif isinstance(part, list):
        for value in part:
            yield from _shapes_of(value)
