"""From a tree to the model: each value on its own, so that all that is wrong is said at once."""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Final, Literal, TypeVar, Union, get_args, get_origin

from msgspec import NODEFAULT, Meta, Struct, structs

from lightkeeper.config.model import NONE
from lightkeeper.config.problem import Problem, choice, shown, shown_name
from lightkeeper.config.tree import NOTHING, NUMBER, YES_OR_NO, Items, Keys, Node, Text, kind_of
from lightkeeper.config.values import Duration, FileMode, Listen, ObjectName, Rate, Share

S = TypeVar("S", bound=Struct)

_BUILD: Final[Mapping[object, Callable[[str], object]]] = {
    str: str,
    Path: Path,
    Share: Share.parse,
    Rate: Rate.parse,
    Duration: Duration.parse,
    FileMode: FileMode.parse,
    Listen: Listen.parse,
    ObjectName: ObjectName.parse,
}
_BOOLS: Final = {"true": True, "false": False}


class _Field(Struct, frozen=True):
    """A field of the model, its type taken apart."""

    kinds: tuple[object, ...]
    """One type, or the structs that `type` chooses from."""
    form: Meta = Meta()
    has_off: bool = False
    """Whether `none` switches its default off."""

    @property
    def kind(self) -> object:
        return self.kinds[0]

    @property
    def choices(self) -> tuple[str, ...]:
        return get_args(self.kind) if get_origin(self.kind) is Literal else ()

    @property
    def expected(self) -> str:
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        return self.form.description or "true or false without quotes"

    @property
    def pattern(self) -> str:
        return str((self.form.extra_json_schema or {}).get("pattern", ""))

    @property
    def missing(self) -> str:
        return str((self.form.extra or {}).get("missing", ""))

    @property
    def inner(self) -> tuple[_Field, ...]:
        """What a list holds, or the keys and the values of a mapping."""
        return tuple(_field(one) for one in get_args(self.kind) if one is not Ellipsis)


class Reader:
    """Reads nodes; what is wrong goes to `problems`, and what is read is worth nothing then."""

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems

    def struct(self, node: Node, kind: type[S]) -> S | None:
        """The node as one of the model's structs; None if anything in it is wrong."""
        if not isinstance(node, Keys):
            self._refuse(node, f"is {kind_of(node)}; expected a mapping")
            return None
        before = len(self._problems)
        values = self._values(node, _fields(kind), kind.__struct_config__.tag_field)
        return None if len(self._problems) > before else kind(**values)

    def _values(
        self, node: Keys, fields: Mapping[str, _Field], tag_field: str | None
    ) -> dict[str, object]:
        values: dict[str, object] = {}
        for key, value in node.entries.items():
            if key in fields:
                values[key] = self._value(value, fields[key])
            elif key != tag_field:
                self._refuse(value, f"is not a key of this; {choice(key, fields)}")
        for key, field in fields.items():
            if field.missing and key not in node.entries:
                self._problems.append(node.where.below(key).problem(field.missing))
        return values

    def _value(self, node: Node, field: _Field) -> object:
        kind = field.kind
        if get_origin(kind) is tuple:
            return self._items(node, field)
        if get_origin(kind) is Mapping:
            return self._mapping(node, *field.inner)
        if isinstance(kind, type) and issubclass(kind, Struct):
            chosen = self._chosen(node, field.kinds) if len(field.kinds) > 1 else kind
            if chosen is None and isinstance(node, Keys):
                # Whichever kind is meant: what is wrong by all of them is said as well.
                self._values(node, _fields_of_any(_structs(field.kinds)), "type")
            return chosen and self.struct(node, chosen)
        if wrong := _complaint(node, field):
            self._refuse(node, wrong)
            return None
        return _built(node, field) if isinstance(node, Text) else None

    def _items(self, node: Node, field: _Field) -> tuple[object, ...]:
        if not isinstance(node, Items):
            self._refuse(node, f"is {kind_of(node)}; expected a list")
            return ()
        if not node.items and field.form.min_length:
            self._refuse(node, "is empty; expected at least one")
        return tuple(self._value(item, *field.inner) for item in node.items)

    def _mapping(self, node: Node, key: _Field, value: _Field) -> Mapping[str, object]:
        if not isinstance(node, Keys):
            self._refuse(node, f"is {kind_of(node)}; expected a mapping")
            return {}
        for name, one in node.entries.items():
            if not (name.isprintable() and re.search(key.pattern, name)):
                self._refuse(one, f"is not {key.expected}")
        return {name: self._value(one, value) for name, one in node.entries.items()}

    def _chosen(self, node: Node, kinds: tuple[object, ...]) -> type[Struct] | None:
        """The struct that the key `type` names."""
        known = {str(kind.__struct_config__.tag): kind for kind in _structs(kinds)}
        if not isinstance(node, Keys):
            self._refuse(node, f"is {kind_of(node)}; expected a mapping")
        elif "type" not in node.entries:
            message = f"is missing; expected one of {', '.join(known)}"
            self._problems.append(node.where.below("type").problem(message))
        else:
            type_ = node.entries["type"]
            word = type_.text if isinstance(type_, Text) else ""
            if word in known:
                return known[word]
            wrong = f"{shown(word)} is not known" if word else f"is {kind_of(type_)}"
            self._refuse(type_, f"{wrong}; {choice(word, known)}")
        return None

    def _refuse(self, node: Node, message: str) -> None:
        self._problems.append(node.where.problem(message))


