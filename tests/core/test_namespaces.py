"""Which namespaces are meant, of those that there are."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lightkeeper.core.namespaces import Choice, Roster, Unlisted, none_chosen
from lightkeeper.core.reasons import Reason
from lightkeeper.core.report import report, unready
from lightkeeper.core.status import as_document
from lightkeeper.core.upkeep import NAMESPACES
from tests.core.making import HERE, HOUR, LOGIN, NOWHERE, at, delivered_to

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


@pytest.mark.parametrize("reason", NAMESPACES)
def test_why_they_are_not_known_is_told_in_words_of_namespaces(reason: Reason) -> None:
    why = Unlisted(reason=reason, detail="so it is")

    assert why.sentence.endswith(f"so it is ({reason}). {NAMESPACES[reason].advice}")


def test_an_output_that_chooses_none_is_told_where_every_place_counts() -> None:
    told = report([(delivered_to(HERE), "")], at(HOUR), [(LOGIN, NOWHERE.output)])

    assert unready(told, every_place=False) == ()
    (one,) = unready(told, every_place=True)
    assert (one.output, one.reason) == (NOWHERE.output, "pending")
    assert one.sentence == f"{LOGIN}: {none_chosen(NOWHERE.output)}"
    (login,) = as_document(told)["logins"]
    assert login["ready"]
    assert [(output["output"], output["lacks"]) for output in login["outputs"]] == [
        (HERE.output, None),
        (NOWHERE.output, none_chosen(NOWHERE.output)),
    ]


def test_an_output_whose_last_place_is_about_to_go_is_told_with_that() -> None:
    told = report([(delivered_to(HERE), "")], at(), [(LOGIN, HERE.output)])

    (output,) = told.logins[0].outputs
    assert (len(output.places), output.lacks) == (1, "")


def test_a_reason_that_is_none_of_a_delivery_has_no_advice() -> None:
    why = Unlisted(reason=Reason.NOT_FOUND, detail="gone")

    assert why.sentence == "which namespaces there are is not known: gone (not_found)."


CHANGES = ("label", "unlabel", "end", "finish", "remake")


@dataclass
class There:
    """The namespaces of a cluster, and what becomes of them; a selector means those with labels."""

    selector: str
    labelled: dict[str, bool] = field(default_factory=dict)
    ending: set[str] = field(default_factory=set)

    @property
    def meant(self) -> set[str]:
        return {name for name, has in self.labelled.items() if has or not self.selector}

    def change(self, name: str, change: str) -> None:
        match change:
            case "label" | "unlabel":
                self.labelled[name] = change == "label"
            case "end" if name in self.labelled:
                self.ending.add(name)
            case "finish" if name in self.ending:
                del self.labelled[name]
                self.ending.discard(name)
            case "remake":
                self.ending.discard(name)
            case _:
                pass

    def listed(self) -> Roster:
        """As a list has it."""
        living, ending = self.meant - self.ending, self.meant & self.ending
        return Roster(selector=self.selector, names=frozenset(living), ending=frozenset(ending))


@given(
    st.lists(st.tuples(st.sampled_from(EVERY[:2]), st.sampled_from(CHANGES)), min_size=5),
    st.sampled_from(["", "ci=true"]),
    st.integers(0, 20),
)
def test_a_roster_knows_who_is_there_and_calls_nobody_gone_who_is(
    changes: list[tuple[str, str]], selector: str, relisted: int
) -> None:
    """Each change is told as a watch tells it; once there is a list in place of a change."""
    there, roster = There(selector), Roster(selector=selector)
    for number, (name, change) in enumerate(changes):
        before = there.meant
        there.change(name, change)
        if number == relisted:
            roster = there.listed()
        elif name in there.meant:
            roster = roster.seen(name, is_ending=name in there.ending)
        elif name in before:
            roster = roster.lost(name)

        assert roster == there.listed()
        assert not any(roster.is_gone(one) for one in there.labelled.keys() - there.ending)
        assert all(roster.is_gone(one) for one in there.meant & there.ending)
        if not selector:
            assert all(roster.is_gone(one) for one in set(EVERY) - there.labelled.keys())


@given(
    st.sets(st.sampled_from(["ci", "ci-*", "team-?", "*"])),
    st.sampled_from([None, "ci=true"]),
    st.sets(st.sampled_from(["ci", "ci-a", "*-b"])),
    st.sets(st.sampled_from(["ci", "ci-a", "ci-b", "team-a", "team-b", "else"])),
)
def test_what_is_meant_may_be_meant_and_without_a_selector_nothing_else(
    written: set[str], selector: str | None, exclude: set[str], there: set[str]
) -> None:
    choice = Choice.of(written, selector, exclude)

    meant = choice.of_these(there, there if selector else ())

    assert {one for one in there if choice.may_mean(one)} == there.intersection(meant)
