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
from lightkeeper.config.contradictions import contradictions
from lightkeeper.config.environment import Environment, Host, Meant
from lightkeeper.config.flags import Flags, lay_over, unknown_variables
from lightkeeper.config.model import Config
from lightkeeper.config.problem import ConfigErrors, Problem
from lightkeeper.config.reading import Reader
from lightkeeper.config.tree import Keys, Where, mappings, text_of
from lightkeeper.core.credential import is_loopback

_PLAIN_HTTP: Final = re.compile(r"http://(?P<host>\[[^\]]*\]|[^:/]*)", re.IGNORECASE)


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
    problems.extend(contradictions(tree))
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
    # With its state in a Secret there is no directory that it would have to own.
    is_said = not tree.entries.keys().isdisjoint({"socket", "state"})
    problems = []
    tree = Completion(Environment(environ, host), problems).daemon(tree)
    socket, state_dir = text_of(tree, "socket"), text_of(tree, "state_dir")
    if problems or socket is None or state_dir is None:
        raise ConfigErrors(problems or [tree.where.problem("says no socket")])
    return Meant(socket, None if is_said else state_dir)


def _warnings(tree: Keys) -> Iterator[Problem]:
    for login in mappings(tree, "logins"):
        plain = _PLAIN_HTTP.match(text_of(login, "endpoint_url") or "")
        if plain and not is_loopback(plain["host"]):
            yield login.entries["endpoint_url"].where.problem(
                "is plain http to another machine: whoever is on the way reads the credentials"
            )
