"""What people read of a configuration that was tried on clusters."""

from __future__ import annotations

import pytest

from lightkeeper.cli.proof import told
from lightkeeper.cli.standing import MANY, Tone
from lightkeeper.cli.words import print_lines
from lightkeeper.core.facts import LoginName, OutputName
from lightkeeper.core.reasons import DELIVERY, Reason
from lightkeeper.core.upkeep import LEASE, STORE
from lightkeeper.ports import Failed
from lightkeeper.proving import Needed, Proof, Pulling, Tried
from lightkeeper.viewing import LOOKS
from tests.cli.terminal import terminal

NAME = "lightsail-push"
OUTPUT = OutputName(f"kubernetes_secret:{NAME}")
DENIED = Failed(reason=Reason.ACCESS_DENIED, detail="the API server answered 403 Forbidden")
TYPE = Failed(reason=Reason.WRONG_TYPE, detail="it is of type Opaque")
BUILDER = Pulling(namespace="ci", account="builder", secret=NAME)


def a_try(
    *failures: tuple[str, Failed],
    places: int = 3,
    count: int = 3,
    is_placeholder: bool = False,
    unmakeable: tuple[tuple[str, Failed], ...] = (),
    undeletable: tuple[tuple[str, Failed], ...] = (),
    pulling: tuple[Pulling, ...] = (),
) -> Tried:
    return Tried(
        login=LoginName("prod"),
        output=OUTPUT,
        places=places,
        tried=count,
        looked=min(places, LOOKS),
        is_placeholder=is_placeholder,
        failures=failures,
        unmakeable=unmakeable,
        undeletable=undeletable,
        pulling=pulling,
    )


def shown(*secrets: Tried, others: tuple[Needed, ...] = ()) -> list[tuple[Tone, str]]:
    lines = told(Proof(secrets=secrets, others=others))
    return [(line.tone, f"{'  ' * line.depth}{line.text}") for line in lines]


def test_what_is_well_is_a_line() -> None:
    lease = Needed(what="the Lease lk/it", does="could be held", failed=None, advice=LEASE)

    assert shown(a_try(), others=(lease,)) == [
        (Tone.GOOD, f"prod: 3 Secrets of {OUTPUT} could be written"),
        (Tone.GOOD, "the Lease lk/it could be held"),
    ]
    assert shown(a_try(places=1, count=1)) == [
        (Tone.GOOD, f"prod: 1 Secret of {OUTPUT} could be written")
    ]


def test_each_failure_is_a_line_and_what_to_do_is_said_once_for_all_that_fail_alike() -> None:
    failures = [(f"a/{NAME}", DENIED), (f"b/{NAME}", TYPE), (f"c/{NAME}", DENIED)]

    assert shown(a_try(*failures)) == [
        (Tone.WRONG, f"prod: 3 of 3 Secrets of {OUTPUT} could not be written"),
        (Tone.WRONG, f"  a/{NAME}: access_denied: {DENIED.detail}"),
        (Tone.WRONG, f"  c/{NAME}: access_denied: {DENIED.detail}"),
        (Tone.PLAIN, f"    {DELIVERY[Reason.ACCESS_DENIED].advice}"),
        (Tone.WRONG, f"  b/{NAME}: wrong_type: {TYPE.detail}"),
        (Tone.PLAIN, f"    {DELIVERY[Reason.WRONG_TYPE].advice}"),
    ]


def test_of_very_many_that_fail_a_few_of_each_reason_are_told() -> None:
    denied = [(f"n{number}/{NAME}", DENIED) for number in range(180)]
    odd = [(f"o{number}/{NAME}", TYPE) for number in range(20)]

    told = shown(a_try(*denied, *odd, places=LOOKS, count=LOOKS))

    assert told[0] == (Tone.WRONG, f"prod: 200 of 200 Secrets of {OUTPUT} could not be written")
    assert [text for tone, text in told[1:] if tone is not Tone.WRONG] == [
        "  and 170 more like these",
        f"    {DELIVERY[Reason.ACCESS_DENIED].advice}",
        "  and 10 more like these",
        f"    {DELIVERY[Reason.WRONG_TYPE].advice}",
    ]
    assert sum(tone is Tone.WRONG for tone, _ in told[1:]) == MANY


