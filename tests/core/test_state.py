"""What one login has come to, and what follows from it."""

from __future__ import annotations

import gc
from datetime import timedelta
from types import MappingProxyType

import pytest
from msgspec.structs import replace

from lightkeeper.core.answer import Verdict
from lightkeeper.core.credential import Digest
from lightkeeper.core.facts import Cause, LoginFact, OutputName, Place, RoundEnded, Why
from lightkeeper.core.moment import Moment, ServerClock
from lightkeeper.core.place import PlaceState
from lightkeeper.core.places import Places
from lightkeeper.core.reasons import Reason
from lightkeeper.core.state import (
    Known,
    LeftPlace,
    LoginState,
    OutputCounts,
    digests_of,
    failed_attempts,
    leave,
    remember,
)
from tests.core.making import (
    BOOT,
    FIRST,
    FOREIGN,
    HERE,
    HOUR,
    LIFETIME,
    LOGIN,
    MINUTE,
    NONE,
    NOON,
    NOWHERE,
    OUTPUT,
    POLICY,
    SECOND_ONE,
    THERE,
    a_credential,
    a_state,
    after,
    at,
    delivered,
    delivered_to,
    drifted,
    holding,
    not_delivered,
    pending,
    renewed,
    seen,
    started,
    verified,
)

SERVED = after(delivered_to(HERE), started(HOUR, Why.DUE), renewed(HOUR, SECOND_ONE))
"""A login that renewed, and has yet to deliver what came."""
KIN = digests_of([SERVED.known, [Known(digest=FOREIGN, registry=FIRST.registry, expires_at=NOON)]])


def place_of(state: LoginState) -> PlaceState:
    return state.places[HERE]


def test_of_a_new_login_nothing_is_held() -> None:
    state = a_state()

    assert not state.is_valid(at())
    assert (state.remaining(at()), state.ours, state.expiry_of(None)) == (NONE, frozenset(), None)


def test_what_remains_is_counted_to_the_expiry_and_is_never_less_than_nothing() -> None:
    state = holding()

    assert state.remaining(at(HOUR)) == 11 * HOUR
    assert state.remaining(at(13 * HOUR)) == NONE


def test_a_credential_is_valid_until_its_last_instant() -> None:
    state = holding()

    assert state.is_valid(at(LIFETIME - timedelta.resolution))
    assert not state.is_valid(at(LIFETIME))


def test_validity_is_judged_by_the_servers_clock() -> None:
    """Ours is two hours slow: the server will refuse while we still see life."""
    state = replace(holding(), clock=ServerClock(at=NOON + 2 * HOUR, seen=at()))

    assert state.server_now(at()) == NOON + 2 * HOUR
    assert not state.is_valid(at(10 * HOUR))


def test_a_wall_clock_that_is_set_back_keeps_nothing_alive() -> None:
    now = Moment(wall=NOON - 24 * HOUR, boot=BOOT + 12 * HOUR)

    assert not holding().is_valid(now)


@pytest.mark.parametrize(
    ("first", "then", "is_refused"),
    [
        (Verdict.ACCEPTED, Verdict.REJECTED, True),
        (Verdict.ACCEPTED, Verdict.INCONCLUSIVE, False),
        (Verdict.REJECTED, Verdict.REJECTED, False),
        (Verdict.INCONCLUSIVE, Verdict.REJECTED, False),
        (None, Verdict.REJECTED, False),
    ],
)
def test_only_what_was_accepted_before_can_be_refused(
    first: Verdict | None, then: Verdict, *, is_refused: bool
) -> None:
    """A registry that never took one may be the wrong one: another credential is no cure."""
    state = after(a_state(), started(), renewed(verdict=first), verified(MINUTE, then))

    assert state.is_refused is is_refused


def ended_early(at_: timedelta) -> LoginState:
    """What is held was renewed at `at_` because the registry refused the one before."""
    return after(
        holding(),
        verified(at_, Verdict.REJECTED),
        started(at_, Why.REFUSED),
        renewed(at_, SECOND_ONE),
    )


def test_a_login_is_superseded_if_it_is_refused_again_within_the_hour() -> None:
    again = after(
        ended_early(HOUR), verified(90 * MINUTE, Verdict.REJECTED, digest=SECOND_ONE.digest)
    )

    assert again.is_superseded(at(90 * MINUTE))
    assert not again.is_superseded(at(2 * HOUR))


def test_a_login_is_not_superseded_when_it_is_refused_for_the_first_time() -> None:
    assert not after(holding(), verified(HOUR, Verdict.REJECTED)).is_superseded(at(HOUR))


