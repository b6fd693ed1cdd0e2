"""File, flags and environment become one Config: the order is flag, variable, file, default.

All of them are laid over one another as a tree and read once, so that a value meets the same rules
wherever it came from. No I/O: what must be looked up is asked of the `Host`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from lightkeeper.config.completion import Completion
from lightkeeper.config.environment import Environment, Host, Meant
from lightkeeper.config.flags import Flags, lay_over, unknown_variables
from lightkeeper.config.model import Config, ContainersAuth, DockerConfig, FileOutput
from lightkeeper.config.problem import ConfigErrors, Problem
from lightkeeper.config.reading import Reader
from lightkeeper.config.tree import Items, Keys, Where, text_of
from lightkeeper.core.credential import is_loopback

_PLAIN_HTTP: Final = re.compile(r"http://(?P<host>\[[^\]]*\]|[^:/]*)", re.IGNORECASE)
_FILES: Final[Mapping[str, type[FileOutput]]] = {
    str(kind.__struct_config__.tag): kind for kind in (DockerConfig, ContainersAuth)
}
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


def meant(
    *,
    document: bytes | None,
    filename: str,
    flags: Flags,
    environ: Mapping[str, str],
    host: Host,
) -> Meant:
    """Where the daemon is, whatever else is wrong with what it is told; else `ConfigErrors`.

    It may run by what stood there before.
    """
    problems: list[Problem] = []
    tree = Keys(Where(), {})
    if document is not None:
        from lightkeeper.config.document import parse  # noqa: PLC0415 - as in `load`

        tree = parse(document, filename, problems)
    tree = lay_over(tree, flags, environ, [])
    is_said = "socket" in tree.entries
    problems = []
    tree = Completion(Environment(environ, host), problems).daemon(tree)
    socket, state_dir = text_of(tree, "socket"), text_of(tree, "state_dir")
    if problems or socket is None or state_dir is None:
        raise ConfigErrors(problems or [tree.where.problem("says no socket")])
    return Meant(socket, None if is_said else state_dir)


def _doubles(tree: Keys) -> Iterator[Problem]:
    """What must be told apart and cannot be."""
    logins = _mappings(tree, "logins")
    yield from _alike(logins, _SOURCE, "asks the same source as {}; expected one login for both")
    yield from _alike(logins, ("name",), "has the name of {}; expected another name")
    for login in logins:
        outputs = _mappings(login, "outputs")
        yield from _alike(outputs, ("path",), "is the same file as {}; expected it once")
        yield from _alike(outputs, ("name",), "has the name of {}; expected another name")
    yield from _unlike([output for login in logins for output in _mappings(login, "outputs")])


def _unlike(outputs: list[Keys]) -> Iterator[Problem]:
    """Outputs of one file, whichever their logins, that want it written in different ways."""
    first: dict[Path, tuple[Where, FileOutput]] = {}
    for node in outputs:
        kind = _FILES.get(text_of(node, "type") or "")
        output = Reader([]).struct(node, kind) if kind else None
        if output is None:
            continue  # what is wrong with it is said when all is read
        where, other = first.setdefault(output.path, (node.where, output))
        for key, said, before in (
            ("file_mode", output.file_mode, other.file_mode),
            ("in_place", output.in_place, other.in_place),
        ):
            if said != before:
                here, there = str(said).lower(), str(before).lower()
                message = f"is {here}, but {there} for the same file in {_named(where)}"
                at = node.entries[key].where if key in node.entries else node.where.below(key)
                yield at.problem(f"{message}; expected the same for both")


def _alike(mappings: list[Keys], keys: tuple[str, ...], message: str) -> Iterator[Problem]:
    first: dict[tuple[str | None, ...], Where] = {}
    for mapping in mappings:
        values = tuple(text_of(mapping, key) for key in keys)
        if values not in first:
            first[values] = mapping.where
        elif values[0] is not None:
            yield mapping.where.problem(message.format(_named(first[values])))


def _named(where: Where) -> str:
    """A place in the configuration, within a sentence."""
    return where.key + (f" in line {where.line}" if where.line else "")


def _warnings(tree: Keys) -> Iterator[Problem]:
    for login in _mappings(tree, "logins"):
        plain = _PLAIN_HTTP.match(text_of(login, "endpoint_url") or "")
        if plain and not is_loopback(plain["host"]):
            yield login.entries["endpoint_url"].where.problem(
                "is plain http to another machine: whoever is on the way reads the credentials"
            )


def _mappings(keys: Keys, key: str) -> list[Keys]:
    node = keys.entries.get(key)
    items = node.items if isinstance(node, Items) else ()
    return [item for item in items if isinstance(item, Keys)]
