"""The pipeline: one bounded line an event, in UTC, without local variables; libraries too."""

from __future__ import annotations

import errno
import logging
import os
import re
import subprocess
import sys
from io import BytesIO, StringIO, TextIOWrapper

import pytest
import structlog

from lightkeeper.telemetry import logs
from tests.telemetry.reading import Stream, logging_to

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def say(**fields: object) -> None:
    structlog.get_logger().info("place_delivered", **fields)


def fail_with_a_local() -> None:
    hidden = "simulated-local"
    raise LookupError(len(hidden))


def test_a_line_is_one_json_object_with_event_level_and_utc() -> None:
    stream = Stream()

    with logging_to(stream):
        say(login="prod", places=["/a", "/b"], took_seconds=0.25)

    (line,) = stream.lines
    assert ISO.fullmatch(line.pop("timestamp"))
    assert line == {
        "event": "place_delivered",
        "level": "info",
        "login": "prod",
        "places": ["/a", "/b"],
        "took_seconds": 0.25,
    }


def test_what_is_no_json_is_written_as_its_text() -> None:
    stream = Stream()

    with logging_to(stream):
        say(what=errno)

    assert stream.lines[0]["what"].startswith("<module 'errno'")


def test_a_terminal_gets_the_console_and_everything_else_json() -> None:
    terminal, pipe = Stream(is_terminal=True), Stream()

    with logging_to(terminal, "auto"):
        say()
    with logging_to(pipe, "auto"):
        say()

    assert not terminal.getvalue().startswith("{")
    assert pipe.getvalue().startswith("{")


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_form_that_is_asked_for_is_used_wherever_it_goes(form: logs.Format) -> None:
    terminal, pipe = Stream(is_terminal=True), Stream()

    for stream in (terminal, pipe):
        with logging_to(stream, form):
            say()

    are_json = {stream.getvalue().startswith("{") for stream in (terminal, pipe)}
    assert are_json == {form == "json"}


def test_colours_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal, pipe = Stream(is_terminal=True), Stream()

    for stream in (terminal, pipe):
        with logging_to(stream, "console"):
            say()

    assert "\x1b[" in terminal.getvalue()
    assert "\x1b[" not in pipe.getvalue()


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Stream(is_terminal=True)

    with logging_to(terminal, "console"):
        say()

    assert "delivered to" in terminal.getvalue()
    assert "\x1b[" not in terminal.getvalue()


def test_a_level_that_is_off_says_nothing_and_a_reload_changes_it() -> None:
    """A logger that was taken before goes by the new level too."""
    stream = Stream()

    with logging_to(stream, level="warning"):
        logger = structlog.get_logger()
        logger.info("hidden")
        logs.configure("json", "info", stream)
        logger.info("shown")
        logs.configure("json", "error", stream)
        logger.warning("hidden")

    assert [line["event"] for line in stream.lines] == ["shown"]


def test_a_reload_does_not_double_what_libraries_say() -> None:
    stream = Stream()

    with logging_to(stream):
        logs.configure("json", "info", stream)
        logging.getLogger("somebody").warning("once")

    assert [line["event"] for line in stream.lines] == ["once"]


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_field_is_longer_than_a_person_reads(form: logs.Format) -> None:
    stream = Stream()

    with logging_to(stream, form):
        say(detail="d" * 10_000, traceback="t" * 10_000, places=["p" * 10_000] * 100)

    text = stream.getvalue()
    assert text.count("d") < 2_100
    assert 7_900 < text.count("t") < 8_100
    assert text.count("p") <= 50 * 2_000 + 20
    assert "d…" in text


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_path_that_is_no_text_is_told_all_the_same(form: logs.Format) -> None:
    """A name may hold any byte; one that an encoder refuses must not end a login."""
    written = BytesIO()
    stream = TextIOWrapper(written, encoding="utf-8")
    path = os.fsdecode(b"/a\xff")

    with logging_to(stream, form):
        say(place=path, places=[path])

    assert written.getvalue().count(rb"\udcff") == 2