def test_a_login_is_not_superseded_while_it_is_accepted() -> None:
    assert not ended_early(HOUR).is_superseded(at(HOUR))


def test_nothing_held_is_not_superseded() -> None:
    assert not a_state().is_superseded(at())


def test_ours_is_what_we_held_and_hold() -> None:
    assert SERVED.ours == {FIRST.digest, SECOND_ONE.digest}


def test_the_expiry_of_what_a_place_holds_is_known_for_ours_alone() -> None:
    assert SERVED.expiry_of(FIRST.digest) == FIRST.expires_at
    assert SERVED.expiry_of(SECOND_ONE.digest) == SECOND_ONE.expires_at
    assert SERVED.expiry_of(FOREIGN) is None
    assert SERVED.expiry_of(None) is None


def test_a_former_registry_is_one_that_we_held_a_credential_for_and_no_longer_do() -> None:
    moved = after(SERVED, renewed(2 * HOUR, a_credential("simulated-3", registry="moved.test")))

    assert SERVED.former_registries == frozenset()
    assert moved.former_registries == {"registry.test"}
    assert a_state().former_registries == frozenset()


def test_the_last_eight_credentials_are_remembered_newest_first() -> None:
    known: tuple[Known, ...] = ()
    credentials = [a_credential(f"simulated-{i}", issued=i * HOUR) for i in range(10)]

    for credential in credentials:
        known = remember(known, credential)

    assert [one.digest for one in known] == [one.digest for one in reversed(credentials[2:])]


def test_a_credential_that_comes_again_is_remembered_once_and_in_front() -> None:
    known = remember(remember(remember((), FIRST), SECOND_ONE), FIRST)

    assert [one.digest for one in known] == [FIRST.digest, SECOND_ONE.digest]


def test_collections_do_not_look_at_what_is_known_and_remembered() -> None:
    """There are twenty notes a login, and a collection of those of a thousand takes its time."""
    drifts = [fact for _ in range(20) for fact in (drifted(), delivered(repaired=Cause.REMOVED))]
    state = after(a_state().with_places([PlaceState(place=HERE)]), started(), renewed(), *drifts)
    kept = [state, state.clock, state.policy, *state.known, *state.notes, *state.places.values()]

    assert len(state.notes) == 20
    assert not any(map(gc.is_tracked, kept))


def test_nothing_that_is_remembered_gives_a_password_away() -> None:
    assert FIRST.password.reveal() not in repr(SERVED)


@pytest.mark.parametrize(
    ("digest", "settled", "cause"),
    [
        (FIRST.digest, True, None),
        (FIRST.digest, False, Cause.ALTERED),
        (None, False, Cause.REMOVED),
        (FOREIGN, False, Cause.REPLACED),
    ],
)
def test_a_drift_is_what_differs_from_what_we_saw_there(
    digest: Digest | None, *, settled: bool, cause: Cause | None
) -> None:
    state = delivered_to(HERE)

    assert state.drift_of(place_of(state), digest, settled=settled) is cause


def test_a_former_credential_of_ours_that_is_back_was_reverted() -> None:
    state = after(SERVED, delivered(HOUR, SECOND_ONE.digest))

    assert state.drift_of(place_of(state), FIRST.digest, settled=False) is Cause.REVERTED


@pytest.mark.parametrize("digest", [None, FIRST.digest, SECOND_ONE.digest])
def test_before_its_delivery_a_place_cannot_have_drifted_from_it(digest: Digest | None) -> None:
    assert SERVED.drift_of(place_of(SERVED), digest, settled=False) is None


@pytest.mark.parametrize("state", [SERVED, holding(HERE), a_state(HERE)])
def test_what_is_foreign_is_a_drift_wherever_it_is_met(state: LoginState) -> None:
    assert state.drift_of(place_of(state), FOREIGN, settled=False) is Cause.REPLACED


def test_what_we_saw_there_last_is_ours_however_often_it_was_renewed_since() -> None:
    """A place may be out of reach for so long that what it holds is no longer known elsewhere."""
    later = [a_credential(f"simulated-{n}", issued=n * HOUR) for n in range(1, 12)]
    state = after(delivered_to(HERE), *(renewed(n * HOUR, one) for n, one in enumerate(later, 1)))

    assert FIRST.digest not in state.ours
    assert state.drift_of(place_of(state), FIRST.digest, settled=False) is None
    assert FIRST.digest in state.ours_in(place_of(state))


