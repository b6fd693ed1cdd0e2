"""The tables of events in code, and the page that people look them up in."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from lightkeeper.core.answer import Oddity, Verdict
from lightkeeper.core.facts import Cause, Renewed
from lightkeeper.core.notices import Notice
from lightkeeper.core.reasons import Reason
from lightkeeper.telemetry.events import EVENTS, OWN_EVENTS, Fact
from lightkeeper.telemetry.journal import Journal
from lightkeeper.telemetry.recorder import FactRecorder
from tests.core import making
from tests.core.making import HOUR
from tests.telemetry.examples import EXAMPLES, tell
from tests.telemetry.reading import Line, Stream, logging_to
from tests.telemetry.test_journal import say_everything

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "events.md"
ON_EVERY_LINE = {"event", "level", "timestamp"}
MENDED, WRONG = frozenset({Notice.ALIAS_REMOVED}), frozenset({Notice.HELPER_SHADOWS})


def test_an_event_is_a_snake_case_word_of_its_own() -> None:
    names = [kind.event for kind in EVENTS] + list(OWN_EVENTS)

    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names)


def test_the_page_has_a_row_for_each_event_with_its_meaning() -> None:
    meanings = {kind.event: event.meaning for kind, event in EVENTS.items()}
    meanings |= {name: own.meaning for name, own in OWN_EVENTS.items()}

    assert {name: row[2] for name, row in rows().items()} == meanings


def test_the_page_names_the_levels_that_an_event_can_have() -> None:
    seen = defaultdict[str, set[str]](set)
    for line in all_lines():
        seen[line["event"]].add(line["level"])

    assert {name: set(row[0].split(", ")) for name, row in rows().items()} == seen


def test_the_page_names_the_fields_that_an_event_can_have() -> None:
    seen = defaultdict[str, set[str]](set)
    for line in all_lines():
        seen[line["event"]] |= line.keys() - ON_EVERY_LINE

    assert {name: set(re.findall(r"`(\w+)`", row[1])) for name, row in rows().items()} == seen


def rows() -> dict[str, list[str]]:
    """Event to level, fields and meaning, as the page has them."""
    found = re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    return {name: cells.split(" | ") for name, cells in found}


def all_lines() -> list[Line]:
    """Every event at every level and with every field that it can have."""
    stream = Stream()
    with logging_to(stream):
        say_everything(Journal(stream))
        for fact in (*EXAMPLES.values(), *variants()):
            tell(FactRecorder(), fact, fact)
    return stream.lines


def variants() -> Iterator[Fact]:
    renewed = EXAMPLES[Renewed]
    assert isinstance(renewed, Renewed)
    yield replace(renewed, oddities=frozenset({Oddity.NO_DATE}))
    yield replace(making.failed(), remaining=HOUR)
    yield making.failed(reason=Reason.ACCESS_DENIED)
    yield making.verified(verdict=Verdict.ACCEPTED)
    for notices in (MENDED, WRONG):
        yield making.seen(notices=notices)
        yield making.delivered(repaired=Cause.REMOVED, notices=notices)
    yield making.not_delivered(reason=Reason.TIMEOUT)
    yield replace(making.round_ended(), failing=1)
