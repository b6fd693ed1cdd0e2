"""The lines of the process itself."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from lightkeeper import __version__
from lightkeeper.core.election import (
    ElectionFailed,
    Ended,
    LeaderSeen,
    LeadershipBegan,
    LeadershipEnded,
    LeaseReleased,
)
from lightkeeper.core.namespaces import Unlisted, none_chosen
from lightkeeper.core.reasons import DELIVERY, Reason
from lightkeeper.core.upkeep import STORE
from lightkeeper.telemetry.events import OWN_EVENTS
from lightkeeper.telemetry.journal import Journal
from tests.core.making import HOUR, LOGIN, MINUTE, OUTPUT, at
from tests.telemetry.reading import Line, Stream, logging_to


def written(say: Callable[[Journal], None]) -> list[Line]:
    """What `say` makes a journal write, without its time."""
    stream = Stream()
    with logging_to(stream):
        say(Journal(stream))
    return [
        {key: value for key, value in line.items() if key != "timestamp"} for line in stream.lines
    ]


def test_a_start_tells_version_process_logins_and_dangerous_settings() -> None:
    lines = written(lambda journal: journal.daemon_started(["prod"], "/s", ["plain http"]))

    assert lines == [
        {
            "event": "daemon_started",
            "level": "info",
            "version": __version__,
            "pid": os.getpid(),
            "logins": ["prod"],
            "state_dir": "/s",
        },
        {"event": "config_warning", "level": "warning", "problem": "plain http"},
    ]


@pytest.mark.parametrize(
    ("address", "told"),
    [("127.0.0.1:9780", "http://127.0.0.1:9780/metrics"), ("", "not served")],
)
def test_a_daemon_that_is_ready_says_where_to_scrape(address: str, told: str) -> None:
    (line,) = written(lambda journal: journal.daemon_ready(address))

    assert (line["event"], line["metrics"]) == ("daemon_ready", told)


def test_a_configuration_that_is_in_force_names_what_waits_for_a_restart() -> None:
    lines = written(lambda journal: journal.config_reloaded(["w"], needs_restart=["state_dir"]))

    events = ["config_reloaded", "config_warning", "restart_needed"]
    assert [line["event"] for line in lines] == events
    assert lines[-1]["key"] == "state_dir"


def test_a_configuration_that_is_rejected_tells_twenty_of_its_problems() -> None:
    (line,) = written(lambda journal: journal.config_rejected(range(25)))

    assert line["level"] == "error"
    assert line["problems"] == [str(number) for number in range(20)]
    assert line["more"] == 5


def test_a_port_in_use_is_said_when_it_begins_and_each_hour() -> None:
    def say(journal: Journal) -> None:
        for after in (0 * MINUTE, MINUTE, HOUR, HOUR + MINUTE):
            journal.listener_failed("127.0.0.1:9780", "Address already in use", at(after))
            journal.control_failed("/run: No space left", at(after))

    lines = [line for line in written(say) if line["event"] == "listener_failed"]

    assert len(written(say)) == 4
    assert len(lines) == 2
    assert lines[0]["listen"] == "127.0.0.1:9780"
    assert lines[0]["detail"] == "Address already in use"


def test_a_bug_is_said_when_it_begins_and_each_hour() -> None:
    def say(journal: Journal) -> None:
        for after in (0 * MINUTE, MINUTE, HOUR, HOUR + MINUTE):
            journal.daemon_surprised("beat", "LookupError", at(after))
        journal.daemon_surprised("reload", "LookupError", at(HOUR))

    assert [line["doing"] for line in written(say)] == ["beat", "beat", "reload"]


def test_a_watch_that_is_blind_is_said_once_for_each_cause() -> None:
    def say(journal: Journal) -> None:
        for detail in ("/a: No space left", "/b: No space left", "/a: No space left"):
            journal.watch_blind(detail)

    assert [line["detail"] for line in written(say)] == ["/a: No space left", "/b: No space left"]


def test_namespaces_that_cannot_be_listed_are_said_once_and_again_when_they_can() -> None:
    def say(journal: Journal) -> None:
        journal.namespaces_listed(at, None)
        for _ in range(2):
            for _ in range(3):
                journal.namespaces_listed(at, Unlisted(reason=Reason.NETWORK, detail="refused"))
            journal.namespaces_listed(at, None)

    lines = written(say)

    assert [line["event"] for line in lines] == ["namespaces_unknown", "namespaces_known"] * 2
    assert (lines[0]["reason"], lines[0]["detail"]) == ("network", "refused")
    assert lines[0]["advice"] == DELIVERY[Reason.NETWORK].advice


def test_an_output_that_chooses_no_namespace_is_said_once_and_again_when_it_chooses_some() -> None:
    def say(journal: Journal) -> None:
        for unchosen in ([], [(LOGIN, OUTPUT)], [(LOGIN, OUTPUT)], [], [], [(LOGIN, OUTPUT)]):
            journal.namespaces_chosen(unchosen)

    lines = written(say)

    said = [(line["event"], line["level"], line["login"], line["output"]) for line in lines]
    missing = ("namespace_missing", "warning", LOGIN, OUTPUT)
    assert said == [missing, ("namespace_chosen", "info", LOGIN, OUTPUT), missing]
    assert lines[0]["detail"] == none_chosen(OUTPUT)


def test_a_state_that_cannot_be_read_is_said_when_it_begins_and_each_hour() -> None:
    def say(journal: Journal) -> None:
        for after in (0 * MINUTE, MINUTE, HOUR, HOUR + MINUTE):
            journal.state_not_read(Reason.NETWORK, "refused", at(after))

    lines = written(say)

    assert len(lines) == 2
    assert lines[0]["advice"] == STORE[Reason.NETWORK].advice


def test_places_that_are_left_are_named_with_the_command_that_cleans_them() -> None:
    (line,) = written(lambda journal: journal.places_left("prod", ["/a"]))

    assert line["places"] == ["/a"]
    assert line["command"] == "lightkeeper withdraw prod"


def test_of_very_many_places_that_were_pruned_twenty_are_named() -> None:
    places = [f"n{number}/push" for number in range(25)]

    def say(journal: Journal) -> None:
        journal.places_pruned("prod", OUTPUT, places[:1])
        journal.places_pruned("prod", OUTPUT, places)

    one, many = written(say)

    assert (one["level"], one["login"], one["output"]) == ("info", "prod", OUTPUT)
    assert (one["places"], one["more"]) == (places[:1], 0)
    assert (many["places"], many["more"]) == (places[:20], 5)


def test_the_command_that_cleans_places_is_the_one_that_was_given() -> None:
    stream = Stream()
    with logging_to(stream):
        journal = Journal(stream, "sudo -u ci lightkeeper withdraw {}".format)
        journal.places_left("prod", ["/a"])

    assert stream.lines[0]["command"] == "sudo -u ci lightkeeper withdraw prod"


def test_a_reload_of_the_level_holds_from_the_next_line_on() -> None:
    def say(journal: Journal) -> None:
        journal.configure("json", "warning")
        journal.daemon_stopping()
        journal.state_unreadable("prod", "damaged")

    (line,) = written(say)

    assert line["event"] == "state_unreadable"
    assert (line["login"], line["detail"]) == ("prod", "damaged")


def test_every_event_of_the_table_is_written_at_its_level() -> None:
    lines = written(say_everything)

    assert {line["event"]: line["level"] for line in lines} == {
        event: own.level for event, own in OWN_EVENTS.items()
    }


def say_everything(journal: Journal) -> None:
    """Every line there is."""
    journal.daemon_started(["prod"], "/s", ["w"])
    journal.daemon_ready("127.0.0.1:9780")
    journal.config_reloaded([], needs_restart=["state_dir"])
    journal.config_rejected(["p"])
    journal.listener_failed("127.0.0.1:9780", "Address already in use", at())
    journal.daemon_surprised("beat", "LookupError", at())
    journal.control_failed("d", at())
    for fact in (
        LeadershipBegan(at=at(), identity="a", former="b", transitions=1),
        LeadershipEnded(
            at=at(), identity="a", why=Ended.TAKEN, holder="b", detail="d", lasted=MINUTE
        ),
        LeaderSeen(at=at(), holder="b", transitions=2),
        LeaseReleased(at=at(), identity="a"),
        ElectionFailed(at=at(), reason=Reason.NETWORK, detail="d"),
    ):
        journal.elected(fact)
    journal.watch_blind("d")
    journal.namespaces_listed(at, Unlisted(reason=Reason.NETWORK, detail="d"))
    journal.namespaces_listed(at, None)
    journal.namespaces_chosen([(LOGIN, OUTPUT)])
    journal.namespaces_chosen([])
    journal.places_left("prod", ["/a"])
    journal.places_pruned("prod", OUTPUT, ["ci/push"])
    journal.state_not_read(Reason.NETWORK, "d", at())
    journal.renewal_not_begun("w")
    journal.cluster_not_reached("d", at())
    journal.state_unreadable("prod", "d")
    journal.lines_lost(2)
    journal.daemon_stopping()
