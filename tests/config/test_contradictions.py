"""What is right by itself and not beside something else: logins, and files that they share."""

from __future__ import annotations

import pytest

from tests.config.loading import FILE, loaded, refusal

DOUBLES = [
    (
        "- {region: a}\n- {region: a}",
        "3: logins[1]: asks the same source as logins[0] in line 2; expected one login for both",
    ),
    (
        "- {region: a, name: b, profile: p}\n- {region: a, name: c, profile: p}",
        "3: logins[1]: asks the same source as logins[0] in line 2; expected one login for both",
    ),
    (
        (
            "- {region: a, name: b, endpoint_url: 'http://a'}\n"
            "- {region: a, name: c, endpoint_url: 'http://a/'}"
        ),
        "3: logins[1]: asks the same source as logins[0] in line 2; expected one login for both",
    ),
    (
        "- {region: a}\n- {region: a, profile: p}",
        "3: logins[1]: has the name of logins[0] in line 2; expected another name",
    ),
    (
        "- {region: a}\n- {region: b, name: a}",
        "3: logins[1]: has the name of logins[0] in line 2; expected another name",
    ),
    (
        (
            "- region: a\n  outputs:\n  - {type: docker_config, path: /a}\n"
            "  - {type: docker_config, path: /x/../a, name: a}\n"
            "  - {type: containers_auth, path: //a, name: b}"
        ),
        (
            "6: logins[0].outputs[2]: is the same file as logins[0].outputs[0] in line 4;"
            " expected it once"
        ),
    ),
    (
        (
            "- region: a\n  outputs:\n  - {type: docker_config, path: /a, name: n}\n"
            "  - {type: docker_config, path: /b, name: n}"
        ),
        (
            "5: logins[0].outputs[1]: has the name of logins[0].outputs[0] in line 4;"
            " expected another name"
        ),
    ),
]


@pytest.mark.parametrize(("logins", "said"), DOUBLES)
def test_what_cannot_be_told_apart_is_refused(logins: str, said: str) -> None:
    assert refusal(f"logins:\n{logins}\n") == f"{FILE}:{said}"


def test_one_region_is_asked_in_different_roles_under_different_names() -> None:
    role = "arn:aws:iam::123456789012:role/"
    document = (
        f"logins: [{{region: a, role_arn: {role}x}}, {{region: a, name: b, role_arn: {role}y}}]"
    )

    assert len(loaded(document).config.logins) == 2


def test_two_logins_share_a_file() -> None:
    outputs = "outputs: [{type: docker_config, path: /a}]"

    assert loaded(f"logins: [{{region: a, {outputs}}}, {{region: b, {outputs}}}]")


UNLIKE = [
    (
        "in_place: true",
        "in_place: false",
        "logins[1].outputs[0].in_place: is false, but true for the same file in",
    ),
    (
        "in_place: true",
        "",
        "logins[1].outputs[0].in_place: is false, but true for the same file in",
    ),
    (
        "",
        "in_place: true",
        "logins[1].outputs[0].in_place: is true, but false for the same file in",
    ),
    (
        'file_mode: "0640"',
        "",
        "logins[1].outputs[0].file_mode: is 0600, but 0640 for the same file in",
    ),
    (
        'file_mode: "600"',
        'file_mode: "660"',
        "logins[1].outputs[0].file_mode: is 0660, but 0600 for the same file in",
    ),
]


def two_logins(one: str, other: str, *, path: str = "//a") -> str:
    return (
        f"logins:\n- region: a\n  outputs:\n  - {{type: docker_config, path: /a, {one}}}\n"
        f"- region: b\n  outputs:\n  - {{type: containers_auth, path: {path}, {other}}}\n"
    )


@pytest.mark.parametrize(("one", "other", "said"), UNLIKE)
def test_two_logins_that_want_one_file_written_in_different_ways_are_refused(
    one: str, other: str, said: str
) -> None:
    told = refusal(two_logins(one, other))

    assert told == f"{FILE}:7: {said} logins[0].outputs[0] in line 4; expected the same for both"
    assert loaded(two_logins(one, other, path="/b"))


@pytest.mark.parametrize(
    ("one", "other", "at"),
    [
        ("seed: /s", "seed: /t", "logins[1].outputs[0].seed"),
        ("", "seed: /t", "logins[1].outputs[0].seed"),
        ("seed: /s", "", "logins[1].outputs[0]"),
    ],
)
def test_two_logins_that_want_one_file_begun_in_different_ways_are_refused(
    one: str, other: str, at: str
) -> None:
    said = "has another seed than the same file in logins[0].outputs[0] in line 4"

    told = refusal(two_logins(one, other))

    assert told == f"{FILE}:7: {at}: {said}; expected the same for both"
    assert loaded(two_logins(one, other, path="/b"))
    assert loaded(two_logins("seed: /home/ci/s", "seed: ~/s"))


def test_a_file_is_not_its_own_seed() -> None:
    document = "logins:\n- region: a\n  outputs: [{type: docker_config, path: /a, seed: //a}]\n"

    assert refusal(document) == (
        f"{FILE}:3: logins[0].outputs[0].seed: is the output's own file; expected another"
    )


def test_what_is_unlike_is_said_with_the_line_of_its_key() -> None:
    document = two_logins("", "") + "  - type: docker_config\n    path: /a\n    in_place: true\n"

    assert f"{FILE}:10: logins[1].outputs[1].in_place: is true" in refusal(document)


def test_two_logins_that_say_the_same_of_their_file_share_it() -> None:
    assert loaded(two_logins('file_mode: "0600"', 'file_mode: "600", in_place: false'))
    assert loaded(two_logins("if_foreign: report", "if_foreign: replace"))


def test_what_is_wrong_with_an_output_is_said_once_and_the_rest_is_compared() -> None:
    told = refusal(two_logins("in_place: maybe", "in_place: true") + "web: 1\n").splitlines()

    assert [line.split(": ")[:2] for line in told] == [
        [f"{FILE}:4", "logins[0].outputs[0].in_place"],
        [f"{FILE}:8", "web"],
    ]