@cache
def _fields(kind: type[Struct]) -> Mapping[str, _Field]:
    found = {}
    for info in structs.fields(kind):
        has_factory = info.default_factory is not NODEFAULT
        found[info.name] = structs.replace(
            _field(info.type),
            has_off=has_factory and NoneType in get_args(info.type),
        )
    return found


def _fields_of_any(kinds: Iterable[type[Struct]]) -> Mapping[str, _Field]:
    """The keys of all kinds; where several have one, as the first of them has it."""
    return dict(ChainMap(*(dict(_fields(kind)) for kind in kinds)))


def _structs(kinds: tuple[object, ...]) -> Iterator[type[Struct]]:
    return (kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Struct))


def _field(kind: object) -> _Field:
    """Take `Annotated[X, Meta] | None` and the like apart."""
    if get_origin(kind) in (Union, UnionType):
        kinds = tuple(one for one in get_args(kind) if one is not NoneType)
        return _Field(kinds) if len(kinds) > 1 else _field(kinds[0])
    if get_origin(kind) is Annotated:
        bare, form = get_args(kind)
        return _Field((bare,), form)
    return _Field((kind,))


def _complaint(node: Node, field: _Field) -> str:
    """What is wrong with a scalar and what was expected; empty if nothing is."""
    if not isinstance(node, Text) or node.taken_for == NOTHING:
        return f"is {kind_of(node)}; expected {field.expected}"
    text = node.text
    if field.kind is bool:
        is_one = node.taken_for == YES_OR_NO and text.lower() in _BOOLS
        return "" if is_one else f"{shown(text)} is not accepted; expected {field.expected}"
    if node.taken_for and not (node.taken_for == NUMBER and field.kind is Rate):
        taken_for = f"{node.taken_for} to YAML unless it is in quotes"
        return f"{shown(text)} is {taken_for}; expected {field.expected}"
    if not text.isprintable():
        return f"holds a character that cannot be printed; expected {field.expected}"
    if field.choices:
        is_one = text in field.choices
        return "" if is_one else f"{shown(text)} is not known; {choice(text, field.choices)}"
    if (text == NONE and field.has_off) or re.search(field.pattern, text):
        return ""
    if not text:
        return f"is empty; expected {field.expected}"
    show = shown_name if field.kind is ObjectName else shown
    return f"{show(text)} is not {field.expected}"


def _built(node: Text, field: _Field) -> object:
    """A scalar with which nothing is wrong."""
    if field.kind is bool:
        return _BOOLS[node.text.lower()]
    if field.choices:
        return node.text
    return None if node.text == NONE and field.has_off else _BUILD[field.kind](node.text)
