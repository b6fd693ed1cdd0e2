"""The lines on how a login stands: what is wrong, what it waits for, and what was noticed."""

from __future__ import annotations

from typing import Any

import pytest

from lightkeeper.cli.standing import Line, Tone, about, lines, mark, noticed

LOGIN: dict[str, Any] = {
    "registry": None,
    "region": "eu-central-1",
    "due": None,
    "failure": None,
    "outputs": [],
    "valid": True,
    "fresh": True,
    "ready": True,
}
PLACE: dict[str, Any] = {
    "place": "/p",
    "state": "ok",
    "expires": None,
    "failure": None,
    "drift": None,
    "pending": None,
    "waits": None,
    "notices": [],
}
WARNING = {"notice": "wide_mode", "level": "warning", "advice": "Look."}
MENDED = {"notice": "first_entry", "level": "info", "advice": "Done."}


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ({}, []),
        (
            {"failure": {"reason": "r", "detail": "d", "advice": "Do."}},
            [("r: d", Tone.WRONG), ("Do.", Tone.PLAIN)],
        ),
        ({"waits": "not yet"}, [("not yet", Tone.WAITING)]),
        ({"notices": [WARNING]}, [("warning: wide_mode: Look.", Tone.ODD)]),
        (
            {"waits": "not yet", "notices": [WARNING, MENDED]},
            [
                ("not yet", Tone.WAITING),
                ("warning: wide_mode: Look.", Tone.ODD),
                ("first_entry: Done.", Tone.QUIET),
            ],
        ),
    ],
    ids=["well", "failing", "waiting", "noticed", "waiting and noticed"],
)
def test_a_place_is_told_with_what_is_wrong_what_it_waits_for_and_what_was_noticed(
    what: dict[str, Any], said: list[tuple[str, Tone]]
) -> None:
    assert list(about(PLACE | what)) == [Line(text, tone, 2) for text, tone in said]


def test_only_what_was_noticed_is_said_where_nothing_is_delivered() -> None:
    failing = {"reason": "r", "detail": "d", "advice": "Do."}

    assert [line.text for line in noticed(PLACE | {"failure": failing, "notices": [MENDED]})] == [
        "first_entry: Done."
    ]


@pytest.mark.parametrize(
    ("what", "word", "tone"),
    [
        ({}, "[ok]", Tone.GOOD),
        ({"ready": False}, "[not ready]", Tone.ODD),
        ({"ready": False, "fresh": False}, "[low]", Tone.ODD),
        ({"ready": False, "fresh": False, "valid": False}, "[NO LOGIN]", Tone.WRONG),
    ],
)
def test_how_a_login_stands_is_one_word(what: dict[str, Any], word: str, tone: Tone) -> None:
    assert mark(LOGIN | what)[:2] == (word, tone)


def test_a_login_is_told_with_its_failure_and_its_places() -> None:
    failing = {"reason": "r", "detail": "d", "advice": "Do.", "since": "13:00Z"}
    login = LOGIN | {
        "registry": "r.test",
        "due": "15:00Z",
        "expires": "16:00Z",
        "failure": failing,
        "next_attempt": "14:00Z",
        "next_attempt_why": "expired",
        "outputs": [{"places": [PLACE | {"expires": "16:00Z"}, PLACE | {"notices": [WARNING]}]}],
    }

    assert [(line.text, line.depth) for line in lines(login)] == [
        ("registry r.test, region eu-central-1", 1),
        ("expires 16:00Z, renewal due 15:00Z", 1),
        ("failing since 13:00Z: r: d", 1),
        ("Do.", 1),
        ("next attempt 14:00Z: the login expired", 1),
        ("/p  [ok]  holds a login until 16:00Z", 1),
        ("/p  [ok]  holds none of ours", 1),
        ("warning: wide_mode: Look.", 2),
    ]


def test_a_login_of_which_nothing_is_known_is_told_in_a_line() -> None:
    assert [line.text for line in lines(LOGIN)] == ["registry not known yet, region eu-central-1"]