def test_a_terminal_that_knows_few_letters_gets_their_numbers() -> None:
    written = BytesIO()
    stream = TextIOWrapper(written, encoding="ascii")

    with logging_to(stream, "console"):
        say(place="/ä")

    assert rb"/\xe4" in written.getvalue()


class Broken(StringIO):
    """A disk that is full, or a pipe that nobody reads."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "full")


def test_a_log_that_takes_nothing_stops_nobody(capfd: pytest.CaptureFixture[str]) -> None:
    with logging_to(Broken()):
        say()
        logging.getLogger("somebody").warning("lost")

    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "name",
    ["aiohttp", "apscheduler", "asyncio", "botocore", "httpx2", "urllib3", "unheard"],
)
def test_libraries_speak_in_our_lines_and_never_below_info(name: str) -> None:
    """At DEBUG some print passwords."""
    stream = Stream()

    with logging_to(stream, level="debug"):
        logging.getLogger(f"{name}.part").debug("whispered")
        logging.getLogger(f"{name}.part").warning("said %s", "aloud")

    (line,) = stream.lines
    assert ISO.fullmatch(line["timestamp"])
    assert (line["event"], line["level"], line["logger"]) == (
        "said aloud",
        "warning",
        f"{name}.part",
    )


def test_a_line_for_each_request_is_nobodys_news() -> None:
    stream = Stream()

    with logging_to(stream, level="info"):
        for name in ("httpx2", "aiohttp.access", "botocore.endpoint"):
            logging.getLogger(name).info("HTTP Request: PATCH ...")

    assert stream.lines == []


def test_warnings_that_quote_an_answer_are_held_back() -> None:
    """A refresh that fails is told with the answer of STS or a process; we name the failure."""
    stream = Stream()

    with logging_to(stream, level="debug"):
        logging.getLogger("aiobotocore.credentials").warning("failed: %s", "simulated-canary")
        logging.getLogger("aiobotocore.credentials").error("said aloud")

    (line,) = stream.lines
    assert line["event"] == "said aloud"


def test_a_level_above_info_holds_for_libraries_too() -> None:
    stream = Stream()

    with logging_to(stream, level="error"):
        logging.getLogger("botocore").warning("hidden")
        logging.getLogger("unheard").warning("hidden")
        logging.getLogger("botocore").error("shown")

    assert [line["event"] for line in stream.lines] == ["shown"]


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_shows_frames_and_no_local_variables(form: logs.Format) -> None:
    stream = Stream()

    with logging_to(stream, form):
        for log in (logging.getLogger("asyncio"), structlog.get_logger()):
            try:
                fail_with_a_local()
            except LookupError:
                log.exception("task_failed")

    text = stream.getvalue()
    assert text.count("fail_with_a_local") >= 2
    assert text.count("LookupError") >= 2
    assert "simulated-local" not in text


def run_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout


def test_structlog_does_not_bring_rich_and_commands_can_still_have_it() -> None:
    """Its presence costs the daemon 280 ms and 5 MB."""
    code = """
import sys
import lightkeeper.telemetry.logs
print([name for name in sys.modules if name.split(".")[0] == "rich"])
from rich.table import Table
print(Table.__module__)
"""
    assert run_python(code).split("\n") == ["[]", "rich.table", ""]


def test_a_command_that_has_rich_already_keeps_it() -> None:
    code = """
import rich.table, sys
before = sys.modules["rich"]
import lightkeeper.telemetry.logs
print(sys.modules["rich"] is before)
"""
    assert run_python(code) == "True\n"


def test_everything_said_by_aws_library_at_debug_stays_unsaid() -> None:
    """A marked password in what the library would log: none of it comes out."""
    stream = Stream()

    with logging_to(stream, level="debug"):
        for name in ("botocore.endpoint", "botocore.parsers", "aiobotocore.httpsession"):
            logging.getLogger(name).debug("Response body: %s", "simulated-canary")
            logging.getLogger(name).info("Response body: %s", "simulated-canary")

    assert stream.getvalue() == ""
