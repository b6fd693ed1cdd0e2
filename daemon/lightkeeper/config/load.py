"""File, flags and environment become one Config: the order is flag, variable, file, default.

All of them are laid over one another as a tree and read once, so that a value meets the same rules
wherever it came from. No I/O: what must be looked up is asked of the `Host`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from lightkeeper.config.completion import Completion
from lightkeeper.config.environment import Environment, Host
from lightkeeper.config.flags import Flags, lay_over, unknown_variables
from lightkeeper.config.model import Config
from lightkeeper.config.problem import ConfigErrors, Problem
from lightkeeper.config.reading import Reader
from lightkeeper.config.tree import Items, Keys, Where, text_of

_PLAIN_HTTP: Final = re.compile(r"http://(?!(localhost|127(\.[0-9]+){3}|\[::1\])([:/]|$))")
_SOURCE: Final = ("region", "profile", "role_arn", "endpoint_url")


class Loaded(msgspec.Struct, frozen=True):
    """A configuration that holds, and what is to be said about it aloud."""

    config: Config
    warnings: tuple[Problem, ...]


def load(
    *,
    document: bytes | None,
    filename: str,
    flags: Flags,
    environ: Mapping[str, str],
    host: Host,
) -> Loaded:
    """The whole configuration, or `ConfigErrors` with everything that is wrong.

    `document` is what the file `filename` holds, None where there is none.
    """
    problems = list(unknown_variables(environ))
    tree = Keys(Where(), {})
    if document is not None:
        from lightkeeper.config.document import parse  # noqa: PLC0415 - flags alone need no yaml

        tree = parse(document, filename, problems)
    tree = lay_over(tree, flags, environ, problems)
    tree = Completion(Environment(environ, host), problems).config(tree)
    problems.extend(_doubles(tree))
    config = Reader(problems).struct(tree, Config)
    if problems or config is None:
        raise ConfigErrors(problems)
    return Loaded(config, tuple(_warnings(tree)))


def _doubles(tree: Keys) -> Iterator[Problem]:
    """What must be told apart and cannot be."""
    logins = _mappings(tree, "logins")
    yield from _alike(logins, _SOURCE, "asks the same source as {}; expected one login for both")
    yield from _alike(logins, ("name",), "has the name of {}; expected another name")
    for login in logins:
        outputs = _mappings(login, "outputs")
        yield from _alike(outputs, ("path",), "is the same file as {}; expected it once")
        yield from _alike(outputs, ("name",), "has the name of {}; expected another name")


def _alike(mappings: list[Keys], keys: tuple[str, ...], message: str) -> Iterator[Problem]:
    first: dict[tuple[str | None, ...], Where] = {}
    for mapping in mappings:
        values = tuple(text_of(mapping, key) for key in keys)
        if values not in first:
            first[values] = mapping.where
        elif values[0] is not None:
            other = first[values]
            line = f" in line {other.line}" if other.line else ""
            yield mapping.where.problem(message.format(other.key + line))


def _warnings(tree: Keys) -> Iterator[Problem]:
    for login in _mappings(tree, "logins"):
        if _PLAIN_HTTP.match(text_of(login, "endpoint_url") or ""):
            yield login.entries["endpoint_url"].where.problem(
                "is plain http to another machine: whoever is on the way reads the credentials"
            )


def _mappings(keys: Keys, key: str) -> list[Keys]:
    node = keys.entries.get(key)
    items = node.items if isinstance(node, Items) else ()
    return [item for item in items if isinstance(item, Keys)]
