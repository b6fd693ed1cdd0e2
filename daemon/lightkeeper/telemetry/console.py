"""Log lines for people on a terminal: when, which login, what happened, and then the rest.

What to do about it stands in a line of its own below. The words of the events are in the JSON, for
programs; here each has its phrase.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from string import Formatter
from typing import Any, Final

from structlog.typing import EventDict

from lightkeeper.core.status import span
from lightkeeper.telemetry.events import PHRASES

_BELOW: Final = ("advice", "problems", "traceback", "exception")
"""Fields that have lines of their own."""
_SECONDS: Final = "_seconds"
_SHORT: Final = 10
"""Seconds below which parts of one count."""

_RESET: Final = "\x1b[0m"
_FAINT: Final = "\x1b[2m"
_BOLD: Final = "\x1b[1m"
_LEVELS: Final = {"debug": _FAINT, "warning": "\x1b[33m", "error": "\x1b[31m"}
"""Those that are said, each in its colour."""


class ConsoleLines:
    """Renders an event as lines for people; the last step of a pipeline."""

    def __init__(self, *, colors: bool) -> None:
        self._colors = colors

    def __call__(self, _: object, __: str, event: EventDict) -> str:
        """The line, and below it what has lines of its own."""
        fields = dict(event)
        if str(fields.get("output", "")).endswith(str(fields.get("place", "?"))):
            del fields["output"]  # its default name is made of the place
        said = [self._painted(_FAINT, f"{fields.pop('timestamp', '')[:19]}Z")]
        if login := fields.pop("login", None):
            said.append(self._painted(_BOLD, _shown(login)))
        level = fields.pop("level", "info")
        grave = self._painted(_LEVELS[level], f"{level}:") + " " if level in _LEVELS else ""
        below = [fields.pop(name) for name in _BELOW if name in fields]
        said.append(grave + _phrase(fields))
        if rest := ", ".join(_rest(fields)):
            said.append(self._painted(_FAINT, f"({rest})"))
        return "\n    ".join(("  ".join(said), *(line for one in below for line in _lines(one))))

    def _painted(self, style: str, text: str) -> str:
        return f"{style}{text}{_RESET}" if self._colors else text


def _phrase(fields: dict[str, Any]) -> str:
    """What happened; the fields that it tells are taken out."""
    name = fields.pop("event", "")
    if logger := fields.pop("logger", None):
        return f"{_shown(logger)}: {_shown(name)}"  # what a library says is no word of ours
    phrase = PHRASES.get(name)
    if phrase is None:
        return _shown(name).replace("_", " ")
    told = {field for _, field, _, _ in Formatter().parse(phrase) if field}
    return phrase.format_map({field: _value(field, fields.pop(field, "?")) for field in told})


def _rest(fields: Mapping[str, Any]) -> Iterator[str]:
    """What else there is, in the order in which it came; what is nothing is not said."""
    for name, value in fields.items():
        if value:
            yield f"{name.removesuffix(_SECONDS).replace('_', ' ')} {_value(name, value)}"


def _value(name: str, value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case int() | float() if name.endswith(_SECONDS):
            return _duration(value)
        case list() | tuple():
            return ", ".join(map(_shown, value))
        case _:
            return _shown(value)


def _duration(seconds: float) -> str:
    if 0 < abs(seconds) < _SHORT:
        return f"{seconds:.2g} s"
    said = span(timedelta(seconds=abs(seconds)))
    return f"-{said}" if seconds < 0 else said


def _lines(value: object) -> Iterator[str]:
    """A text by its lines, a list by its items."""
    for one in value if isinstance(value, list) else str(value).splitlines():
        yield _shown(one)


def _shown(value: object) -> str:
    """As text that is one line, and does nothing to a terminal."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
