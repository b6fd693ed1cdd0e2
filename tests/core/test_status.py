"""The report as a document: what it holds, in which form, and that no secret is in it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from lightkeeper.core.answer import Verdict
from lightkeeper.core.facts import Cause, LoginName
from lightkeeper.core.namespaces import Unlisted
from lightkeeper.core.notices import NOTICES, Notice
from lightkeeper.core.part import Part, Role
from lightkeeper.core.place import PlaceState
from lightkeeper.core.reasons import Reason
from lightkeeper.core.report import report
from lightkeeper.core.state import LoginState
from lightkeeper.core.status import as_document, headline, sentence, span
from tests.core.making import (
    HERE,
    HOUR,
    LIFETIME,
    MINUTE,
    NONE,
    SECOND,
    THERE,
    a_credential,
    a_state,
    after,
    at,
    delivered,
    drifted,
    failed,
    not_delivered,
    not_saved,
    pending,
    renewed,
    started,
    surprised,
    verified,
)

EMPTY = a_state().with_places([PlaceState(place=HERE), PlaceState(place=THERE)])
HELD = after(EMPTY, started(), renewed(), delivered(place=HERE), delivered(place=THERE))


def document_of(state: LoginState, when: timedelta = NONE) -> Any:  # noqa: ANN401 - JSON
    """Through JSON and back, as whoever asks gets it."""
    return json.loads(json.dumps(as_document(report([(state, "eu-central-1")], at(when)))))


def login_of(state: LoginState, when: timedelta = NONE) -> Any:  # noqa: ANN401 - JSON
    return document_of(state, when)["logins"][0]


def said(state: LoginState, when: timedelta) -> str:
    return sentence(report([(state, "")], at(when)).logins[0])


def test_a_login_is_told_in_the_types_of_json() -> None:
    told = login_of(HELD, 6 * HOUR + 25 * MINUTE)

    del told["outputs"], told["facts"]
    assert told == {
        "login": "prod",
        "region": "eu-central-1",
        "registry": "registry.test",
        "sentence": "without another renewal the login lasts until 00:00Z (5 h 35 min)",
        "ready": True,
        "valid": True,
        "fresh": True,
        "accepted": "accepted",
        "issued": "2026-01-01T12:00:00Z",
        "expires": "2026-01-02T00:00:00Z",
        "lifetime_seconds": 43200.0,
        "remaining_seconds": 20100.0,
        "renewing": False,
        "due": "2026-01-01T17:24:00Z",
        "next_attempt": "2026-01-01T18:25:00Z",
        "next_attempt_why": "due",
        "last_success": "2026-01-01T12:00:00Z",
        "clock_skew_seconds": 0.0,
        "delivered": "2026-01-01T12:00:00Z",
        "consecutive_failures": 0,
        "failure": None,
        "unsaved": None,
        "bug": None,
        "renewals": 1,
        "renewal_failures": {},
        "verifications": {"accepted": 1},
    }


def test_an_output_is_told_with_its_places() -> None:
    state = after(
        HELD,
        not_delivered(HOUR, place=HERE),
        drifted(HOUR, Cause.REMOVED, place=THERE, digest=None),
        delivered(HOUR, place=THERE, repaired=Cause.REMOVED, notices=frozenset({Notice.WIDE_MODE})),
    )

    (told,) = login_of(state, 2 * HOUR)["outputs"]

    assert told["output"] == HERE.output
    assert told["earliest_expiry"] == "2026-01-02T00:00:00Z"
    assert told["places_by_state"] == {"ok": 1, "failing": 1, "pending": 0}
    assert (told["changed"], told["unchanged"]) == (3, 0)
    assert told["failures"] == {"read_only": 1}
    assert told["repairs"] == {"removed": 1}
    here, there = told["places"]
    assert here["place"] == "/a/config.json"
    assert here["state"] == "failing"
    assert here["failure"] == {
        "reason": "read_only",
        "detail": "/a: read-only",
        "advice": "The file system or the unit's sandbox is read-only there; remount it, or add the"
        " directory to ReadWritePaths.",
        "since": "2026-01-01T13:00:00Z",
        "count": 1,
    }
    assert there == {
        "place": "/b/config.json",
        "state": "ok",
        "expires": "2026-01-02T00:00:00Z",
        "failure": None,
        "pending": None,
        "waits": None,
        "drift": None,
        "notices": [
            {
                "notice": "wide_mode",
                "level": "warning",
                "advice": NOTICES[Notice.WIDE_MODE].advice,
            }
        ],
    }


def test_a_place_that_cannot_be_there_says_why() -> None:
    place = login_of(after(EMPTY, pending(place=HERE)))["outputs"][0]["places"][0]

    assert (place["state"], place["pending"], place["expires"]) == ("pending", "/run/user/1", None)


def test_failures_of_all_kinds_come_with_what_to_do() -> None:
    state = after(
        HELD,
        failed(HOUR, Reason.NETWORK),
        not_saved(HOUR),
        surprised(HOUR, "verify"),
        started(HOUR),
    )

    told = login_of(state, HOUR)

    reasons = [told[kind]["reason"] for kind in ("failure", "unsaved", "bug")]
    assert reasons == ["network", "no_space", "internal_error"]
    assert all(told[kind]["advice"] for kind in ("failure", "unsaved", "bug"))
    assert told["renewal_failures"] == {"network": 1}


def test_facts_are_told_with_their_word_and_place() -> None:
    *_, last = login_of(after(HELD, not_delivered(HOUR, place=HERE)), HOUR)["facts"]

    assert last == {
        "at": "2026-01-01T13:00:00Z",
        "fact": "delivery_failed",
        "word": "read_only",
        "place": "/a/config.json",
        "detail": "/a: read-only",
    }


def test_the_document_says_when_and_whether_all_is_well() -> None:
    assert document_of(HELD, HOUR)["at"] == "2026-01-01T13:00:00Z"
    assert document_of(HELD, HOUR)["ready"] is True
    assert document_of(EMPTY)["ready"] is False


def test_each_login_says_whether_it_is_ready() -> None:
    bad = replace(EMPTY, login=LoginName("bad"))

    told = as_document(report([(HELD, ""), (bad, "")], at(HOUR)))

    assert told["ready"] is False
    assert [(one["login"], one["ready"]) for one in told["logins"]] == [
        ("prod", True),
        ("bad", False),
    ]


def test_a_state_that_is_too_new_to_be_saved_over_is_told_as_what_it_is() -> None:
    told = login_of(after(HELD, not_saved(HOUR, Reason.MALFORMED)), HOUR)["unsaved"]

    assert "A newer Lightkeeper saved this state" in told["advice"]


def test_no_secret_is_in_it() -> None:
    assert "simulated-1" not in json.dumps(document_of(HELD))


LASTS = "without another renewal the login lasts until 00:00Z (11 h 0 min)"
SENTENCES = [
    (HELD, HOUR, LASTS),
    (EMPTY, NONE, "no login has come yet"),
    (HELD, LIFETIME, "the login expired at 2026-01-02 00:00Z"),
    (
        after(EMPTY, started(), renewed(credential=a_credential(lifetime=40 * HOUR))),
        NONE,
        "without another renewal the login lasts until 2026-01-03 04:00Z (1 d 16 h)",
    ),
    (
        after(HELD, verified(HOUR, Verdict.REJECTED)),
        HOUR,
        f"{LASTS}, but the registry refuses it",
    ),
    (
        after(HELD, verified(HOUR, Verdict.REJECTED), failed(HOUR, Reason.SUPERSEDED)),
        HOUR,
        f"{LASTS}, but the registry refuses it again: another caller seems to end our logins",
    ),
]


@pytest.mark.parametrize(("state", "when", "expected"), SENTENCES)
def test_a_sentence_says_how_long_the_login_lasts(
    state: LoginState, when: timedelta, expected: str
) -> None:
    assert said(state, when) == expected


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        (NONE, "0 s"),
        (59.4 * SECOND, "59 s"),
        (59.5 * SECOND, "1 min 0 s"),
        (61 * SECOND, "1 min 1 s"),
        (HOUR, "1 h 0 min"),
        (HOUR - SECOND, "59 min 59 s"),
        (24 * HOUR, "1 d 0 h"),
        (49 * HOUR + 59 * MINUTE, "2 d 1 h"),
    ],
)
def test_durations_are_said_in_their_two_largest_units(duration: timedelta, expected: str) -> None:
    assert span(duration) == expected


def test_where_replicas_elect_a_leader_the_document_tells_who_it_is() -> None:
    part = Part(role=Role.STANDBY, lease="ci/lease", leader="them")
    document = as_document(replace(report([], at(NONE)), part=part))

    assert (document["role"], document["leader"]) == ("standby", "them")
    assert (document["ready"], document["logins"]) == (True, [])


def test_namespaces_that_are_not_known_are_told_in_a_sentence_and_leave_it_ready() -> None:
    why = Unlisted(reason=Reason.NETWORK, detail="Connection refused")
    document = as_document(replace(report([], at()), unlisted=why))

    assert document["namespaces"] == why.sentence
    assert document["ready"]
    assert "namespaces" not in as_document(report([], at()))


def test_the_headline_says_that_all_is_well_or_what_is_not() -> None:
    well = report([(HELD, ""), (HELD, "")], at(NONE))

    assert headline(replace(well, logins=well.logins[:1])) == "1 login, all delivered"
    assert headline(well) == "2 logins, all delivered"
    assert headline(report([(EMPTY, "")], at(NONE))).startswith("1 login; prod has no valid")


def test_the_headline_of_a_standby_says_who_leads() -> None:
    part = Part(role=Role.STANDBY, lease="ci/lease", leader="them")

    assert headline(replace(report([], at(NONE)), part=part)) == part.aside
