"""What is known of one place: how each fact moves it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from lightkeeper.core import facts
from lightkeeper.core import place as places
from lightkeeper.core.credential import Credential, Digest
from lightkeeper.core.facts import Cause
from lightkeeper.core.failure import Failure, failed
from lightkeeper.core.notices import Notice
from lightkeeper.core.place import PlaceState
from lightkeeper.core.reasons import Reason
from tests.core.making import (
    BOOT,
    FIRST,
    FOREIGN,
    HERE,
    HOUR,
    MINUTE,
    NOON,
    SECOND,
    SECOND_ONE,
    a_credential,
    at,
    delivered,
    drifted,
    not_delivered,
    pending,
    seen,
)

NEW = PlaceState(place=HERE)
SERVED = places.delivered(NEW, delivered())
KEEPS_FOREIGN = replace(SERVED, replaces_foreign=False)
ODD = a_credential("simulated-odd", is_odd=True)


def failure(reason: Reason) -> Failure:
    return failed(None, reason, "detail", at())


def test_of_a_new_place_nothing_is_known() -> None:
    assert not NEW.is_read
    assert not NEW.holds(FIRST)
    assert not NEW.holds(None)


def test_a_place_holds_what_was_read_back_from_it_and_needs_no_other_change() -> None:
    assert SERVED.holds(FIRST)
    assert not SERVED.holds(SECOND_ONE)
    assert not SERVED.holds(None)
    assert not replace(SERVED, settled=False).holds(FIRST)
    assert not replace(SERVED, is_read=False).holds(FIRST)


def test_what_begins_keeps_others_away_and_takes_up_what_was_touched_before() -> None:
    begun = places.started(replace(NEW, touched=True))

    assert (begun.busy, begun.touched) == (True, False)


def test_what_is_served_as_before_stays_as_it_is() -> None:
    assert places.served_as(SERVED, replace(NEW, wants=SERVED.wants)) == SERVED


def test_what_is_wanted_otherwise_is_known_and_still_to_be_written() -> None:
    after = places.served_as(SERVED, replace(NEW, wants="other"))

    assert after == replace(SERVED, wants="other", settled=False)


@pytest.mark.parametrize("fact", [seen(MINUTE), delivered(MINUTE)])
def test_what_was_under_way_when_something_else_was_wanted_does_not_settle_it(
    fact: facts.PlaceRead | facts.Delivered,
) -> None:
    """By a look or a delivery of what was wanted before."""
    busy = places.served_as(places.started(SERVED), replace(NEW, wants="other"))

    def ended(place: PlaceState) -> PlaceState:
        if isinstance(fact, facts.Delivered):
            return places.delivered(place, fact)
        return places.read(place, fact, FIRST)

    assert not ended(busy).holds(FIRST)
    assert ended(places.started(ended(busy))).holds(FIRST)


def test_a_place_of_a_registry_that_changed_is_as_new_but_for_what_is_under_way() -> None:
    busy = replace(KEEPS_FOREIGN, busy=True, drift=Cause.REMOVED, failure=failure(Reason.TIMEOUT))

    assert places.unread(busy) == PlaceState(place=HERE, replaces_foreign=False, busy=True)


def test_what_was_read_is_known_from_then_on() -> None:
    read = places.read(
        replace(NEW, busy=True, pending="why"), seen(MINUTE, None, settled=False), FIRST
    )

    assert (read.is_read, read.busy, read.pending) == (True, False, "")
    assert (read.digest, read.settled, read.read_at) == (None, False, BOOT + MINUTE)


def test_a_place_that_is_found_to_hold_the_credential_is_mended() -> None:
    broken = replace(NEW, drift=Cause.REPLACED, failure=failure(Reason.READ_ONLY))

    read = places.read(broken, seen(), FIRST)

    assert read.holds(FIRST)
    assert (read.confirmed, read.drift, read.failure) == (FIRST.digest, None, None)


def test_a_drift_and_a_failure_last_while_the_place_reads_the_same() -> None:
    disputed = places.drifted(KEEPS_FOREIGN, drifted(SECOND), FIRST)

    read = places.read(disputed, seen(MINUTE, FOREIGN, settled=False), FIRST)

    assert (read.drift, read.failure) == (Cause.REPLACED, disputed.failure)


def test_a_conflict_is_over_once_the_other_credential_is_gone() -> None:
    disputed = places.drifted(KEEPS_FOREIGN, drifted(SECOND), FIRST)

    read = places.read(disputed, seen(MINUTE, None, settled=False), SECOND_ONE)

    assert (read.drift, read.failure) == (None, None)


def test_another_failure_lasts_until_a_delivery_succeeds() -> None:
    """That it can be read does not say that it can be written."""
    stuck = replace(SERVED, failure=failure(Reason.READ_ONLY))

    read = places.read(stuck, seen(MINUTE, None, settled=False), SECOND_ONE)
    assert read.failure == stuck.failure

    done = places.delivered(read, delivered(HOUR, SECOND_ONE.digest))
    assert done.failure is None


def test_what_lasts_at_a_place_is_what_the_last_look_found() -> None:
    read = places.read(NEW, seen(notices=frozenset({Notice.WIDE_MODE})), FIRST)
    assert read.notices == {Notice.WIDE_MODE}

    read = places.read(read, seen(notices=frozenset({Notice.HELPER_SHADOWS})), FIRST)
    assert read.notices == {Notice.HELPER_SHADOWS}


def test_what_a_delivery_mended_is_told_until_the_next_one() -> None:
    done = places.delivered(NEW, delivered(notices=frozenset({Notice.ALIAS_REMOVED})))

    read = places.read(done, seen(notices=frozenset({Notice.WIDE_MODE})), FIRST)
    assert read.notices == {Notice.ALIAS_REMOVED, Notice.WIDE_MODE}

    done = places.delivered(read, delivered(notices=frozenset({Notice.WIDE_MODE})))
    assert done.notices == {Notice.WIDE_MODE}


def test_a_place_that_cannot_be_there_yet_has_no_failure_and_is_tried_again() -> None:
    broken = places.drifted(KEEPS_FOREIGN, drifted(SECOND), FIRST)

    waiting = places.pending(replace(broken, busy=True), pending(MINUTE))

    assert waiting.pending == "/run/user/1"
    assert (waiting.is_read, waiting.digest, waiting.settled) == (True, None, False)
    assert (waiting.busy, waiting.failure, waiting.drift) == (False, None, None)
    assert (waiting.read_at, waiting.not_before) == (
        BOOT + MINUTE,
        BOOT + MINUTE + 10 * SECOND,
    )


def test_what_a_place_held_before_its_directory_went_is_not_held_against_anybody() -> None:
    """A user who logs out takes the runtime directory along; that is no drift."""
    assert places.pending(SERVED, pending()).confirmed is None


def test_a_drift_is_what_was_read() -> None:
    changed = places.drifted(replace(SERVED, busy=True, pending="why"), drifted(MINUTE), FIRST)

    assert (changed.is_read, changed.busy, changed.pending) == (True, False, "")
    assert (changed.digest, changed.settled, changed.read_at) == (FOREIGN, False, BOOT + MINUTE)
    assert (changed.drift, changed.drifted_at) == (Cause.REPLACED, BOOT + MINUTE)
    assert changed.confirmed == FIRST.digest


@pytest.mark.parametrize(
    ("cause", "waits"),
    [
        (Cause.REMOVED, SECOND),
        (Cause.REPLACED, 5 * SECOND),
        (Cause.REVERTED, 5 * SECOND),
        (Cause.ALTERED, 5 * SECOND),
    ],
)
def test_a_repair_waits_for_whoever_is_still_at_it(cause: Cause, waits: timedelta) -> None:
    changed = places.drifted(SERVED, drifted(MINUTE, cause), FIRST)

    assert changed.not_before == BOOT + MINUTE + waits


@pytest.mark.parametrize("cause", Cause)
def test_what_was_there_before_any_of_ours_is_no_dispute(cause: Cause) -> None:
    """Nobody is at it: it is replaced without a wait, and counts as no repair."""
    changed = places.drifted(NEW, drifted(MINUTE, cause), FIRST)

    assert changed.drift is cause
    if cause is Cause.REPLACED:
        assert (changed.disputed, changed.not_before) == (None, BOOT + MINUTE)
    else:
        assert changed.disputed is cause
        assert changed.not_before > BOOT + MINUTE


def test_a_place_has_had_ours_once_it_was_seen_there() -> None:
    assert not NEW.had_ours
    assert SERVED.had_ours
    assert places.read(NEW, seen(), FIRST).had_ours
    assert not places.read(NEW, seen(digest=FOREIGN, settled=False), FIRST).had_ours
    assert places.drifted(SERVED, drifted(), FIRST).disputed is Cause.REPLACED


def repaired_often(times: int, cause: Cause = Cause.REPLACED) -> PlaceState:
    """A place that was changed and repaired this often, the last time at noon."""
    place = SERVED
    for _ in range(times):
        place = places.drifted(place, drifted(cause=cause), FIRST)
        place = places.delivered(place, delivered(repaired=cause))
    return place


@pytest.mark.parametrize(("repairs", "seconds"), [(0, 5), (1, 10), (2, 20), (6, 300), (20, 300)])
def test_repairs_come_ever_more_slowly_in_a_dispute(repairs: int, seconds: int) -> None:
    changed = places.drifted(repaired_often(repairs), drifted(MINUTE), FIRST)

    assert changed.not_before == BOOT + MINUTE + seconds * SECOND
    assert changed.repairs == repairs


def test_an_entry_that_is_taken_out_is_put_back_at_once_however_often() -> None:
    """Whoever logs out before each login is not in a dispute with us."""
    often = repaired_often(5, Cause.REMOVED)

    changed = places.drifted(often, drifted(MINUTE, Cause.REMOVED, digest=None), FIRST)

    assert changed.not_before == BOOT + MINUTE + SECOND


def test_a_dispute_is_forgotten_after_ten_minutes_of_peace() -> None:
    often = repaired_often(5)

    changed = places.drifted(often, drifted(10 * MINUTE + SECOND), FIRST)

    assert (changed.repairs, changed.not_before) == (0, changed.drifted_at + 5 * SECOND)


def test_a_delivery_that_repaired_nothing_is_no_part_of_a_dispute() -> None:
    often = repaired_often(2)

    done = places.delivered(often, delivered(HOUR))

    assert (done.repairs, done.repaired_at) == (2, BOOT)


@pytest.mark.parametrize(
    ("place", "held", "is_in_conflict"),
    [
        (SERVED, FIRST, False),
        (SERVED, ODD, True),
        (SERVED, None, False),
        (KEEPS_FOREIGN, FIRST, True),
        (KEEPS_FOREIGN, ODD, True),
    ],
)
def test_a_foreign_credential_stays_where_it_may_not_go(
    place: PlaceState, held: Credential | None, *, is_in_conflict: bool
) -> None:
    """Not where the operator says so, and not for one that came in an unusual answer."""
    changed = places.drifted(place, drifted(), held)

    assert changed.is_in_conflict(held) is is_in_conflict
    assert changed.failure is None


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause is not Cause.REPLACED])
def test_only_what_is_foreign_is_a_conflict(cause: Cause) -> None:
    assert not places.drifted(KEEPS_FOREIGN, drifted(cause=cause), FIRST).is_in_conflict(FIRST)


def in_conflict() -> PlaceState:
    disputed = places.drifted(KEEPS_FOREIGN, drifted(SECOND), FIRST)
    return places.not_delivered(disputed, not_delivered(SECOND, Reason.CONFLICT))


def test_a_conflict_with_another_credential_goes_on_with_a_third() -> None:
    """Or somebody who writes ever new ones would be told of each time."""
    third = places.drifted(in_conflict(), drifted(MINUTE, digest=Digest("third")), FIRST)
    told = places.not_delivered(third, not_delivered(MINUTE, Reason.CONFLICT))

    assert told.failure is not None
    assert (told.failure.since, told.failure.count) == (NOON + SECOND, 2)


def test_a_conflict_is_over_when_the_foreign_credential_is_taken_out() -> None:
    disputed = in_conflict()

    changed = places.drifted(disputed, drifted(MINUTE, Cause.REMOVED, digest=None), FIRST)

    assert (changed.drift, changed.failure) == (Cause.REMOVED, None)


def test_a_failure_to_write_lasts_over_a_drift() -> None:
    stuck = replace(SERVED, failure=failure(Reason.READ_ONLY))

    changed = places.drifted(stuck, drifted(MINUTE), FIRST)

    assert changed.failure == stuck.failure


def test_a_delivery_ends_drift_failure_and_waiting() -> None:
    broken = replace(
        places.drifted(KEEPS_FOREIGN, drifted(SECOND), FIRST), busy=True, pending="why"
    )

    done = places.delivered(broken, delivered(MINUTE, repaired=Cause.REPLACED))

    assert done.holds(FIRST)
    assert (done.busy, done.pending, done.drift, done.failure) == (False, "", None, None)
    assert (done.confirmed, done.read_at) == (FIRST.digest, BOOT + MINUTE)
    assert (done.repairs, done.repaired_at) == (1, BOOT + MINUTE)


def test_a_failed_delivery_changes_nothing_of_what_the_place_holds() -> None:
    tried = places.not_delivered(replace(SERVED, busy=True, pending="why"), not_delivered(MINUTE))

    assert tried.holds(FIRST)
    assert (tried.confirmed, tried.busy, tried.pending) == (FIRST.digest, False, "")
    assert tried.failure == failed(None, Reason.READ_ONLY, "/a: read-only", at(MINUTE))


@pytest.mark.parametrize("reason", [Reason.MALFORMED, Reason.WRONG_TYPE, Reason.NAMESPACE_MISSING])
def test_no_client_finds_a_login_in_what_is_none_of_ours_to_read(reason: Reason) -> None:
    assert places.not_delivered(SERVED, not_delivered(MINUTE, reason)).is_unusable
    assert not places.not_delivered(SERVED, not_delivered(MINUTE, Reason.NETWORK)).is_unusable


def test_a_failed_delivery_is_tried_again_after_ten_seconds() -> None:
    tried = places.not_delivered(SERVED, not_delivered(MINUTE))

    assert (tried.read_at, tried.not_before) == (BOOT + MINUTE, BOOT + MINUTE + 10 * SECOND)


def test_where_places_are_read_seldom_one_that_fails_again_waits_twice_as_long() -> None:
    seldom = replace(SERVED, poll=HOUR)

    once = places.not_delivered(seldom, not_delivered(SECOND))
    twice = places.not_delivered(once, not_delivered(MINUTE))

    assert (once.not_before, twice.not_before) == (BOOT + 11 * SECOND, BOOT + 80 * SECOND)


def test_a_failure_that_lasts_is_counted_from_its_beginning() -> None:
    once = places.not_delivered(SERVED, not_delivered(SECOND))
    twice = places.not_delivered(once, not_delivered(MINUTE))

    assert twice.failure is not None
    assert (twice.failure.count, twice.failure.since) == (2, at(SECOND).wall)
