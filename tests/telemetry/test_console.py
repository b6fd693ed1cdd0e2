"""What people read of the log on a terminal."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Final

import pytest
import structlog
from msgspec.structs import replace

from lightkeeper.core.facts import Cause, OutputName, Place
from lightkeeper.core.notices import NOTICES, Notice
from lightkeeper.core.reasons import RENEWAL, Reason
from lightkeeper.telemetry.events import PHRASES, Fact
from lightkeeper.telemetry.journal import Journal
from lightkeeper.telemetry.recorder import FactRecorder
from tests.core import making
from tests.core.making import HOUR
from tests.telemetry.examples import EXAMPLES, STEP, tell
from tests.telemetry.reading import Stream, logging_to
from tests.telemetry.test_journal import say_everything

AT: Final = Place(output=OutputName("docker_config:/a/config.json"), name="/a/config.json")
WHEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ  ")


def shown(say: Callable[[], object], *, is_terminal: bool = False) -> list[str]:
    """The lines of what `say` logs, each first one without its time."""
    stream = Stream(is_terminal=is_terminal)
    with logging_to(stream, "console"):
        say()
    return [WHEN.sub("", line, count=1) for line in stream.getvalue().splitlines()]


def recorded(*happened: Fact) -> list[str]:
    return shown(lambda: tell(FactRecorder(), *happened))


def test_a_line_begins_with_its_time_to_the_second_and_its_zone() -> None:
    stream = Stream()
    with logging_to(stream, "console"):
        structlog.get_logger().info("daemon_stopping")

    assert WHEN.match(stream.getvalue())


def test_a_renewal_reads_as_login_phrase_and_the_rest_in_its_order() -> None:
    (line,) = recorded(making.renewed())

    assert line == (
        "prod  renewed, expires 2026-01-02T00:00:00Z"
        "  (registry registry.test, lifetime 12 h 0 min, registry says accepted, took 1 s)"
    )


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0264, "0.026 s"),
        (-2.5, "-2.5 s"),
        (9.99, "10 s"),
        (61, "1 min 1 s"),
        (-3600, "-1 h 0 min"),
        (7200.0, "2 h 0 min"),
    ],
)
def test_seconds_are_said_as_people_say_them(seconds: float, said: str) -> None:
    (line,) = shown(lambda: structlog.get_logger().info("state_saved", lasts_seconds=seconds))

    assert line == f"the state is saved again  (lasts {said})"


def test_what_to_do_stands_in_a_line_of_its_own() -> None:
    fact = replace(making.failed(reason=Reason.ACCESS_DENIED), remaining=HOUR)
    advice = f"    {RENEWAL[Reason.ACCESS_DENIED].advice}"

    first, *_, again, last = recorded(fact, fact)

    assert first == (
        "prod  error: renewal failed, access_denied: no route  (took 1 s, remaining 1 h 0 min)"
    )
    assert again.endswith("  (took 1 s, remaining 1 h 0 min, times 2)")
    assert last == advice


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        (
            making.drifted(cause=Cause.REMOVED, place=AT),
            "prod  warning: somebody else removed our entry in",
        ),
        (making.delivered(place=AT), "prod  delivered to /a/config.json  (changed yes)"),
        (
            making.delivered(place=AT, repaired=Cause.REMOVED),
            "prod  delivered to /a/config.json  (changed yes, repaired removed)",
        ),
        (making.round_ended(), "prod  delivered to its places: 1 changed, 0 unchanged, 0 failing"),
        (
            making.not_delivered(place=AT),
            "prod  error: delivery to /a/config.json failed, read_only: /a",
        ),
        (STEP, "warning: clocks went apart: set by -1 h 0 min, asleep for 1.5 s"),
    ],
    ids=["drift", "delivery", "repair", "round", "failure", "clocks"],
)
def test_an_event_reads_as_a_sentence(fact: Fact, said: str) -> None:
    assert recorded(fact)[0].startswith(said)


def test_what_was_noticed_is_told_with_what_to_do() -> None:
    first, advice = recorded(making.seen(place=AT, notices=frozenset({Notice.WIDE_MODE})))

    assert first == "prod  warning: looked at /a/config.json  (notices wide_mode)"
    assert advice == f"    {NOTICES[Notice.WIDE_MODE].advice}"


def test_an_output_is_named_if_its_name_says_more_than_the_place() -> None:
    place = Place(output=OutputName("builders"), name="/a/config.json")

    assert "output" not in recorded(making.delivered(place=AT))[0]
    assert recorded(making.delivered(place=place))[0].endswith("  (output builders, changed yes)")


def test_every_field_of_a_phrase_is_there() -> None:
    lines = [*recorded(*EXAMPLES.values()), *shown(lambda: say_everything(Journal(_nowhere())))]

    assert len(lines) >= len(PHRASES)
    assert not [line for line in lines if "?" in line]
    assert not [line for line in lines for event in PHRASES if "_" in event and event in line]


def _nowhere() -> Stream:
    """For a journal that is not asked to set the log up."""
    return Stream()


def test_problems_and_frames_have_lines_of_their_own() -> None:
    rejected = shown(lambda: Journal(_nowhere()).config_rejected(["a.yaml:1: x", "a.yaml:2: y"]))
    bug = recorded(replace(making.surprised(), traceback="Traceback\n  File\nLookupError"))

    assert rejected == [
        "error: the new configuration has errors, the old one runs on",
        "    a.yaml:1: x",
        "    a.yaml:2: y",
    ]
    assert bug == [
        "prod  error: a bug in renew; the login goes on",
        "    Traceback",
        "      File",
        "    LookupError",
    ]


def test_what_a_library_says_is_told_with_its_name_and_as_it_is() -> None:
    lines = shown(lambda: logging.getLogger("aiohttp.server").warning("surprised {doing}"))

    assert lines == ["warning: aiohttp.server: surprised {doing}"]


def test_an_event_without_a_phrase_is_told_by_its_word() -> None:
    assert shown(lambda: structlog.get_logger().info("something_new", at_all=1)) == [
        "something new  (at all 1)"
    ]


def test_nothing_that_is_told_makes_a_line_of_its_own_or_steers_the_terminal() -> None:
    evil = "x\x1b[2J\r\n2026-01-01T00:00:00Z  prod  renewed"

    lines = shown(lambda: structlog.get_logger().info("config_warning", problem=evil, other=evil))
    library = shown(lambda: logging.getLogger("evil").warning(evil))

    assert len(lines) == len(library) == 1
    assert "\x1b" not in lines[0] + library[0]
    assert r"x\x1b[2J\r\n2026" in lines[0]


@pytest.mark.parametrize(
    ("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb"), ("TERM", "xterm")]
)
def test_colours_are_for_terminals_that_want_them(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(variable, value)

    (line,) = shown(lambda: structlog.get_logger().warning("state_saved"), is_terminal=True)

    assert ("\x1b[33mwarning:\x1b[0m the state is saved again" in line) == (value == "xterm")
    assert ("\x1b" in line) == (value == "xterm")
