"""Which namespaces are meant, of those that there are."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from lightkeeper.core.namespaces import Choice, Unlisted
from lightkeeper.core.reasons import Reason
from lightkeeper.core.report import report, unready
from tests.core.making import HOUR, at

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


def test_namespaces_that_are_not_known_are_told_where_every_place_counts() -> None:
    why = Unlisted(reason=Reason.ACCESS_DENIED, detail="User cannot list")
    told = replace(report([], at(HOUR)), unlisted=why)

    assert unready(told, every_place=False) == ()
    (one,) = unready(told, every_place=True)
    assert one.reason == "access_denied"
    assert one.sentence.startswith(
        "which namespaces there are is not known: User cannot list (access_denied). The API server"
    )


def test_a_reason_that_is_none_of_a_delivery_has_no_advice() -> None:
    why = Unlisted(reason=Reason.NOT_FOUND, detail="gone")

    assert why.sentence == "which namespaces there are is not known: gone (not_found)."
