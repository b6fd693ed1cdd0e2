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
    "unsaved": None,
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


def test_a_state_that_cannot_be_saved_is_told_with_its_login() -> None:
    unsaved = {"reason": "immutable", "detail": "d", "advice": "Do."}

    assert list(lines(LOGIN | {"unsaved": unsaved}))[1:] == [
        Line("the state cannot be saved: immutable: d", Tone.WRONG),
        Line("Do."),
    ]


def test_an_output_without_a_place_is_told_with_its_login() -> None:
    output = {"output": "secrets", "lacks": "no namespace is chosen", "places": []}

    assert Line("no namespace is chosen", Tone.ODD) in lines(LOGIN | {"outputs": [output]})


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
        "outputs": [
            {
                "lacks": None,
                "places": [PLACE | {"expires": "16:00Z"}, PLACE | {"notices": [WARNING]}],
            }
        ],
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


def an_output(places: list[dict[str, Any]], earliest: str | None = None) -> dict[str, Any]:
    states = [place["state"] for place in places]
    return {
        "output": "secrets",
        "lacks": None,
        "places": places,
        "places_by_state": {word: states.count(word) for word in ("ok", "failing", "pending")},
        "earliest_expiry": earliest,
    }


def some(count: int, **what: object) -> list[dict[str, Any]]:
    return [PLACE | {"place": f"n{number}/push"} | what for number in range(count)]


def failing_for(reason: str) -> dict[str, str]:
    return {"reason": reason, "detail": "d", "advice": "Do."}


def said_of(*outputs: dict[str, Any], every_place: bool = False) -> list[Line]:
    return list(lines(LOGIN | {"outputs": outputs}, every_place=every_place))[1:]


def test_of_many_places_it_is_told_how_many_stand_how() -> None:
    done, todo = some(8_200), some(1_800, state="pending", waits="its delivery comes next")

    assert said_of(an_output(done + todo)) == [
        Line("secrets: 8,200 of 10,000 places hold the login, 1,800 to come", Tone.WAITING)
    ]
    assert said_of(an_output(some(10_000), earliest="16:00Z")) == [
        Line(
            "secrets: 10,000 of 10,000 places hold the login;"
            " the first to expire does so at 16:00Z",
            Tone.GOOD,
        )
    ]


def test_of_many_places_those_that_fail_are_listed_with_what_to_do() -> None:
    bad = [
        PLACE | {"place": "bad/push", "state": "failing", "failure": failing_for("access_denied")}
    ]

    assert said_of(an_output(some(9_999) + bad)) == [
        Line(
            "secrets: 9,999 of 10,000 places hold the login, 1 failing (access_denied 1)",
            Tone.WRONG,
        ),
        Line("bad/push  [failing]  holds none of ours", Tone.WRONG),
        Line("access_denied: d", Tone.WRONG, 2),
        Line("Do.", depth=2),
    ]


def test_of_very_many_that_fail_a_few_are_listed_and_the_reasons_counted() -> None:
    denied = some(30, state="failing", failure=failing_for("access_denied"))
    slow = some(3_000, state="failing", failure=failing_for("timeout"))
    expired = some(1, state="failing")
    told = said_of(an_output(some(5) + denied + slow + expired))

    assert told[0].text == (
        "secrets: 5 of 3,036 places hold the login, 3,031 failing (timeout 3,000, access_denied 30)"
    )
    assert len(told) == 1 + 20 * 3 + 1
    assert told[-1] == Line("and 3,011 more like these; all with --places", Tone.QUIET)


def test_of_many_places_those_that_deserve_a_look_come_after_those_that_fail() -> None:
    odd = some(1, notices=[WARNING]) + some(1, state="pending", drift="removed", waits="w")
    bad = some(1, state="failing", failure=failing_for("timeout"))
    told = [line.text for line in said_of(an_output(some(30) + odd + bad)) if line.depth == 1]

    assert [text.partition("  ")[2].partition("  ")[0] for text in told[1:]] == [
        "[failing]",
        "[ok]",
        "[pending]",
    ]


def test_every_place_is_told_if_that_is_asked_for() -> None:
    told = said_of(an_output(some(30)), every_place=True)

    assert told[0].text.startswith("secrets: 30 of 30 places")
    assert [line.text.partition("/")[0] for line in told[1:]] == [f"n{one}" for one in range(30)]


def test_few_places_are_told_one_by_one() -> None:
    assert len(said_of(an_output(some(20)), an_output(some(20)))) == 40
