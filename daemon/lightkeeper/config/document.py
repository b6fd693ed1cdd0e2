"""A YAML file as a tree whose every value knows its line.

YAML 1.1 reads `no` as false, `1:30` as 90 and 0600 as 384, and PyYAML lets the last of two equal
keys win. Here each scalar stays what was typed, with a word for what YAML takes it for, and a key
that is given twice is a problem. Whoever imports this imports yaml.
"""

from __future__ import annotations

import re
from typing import Final

import yaml

from lightkeeper.config.problem import ConfigErrors, Problem, shown_name
from lightkeeper.config.tree import NOTHING, NUMBER, YES_OR_NO, Items, Keys, Node, Text, Where

MAX_BYTES: Final = 1 << 20
"""The logins of a large company have a tenth of it."""

_MAX_NODES: Final = 100_000
_MAX_DEPTH: Final = 16
_EXPECTED: Final = "expected what `lightkeeper schema --example` shows"
_EMPTY: Final = "holds nothing; expected logins: and the like, or {} where flags say all"
_TOO_DEEP: Final = f"is nested or repeated too much; {_EXPECTED}"
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG: Final = "tag:yaml.org,2002:"
_TAKEN_FOR: Final = {
    "str": "",
    "bool": YES_OR_NO,
    "int": NUMBER,
    "float": NUMBER,
    "null": NOTHING,
    "timestamp": "a date",
}
# Beside what no text file holds, the line breaks that YAML counts and editors do not.
_STRAY: Final = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
    "|\r(?!\n)"
)
_ENDED: Final = "found unexpected end of stream"
_CLOSED_LATER: Final = ("flow sequence", "flow mapping", "simple key")
"""What YAML reads when it misses the end of what began lines before."""
_QUOTED: Final = re.compile(r"'[^' ]{2,}'")


def parse(document: bytes, file: str, problems: list[Problem]) -> Keys:
    """The file as a tree.

    Duplicate keys go to `problems`. `ConfigErrors` with these and one more if it is no YAML or no
    mapping, since nothing else can be said of it then. So is a file without any value: whoever
    writes it anew leaves it like that for a moment, and a full disk for longer.
    """
    try:
        return _Builder(problems).root(_composed(document), Where(file, 1))
    except _NotReadableError as exc:
        # What is missing at the end YAML misses behind the last line.
        line = min(exc.line, len(document.splitlines()) or 1)
        raise ConfigErrors([*problems, Problem(file, line, "", exc.message)]) from None


def _composed(document: bytes) -> yaml.Node | None:
    if len(document) > MAX_BYTES:
        too_large = f"is larger than {MAX_BYTES >> 10} KiB; {_EXPECTED}"
        raise _NotReadableError(1, too_large)
    try:
        text = document.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = document.count(b"\n", 0, exc.start) + 1
        raise _NotReadableError(line, "is not UTF-8; expected YAML text") from None
    if stray := _STRAY.search(text):
        line = text.count("\n", 0, stray.start()) + 1
        raise _NotReadableError(line, "holds a character that no text file holds; expected YAML")
    try:
        return yaml.compose(text, _LOADER)
    except yaml.MarkedYAMLError as exc:
        raise _NotReadableError(_line(_mark(exc)), _complaint(exc)) from None
    except RecursionError:
        raise _NotReadableError(1, _TOO_DEEP) from None


class _NotReadableError(Exception):
    """The file is nothing that could be looked into."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


def _line(mark: yaml.Mark | None) -> int:
    return mark.line + 1 if mark else 1


def _mark(exc: yaml.MarkedYAMLError) -> yaml.Mark | None:
    """Where the mistake is: what is not closed is missed lines behind the one where it begins."""
    is_open = exc.problem == _ENDED or (exc.context or "").endswith(_CLOSED_LATER)
    return exc.context_mark if is_open and exc.context_mark else exc.problem_mark


def _complaint(exc: yaml.MarkedYAMLError) -> str:
    """What the parser says, without the words that it quotes: they may be part of a secret."""
    context = f"{exc.context}, " if exc.context else ""
    return "is not YAML: " + _QUOTED.sub("...", f"{context}{exc.problem}")


class _Builder:
    """Turns YAML's nodes into ours; bounded, since an alias can stand for a whole tree."""

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems
        self._nodes = 0

    def root(self, node: yaml.Node | None, where: Where) -> Keys:
        if node is None or node.value == "":
            raise _NotReadableError(1, _EMPTY)
        if not isinstance(node, yaml.MappingNode):
            line = _line(node.start_mark)
            raise _NotReadableError(line, "is not a mapping; expected logins: and the like")
        return self._keys(node, where, depth=1)

    def _node(self, node: yaml.Node, where: Where, *, depth: int) -> Node:
        self._nodes += 1
        if depth > _MAX_DEPTH or self._nodes > _MAX_NODES:
            raise _NotReadableError(where.line, _TOO_DEEP)
        if isinstance(node, yaml.MappingNode):
            return self._keys(node, where, depth=depth + 1)
        if isinstance(node, yaml.SequenceNode):
            items = enumerate(node.value)
            return Items(where, tuple(self._item(where, i, item, depth + 1) for i, item in items))
        kind = str(node.tag).removeprefix(_TAG)
        return Text(where, node.value, _TAKEN_FOR.get(kind, "a value with a tag"))

    def _item(self, where: Where, index: int, node: yaml.Node, depth: int) -> Node:
        place = Where(where.file, _line(node.start_mark), f"{where.key}[{index}]")
        return self._node(node, place, depth=depth)

    def _keys(self, node: yaml.MappingNode, where: Where, *, depth: int) -> Keys:
        entries: dict[str, Node] = {}
        for key, value in node.value:
            line = _line(key.start_mark)
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            place = where.below(shown_name(name, "a key"), line=line)
            if name in entries:
                first = entries[name].where.line
                self._problems.append(place.problem(f"is given twice; first in line {first}"))
            else:
                entries[name] = self._node(value, place, depth=depth)
        return Keys(where, entries)
