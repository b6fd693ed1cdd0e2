"""What fits and what does not, as docker 28 answered for each of these."""

from __future__ import annotations

import json

import pytest

from lightkeeper.core.docker_schema import ENTRY, SECTIONS, fits


@pytest.mark.parametrize(
    ("section", "value"),
    [
        ("credsstore", '"desktop"'),
        ("credhelpers", '{"h": "ecr-login"}'),
        ("credhelpers", "{}"),
        ("psformat", "null"),
        ("aliases", '{"a": null}'),
        ("plugins", '{"a": {"b": "c"}}'),
        ("proxies", '{"default": {"httpProxy": "h", "unknown": 1}}'),
        ("clipluginsextradirs", '["a", null]'),
        ("stackorchestrator", "1"),
        ("zzformat", "1"),
    ],
)
def test_a_section_of_the_right_type_fits(section: str, value: str) -> None:
    assert fits(json.loads(value), SECTIONS.get(section))


@pytest.mark.parametrize(
    ("section", "value"),
    [
        ("credsstore", "1"),
        ("credhelpers", "[]"),
        ("credhelpers", '{"h": {}}'),
        ("httpheaders", "1"),
        ("psformat", "[]"),
        ("features", '{"a": true}'),
        ("plugins", '{"a": "b"}'),
        ("plugins", '{"a": {"b": 1}}'),
        ("proxies", '{"a": "b"}'),
        ("proxies", '{"default": {"httpProxy": 1}}'),
        ("proxies", '{"default": {"HTTPPROXY": 1}}'),
        ("prunefilters", "{}"),
        ("clipluginsextradirs", "[1]"),
        ("currentcontext", "{}"),
        ("experimental", "true"),
    ],
)
def test_a_section_of_a_wrong_type_does_not(section: str, value: str) -> None:
    assert not fits(json.loads(value), SECTIONS[section])


@pytest.mark.parametrize("field", ["auth", "email", "EMAIL", "serveraddress", "identitytoken"])
def test_a_field_of_an_entry_is_a_text(field: str) -> None:
    assert fits({field: "a"}, ENTRY)
    assert not fits({field: 1.0}, ENTRY)


def test_a_field_that_docker_does_not_know_may_be_anything() -> None:
    assert fits({"unknown": [1.0]}, ENTRY)
