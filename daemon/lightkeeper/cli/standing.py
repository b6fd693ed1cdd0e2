"""How a login of the status document stands, in the lines that people read.

On a terminal and elsewhere they are the same; what they are painted with is `painting`'s affair.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from enum import Enum, auto, unique
from typing import Any, Final, NamedTuple


@unique
class Tone(Enum):
    """How a line is meant."""

    PLAIN = auto()
    QUIET = auto()
    GOOD = auto()
    WAITING = auto()
    ODD = auto()
    """It deserves a look."""
    WRONG = auto()


class Line(NamedTuple):
    """One line; it may be longer than a terminal is wide."""

    text: str
    tone: Tone = Tone.PLAIN
    depth: int = 1
    """How far it is set in."""


WHY: Final = {
    "first": "no login is held",
    "due": "it is the time that was drawn when the login came",
    "expired": "the login expired",
    "refused": "the registry refuses the login",
    "requested": "somebody asked for it",
}
"""Why the next attempt begins, by the word of the document."""
_PLACES: Final = {"ok": Tone.GOOD, "pending": Tone.WAITING, "failing": Tone.WRONG}


def mark(login: Mapping[str, Any]) -> Line:
    """How it stands, in a word."""
    if not login["valid"]:
        return Line("[NO LOGIN]", Tone.WRONG)
    if not login["fresh"]:
        return Line("[low]", Tone.ODD)
    return Line("[ok]", Tone.GOOD) if login["ready"] else Line("[not ready]", Tone.ODD)


def lines(login: Mapping[str, Any]) -> Iterator[Line]:
    """What is known of a login, and then of each of its places."""
    registry = login["registry"] or "not known yet"
    yield Line(f"registry {registry}, region {login['region']}", Tone.QUIET)
    if login["due"]:
        yield Line(f"expires {login['expires']}, renewal due {login['due']}", Tone.QUIET)
    if failure := login["failure"]:
        said = f"{failure['reason']}: {failure['detail']}"
        yield Line(f"failing since {failure['since']}: {said}", Tone.WRONG)
        yield Line(failure["advice"])
        yield Line(attempt(login), Tone.QUIET)
    for place in places(login):
        until = place["expires"]
        text = f"{place['place']}  [{place['state']}]"
        if until or place["state"] != "pending":
            text += f"  holds a login until {until}" if until else "  holds none of ours"
        yield Line(text, _PLACES[place["state"]])
        yield from about(place)


def attempt(login: Mapping[str, Any]) -> str:
    """When the next attempt begins, and why."""
    return f"next attempt {login['next_attempt']}: {WHY[login['next_attempt_why']]}"


def is_wanted(login: Mapping[str, Any]) -> bool:
    """Whether a renewal is wanted now, be it that a wait keeps it from being tried.

    What is left is counted by the clock that says when one is due; of its instants the document
    tells no parts of a second.
    """
    if login["next_attempt_why"] != "due":
        return True
    left = timedelta(seconds=login["remaining_seconds"] - 1)
    return datetime.fromisoformat(login["expires"]) - datetime.fromisoformat(login["due"]) >= left


def places(login: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every place of every output."""
    return (place for output in login["outputs"] for place in output["places"])


def about(place: Mapping[str, Any]) -> Iterator[Line]:
    """What is to be said of a place: what is wrong or what it waits for, and what was noticed."""
    if failure := place["failure"]:
        yield Line(f"{failure['reason']}: {failure['detail']}", Tone.WRONG, 2)
        yield Line(failure["advice"], depth=2)
    elif place["waits"]:
        yield Line(place["waits"], Tone.WAITING, 2)
    yield from noticed(place)


def noticed(place: Mapping[str, Any]) -> Iterator[Line]:
    """What was noticed at a place, whatever it holds."""
    for one in place["notices"]:
        said = f"{one['notice']}: {one['advice']}"
        if one["level"] == "warning":
            yield Line(f"warning: {said}", Tone.ODD, 2)
        else:
            yield Line(said, Tone.QUIET, 2)
