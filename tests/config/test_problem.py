"""How problems are said: in order, once a value, and without what may be a secret."""

from __future__ import annotations

import pytest

from lightkeeper.config.problem import ConfigErrors, Problem, choice, shown, shown_name


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (Problem("f", 3, "a.b", "is wrong"), "f:3: a.b: is wrong"),
        (Problem("f", 3, "", "is wrong"), "f:3: is wrong"),
        (Problem("f", 0, "", "cannot be read"), "f: cannot be read"),
        (Problem("", 0, "--region", "is wrong"), "--region: is wrong"),
    ],
)
def test_a_problem_is_said_from_the_outside_in(problem: Problem, said: str) -> None:
    assert str(problem) == said


def test_errors_are_in_the_order_of_lines_and_flags_come_last() -> None:
    errors = ConfigErrors(
        [
            Problem("", 0, "--region", "a"),
            Problem("f", 9, "k", "b"),
            Problem("f", 2, "k", "c"),
        ]
    )

    assert str(errors).splitlines() == ["f:2: k: c", "f:9: k: b", "--region: a"]


def test_a_value_has_one_problem_and_it_is_the_first() -> None:
    first, other = Problem("f", 2, "k", "first"), Problem("f", 2, "l", "other")

    errors = ConfigErrors([first, Problem("f", 2, "k", "second"), other])

    assert errors.problems == (first, other)


NAMES = [
    "Prod Login",
    "prod-eu-central-1-build-host",
    "some_rather_long_name.of_2026",
    "Teams-That-Build-*",
]
WORDS = ["debg", "EU", "0600", "1:30", "50%", "a.b-c_d+e", "a" * 16, "team-?*"]


@pytest.mark.parametrize("text", [*WORDS, *NAMES])
def test_what_is_short_and_plain_is_shown(text: str) -> None:
    assert shown(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a" * 17,
        "hunter2 hunter2",
        "https://u:p@host",
        "u:p@host",
        "a=b",
        "c2VjcmV0Cg==",
        "a/b",
        "p@ss!",
        "a\n",
        "correct horse battery staple",
        "ab1-cd2-ef3-gh4-ij5",
        "pässwort",
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    ],
)
def test_what_may_be_a_secret_is_not_shown(text: str) -> None:
    assert shown(text) == "the value"
    assert shown(text, "a key") == "a key"


@pytest.mark.parametrize("text", ["OPS/state", "/push", "ci/", "team-a-of-builders/Some-Secret"])
def test_the_name_of_an_object_is_shown_by_its_halves(text: str) -> None:
    assert shown_name(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "a/b/c", "ci/p@ss!", f"ci/{'a' * 17}", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"],
)
def test_a_name_with_a_half_that_may_be_a_secret_is_not_shown(text: str) -> None:
    assert shown_name(text) == "the value"
    assert shown_name(text, "a key") == "a key"


def test_the_nearest_word_is_named_else_all_of_them() -> None:
    assert choice("regoin", ["region", "profile"]) == "did you mean region?"
    assert choice("x", ["region", "profile"]) == "expected one of region, profile"
    assert choice("REGOIN", ["REGION"], "LK_") == "did you mean LK_REGION?"
    assert choice("X", ["A", "B"], "LK_") == "expected one of LK_A, LK_B"
