"""How facts about places move the state of a login: the place, its output, the round."""

from __future__ import annotations

import pytest

from lightkeeper.core.facts import Cause, LoginFact, OutputName, Place
from lightkeeper.core.fold import fold
from lightkeeper.core.place import PlaceState
from lightkeeper.core.reasons import Reason
from lightkeeper.core.state import OutputCounts, Round
from tests.core.making import (
    FIRST,
    FOREIGN,
    HERE,
    HOUR,
    MINUTE,
    NOWHERE,
    OUTPUT,
    SECOND,
    SECOND_ONE,
    THERE,
    after,
    at,
    delivered,
    delivered_to,
    delivering,
    drifted,
    holding,
    looking,
    not_delivered,
    pending,
    renewed,
    round_ended,
    seen,
    touched,
)


@pytest.mark.parametrize("fact", [looking(), delivering()])
def test_a_place_that_is_worked_on_is_busy(fact: LoginFact) -> None:
    place = after(holding(HERE), touched(), fact).places[HERE]

    assert (place.busy, place.touched) == (True, False)


def test_a_place_that_was_touched_while_it_was_worked_on_is_touched_after() -> None:
    place = after(holding(HERE), delivering(), touched(SECOND), delivered(MINUTE)).places[HERE]

    assert (place.busy, place.touched) == (False, True)


def test_a_place_is_moved_by_what_happens_there_and_no_other_is() -> None:
    before = delivered_to(HERE, THERE)

    for fact in (looking(), seen(), touched(), pending(), drifted(), delivered(), not_delivered()):
        state = after(before, fact)

        assert state.places[THERE] is before.places[THERE]


@pytest.mark.parametrize(
    "fact",
    [
        looking(place=NOWHERE),
        seen(place=NOWHERE),
        touched(place=NOWHERE),
        pending(place=NOWHERE),
        drifted(place=NOWHERE),
        delivering(place=NOWHERE),
        delivered(place=NOWHERE),
        not_delivered(place=NOWHERE),
    ],
)
def test_a_fact_about_a_place_that_is_gone_changes_nothing(fact: LoginFact) -> None:
    """It was configured when the work began; no series of it may come back."""
    state = holding(HERE)

    assert fold(state, fact) is state


def test_a_place_that_is_found_settled_holds_the_credential() -> None:
    state = after(holding(HERE), looking(), seen(SECOND))

    assert state.places[HERE].holds(FIRST)


def test_a_place_that_cannot_be_there_yet_is_neither_delivered_nor_failing() -> None:
    state = after(holding(HERE), delivering(), pending(SECOND))

    assert state.places[HERE].pending
    assert (state.outputs.get(OUTPUT), state.round) == (None, Round())


def test_deliveries_are_counted_for_their_output_and_their_round() -> None:
    other = Place(OutputName("podman"), "/c")
    state = after(
        holding(HERE, THERE, other),
        delivered(),
        delivered(place=THERE, changed=False),
        delivered(place=other),
    )

    assert state.outputs[OUTPUT] == OutputCounts(changed=1, unchanged=1)
    assert state.outputs[other.output] == OutputCounts(changed=1)
    assert state.round == Round(changed=2, unchanged=1)


def test_a_delivery_outside_a_round_begins_none() -> None:
    state = after(delivered_to(HERE), delivered(HOUR))

    assert (state.round, state.outputs[OUTPUT].changed) == (None, 2)


def test_repairs_are_counted_by_their_cause() -> None:
    state = after(
        delivered_to(HERE),
        delivered(repaired=Cause.REMOVED),
        delivered(repaired=Cause.REPLACED),
        delivered(repaired=Cause.REMOVED),
    )

    assert state.outputs[OUTPUT].repairs == {Cause.REMOVED: 2, Cause.REPLACED: 1}


def test_failed_deliveries_are_counted_by_their_reason() -> None:
    state = after(holding(HERE), not_delivered(), not_delivered(reason=Reason.NO_SPACE))

    counts = state.outputs[OUTPUT]
    assert counts.failures == {Reason.READ_ONLY: 1, Reason.NO_SPACE: 1}
    assert (counts.changed, counts.unchanged) == (0, 0)


@pytest.mark.parametrize("replaces", [True, False])
def test_a_foreign_credential_is_a_drift_and_not_yet_a_failure(*, replaces: bool) -> None:
    before = holding(PlaceState(place=HERE, replaces_foreign=replaces))

    state = after(before, drifted(SECOND, digest=FOREIGN))

    assert state.places[HERE].drift is Cause.REPLACED
    assert state.outputs.get(OUTPUT) is None


def test_a_round_is_complete_when_the_last_place_that_lacked_it_holds_the_credential() -> None:
    first = after(holding(HERE, THERE), delivered(SECOND))
    both = after(first, delivered(MINUTE, place=THERE))

    assert first.delivered_at is None
    assert both.delivered_at == at(MINUTE).wall


def test_what_fails_in_the_round_completes_it_when_it_is_mended() -> None:
    failing = after(
        holding(HERE, THERE), delivered(SECOND), not_delivered(place=THERE), round_ended(SECOND)
    )
    mended = after(failing, delivered(HOUR, place=THERE))

    assert failing.delivered_at is None
    assert mended.delivered_at == at(HOUR).wall


def test_what_holds_it_already_completes_nothing_anew() -> None:
    state = delivered_to(HERE, THERE)
    before = state.delivered_at

    assert before is not None
    assert after(state, seen(HOUR), delivered(HOUR)).delivered_at == before


def test_a_look_that_finds_the_last_of_them_well_completes_it() -> None:
    """As after a restart, when nothing is left to deliver."""
    assert after(holding(HERE), seen(MINUTE)).delivered_at == at(MINUTE).wall


def test_a_new_credential_is_delivered_when_it_is_everywhere() -> None:
    state = after(delivered_to(HERE, THERE), renewed(HOUR, SECOND_ONE))
    before = state.delivered_at
    state = after(state, delivered(HOUR, SECOND_ONE.digest))

    assert state.delivered_at == before
    state = after(state, delivered(2 * HOUR, SECOND_ONE.digest, place=THERE))
    assert state.delivered_at == at(2 * HOUR).wall