def test_the_same_drift_is_told_once() -> None:
    state = after(delivered_to(HERE), drifted(MINUTE))

    assert state.drift_of(place_of(state), FOREIGN, settled=False) is None
    assert state.drift_of(place_of(state), Digest("other"), settled=False) is Cause.REPLACED
    assert state.drift_of(place_of(state), None, settled=False) is Cause.REMOVED


def test_one_that_is_altered_further_is_told_once() -> None:
    state = after(delivered_to(HERE), drifted(MINUTE, Cause.ALTERED, digest=FIRST.digest))

    assert state.drift_of(place_of(state), FIRST.digest, settled=False) is None
    assert state.drift_of(place_of(state), FIRST.digest, settled=True) is None


@pytest.mark.parametrize("fact", [None, seen(MINUTE, settled=False), not_delivered(MINUTE)])
def test_what_we_want_otherwise_ourselves_is_no_drift(fact: LoginFact | None) -> None:
    state = delivered_to(HERE).with_places([PlaceState(place=HERE, wants="other")])
    state = state if fact is None else after(state, fact)
    place = place_of(state)

    assert not place.holds(state.held)
    assert state.drift_of(place, FIRST.digest, settled=False) is None
    assert state.drift_of(place, None, settled=False) is Cause.REMOVED
    assert state.drift_of(place, FOREIGN, settled=False) is Cause.REPLACED


def test_what_is_altered_once_it_is_as_we_want_it_is_a_drift_again() -> None:
    state = delivered_to(HERE).with_places([PlaceState(place=HERE, wants="other")])
    state = after(state, delivered(MINUTE))

    assert state.drift_of(place_of(state), FIRST.digest, settled=False) is Cause.ALTERED


def test_an_empty_runtime_directory_is_no_drift() -> None:
    state = after(delivered_to(HERE), pending(MINUTE))

    assert state.drift_of(place_of(state), None, settled=False) is None


def test_a_round_is_summed_up() -> None:
    state = after(
        holding(HERE, THERE), delivered(), delivered(changed=False), not_delivered(place=THERE)
    )

    assert state.round_ended(at(MINUTE)) == RoundEnded(
        login=LOGIN, at=at(MINUTE), changed=1, unchanged=1, failing=1
    )


def test_where_no_round_is_on_there_is_nothing_to_sum_up() -> None:
    ended = delivered_to(HERE).round_ended(at())

    assert (ended.changed, ended.unchanged, ended.failing) == (0, 0, 0)


def test_another_policy_changes_nothing_else() -> None:
    other = replace(POLICY, renew_at=0.8)

    assert SERVED.under(other, KIN) == replace(SERVED, policy=other, kin=KIN)


@pytest.mark.parametrize(("state", "cause"), [(SERVED, None), (delivered_to(HERE), Cause.REVERTED)])
def test_what_another_login_of_ours_wrote_is_not_foreign(
    state: LoginState, cause: Cause | None
) -> None:
    """A login may be called otherwise, or a place be another login's from now on."""
    state = state.under(POLICY, KIN)

    assert state.drift_of(place_of(state), FOREIGN, settled=False) is cause


def test_a_place_that_a_former_process_served_is_known_to_have_had_ours() -> None:
    before = delivered_to(HERE)
    left = leave([HERE], before.known)

    state = replace(before, places={}, left=left).with_places(
        [PlaceState(place=HERE), PlaceState(place=THERE)]
    )

    assert [place.had_ours for place in state.places.values()] == [True, False]


def test_a_reload_keeps_what_is_known_of_a_place() -> None:
    new = PlaceState(place=HERE, replaces_foreign=False)

    reloaded = SERVED.with_places([new, PlaceState(place=THERE)])

    assert place_of(reloaded) == replace(place_of(SERVED), replaces_foreign=False)
    assert reloaded.places[THERE] == PlaceState(place=THERE)


def test_a_reload_drops_places_and_outputs_that_are_gone() -> None:
    """No series and no status line outlives what it speaks of."""
    state = after(
        delivered_to(HERE, NOWHERE), seen(place=NOWHERE), delivered(place=HERE, changed=False)
    )

    reloaded = state.with_places([PlaceState(place=HERE)])

    assert set(reloaded.places) == {HERE}
    assert reloaded.outputs == {OUTPUT: OutputCounts(changed=1, unchanged=1)}


