"""The Recorder: the line of each fact, how grave it is, and what is counted."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

import pytest
from msgspec.structs import replace

from lightkeeper.core.answer import Oddity
from lightkeeper.core.facts import Cause, LoginFact
from lightkeeper.core.news import failure_of, is_news
from lightkeeper.core.notices import NOTICES, Notice
from lightkeeper.core.place import PlaceState
from lightkeeper.core.policy import Policy
from lightkeeper.core.reasons import DELIVERY, RENEWAL, Reason
from lightkeeper.telemetry.events import EVENTS, Fact
from lightkeeper.telemetry.recorder import FactRecorder
from tests.core import making
from tests.core.living import Life
from tests.core.making import HERE, HOUR, LOGIN, MINUTE, NONE, NOON, SECOND, THERE
from tests.telemetry.examples import EXAMPLES, STEP, tell
from tests.telemetry.reading import Line, Stream, logging_to


def lines_of(*happened: Fact, news: bool = True, level: str = "debug") -> list[Line]:
    """The lines of these facts, recorded one after the other."""
    stream = Stream()
    with logging_to(stream, level=level):
        tell(FactRecorder(), *happened, news=news)
    return stream.lines


def line_of(fact: Fact) -> Line:
    (line,) = lines_of(fact)
    return {key: value for key, value in line.items() if key != "timestamp"}


def test_a_renewal_tells_all_of_it_in_one_line() -> None:
    odd = frozenset({Oddity.NO_DATE, Oddity.DISTANT_EXPIRY})

    assert line_of(replace(making.renewed(), oddities=odd)) == {
        "event": "credential_renewed",
        "level": "info",
        "login": "prod",
        "registry": "registry.test",
        "expires": "2026-01-02T00:00:00Z",
        "lifetime_seconds": 43200.0,
        "registry_says": "accepted",
        "unusual": ["distant_expiry", "no_date"],
        "took_seconds": 1.0,
    }


def test_a_renewal_without_a_question_to_the_registry_says_so() -> None:
    line = line_of(making.renewed(verdict=None))

    assert line["registry_says"] == "not asked"
    assert "unusual" not in line


def test_a_failed_attempt_tells_why_and_what_to_do() -> None:
    fact = replace(making.failed(reason=Reason.ACCESS_DENIED), remaining=HOUR)

    assert line_of(fact) == {
        "event": "renewal_failed",
        "level": "error",
        "login": "prod",
        "reason": "access_denied",
        "detail": "no route",
        "advice": RENEWAL[Reason.ACCESS_DENIED].advice,
        "remaining_seconds": 3600,
        "took_seconds": 1.0,
    }


def test_a_failed_delivery_tells_where_why_and_what_to_do() -> None:
    assert line_of(making.not_delivered()) == {
        "event": "delivery_failed",
        "level": "error",
        "login": "prod",
        "output": "docker_config:/a",
        "place": "/a/config.json",
        "reason": "read_only",
        "detail": "/a: read-only",
        "advice": DELIVERY[Reason.READ_ONLY].advice,
    }


def test_a_bug_is_told_with_its_traceback() -> None:
    line = line_of(making.surprised())

    assert (line["level"], line["doing"], line["traceback"]) == ("error", "renew", "LookupError")


def test_a_step_of_the_clocks_is_nobodys_line() -> None:
    assert line_of(STEP) == {
        "event": "clock_stepped",
        "level": "warning",
        "stepped_seconds": -3600.0,
        "suspended_seconds": 1.5,
    }


def test_what_somebody_else_did_to_a_place_is_told() -> None:
    drifted = line_of(making.drifted(cause=Cause.REVERTED))
    repaired = line_of(making.delivered(repaired=Cause.REVERTED))

    assert (drifted["cause"], drifted["level"]) == ("reverted", "warning")
    assert "by" not in drifted
    assert (repaired["repaired"], repaired["level"]) == ("reverted", "info")


@pytest.mark.parametrize("fact", [making.seen, making.delivered])
def test_what_is_noticed_at_a_place_is_told_with_what_to_do(fact: Callable[..., Fact]) -> None:
    found = {Notice.HELPER_SHADOWS, Notice.FIRST_ENTRY}

    line = line_of(fact(notices=frozenset(found)))

    assert line["level"] == "warning"
    assert line["notices"] == ["helper_shadows", "first_entry"]
    assert line["advice"] == " ".join(NOTICES[Notice(word)].advice for word in line["notices"])


def test_what_was_only_mended_is_no_warning() -> None:
    mended = frozenset({Notice.ALIAS_REMOVED})

    assert line_of(making.delivered(notices=mended))["level"] == "info"
    assert line_of(making.seen(notices=mended))["level"] == "info"
    assert line_of(making.seen())["level"] == "debug"


PERSON, WAITING = "error", "warning"


@pytest.mark.parametrize("reason", sorted(RENEWAL))
def test_a_failed_attempt_is_an_error_when_a_person_must_act(reason: Reason) -> None:
    waits = "throttled service_error network timeout proxy imds_unreachable invalid_response"
    waits += " region_setup_in_progress not_newer registry_rejected"

    line = line_of(making.failed(reason=reason))

    assert line["level"] == (WAITING if reason in waits.split() else PERSON)
    assert line["advice"] == RENEWAL[reason].advice


@pytest.mark.parametrize("reason", sorted(DELIVERY))
def test_a_failed_delivery_is_an_error_when_a_person_must_act(reason: Reason) -> None:
    line = line_of(making.not_delivered(reason=reason))

    waits = "timeout io_error contended network proxy throttled service_error superseded"
    waits += " namespace_terminating"
    assert line["level"] == (WAITING if reason in waits.split() else PERSON)
    assert line["advice"] == DELIVERY[reason].advice


def test_a_renewal_that_fails_past_expiry_is_an_error_whatever_the_reason() -> None:
    fact = making.failed(reason=Reason.NETWORK)

    levels = [line_of(replace(fact, remaining=left))["level"] for left in (None, SECOND, NONE)]

    assert levels == ["warning", "warning", "error"]


def test_a_failure_that_lasts_is_told_with_its_age() -> None:
    first, again = making.failed(), making.failed(HOUR)

    lines = lines_of(first, first, again)

    assert [line.get("times") for line in lines] == [None, 2, 3]
    assert (lines[2]["times"], lines[2]["lasts_seconds"]) == (3, 3600)


def test_a_failure_whose_count_is_not_known_is_told_without() -> None:
    stream = Stream()
    with logging_to(stream):
        FactRecorder().record(making.failed(), news=True)

    assert "times" not in stream.lines[0]


@pytest.mark.parametrize(
    ("failure", "cure"),
    [
        (making.failed(), making.renewed()),
        (making.not_saved(), making.saved()),
        (making.not_delivered(), making.delivered()),
        (making.not_delivered(), making.seen()),
        (making.not_delivered(), making.pending()),
    ],
    ids=["renewed", "saved", "delivered", "settled", "pending"],
)
def test_the_age_of_a_failure_ends_with_it(failure: LoginFact, cure: LoginFact) -> None:
    *_, line = lines_of(failure, cure, failure)

    assert "times" not in line


def test_another_reason_or_another_place_is_another_failure() -> None:
    other_reason = lines_of(making.failed(), making.failed(reason=Reason.THROTTLED))
    other_place = lines_of(making.not_delivered(), making.not_delivered(place=THERE))

    assert not any("times" in line for line in other_reason + other_place)


def test_what_is_no_news_is_not_said_but_for_debugging() -> None:
    told = [line["event"] for line in lines_of(*EXAMPLES.values(), news=False)]

    assert told == [kind.event for kind in EXAMPLES if EVENTS[kind].level(made(kind)) == "debug"]
    assert lines_of(*EXAMPLES.values(), news=False, level="info") == []


@dataclass
class Tally:
    """Counts what it is told."""

    took: list[timedelta] = field(default_factory=list)
    steps: int = 0

    def attempted(self, took: timedelta) -> None:
        self.took.append(took)

    def clock_stepped(self) -> None:
        self.steps += 1


@pytest.mark.parametrize("news", [True, False])
def test_attempts_and_steps_are_counted_whether_or_not_they_are_said(*, news: bool) -> None:
    tally = Tally()
    recorder = FactRecorder(tally)

    with logging_to(Stream()):
        for fact in EXAMPLES.values():
            recorder.record(fact, news=news)

    assert tally == Tally(took=[SECOND, SECOND], steps=1)


def made(kind: type[Fact]) -> Fact:
    fact: Fact = EXAMPLES[kind]
    return fact


def test_every_fact_has_a_line() -> None:
    assert set(EXAMPLES) == set(EVENTS)


def test_no_line_shows_a_password() -> None:
    """Every fact at DEBUG, with credentials in them that have marked passwords."""
    credential = making.a_credential("simulated-canary")

    stream = Stream()
    with logging_to(stream), logging_to(stream, "console"):
        for fact in (*EXAMPLES.values(), making.renewed(credential=credential)):
            FactRecorder().record(fact, news=True)
            logging.getLogger("asyncio").error("%r", fact)

    assert "registry.test" in stream.getvalue()
    assert "simulated-canary" not in stream.getvalue()


class Diary(Life):
    """A life whose facts are recorded as a keeper's are."""

    recorder: FactRecorder

    def _happened(self, fact: LoginFact) -> None:
        news = is_news(self.state, fact)
        super()._happened(fact)
        self.recorder.record(fact, news=news, failure=failure_of(self.state, fact))


@pytest.mark.parametrize("spread", [0.0, 0.1, 0.2])
def test_a_healthy_day_is_at_most_ten_lines_of_a_login(spread: float) -> None:
    """Every draw here is 0.5, so that these renew at 50, 45 and 40 % of the lifetime."""
    stream = Stream()
    diary = Diary(
        random=Random(1),  # noqa: S311 - nothing is left to chance in a calm
        policy=Policy(renew_at=0.5, spread=spread, verify=True),
        places=(PlaceState(place=HERE), PlaceState(place=THERE)),
    )
    diary.recorder = FactRecorder()

    with logging_to(stream, level="info"):
        diary.calm(timedelta(days=1), pace=MINUTE)

    assert diary.now.wall >= NOON + timedelta(days=1)
    events = [line["event"] for line in stream.lines]
    assert events.count("credential_renewed") >= 4
    assert set(events) == {"credential_renewed", "credential_delivered"}
    assert len(events) <= 10
    assert {line["login"] for line in stream.lines} == {LOGIN}
