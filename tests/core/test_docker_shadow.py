"""Whom clients ask in place of our entry, as it was measured with them."""

from __future__ import annotations

import json

import pytest

from lightkeeper.core.docker_config import parse, put
from lightkeeper.core.notices import Notice
from tests.core.test_docker_config import HOST, OTHER, OURS, credential

HELPER, STORE, EMPTY = Notice.HELPER_SHADOWS, Notice.STORE_SHADOWS, Notice.EMPTY_HELPER


def shadows(*sections: str) -> set[Notice]:
    """What is said of a document that holds our entry and these sections."""
    text = ", ".join((f'"auths": {{{OURS}}}', *sections))
    return set(put(parse(f"{{{text}}}".encode()), credential()).notices)


def helpers(**of: str | None) -> str:
    return f'"credHelpers": {json.dumps({HOST if key == "ours" else key: of[key] for key in of})}'


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        (['"credsStore": "ecr-login"'], {STORE}),
        ([helpers(ours="foo")], {HELPER}),
        (['"credsStore": "ecr-login"', helpers(ours="foo")], {HELPER}),
        ([helpers(ours="")], {EMPTY}),
        (['"credsStore": "ecr-login"', helpers(ours="")], {EMPTY}),
        (['"credsStore": "ecr-login"', helpers(other="foo")], {STORE}),
        ([helpers(other="foo")], set()),
        (['"credsStore": ""'], set()),
        (['"credsStore": null', '"credHelpers": null'], set()),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_a_helper_that_clients_ask_in_place_of_our_entry_is_told(
    sections: list[str], expected: set[Notice]
) -> None:
    assert shadows(*sections) == expected


@pytest.mark.parametrize("key", [f"https://{HOST}", HOST.upper(), f"{HOST}/v2/"])
def test_a_helper_under_another_spelling_of_the_host_is_asked_by_nobody(key: str) -> None:
    assert shadows(f'"credHelpers": {{"{key}": "foo"}}') == set()


def test_sections_count_in_any_case_and_the_last_of_them() -> None:
    """As docker decodes them: of a text the last, of an object all that it holds."""
    assert shadows('"CREDSSTORE": "a"') == shadows('"cred\\u017fStore": "a"') == {STORE}
    assert shadows('"credsStore": "a"', '"CredsStore": ""') == set()
    assert shadows(helpers(ours="foo"), '"CredHelpers": {"x": "y"}') == {HELPER}
    assert shadows(helpers(ours="foo"), '"credhelpers": null') == set()


def test_a_section_of_the_wrong_type_names_no_helper() -> None:
    wrong = ['"credsStore": 5', '"credsStore": ["a"]', f'"credHelpers": {{"{HOST}": 5}}']

    for section in (*wrong, f'"credHelpers": ["{HOST}"]'):
        assert shadows(section) == {Notice.UNUSABLE_SECTION}


def test_each_login_of_a_file_is_told_of_its_own_registry() -> None:
    document = parse(f"{{{helpers(ours='foo')}}}".encode())

    assert HELPER in put(document, credential()).notices
    assert HELPER not in put(document, credential(host=OTHER)).notices


def test_the_sections_stay_as_they_are_and_our_entry_is_written_all_the_same() -> None:
    before = f'{{"credsStore": "ecr-login", {helpers(ours="foo")}}}'

    after = json.loads(put(parse(before.encode()), credential()).data or b"")

    assert after.pop("auths").keys() == {HOST}
    assert after == json.loads(before)