def test_a_place_that_is_served_no_more_is_remembered_with_what_may_be_in_it() -> None:
    left = SERVED.with_places([PlaceState(place=THERE)])

    assert left.left == (LeftPlace(output=OUTPUT, name=HERE.name, known=SERVED.known),)
    assert left.with_places([PlaceState(place=NOWHERE)]).left == (
        LeftPlace(output=OUTPUT, name=HERE.name, known=SERVED.known),
        LeftPlace(output=THERE.output, name=THERE.name, known=SERVED.known),
    )


def test_a_place_that_is_served_again_is_left_no_more() -> None:
    again = SERVED.with_places([]).with_places([PlaceState(place=HERE)])

    assert again.left == ()


def unread(place: Place) -> PlaceState:
    return PlaceState(place=place)


def test_secrets_of_one_name_in_two_clusters_are_left_apart() -> None:
    one, other = (Place(output=OutputName(name), name="ci/push") for name in ("one", "other"))
    elsewhere = Place(output=one.output, name="team/push")

    moved = delivered_to(one, other).with_places(map(unread, (elsewhere, other)))
    both = delivered_to(one, other).with_places([])

    assert [left.place for left in moved.left] == [one]
    assert [left.place for left in both.left] == [one, other]


def test_a_secret_that_comes_where_another_cluster_has_one_of_its_name_is_new() -> None:
    """It is saved before it is given anything, and nothing of ours was in it."""
    one, other = (Place(output=OutputName(name), name="ci/push") for name in ("one", "other"))
    elsewhere = Place(output=one.output, name="team/push")
    served = delivered_to(one, elsewhere)
    left = served.with_places([unread(elsewhere)])

    beside = served.with_places(map(unread, (one, elsewhere, other)))
    later = left.with_places(map(unread, (elsewhere, other)))

    assert (beside.edition, later.edition) == (served.edition + 1, left.edition + 1)
    assert [place.had_ours for place in beside.places.values()] == [True, True, False]
    assert [place.had_ours for place in later.places.values()] == [True, False]


def test_a_secret_whose_output_was_called_otherwise_is_not_left() -> None:
    before, after_it = (Place(output=OutputName(name), name="ci/push") for name in ("a", "b"))

    assert delivered_to(before).with_places([unread(after_it)]).left == ()


def test_files_that_two_outputs_exchange_are_not_left() -> None:
    one, other = (Place(output=OutputName(name), name=f"/{name}") for name in ("a", "b"))
    changed = [replace(one, output=other.output), replace(other, output=one.output)]

    assert delivered_to(one, other).with_places(map(unread, changed)).left == ()


def test_nothing_is_left_where_no_entry_can_be_any_more() -> None:
    state = delivered_to(HERE, THERE).with_places([], lambda place: place != HERE)

    assert [one.name for one in state.left] == [THERE.name]


def test_places_that_are_gone_push_out_no_record_of_one_where_an_entry_is() -> None:
    state = SERVED.with_places([PlaceState(place=THERE)])
    for number in range(200):
        passing = Place(output=OUTPUT, name=f"ci-{number}/push")
        state = state.with_places([PlaceState(place=passing)])
        state = state.with_places([PlaceState(place=THERE)], lambda _: False)

    assert [one.name for one in state.left] == [HERE.name]


def test_a_place_that_was_cleared_is_left_no_more() -> None:
    state = delivered_to(HERE, THERE).with_places([])

    assert [one.name for one in state.without_left(HERE).left] == [THERE.name]


def test_where_nothing_was_ever_held_nothing_is_left_behind() -> None:
    assert a_state(HERE).with_places([]).left == ()


def test_a_new_output_counts_from_zero_so_that_zero_is_seen() -> None:
    assert a_state().with_places([PlaceState(place=HERE)]).outputs == {OUTPUT: OutputCounts()}


@pytest.mark.parametrize("state", [a_state(), SERVED, SERVED.with_places([])])
def test_a_state_can_be_handed_to_anybody_since_nobody_can_change_it(state: LoginState) -> None:
    tables = (state.places, state.outputs, state.renewal_failures, state.verifications)

    assert all(isinstance(table, MappingProxyType | Places) for table in tables)
    with pytest.raises(AttributeError, match="immutable"):
        state.held = None  # type: ignore[misc] # that is the point


def test_a_place_is_a_file_or_a_secret_by_its_name() -> None:
    assert HERE.is_file
    assert not replace(HERE, name="ci/lightsail-push").is_file


def test_that_a_login_was_superseded_is_no_attempt_that_failed() -> None:
    assert failed_attempts({Reason.NETWORK: 2, Reason.SUPERSEDED: 3, Reason.TLS: 1}) == 3
