"""Whose a lease is, for how long, and what is written into it: a table for each rule, and laws."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lightkeeper.core import election
from lightkeeper.core.election import Observed, Record, Settings
from lightkeeper.core.failure import failed
from lightkeeper.core.reasons import Reason
from lightkeeper.core.upkeep import LEASE
from tests.core.making import HOUR, NONE, NOON, SECOND, at

US, OTHER = "us", "other"
MICRO = timedelta.resolution
SETTINGS = Settings(duration=30 * SECOND, renew_deadline=20 * SECOND, retry=5 * SECOND)
RECORD = Record(
    holder=OTHER,
    duration_seconds=30,
    acquired_at=NOON - HOUR,
    renewed_at=NOON,
    transitions=4,
)
SEEN = Observed(record=RECORD, since=100 * SECOND)
"""Ends at 130 s."""

INSTANTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001 - made aware
    lambda at: at.replace(tzinfo=UTC)
)
HOLDERS = st.sampled_from([US, OTHER, ""])
RECORDS = st.builds(
    Record,
    holder=HOLDERS,
    duration_seconds=st.integers(1, 3600),
    acquired_at=st.none() | INSTANTS,
    renewed_at=st.none() | INSTANTS,
    transitions=st.integers(0, 1000),
)
BOOTS = st.timedeltas(NONE, HOUR)
SETTINGSES = st.integers(1, 100).flatmap(
    lambda ms: st.builds(
        lambda renew, more: Settings(
            duration=timedelta(seconds=more + int(ms * renew / 1000) + 1),
            renew_deadline=timedelta(milliseconds=ms * renew),
            retry=timedelta(milliseconds=ms),
        ),
        renew=st.integers(2, 50),
        more=st.integers(0, 60),
    )
)


@pytest.mark.parametrize(
    ("duration", "renew_deadline", "retry", "said"),
    [
        (30, 20, 0, "retry must be longer than 0 s"),
        (30, 20, -1, "retry must be longer than 0 s"),
        (30, 6, 5, "renew_deadline must be longer than 1.2 x retry, 6 s"),
        (30, 0, 5, "renew_deadline must be longer than 1.2 x retry, 6 s"),
        (20, 20, 5, "duration must be longer than renew_deadline, 20 s"),
        (0, 20, 5, "duration must be longer than renew_deadline, 20 s"),
        (30.5, 20, 5, "duration must be whole seconds"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(
    duration: float, renew_deadline: float, retry: float, said: str
) -> None:
    with pytest.raises(ValueError, match=f"^{said}$"):
        Settings(
            duration=duration * SECOND, renew_deadline=renew_deadline * SECOND, retry=retry * SECOND
        )


def test_settings_may_be_as_narrow_as_the_rules_let_them() -> None:
    Settings(duration=7 * SECOND, renew_deadline=6 * SECOND + MICRO, retry=5 * SECOND)


def test_a_call_takes_a_quarter_of_the_deadline_at_the_most() -> None:
    """So that two hung writes and two hung reads end before the term does."""
    assert SETTINGS.call_timeout == 5 * SECOND


@pytest.mark.parametrize(
    "changed",
    [
        replace(RECORD, holder=US),
        replace(RECORD, duration_seconds=31),
        replace(RECORD, acquired_at=NOON),
        replace(RECORD, acquired_at=None),
        replace(RECORD, renewed_at=NOON + MICRO),
        replace(RECORD, renewed_at=NOON - HOUR),
        replace(RECORD, transitions=5),
    ],
    ids=["holder", "duration", "acquired", "acquired-none", "renewed", "clock-behind", "count"],
)
def test_a_record_that_differs_in_anything_counts_from_now(changed: Record) -> None:
    assert election.observed(SEEN, changed, 120 * SECOND) == Observed(
        record=changed, since=120 * SECOND
    )


def test_a_record_that_is_as_it_was_counts_from_when_it_was_first_seen() -> None:
    assert election.observed(SEEN, replace(RECORD), 120 * SECOND) == SEEN


def test_a_record_that_was_never_seen_counts_from_now_however_old_it_says_it_is() -> None:
    old = replace(RECORD, renewed_at=NOON - 9000 * HOUR)

    assert election.observed(None, old, SECOND) == Observed(record=old, since=SECOND)


@pytest.mark.parametrize(
    ("holder", "boot", "free"),
    [
        (OTHER, 130 * SECOND - MICRO, False),
        (OTHER, 130 * SECOND, True),
        ("", 100 * SECOND, True),
        (US, 100 * SECOND, True),
        (US, 500 * SECOND, True),
    ],
)
def test_a_lease_is_free_if_it_is_ours_released_or_lapsed(
    holder: str, boot: timedelta, *, free: bool
) -> None:
    seen = replace(SEEN, record=replace(RECORD, holder=holder))

    assert election.is_free(seen, US, boot) is free


def test_a_lease_lasts_as_long_as_it_says_and_not_as_we_would_have_it_last() -> None:
    short, long = (
        replace(SEEN, record=replace(RECORD, duration_seconds=seconds)) for seconds in (1, 300)
    )

    assert election.is_free(short, US, 101 * SECOND)
    assert not election.is_free(long, US, 399 * SECOND)


@pytest.mark.parametrize(
    ("holder", "boot", "is_so"),
    [
        (US, 130 * SECOND - MICRO, True),
        (US, 130 * SECOND, False),
        (OTHER, 100 * SECOND, False),
        ("", 100 * SECOND, False),
    ],
)
def test_only_what_was_ours_lately_is_renewed_without_a_look(
    holder: str, boot: timedelta, *, is_so: bool
) -> None:
    seen = replace(SEEN, record=replace(RECORD, holder=holder))

    assert election.needs_no_look(seen, US, boot) is is_so


def test_the_first_claim_counts_no_transition() -> None:
    assert election.claim(None, US, SETTINGS, NOON) == Record(
        holder=US, duration_seconds=30, acquired_at=NOON, renewed_at=NOON, transitions=0
    )


@pytest.mark.parametrize("former", [OTHER, ""])
def test_taking_over_counts_a_transition_and_begins_anew(former: str) -> None:
    later = NOON + HOUR

    claimed = election.claim(replace(RECORD, holder=former), US, SETTINGS, later)

    assert claimed == Record(
        holder=US, duration_seconds=30, acquired_at=later, renewed_at=later, transitions=5
    )


def test_renewing_keeps_when_it_was_acquired_and_counts_nothing() -> None:
    mine = replace(RECORD, holder=US, duration_seconds=15)

    claimed = election.claim(mine, US, SETTINGS, NOON + SECOND)

    assert claimed == replace(mine, duration_seconds=30, renewed_at=NOON + SECOND)


def test_what_does_not_say_when_it_was_acquired_was_acquired_now() -> None:
    mine = replace(RECORD, holder=US, acquired_at=None)

    assert election.claim(mine, US, SETTINGS, NOON + SECOND).acquired_at == NOON + SECOND


def test_a_renewal_at_the_same_microsecond_is_another_record_all_the_same() -> None:
    """A write that changes nothing keeps the version, and tells nobody that we live."""
    mine = replace(RECORD, holder=US, renewed_at=NOON)

    assert election.claim(mine, US, SETTINGS, NOON).renewed_at == NOON + MICRO


def test_what_is_released_has_no_holder_lasts_a_second_and_keeps_the_count() -> None:
    later = NOON + HOUR

    assert election.released(RECORD, later) == Record(
        holder="", duration_seconds=1, acquired_at=later, renewed_at=later, transitions=4
    )


@pytest.mark.parametrize(
    ("until", "sent", "boot", "expected"),
    [
        (None, 100, 101, 120),
        (None, 100, 120, None),
        (None, 100, 500, None),
        (110, 105, 106, 125),
        (110, 105, 110, 110),
        (110, 105, 500, 110),
        (110, 89, 108, 110),
    ],
    ids=[
        "begins-when-it-was-sent",
        "answer-came-at-the-end",
        "answer-came-too-late-to-begin",
        "prolonged",
        "answer-came-at-the-end-of-the-term",
        "answer-came-after-a-pause",
        "never-shortened",
    ],
)
def test_a_term_counts_from_the_sending_and_is_not_prolonged_once_it_is_over(
    until: int | None, sent: int, boot: int, expected: int | None
) -> None:
    before = None if until is None else until * SECOND

    after = election.term(before, sent * SECOND, boot * SECOND, SETTINGS)

    assert after == (None if expected is None else expected * SECOND)


def test_a_leader_tries_again_after_one_retry_from_the_begin_of_the_last() -> None:
    assert election.next_try(100 * SECOND, SETTINGS) == 105 * SECOND


@pytest.mark.parametrize(("u", "after"), [(0, 5), (0.5, 5 * (1 - 1 / 12)), (1, 5 / 1.2)])
def test_a_candidate_waits_a_retry_shortened_by_its_draw(u: float, after: float) -> None:
    at = election.next_look(100 * SECOND, None, 101 * SECOND, SETTINGS, u)

    assert at == 100 * SECOND + timedelta(seconds=after)


@pytest.mark.parametrize(
    ("begun", "boot", "at"),
    [
        (126, 127, 130),
        (124, 125, 129),
        (128, 130, 133),
        (128, 132, 133),
    ],
    ids=["ends-first", "poll-first", "has-ended", "has-long-ended"],
)
def test_a_candidate_waits_for_the_end_of_what_it_saw_to_the_instant(
    begun: int, boot: int, at: int
) -> None:
    assert election.next_look(begun * SECOND, SEEN, boot * SECOND, SETTINGS, 0.0) == at * SECOND


@given(settings=SETTINGSES, before=RECORDS, wall=INSTANTS)
def test_law_every_claim_changes_the_record(
    settings: Settings, before: Record, wall: datetime
) -> None:
    claimed = election.claim(before, US, settings, wall)

    assert claimed != before
    assert claimed.transitions - before.transitions == (before.holder != US)


@given(settings=SETTINGSES, sent=BOOTS, took=BOOTS, began=BOOTS)
def test_law_nobody_leads_past_the_deadline_and_none_takes_before_the_duration(
    settings: Settings, sent: timedelta, took: timedelta, began: timedelta
) -> None:
    """Whoever saw the write saw it after it was sent: between the two lies a margin."""
    until = election.term(None, sent, sent + took, settings)
    record = election.claim(None, OTHER, settings, NOON)
    seen = election.observed(None, record, sent + took)

    assert until is None or until - sent == settings.renew_deadline
    assert until is None or not election.is_free(seen, US, until)


@given(
    settings=SETTINGSES,
    begun=BOOTS,
    took=BOOTS,
    seen=st.none() | st.builds(Observed, record=RECORDS, since=BOOTS),
    u=st.floats(0, 1, exclude_max=True),
)
def test_law_no_candidate_waits_longer_than_a_retry_or_looks_without_a_pause(
    settings: Settings, begun: timedelta, took: timedelta, seen: Observed | None, u: float
) -> None:
    """Short of a poll it looks once: at the end of what it saw, which is over then."""
    boot = begun + took

    at = election.next_look(begun, seen, boot, settings, u)

    assert at <= begun + settings.retry
    if seen is None or at != seen.ends:
        assert at >= begun + settings.retry / election.JITTER - MICRO
    else:
        assert election.next_look(at, seen, at, settings, u) > at


# Who knows of nobody that leads.

DENIED = failed(None, Reason.ACCESS_DENIED, "leases is forbidden", at())


@pytest.mark.parametrize(
    ("heard", "boot"), [(None, 100), (None, 100_000), (100, 130), (100, 100_000)]
)
def test_who_cannot_read_the_lease_says_so_unless_somebody_held_it_just_now(
    heard: int | None, boot: int
) -> None:
    said = election.unled(
        "ci/leader", None if heard is None else heard * SECOND, DENIED, boot * SECOND, SETTINGS
    )

    assert said == (
        "the Lease ci/leader cannot be read or written, access_denied: leases is forbidden."
        f" {LEASE[Reason.ACCESS_DENIED].advice}"
    )


def test_a_failure_is_no_matter_for_as_long_as_a_lease_lasts() -> None:
    boot = 130 * SECOND - MICRO
    assert election.unled("ci/leader", 100 * SECOND, DENIED, boot, SETTINGS) == ""


def test_nothing_is_taken_for_well_before_the_first_answer() -> None:
    said = election.unled("ci/leader", None, None, 100 * SECOND, SETTINGS)
    assert said == "the Lease ci/leader is being read"


def test_who_can_read_the_lease_is_about_to_take_it_or_knows_who_did() -> None:
    assert election.unled("ci/leader", 100 * SECOND, None, HOUR, SETTINGS) == ""


def test_a_reason_that_no_lease_should_fail_of_is_told_without_advice() -> None:
    odd = failed(None, Reason.MALFORMED, "odd", at())

    said = election.unled("ci/leader", None, odd, 100 * SECOND, SETTINGS)

    assert said == "the Lease ci/leader cannot be read or written, malformed: odd."
