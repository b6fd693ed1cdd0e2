"""A configuration before it is understood: texts, lists and mappings that know where they stand.

Files, flags, variables and defaults all become this, so that one reading serves them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from lightkeeper.config.problem import Problem


class Where(msgspec.Struct, frozen=True):
    """How a problem with a value begins; the fields are a Problem's."""

    file: str = ""
    line: int = 0
    key: str = ""

    def problem(self, message: str) -> Problem:
        """The message, said of this value."""
        return Problem(self.file, self.line, self.key, message)

    @property
    def named(self) -> str:
        """It, within a sentence."""
        return self.key + (f" in line {self.line}" if self.line else "")

    def below(self, key: str, *, line: int = 0) -> Where:
        """A key of this mapping."""
        return Where(self.file, line or self.line, f"{self.key}.{key}" if self.key else key)


class Text(msgspec.Struct, frozen=True):
    """A scalar as it was written."""

    where: Where
    text: str
    taken_for: str = ""
    """What YAML takes it for, since it is not in quotes; empty for text."""


class Items(msgspec.Struct, frozen=True):
    """A list."""

    where: Where
    items: tuple[Node, ...]


class Keys(msgspec.Struct, frozen=True):
    """A mapping."""

    where: Where
    entries: Mapping[str, Node]

    def put(self, key: str, node: Node) -> Keys:
        """The same with another value for a key."""
        return Keys(self.where, {**self.entries, key: node})


Node: TypeAlias = Text | Items | Keys

# What YAML takes a word without quotes for.
NOTHING = "empty"
YES_OR_NO = "a yes-or-no word"
NUMBER = "a number"


def kind_of(node: Node) -> str:
    """What a node is, in words for people."""
    match node:
        case Text(taken_for=taken_for):
            return taken_for or "a text"
        case Items():
            return "a list"
        case Keys():
            return "a mapping"


def text_of(keys: Keys, key: str) -> str | None:
    """The text under a key; None if there is none or it is something else."""
    node = keys.entries.get(key)
    return node.text if isinstance(node, Text) and not node.taken_for else None


def mappings(keys: Keys, key: str) -> list[Keys]:
    """The mappings in the list under a key; none if it is something else."""
    node = keys.entries.get(key)
    items = node.items if isinstance(node, Items) else ()
    return [item for item in items if isinstance(item, Keys)]