def test_a_secret_that_may_be_written_and_not_deleted_is_told_as_that() -> None:
    failure = (f"a/{NAME}", Failed(reason=Reason.ACCESS_DENIED, detail="may not delete secrets"))

    assert shown(a_try(undeletable=(failure,))) == [
        (Tone.GOOD, f"prod: 3 Secrets of {OUTPUT} could be written"),
        (Tone.WRONG, f"prod: 1 of 3 Secrets of {OUTPUT} could not be deleted, as prune would"),
        (Tone.WRONG, f"  a/{NAME}: access_denied: may not delete secrets"),
        (Tone.PLAIN, f"    {DELIVERY[Reason.ACCESS_DENIED].advice}"),
    ]


def test_a_secret_that_may_be_written_and_not_made_anew_is_told_as_that() -> None:
    failure = (f"a/{NAME}", Failed(reason=Reason.ACCESS_DENIED, detail="may not create secrets"))

    assert shown(a_try(unmakeable=(failure,))) == [
        (Tone.GOOD, f"prod: 3 Secrets of {OUTPUT} could be written"),
        (Tone.WRONG, f"prod: 1 of 3 Secrets of {OUTPUT} could not be made anew, once deleted"),
        (Tone.WRONG, f"  a/{NAME}: access_denied: may not create secrets"),
        (Tone.PLAIN, f"    {DELIVERY[Reason.ACCESS_DENIED].advice}"),
    ]


def test_of_those_that_were_looked_at_the_others_are_told_to_be_in_the_plan() -> None:
    told = [text for _, text in shown(a_try((f"a/{NAME}", DENIED), places=304, count=1))]

    assert told[0] == (
        f"prod: 1 Secret of {OUTPUT} could not be written; the others fail as the plan says"
    )
    assert told[1].startswith("  of 304 the first 200 were looked at; ")


def test_what_else_fails_is_told_with_what_is_to_be_done_about_that() -> None:
    state = Needed(what="the state lk/s", does="could be saved", failed=TYPE, advice=STORE)

    assert shown(others=(state,)) == [
        (Tone.WRONG, "the state lk/s: wrong_type: it is of type Opaque"),
        (Tone.PLAIN, f"  {STORE[Reason.WRONG_TYPE].advice}"),
    ]


def test_how_far_it_was_tried_is_told() -> None:
    assert [text for _, text in shown(a_try(places=10_000, count=LOOKS, is_placeholder=True))][
        1:
    ] == [
        "  tried with a placeholder, since no login is known yet",
        "  of 10000 the first 200 were looked at; the daemon tries all, once it runs",
    ]
    assert shown(a_try(places=0, count=0)) == []
    assert shown(a_try(places=1, count=0)) == []
    assert shown(a_try(places=3, count=2)) == [
        (
            Tone.GOOD,
            f"prod: 2 Secrets of {OUTPUT} could be written; the others fail as the plan says",
        )
    ]


def test_whoever_pulls_with_it_is_warned_of_once() -> None:
    ((tone, text),) = shown(a_try(pulling=(BUILDER,)), a_try(pulling=(BUILDER,)))[2:]

    assert tone is Tone.ODD
    assert text == (
        "warning: ServiceAccount builder in ci has lightsail-push in its imagePullSecrets, and its"
        " pods pull nothing with it: the login is push-only; take it out there, and mount the"
        " Secret where builds push"
    )


def test_of_very_many_that_pull_with_it_a_few_are_told() -> None:
    many = tuple(
        Pulling(namespace=f"n{number}", account="builder", secret=NAME) for number in range(LOOKS)
    )

    told = shown(a_try(pulling=many))[1:]

    assert len(told) == MANY + 1
    assert told[-1] == (Tone.QUIET, f"and {LOOKS - MANY} more like these")


def test_a_terminal_shows_it_by_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = (a_try((f"a/{NAME}", DENIED), pulling=(BUILDER,)),)
    with terminal(monkeypatch, columns=100) as screen:
        print_lines(list(told(Proof(secrets=(a_try(), *secrets), others=()))))

    lines = screen.shown.splitlines()
    assert lines[:3] == [
        f"✓ prod: 3 Secrets of {OUTPUT} could be written",
        f"✗ prod: 1 of 3 Secrets of {OUTPUT} could not be written",
        f"  ✗ a/{NAME}: access_denied: {DENIED.detail}",
    ]
    assert lines[5].startswith("! warning: ServiceAccount builder")
