from __future__ import annotations

import json

import pytest

from lightkeeper.core.file_failure import FileFailure
from lightkeeper.core.json_document import Layout, Member, read
from lightkeeper.core.reasons import Reason


def _texts(document: str) -> list[str]:
    return [member.name + member.text for member in read(document).members]


def test_finds_each_member_with_its_text_and_its_value() -> None:
    found = read('{"a": [1, {"b": null}], "c" :"d\\u0065"}')

    assert [member.key for member in found.members] == ["a", "c"]
    assert [member.text for member in found.members] == ['[1, {"b": null}]', '"d\\u0065"']
    assert [member.value for member in found.members] == [[1.0, {"b": None}], "de"]


@pytest.mark.parametrize(
    "member",
    [
        '"a": ' + "9" * 5000,
        '"a": -0.50',
        '"a": 1E400',
        '"a": "\\ud800"',
        '"\\udc00": 1',
        '"a": "\udcff\udced"',
        '"a": "\\/\\u003c\\n"',
        '"a": {"b": 1, "b": 2}',
        '"\\u0061" \t:\n[\n]',
    ],
    ids=lambda member: member[:20].encode("unicode_escape").decode(),
)
def test_a_member_keeps_its_text_however_it_is_spelled(member: str) -> None:
    assert _texts(f"{{{member}}}") == [member]


def test_a_key_that_occurs_twice_is_found_twice() -> None:
    assert _texts('{"a": 1, "b": 2, "a": 3}') == ['"a": 1', '"b": 2', '"a": 3']


@pytest.mark.parametrize("text", ["", " \t\r\n", "null", " null\n", "{}", "{ \n}"])
def test_nothing_and_null_are_an_empty_object(text: str) -> None:
    assert read(text).members == ()


@pytest.mark.parametrize("text", ["\n", "null\n", "{}\n", '{"a": 1}\n'])
def test_the_newline_at_the_end_is_told(text: str) -> None:
    assert read(text).tail == "\n"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[]", "line 1, column 1"),
        ('"a"', "line 1, column 1"),
        ("1", "line 1, column 1"),
        ("nul", "line 1, column 1"),
        ("{", "line 1, column 2"),
        ('{"a"', "line 1, column 2"),
        ('{"a" 1}', "line 1, column 2"),
        ('{"a":}', "line 1, column 6"),
        ('{"a": 1', "line 1, column 8"),
        ('{"a": 1,}', "line 1, column 9"),
        ('{\n\t"a": 1\n\t"b": 2\n}', "line 2, column 8"),
        ("{1: 2}", "line 1, column 2"),
        ("{[]: 2}", "line 1, column 2"),
        ("{} {}", "line 1, column 3"),
        ("{}\x0c", "line 1, column 3"),
        ('{"a": 01}', "line 1, column 8"),
        ('{"a": "\x01"}', "line 1, column 8"),
        ('{"a": "\\x"}', "line 1, column 8"),
        ('{"a": 1} // b', "line 1, column 9"),
    ],
)
def test_what_is_not_one_object_is_malformed_and_the_place_is_named(text: str, place: str) -> None:
    with pytest.raises(FileFailure) as caught:
        read(text)

    assert caught.value.reason is Reason.MALFORMED
    assert caught.value.detail == f"it is not one JSON object: see {place}"


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_constants_that_only_python_knows_are_malformed(constant: str) -> None:
    with pytest.raises(FileFailure, match="NaN or Infinity"):
        read(f'{{"a": [{constant}]}}')


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_what_is_nested_too_deeply_is_malformed(opening: str) -> None:
    with pytest.raises(FileFailure, match="nested too deeply"):
        read('{"a":' + opening * 100_000)


@pytest.mark.parametrize("text", ['{"a": "canary', '{"a": NaN, "b": "canary"}', '{"canary": {]}'])
def test_nothing_of_the_document_hangs_on_to_the_exception(text: str) -> None:
    """A chained JSONDecodeError would carry all of it, even one that is not shown."""
    with pytest.raises(FileFailure) as caught:
        read(text)

    assert "canary" not in f"{caught.value!r}{caught.value}{vars(caught.value)}"
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


def test_nothing_of_the_document_is_printed() -> None:
    found = read('{"canary": "canary"}')

    assert "canary" not in f"{found!r}{found.members!r}{found.members[0]}"


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"a": 1, "b": {"c": 2}}, indent="\t"),
        json.dumps({"a": 1, "b": {"c": 2}}, indent=2),
        json.dumps({"a": 1, "b": {"c": 2}}, indent=0),
        json.dumps({"a": 1, "b": {"c": 2}}),
        json.dumps({"a": 1, "b": {"c": 2}}, separators=(",", ":")),
        json.dumps({"a": 1, "b": {"c": 2}}, separators=(",", ":"), indent=4),
    ],
)
def test_what_is_joined_is_laid_out_as_what_was_read(text: str) -> None:
    found = read(text)
    layout = found.layout
    inner = layout.member("b", layout.join(read(found.members[1].text).members, 2), None)

    assert layout.join([found.members[0], inner], 1) == text


def test_a_document_without_a_layout_gets_dockers() -> None:
    layout = read("{}").layout

    assert layout.join([layout.member("a", "1", 1.0)], 1) == '{\n\t"a": 1\n}'


def test_an_object_without_members_takes_one_line() -> None:
    assert Layout().join([], 2) == "{}"


def test_a_new_member_has_its_key_escaped() -> None:
    member = Layout(colon=":").member('a"', '"b"', "b")

    assert (member.key, member.name, member.text, member.value) == ('a"', '"a\\"":', '"b"', "b")
    assert isinstance(member, Member)
