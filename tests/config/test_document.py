"""YAML as a tree: lines, duplicate keys, and files that are nothing of the kind."""

from __future__ import annotations

import pytest

from lightkeeper.config.document import MAX_BYTES, parse
from lightkeeper.config.problem import ConfigErrors, Problem
from lightkeeper.config.tree import Items, Keys, Node, Text

FILE = "c.yaml"


def parsed(document: str) -> Keys:
    problems: list[Problem] = []
    tree = parse(document.encode(), FILE, problems)
    assert problems == []
    return tree


def refusal(document: bytes) -> str:
    with pytest.raises(ConfigErrors) as caught:
        parse(document, FILE, [])
    return str(caught.value)


def lines(node: Node) -> list[tuple[str, int]]:
    match node:
        case Keys(entries=entries):
            children: tuple[Node, ...] = tuple(entries.values())
        case Items(items=items):
            children = items
        case _:
            children = ()
    below = [line for child in children for line in lines(child)]
    return [(node.where.key, node.where.line), *below]


def test_every_value_knows_its_key_and_line() -> None:
    tree = parsed("# a\nlogins:\n- region: x\n  outputs:\n  - type: y\n  -\n    type: z\nlog: {}\n")

    assert lines(tree) == [
        ("", 1),
        ("logins", 2),
        ("logins[0]", 3),
        ("logins[0].region", 3),
        ("logins[0].outputs", 4),
        ("logins[0].outputs[0]", 5),
        ("logins[0].outputs[0].type", 5),
        ("logins[0].outputs[1]", 7),
        ("logins[0].outputs[1].type", 7),
        ("log", 8),
    ]


@pytest.mark.parametrize(
    "document", ["", "\n", "# nothing\n", "---\n", "--- # nothing\n\n", "\ufeff"]
)
def test_a_file_without_any_value_is_refused(document: str) -> None:
    """Somebody may be writing it anew, or had no room to: no login is dropped for that."""
    assert refusal(document.encode()) == (
        "c.yaml:1: holds nothing; expected logins: and the like, or {} where flags say all"
    )


def test_a_file_may_say_that_it_says_nothing() -> None:
    assert parsed("{}").entries == {}


def test_an_anchor_stands_for_its_value() -> None:
    tree = parsed("a: &x {b: 1}\nc: *x\n")

    assert lines(tree)[3:] == [("c", 2), ("c.b", 1)]


def test_a_scalar_stays_what_was_typed() -> None:
    tree = parsed("a: 0600\nb: 1:30\nc: yes\nd: '0600'\ne: null\nf: 1e3\n")

    assert [
        (one.text, one.taken_for) for one in tree.entries.values() if isinstance(one, Text)
    ] == [
        ("0600", "a number"),
        ("1:30", "a number"),
        ("yes", "a yes-or-no word"),
        ("0600", ""),
        ("null", "empty"),
        ("1e3", ""),
    ]


def test_a_key_that_is_given_twice_is_a_problem_and_the_first_one_stands() -> None:
    problems: list[Problem] = []

    tree = parse(b"a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\na: 2\n", FILE, problems)

    assert [str(one) for one in problems] == [
        "c.yaml:5: b.c: is given twice; first in line 3",
        "c.yaml:6: a: is given twice; first in line 1",
    ]
    assert tree.entries["a"] == Text(tree.where.below("a"), "1", "a number")


def test_duplicate_keys_are_said_beside_what_makes_the_file_unreadable() -> None:
    deep = "a: 1\na: 2\nb: " + "[" * 20 + "]" * 20

    assert refusal(deep.encode()) == (
        f"c.yaml:2: a: is given twice; first in line 1\nc.yaml:3: {TOO_MUCH}"
    )


EXPECTED = "expected what `lightkeeper schema --example` shows"
TOO_MUCH = f"is nested or repeated too much; {EXPECTED}"
NO_TEXT = "holds a character that no text file holds; expected YAML"
NO_MAPPING = "is not a mapping; expected logins: and the like"

TWO = "expected a single document in the stream"

UNREADABLE = [
    (
        b"a:\n- [b",
        "2: is not YAML: while parsing a flow sequence, did not find expected ',' or ']'",
    ),
    (
        b"a: 1\nb: [c\nd: 1\n",
        "2: is not YAML: while parsing a flow sequence, did not find expected ',' or ']'",
    ),
    (b"a: [\n", "1: is not YAML: while parsing a flow node, did not find expected node content"),
    (
        b"a: 'b\nc: 1",
        "1: is not YAML: while scanning a quoted scalar, found unexpected end of stream",
    ),
    (
        b"a: 1\n- b\n",
        "2: is not YAML: while parsing a block mapping, did not find expected key",
    ),
    (
        b"a:\n- b\nc\n\n",
        "3: is not YAML: while scanning a simple key, could not find expected ':'",
    ),
    (b"a: b: c", "1: is not YAML: mapping values are not allowed in this context"),
    (b"a: *hunter2", "1: is not YAML: found undefined alias"),
    (
        b"a: 1\n---\nb: 1",
        f"2: is not YAML: {TWO}, but found another document",
    ),
    (b"- a", f"1: {NO_MAPPING}"),
    (b"&a [*a]", f"1: {NO_MAPPING}"),
    (b"\n\nlogins", f"3: {NO_MAPPING}"),
    (b"a: 1\nb: \xff", "2: is not UTF-8; expected YAML text"),
    (b"a: 1\nb: \x00", f"2: {NO_TEXT}"),
    (b"a: 1\rb: 1", f"1: {NO_TEXT}"),
    ("a: 1\n\u2028b: 1".encode(), f"2: {NO_TEXT}"),
    (b"a: " + b"[" * 20 + b"]" * 20, f"1: {TOO_MUCH}"),
    (b"a: &a [*a]", f"1: {TOO_MUCH}"),
    (b"a: 1\nb: &b\n  c: *b", f"3: {TOO_MUCH}"),
    (b"#" * (MAX_BYTES + 1), f"1: is larger than 1024 KiB; {EXPECTED}"),
]


@pytest.mark.parametrize(
    ("document", "said"), UNREADABLE, ids=[repr(document[:12]) for document, _ in UNREADABLE]
)
def test_a_file_that_cannot_be_looked_into_is_said_with_its_line(
    document: bytes, said: str
) -> None:
    assert refusal(document) == f"c.yaml:{said}"


def test_a_file_of_the_largest_size_is_read() -> None:
    assert parsed("{}" + "#" * (MAX_BYTES - 2)).entries == {}


@pytest.mark.parametrize("opening", ["[", "- ", "{a: ", "? "])
def test_nesting_without_end_is_refused_and_not_followed(opening: str) -> None:
    assert "c.yaml:1: is n" in refusal(opening.encode() * 100_000)


def test_a_small_file_that_stands_for_a_huge_one_is_refused() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    for name, inner in zip("bcdefg", "abcdef", strict=True):
        bomb += f"{name}: &{name} [{', '.join([f'*{inner}'] * 10)}]\n"

    assert TOO_MUCH in refusal(bomb.encode())


def test_lines_end_as_editors_count_them() -> None:
    assert lines(parsed("a: 1\r\nb: 1\r\n"))[2] == ("b", 2)
