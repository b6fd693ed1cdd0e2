"""How a login of the status document stands, in the lines that people read.

On a terminal and elsewhere they are the same; what they are painted with is `painting`'s affair.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum, auto, unique
from typing import Any, Final, NamedTuple, TypeVar

T = TypeVar("T")


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
MANY: Final = 20
"""More places than that of an output are counted, and not listed."""
_PLACES: Final = {"ok": Tone.GOOD, "pending": Tone.WAITING, "failing": Tone.WRONG}


def mark(login: Mapping[str, Any]) -> Line:
    """How it stands, in a word."""
    if not login["valid"]:
        return Line("[NO LOGIN]", Tone.WRONG)
    if not login["fresh"]:
        return Line("[low]", Tone.ODD)
    return Line("[ok]", Tone.GOOD) if login["ready"] else Line("[not ready]", Tone.ODD)


def lines(login: Mapping[str, Any], *, every_place: bool = False) -> Iterator[Line]:
    """What is known of a login, and then of each of its places.

    Of an output with many, how many stand how; after that only places that something is to be said
    of, unless `every_place` is asked for.
    """
    registry = login["registry"] or "not known yet"
    yield Line(f"registry {registry}, region {login['region']}", Tone.QUIET)
    if login["due"]:
        yield Line(f"expires {login['expires']}, renewal due {login['due']}", Tone.QUIET)
    if failure := login["failure"]:
        said = f"{failure['reason']}: {failure['detail']}"
        yield Line(f"failing since {failure['since']}: {said}", Tone.WRONG)
        yield Line(failure["advice"])
        yield Line(attempt(login), Tone.QUIET)
    if unsaved := login["unsaved"]:
        yield Line(unsaved_of(unsaved), Tone.WRONG)
        yield Line(unsaved["advice"])
    yield from lacking(login)
    for output in login["outputs"]:
        if len(output["places"]) > MANY:
            yield _progress(output)
        if len(output["places"]) > MANY and not every_place:
            yield from _remarkable(output["places"])
        else:
            for place in output["places"]:
                yield from _place(place)


def unsaved_of(failure: Mapping[str, str]) -> str:
    """What keeps the state from being saved."""
    return f"the state cannot be saved: {failure['reason']}: {failure['detail']}"


def lacking(login: Mapping[str, Any]) -> Iterator[Line]:
    """The outputs that have no place."""
    for output in login["outputs"]:
        if output["lacks"]:
            yield Line(output["lacks"], Tone.ODD)


def _place(place: Mapping[str, Any]) -> Iterator[Line]:
    until = place["expires"]
    text = f"{place['place']}  [{place['state']}]"
    if until or place["state"] != "pending":
        text += f"  holds a login until {until}" if until else "  holds none of ours"
    yield Line(text, _PLACES[place["state"]])
    yield from about(place)


def _progress(output: Mapping[str, Any]) -> Line:
    """How far an output with many places is, and whether that is well."""
    by_state = output["places_by_state"]
    worst = "failing" if by_state["failing"] else "pending" if by_state["pending"] else "ok"
    return Line(f"{output['output']}: {progress(output)}", _PLACES[worst])


def progress(output: Mapping[str, Any]) -> str:
    """How many places of an output hold the login, and why others do not."""
    by_state = output["places_by_state"]
    ok, failing, pending = by_state["ok"], by_state["failing"], by_state["pending"]
    said = f"{ok:,} of {len(output['places']):,} places hold the login"
    if pending:
        said += f", {pending:,} to come"
    if failing:
        failures = [place["failure"] for place in output["places"] if place["failure"]]
        reasons = Counter(failure["reason"] for failure in failures).most_common()
        why = ", ".join(f"{reason} {count:,}" for reason, count in reasons)
        said += f", {failing:,} failing" + (f" ({why})" if why else "")
    if output["earliest_expiry"]:
        said += f"; the first to expire does so at {output['earliest_expiry']}"
    return said


def few(found: Sequence[T], most: int = MANY) -> tuple[Sequence[T], str]:
    """The first of many that are told one by one, and what is said of the rest."""
    more = len(found) - most
    return found[:most], f"and {more:,} more like these" if more > 0 else ""


def _remarkable(every: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    """Of many places the first few that something is to be said of, those that fail first."""
    failing = [place for place in every if place["state"] == "failing"]
    odd = [place for place in every if place["state"] != "failing" and _is_odd(place)]
    first, rest = few(failing + odd)
    for place in first:
        yield from _place(place)
    if rest:
        yield Line(f"{rest}; all with --places", Tone.QUIET)


def _is_odd(place: Mapping[str, Any]) -> bool:
    """Whether somebody changed what we put there, or it is not what clients would use."""
    return bool(place["drift"]) or any(one["level"] == "warning" for one in place["notices"])


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
