"""A JSON object as text: taken apart into members and put together again, nothing respelled.

A member that nobody changes keeps its text, so that numbers, escapes, duplicate keys and bytes that
are not UTF-8 come out as they went in. Knows nothing of Docker.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Final, NoReturn

from msgspec import Struct

from lightkeeper.core.file_failure import FileFailure
from lightkeeper.core.reasons import Reason

_WHITE: Final = " \t\n\r"
_OPENING: Final = re.compile(r"[ \t\n\r]*\{([ \t\n\r]*)")
_COLON: Final = re.compile(r"[ \t\n\r]*:[ \t\n\r]*")
_NEXT: Final = re.compile(r"[ \t\n\r]*([,}])[ \t\n\r]*")


class Member(Struct, frozen=True, eq=False):
    """A key of an object with its value."""

    __repr__ = object.__repr__

    key: str
    name: str
    """Key and colon as they stand in the text."""
    text: str
    """The value as it stands in the text."""
    value: object
    """The value; of a number no more than that it is one."""


class Layout(Struct, frozen=True):
    """How the lines of a document are set."""

    indent: str | None = "\t"
    """Of one level; None if all stands on one line. Docker writes tabs."""
    colon: str = ": "

    def member(self, key: str, text: str, value: object) -> Member:
        """A member of which `text` is the value."""
        return Member(key, json.dumps(key) + self.colon, text, value)

    def join(self, members: Sequence[Member], depth: int) -> str:
        """The text of an object whose members stand `depth` levels in."""
        texts = [member.name + member.text for member in members]
        if not texts:
            return "{}"
        if self.indent is None:
            return "{" + ("," + self.colon[1:]).join(texts) + "}"
        line = "\n" + self.indent * depth
        return "{" + line + ("," + line).join(texts) + "\n" + self.indent * (depth - 1) + "}"


class JsonObject(Struct, frozen=True, eq=False):
    """An object, its members in order and each as often as it occurs."""

    __repr__ = object.__repr__

    members: tuple[Member, ...] = ()
    layout: Layout = Layout()
    tail: str = ""
    """What white space follows it."""


def read(text: str) -> JsonObject:
    """Take apart the object that `text` is; white space and `null` are an empty one.

    `FileFailure` for all else, NaN and Infinity included, which only Python takes for JSON.
    """
    bare = text.strip(_WHITE)
    if not bare or bare == "null":
        return JsonObject(tail="\n" if text.endswith("\n") else "")
    try:
        return _read(text)
    except json.JSONDecodeError as exc:
        detail = f"it is not one JSON object: see line {exc.lineno}, column {exc.colno}"
    except RecursionError:
        detail = "it is nested too deeply"
    except ValueError:
        detail = "it holds NaN or Infinity, which are not JSON"
    # Raised out here because an exception keeps the one that was being handled, `from None` or not,
    # and a JSONDecodeError keeps the whole document.
    raise FileFailure(Reason.MALFORMED, detail)


def _read(text: str) -> JsonObject:
    opening = _OPENING.match(text)
    if opening is None:
        raise _unexpected(text, 0)
    members: list[Member] = []
    at = opening.end()
    end = at + 1
    more = not text.startswith("}", at)
    while more:
        key, end = _decode(text, at)
        colon = _COLON.match(text, end)
        if colon is None or not isinstance(key, str):
            raise _unexpected(text, at)
        value, end = _decode(text, colon.end())
        members.append(Member(key, text[at : colon.end()], text[colon.end() : end], value))
        step = _NEXT.match(text, end)
        if step is None:
            raise _unexpected(text, end)
        at, end, more = step.end(), step.end(1), step[1] == ","
    if text[end:].strip(_WHITE):
        raise _unexpected(text, end)
    layout = _layout(opening[1], members[0].name) if members else Layout()
    return JsonObject(tuple(members), layout, text[end:])


def _layout(opening: str, name: str) -> Layout:
    _, newline, indent = opening.rpartition("\n")
    return Layout(indent if newline else None, ":" if name.endswith(":") else ": ")


def _unexpected(text: str, at: int) -> json.JSONDecodeError:
    return json.JSONDecodeError("unexpected", text, at)


def _refuse(_constant: str) -> NoReturn:
    raise ValueError


# As floats, whole numbers of any length are read in linear time; their text is what is kept.
_decode: Final = json.JSONDecoder(parse_int=float, parse_constant=_refuse).raw_decode
