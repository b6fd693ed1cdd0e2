"""Which namespaces are meant, of those that there are."""

from __future__ import annotations

import pytest

from lightkeeper.core.namespaces import Choice

EVERY = ("build", "ci", "kube-system", "team-a", "team-b")


@pytest.mark.parametrize(
    ("namespaces", "selector", "exclude", "meant"),
    [
        (("ci", "later"), None, (), ("ci", "later")),
        (("team-*",), None, (), ("team-a", "team-b")),
        (("team-?", "ci"), None, ("team-b",), ("ci", "team-a")),
        (("*",), None, ("kube-*", "team-*"), ("build", "ci")),
        ((), "ci=true", (), ("team-b",)),
        (("ci",), "ci=true", ("team-*",), ("ci",)),
        (("team-a",), None, ("team-*",), ("team-a",)),
    ],
)
def test_what_any_of_them_finds_is_meant_and_a_name_always(
    namespaces: tuple[str, ...],
    selector: str | None,
    exclude: tuple[str, ...],
    meant: tuple[str, ...],
) -> None:
    choice = Choice.of(namespaces, selector, exclude)

    selected = ("team-b",) if selector else ()
    assert choice.of_these(EVERY if choice.patterns else (), selected) == meant


def test_only_patterns_and_labels_have_to_be_watched_for() -> None:
    assert Choice.of(["ci"], None, []).selectors == ()
    assert Choice.of(["ci", "team-*"], None, []).selectors == ("",)
    assert Choice.of(["team-*"], "ci=true", []).selectors == ("", "ci=true")
