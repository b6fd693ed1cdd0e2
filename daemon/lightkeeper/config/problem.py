"""What is wrong, where, and how it is said without giving away a secret."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches

import msgspec

# Too short for a password that a program made, and nothing that an address or a key needs.
_PLAIN = re.compile(r"[A-Za-z0-9_.%:+*?-]{1,16}")
# Letters here, a number there: a name that somebody chose, or a pattern of such.
_WORD = r"[A-Za-z*?]{1,16}"
_NAME = re.compile(rf"(?=.{{1,64}}$){_WORD}( {_WORD}|([_.-]({_WORD}|[0-9]{{1,4}}))*)")


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong, or worth a warning."""

    file: str
    """Empty for what came by a flag or a variable."""
    line: int
    """From 1; 0 where there is no file."""
    key: str
    """Such as `logins[0].region`, `--region` or `AWS_REGION`; empty for the file as a whole."""
    message: str
    """What is wrong and what was expected."""

    def __str__(self) -> str:
        at = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (at, self.key, self.message) if part)


class ConfigErrors(Exception):  # noqa: N818 - it is never one error that is said
    """All that is wrong with a configuration, in the order of its lines, flags last.

    One problem a value: what else is wrong with it follows from the first, or shows once that is
    mended.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        by_value: dict[tuple[str, int, str], Problem] = {}
        for one in sorted(problems, key=lambda one: (not one.file, one.line)):
            by_value.setdefault((one.file, one.line, one.key), one)
        self.problems = tuple(by_value.values())
        super().__init__("\n".join(map(str, self.problems)))


def shown(text: str, otherwise: str = "the value") -> str:
    """The text if it is short and plain, else a word for it: it may be a secret."""
    return text if _PLAIN.fullmatch(text) or _NAME.fullmatch(text) else otherwise


def shown_name(text: str, otherwise: str = "the value") -> str:
    """The same of NAMESPACE/NAME, or a label's key, whose halves are looked at each by itself."""
    halves = text.split("/", 1)
    is_plain = text and all(half == shown(half, "") for half in halves)
    return text if is_plain else shown(text, otherwise)


def choice(word: str, known: Collection[str], prefix: str = "") -> str:
    """The advice for a word that is none of the known ones, all without a common prefix."""
    if near := get_close_matches(word, known, n=1):
        return f"did you mean {prefix}{near[0]}?"
    return f"expected one of {', '.join(prefix + one for one in known)}"
