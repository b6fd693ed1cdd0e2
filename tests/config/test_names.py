"""How Kubernetes writes names, labels and selectors, and what it does not take."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightkeeper.config import names

GOOD = [
    (names.NAME, ["a", "0", "lightsail-push", "a.b-c.d", "a" * 253, "a" * 100 + ".b"]),
    (names.NAMESPACED, ["ci/push", "a/b.c", "c" * 63 + "/" + "n" * 253]),
    (names.NAMESPACES, ["ci", "team-*", "*", "?", "*-ci", "a?c", "a" * 63]),
    (names.LABEL_KEY, ["a", "A_b.c-d", "x.y/a", "a" * 253 + "/b", "lightkeeper.iox/a", "a" * 63]),
    (names.LABEL_VALUE, ["", "a", "A_b.c-d", "1", "a" * 63]),
    (
        names.SELECTOR,
        [
            *("a", "!a", "! a", " a ", "a=b", "a==b", "a != b", "a=", "a=,b", "x.y/a=b"),
            *("a in (b)", "a in(b,c)", "a notin ( b , c )", "a in ()", "a in (,b)"),
            *("a,b", "a=b,c in (d,e),!f", "in in (in)", "ci=true"),
        ],
    ),
]
BAD = [
    (names.NAME, ["", "A", "-a", "a-", "a..b", ".a", "a.", "a/b", "a_b", "a" * 254]),
    (names.NAMESPACED, ["", "a", "/a", "a/", "a/b/c", "a.b/c", "a" * 64 + "/b", "a/" + "b" * 254]),
    (names.NAMESPACES, ["", "-a", "a-", "A", "a.b", "a" * 64, "[ab]"]),
    (
        names.LABEL_KEY,
        ["", "-a", "a/", "/a", "a/b/c", "X/a", "a" * 64, "a" * 254 + "/b", "lightkeeper.io/a", "é"],
    ),
    (names.LABEL_VALUE, ["-a", "a-", "a b", "a/b", "a" * 64]),
    (
        names.SELECTOR,
        [
            *("", " ", ",", "a,", ",a", "a=b c", "a b", "a===b", "=b", "a=b=c", "a > 1", "a in b"),
            *("a in (b", "a in (b))", "ain (b)", "a in", "!a=b", "a!b", "a=b;c=d", "a" * 1001),
        ],
    ),
]


@pytest.mark.parametrize(
    ("pattern", "text"), [(pattern, text) for pattern, texts in GOOD for text in texts if text]
)
def test_what_kubernetes_takes_is_taken(pattern: str, text: str) -> None:
    assert re.search(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text"), [(pattern, text) for pattern, texts in BAD for text in texts]
)
def test_what_kubernetes_refuses_is_refused(pattern: str, text: str) -> None:
    assert not re.search(pattern, text)


def test_a_label_may_have_an_empty_value() -> None:
    assert re.search(names.LABEL_VALUE, "")


PATTERNS = st.sampled_from([pattern for pattern, _ in GOOD])


@settings(deadline=500)
@given(PATTERNS, st.text("aA0 ,=!()-./*", max_size=12), st.integers(1, 5000), st.text(max_size=3))
def test_no_text_takes_long_to_be_refused(pattern: str, part: str, times: int, rest: str) -> None:
    """A configuration is read in one go, by whoever waits for it: the deadline says how long."""
    re.search(pattern, part * times + rest)
