"""What a look at a place means: for the keeper, and for commands that look without one."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from lightkeeper.core import facts
from lightkeeper.core.credential import Digest
from lightkeeper.core.facts import Cause, LoginFact
from lightkeeper.core.news import is_news
from lightkeeper.core.place import Proof
from lightkeeper.core.reasons import Reason
from lightkeeper.core.state import LoginState
from lightkeeper.core.step import Deliver
from lightkeeper.core.wanting import next_step
from lightkeeper.look import looked, places_of, proof_of, seen_at, spared
from lightkeeper.ports import Failed, Found, Pending
from tests.core.making import (
    FIRST,
    HERE,
    HOUR,
    LOGIN,
    MINUTE,
    OUTPUT,
    POLICY,
    after,
    at,
    delivered_to,
    holding,
)
from tests.fakes.edge import FakeOutput

THEIRS = Digest("theirs")
NOW = at(HOUR)


def _unread(*, replaces_foreign: bool = True) -> LoginState:
    """A login as a process takes it up: it holds, and knows of no place what is there."""
    output = FakeOutput((HERE.name,), replaces_foreign=replaces_foreign)
    return holding().with_places(places_of([output]))


def _look(state: LoginState, digest: Digest | None, *, settled: bool = False) -> LoginFact:
    fact, *_ = looked(state, HERE, Found(digest=digest, settled=settled), NOW)
    return fact


def test_every_place_of_every_output_is_known_with_what_may_happen_to_others_logins() -> None:
    outputs = [
        FakeOutput(("/a", "/b")),
        FakeOutput(("/c",), replaces_foreign=False, wants="labels"),
    ]

    found = list(places_of(outputs))

    assert [(one.place.output, one.place.name) for one in found] == [
        (OUTPUT, name) for name in ("/a", "/b", "/c")
    ]
    assert [one.replaces_foreign for one in found] == [True, True, False]
    assert [one.wants for one in found] == ["", "", "labels"]


def test_only_what_may_not_replace_has_to_know_ours() -> None:
    assert spared(_unread(), HERE) is None
    assert spared(_unread(replaces_foreign=False), HERE) == frozenset({FIRST.digest})
    assert spared(holding(), HERE) is None


def test_what_other_logins_of_ours_wrote_is_not_spared() -> None:
    state = _unread(replaces_foreign=False).under(POLICY, frozenset({THEIRS}))

    assert spared(state, HERE) == frozenset({FIRST.digest, THEIRS})


@pytest.mark.parametrize("replaces_foreign", [True, False])
def test_somebody_elses_login_is_met_at_the_first_look_too(*, replaces_foreign: bool) -> None:
    fact = _look(_unread(replaces_foreign=replaces_foreign), THEIRS)

    assert fact == facts.Drifted(
        login=LOGIN, at=NOW, place=HERE, cause=Cause.REPLACED, digest=THEIRS
    )


@pytest.mark.parametrize("digest", [THEIRS, None, FIRST.digest])
@pytest.mark.parametrize("replaces_foreign", [True, False])
def test_each_look_at_a_credential_that_must_stay_finds_a_conflict(
    digest: Digest | None, *, replaces_foreign: bool
) -> None:
    state, found = _unread(replaces_foreign=replaces_foreign), Found(digest=digest, settled=False)

    for times in range(1, 4):
        state = after(state, *looked(state, HERE, found, NOW))
        failure = state.places[HERE].failure

        if replaces_foreign or digest is not THEIRS:
            assert failure is None
        else:
            assert failure is not None
            assert (failure.reason, failure.count) == (Reason.CONFLICT, times)
            assert state.outputs[OUTPUT].failures == {Reason.CONFLICT: times}


def test_a_conflict_is_told_as_a_failure_at_once_and_each_hour() -> None:
    """With its reason, so that people are told what to do; and in one line, not in two."""
    state, told = _unread(replaces_foreign=False), []
    for minute in range(121):
        found = Found(digest=THEIRS, settled=False)
        for fact in looked(state, HERE, found, at(minute * MINUTE)):
            if is_news(state, fact):
                told.append((minute, fact.event, getattr(fact, "reason", None)))
            state = after(state, fact)

    assert told == [(minute, "delivery_failed", Reason.CONFLICT) for minute in (0, 60, 120)]
    assert [note.word for note in state.notes[1:]] == ["conflict"] * 3


@pytest.mark.parametrize("by", ["kubectl-edit", ""])
def test_a_drift_and_its_conflict_name_who_wrote_where_the_place_tells(by: str) -> None:
    state, found = _unread(replaces_foreign=False), Found(digest=THEIRS, settled=False, by=by)

    drift, conflict = looked(state, HERE, found, NOW)

    assert isinstance(drift, facts.Drifted)
    assert drift.by == by
    assert isinstance(conflict, facts.DeliveryFailed)
    written = ", written by kubectl-edit" if by else ""
    assert conflict.detail == f"another credential for this registry is there{written}"


def test_a_conflict_ends_with_what_was_in_the_way() -> None:
    state = _unread(replaces_foreign=False)
    state = after(state, *looked(state, HERE, Found(digest=THEIRS, settled=False), NOW))

    state = after(state, *looked(state, HERE, Found(digest=None, settled=False), NOW))

    assert state.places[HERE].failure is None


def test_a_place_that_is_marked_as_ours_is_in_no_conflict_though_nothing_is_known_of_it() -> None:
    marked = Found(digest=THEIRS, settled=False, is_marked=True)

    (read,) = looked(_unread(replaces_foreign=False), HERE, marked, NOW)

    assert read == facts.PlaceRead(
        login=LOGIN, at=NOW, place=HERE, digest=THEIRS, settled=False, is_marked=True
    )


def test_a_conflict_with_a_later_one_of_ours_ends_with_a_renewal_that_is_later_still() -> None:
    """Its mark tells that it is ours from then on, and nobody has touched it since."""
    state = _unread(replaces_foreign=False)
    state = after(state, *looked(state, HERE, Found(digest=THEIRS, settled=False), NOW))
    assert state.places[HERE].failure is not None

    marked = Found(digest=THEIRS, settled=False, is_marked=True)
    state = after(state, *looked(state, HERE, marked, NOW))

    place = state.places[HERE]
    assert (place.drift, place.failure) == (None, None)
    assert next_step(state, place, NOW) == (Deliver(HERE, replace_foreign=False), place.not_before)


def test_an_older_one_of_ours_in_place_of_what_is_held_was_reverted() -> None:
    marked = Found(digest=THEIRS, settled=False, is_marked=True)

    (drift,) = looked(delivered_to(HERE), HERE, marked, NOW)

    assert isinstance(drift, facts.Drifted)
    assert drift.cause is Cause.REVERTED


def test_an_entry_that_is_gone_is_drift_only_where_it_was() -> None:
    was_there = delivered_to(HERE)

    first, later = _look(_unread(), None), _look(was_there, None)

    assert isinstance(first, facts.PlaceRead)
    assert isinstance(later, facts.Drifted)
    assert later.cause is Cause.REMOVED


def test_what_is_held_is_read_back() -> None:
    assert _look(_unread(), FIRST.digest, settled=True) == facts.PlaceRead(
        login=LOGIN, at=NOW, place=HERE, digest=FIRST.digest, settled=True
    )


def test_a_place_that_is_served_no_more_is_only_read() -> None:
    assert isinstance(_look(holding(), THEIRS), facts.PlaceRead)


@pytest.mark.parametrize("look", [looked, None], ids=["looked", "delivered"])
def test_what_kept_it_from_being_read_is_told(look: object) -> None:
    def told(seen: Pending | Failed) -> LoginFact:
        if look is None:
            return seen_at(LOGIN, HERE, seen, NOW)
        [fact] = looked(_unread(), HERE, seen, NOW)
        return fact

    assert told(Pending(detail="later")) == facts.PlacePending(
        login=LOGIN, at=NOW, place=HERE, detail="later"
    )
    assert told(Failed(reason=Reason.READ_ONLY, detail="no")) == facts.DeliveryFailed(
        login=LOGIN, at=NOW, place=HERE, reason=Reason.READ_ONLY, detail="no"
    )


REFUSED = Failed(reason=Reason.ACCESS_DENIED, detail="403")


def test_a_dry_run_that_was_refused_is_told_as_the_next_delivery_would_be() -> None:
    seen = Found(digest=FIRST.digest, settled=True)

    read, failed = looked(_unread(), HERE, seen, NOW, proof=proof_of(REFUSED))

    assert isinstance(read, facts.PlaceRead)
    assert not read.proven
    assert failed == facts.DeliveryFailed(
        login=LOGIN,
        at=NOW,
        place=HERE,
        reason=Reason.ACCESS_DENIED,
        detail="it is current, and the next would fail: 403",
        foreseen=True,
    )


def test_what_shows_without_a_dry_run_is_told_the_same_way() -> None:
    seen = Found(digest=FIRST.digest, settled=True, obstacle=REFUSED)

    assert looked(_unread(), HERE, seen, NOW) == looked(
        _unread(), HERE, replace(seen, obstacle=None), NOW, proof=REFUSED
    )
    (read,) = looked(_unread(), HERE, replace(seen, settled=False), NOW)
    assert isinstance(read, facts.PlaceRead)


@pytest.mark.parametrize(
    ("failed", "proven"), [(None, True), (Failed(reason=Reason.TIMEOUT, detail=""), False)]
)
def test_a_dry_run_that_passed_proves_and_one_that_was_not_answered_tells_nothing(
    failed: Failed | None, *, proven: bool
) -> None:
    seen = Found(digest=FIRST.digest, settled=True)

    (read,) = looked(_unread(), HERE, seen, NOW, proof=proof_of(failed))

    assert isinstance(read, facts.PlaceRead)
    assert read.proven is proven


def test_a_dry_run_of_what_is_no_longer_held_tells_nothing() -> None:
    seen = Found(digest=FIRST.digest, settled=False)

    (read,) = looked(_unread(), HERE, seen, NOW, proof=REFUSED)

    assert isinstance(read, facts.PlaceRead)


def test_places_are_to_be_proven_where_a_write_has_a_dry_run() -> None:
    outputs = [FakeOutput(("/a",)), FakeOutput(("/b",), proofs={})]

    assert [one.proof for one in places_of(outputs)] == [Proof.NEVER, Proof.DUE]
