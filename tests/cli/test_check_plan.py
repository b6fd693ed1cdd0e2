"""The plan that `check` shows of a status document: few places one by one, many as a count."""

from __future__ import annotations

from typing import Any

from lightkeeper.cli.check import remarks, rows
from lightkeeper.cli.standing import MANY
from tests.cli.test_standing import LOGIN, WARNING, an_output, failing_for, some

AT = "2026-03-01T12:00:00Z"


def planned(*outputs: dict[str, Any]) -> dict[str, Any]:
    return LOGIN | {
        "login": "prod",
        "registry": "r.test",
        "due": "2026-03-01T15:00:00Z",
        "next_attempt": "2026-03-01T15:00:00Z",
        "next_attempt_why": "due",
        "clock_skew_seconds": 0,
        "outputs": outputs,
    }


def shown(*outputs: dict[str, Any]) -> list[tuple[str, str]]:
    """Place, and what is written."""
    return [(row[3], row[4]) for row in rows(planned(*outputs), AT, {})]


def test_when_a_login_renews_is_said_once_for_all_its_places() -> None:
    told = rows(planned(an_output(some(2)), an_output(some(1))), AT, {})

    assert [(row[0], row[1], bool(row[2])) for row in told] == [
        ("prod", "eu-central-1", True),
        ("prod", "eu-central-1", False),
        ("prod", "eu-central-1", False),
    ]


def test_few_places_are_planned_one_by_one() -> None:
    assert shown(an_output(some(MANY))) == [
        (f"n{number}/push", "nothing, it is current") for number in range(MANY)
    ]


def test_many_places_that_are_current_are_a_row() -> None:
    assert shown(an_output(some(200), "16:00Z")) == [
        ("secrets", "200 of 200 places hold the login; the first to expire does so at 16:00Z")
    ]


def test_of_many_places_the_first_that_fail_are_planned_one_by_one() -> None:
    bad = some(195, state="failing", failure=failing_for("access_denied"))
    later = some(100, state="pending")

    told = shown(an_output(some(5) + bad + later))

    assert told[0] == (
        "secrets",
        (
            "5 of 300 places hold the login, 100 to come, 195 failing (access_denied 195);"
            " the first 200 were looked at"
        ),
    )
    assert told[1:-1] == [
        (f"n{number}/push", "nothing: access_denied: d") for number in range(MANY)
    ]
    assert told[-1] == ("", "and 175 more like these")


def test_what_to_do_is_said_once_for_many_places_that_fail_alike() -> None:
    denied = some(30, state="failing", failure=failing_for("access_denied"), notices=[WARNING])
    few = [some(1, state="failing", failure=failing_for("timeout"))[0] | {"place": "/p"}]

    told = list(remarks([planned(an_output(denied), an_output(few))], {}))

    assert told[:2] == ["secrets: Do.", "/p: Do."]
    assert told[2:-1] == [f"n{number}/push: warning: wide_mode: Look." for number in range(MANY)]
    assert told[-1] == "secrets: and 10 more like these"
