"""What is remembered of what people were told: short, bounded, without a secret."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from lightkeeper.core.answer import Verdict
from lightkeeper.core.facts import Cause, LoginFact
from lightkeeper.core.moment import ServerClock
from lightkeeper.core.reasons import Reason
from lightkeeper.core.state import Note
from tests.core.making import (
    FIRST,
    HERE,
    HOUR,
    MINUTE,
    NOON,
    SECOND,
    SECOND_ONE,
    a_state,
    after,
    at,
    delivered,
    delivered_to,
    drifted,
    failed,
    holding,
    not_delivered,
    not_saved,
    renewed,
    requested,
    seen,
    surprised,
    verified,
)


def test_what_people_were_told_is_noted_with_its_word_place_and_detail() -> None:
    state = after(
        replace(delivered_to(HERE), notes=()),
        failed(SECOND, Reason.TLS, detail="x" * 500),
        drifted(MINUTE, Cause.REMOVED),
        delivered(HOUR, repaired=Cause.REMOVED),
        not_delivered(2 * HOUR, detail="y"),
    )

    def note(when: timedelta, fact: str, word: str, place: str = "", detail: str = "") -> Note:
        return Note(at=NOON + when, fact=fact, word=word, place=place, detail=detail)

    assert state.notes == (
        note(SECOND, "renewal_failed", "tls", detail="x" * 200),
        note(MINUTE, "place_drifted", "removed", HERE.name),
        note(HOUR, "place_delivered", "removed", HERE.name),
        note(2 * HOUR, "delivery_failed", "read_only", HERE.name, "y"),
    )


def test_a_renewal_is_noted_with_its_verdict_and_a_request_and_a_verdict_too() -> None:
    state = after(
        a_state(),
        requested(),
        renewed(),
        renewed(verdict=None),
        verified(verdict=Verdict.REJECTED, digest=FIRST.digest),
        surprised(doing="look"),
    )

    assert [(note.fact, note.word) for note in state.notes] == [
        ("renewal_requested", ""),
        ("credential_renewed", "accepted"),
        ("credential_renewed", ""),
        ("credential_verified", "rejected"),
        ("surprised", "internal_error"),
    ]


def test_what_is_no_news_is_not_noted() -> None:
    before = after(delivered_to(HERE), failed(SECOND), not_delivered(SECOND))

    state = after(before, failed(MINUTE), not_delivered(MINUTE), verified(MINUTE), seen(MINUTE))

    assert state.notes == before.notes


def test_a_delivery_within_a_round_is_not_noted() -> None:
    before = holding(HERE)

    assert after(before, delivered()).notes == before.notes


def test_the_last_twenty_notes_are_kept() -> None:
    state = a_state()
    for i in range(30):
        state = after(state, surprised(i * SECOND, f"a bug of many, {i}"))

    assert [note.at for note in state.notes] == [NOON + i * SECOND for i in range(10, 30)]


def test_no_note_gives_a_password_away() -> None:
    state = after(holding(), renewed(MINUTE, SECOND_ONE))

    assert SECOND_ONE.password.reveal() not in repr(state)


def test_when_it_happened_is_told_by_the_servers_clock() -> None:
    """Ours may be a day ahead: a failure of tomorrow tells nobody anything."""
    ahead = ServerClock(at=NOON - 24 * HOUR, seen=at())
    happened: list[LoginFact] = [
        failed(HOUR),
        not_delivered(HOUR),
        not_saved(HOUR),
        surprised(HOUR),
    ]

    state = after(replace(delivered_to(HERE), clock=ahead), *happened)

    failures = [state.failure, state.places[HERE].failure, state.unsaved, state.bug]
    assert [one and one.since for one in failures] == [NOON - 23 * HOUR] * 4
    assert {note.at for note in state.notes[-3:]} == {NOON - 23 * HOUR}
