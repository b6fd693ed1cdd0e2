"""What the report says of a login, its outputs and places, and what counts as ready."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lightkeeper.core import facts
from lightkeeper.core.answer import Verdict
from lightkeeper.core.credential import Digest
from lightkeeper.core.facts import Cause, OutputName, Place, Why
from lightkeeper.core.moment import Moment, ServerClock
from lightkeeper.core.notices import Notice
from lightkeeper.core.place import PlaceState
from lightkeeper.core.reasons import Reason
from lightkeeper.core.report import (
    LoginReport,
    OutputReport,
    PlaceReport,
    Standing,
    report,
    unready,
)
from lightkeeper.core.state import LoginState
from tests.core.making import (
    FIRST,
    FOREIGN,
    HERE,
    HOUR,
    LIFETIME,
    LOGIN,
    MINUTE,
    NONE,
    NOON,
    SECOND,
    SECOND_ONE,
    THERE,
    a_clock,
    a_credential,
    a_state,
    after,
    at,
    delivered,
    delivering,
    drifted,
    failed,
    holding,
    not_delivered,
    not_saved,
    pending,
    renewed,
    requested,
    seen,
    started,
    surprised,
    verified,
)

OTHER = Place(OutputName("containers_auth:/c"), "/c/auth.json")


def keeping(*places: Place) -> LoginState:
    """A login of which nothing is known, with these places."""
    return a_state().with_places(PlaceState(place=place) for place in places)


def held_by(*places: Place) -> LoginState:
    """One that holds `FIRST` since noon; it is still to be delivered to its places."""
    return after(keeping(*places), started(), renewed())


def served(*places: Place) -> LoginState:
    """The same, with the credential in all of its places."""
    state = after(held_by(*places), *(delivered(place=place) for place in places))
    return replace(state, round=None)


def of(state: LoginState, when: timedelta = NONE) -> LoginReport:
    return report([(state, "eu-central-1")], at(when)).logins[0]


def output_of(state: LoginState, when: timedelta = NONE) -> OutputReport:
    return of(state, when).outputs[0]


def place_of(state: LoginState, when: timedelta = NONE) -> PlaceReport:
    return output_of(state, when).places[0]


def test_a_login_that_holds_nothing_is_told_by_zeros_and_absences() -> None:
    told = of(keeping())

    assert (told.login, told.region, told.registry) == (LOGIN, "eu-central-1", None)
    assert (told.issued_at, told.expires_at, told.due) == (None, None, None)
    assert (told.lifetime, told.remaining) == (NONE, NONE)
    assert (told.is_valid, told.is_fresh, told.is_refused) == (False, False, False)
    assert (told.next_attempt, told.next_why) == (NOON, Why.FIRST)
    assert told.last_success is None


def test_a_held_credential_is_told_with_when_it_ends_and_when_it_is_renewed() -> None:
    told = of(holding(), HOUR)

    assert told.registry == FIRST.registry
    assert (told.issued_at, told.expires_at) == (NOON, NOON + LIFETIME)
    assert (told.lifetime, told.remaining) == (LIFETIME, 11 * HOUR)
    assert told.due == NOON + LIFETIME * 0.45
    assert (told.next_attempt, told.next_why) == (told.due, Why.DUE)
    assert (told.last_success, told.renewals) == (NOON, 1)
    assert (told.verdict, told.verifications) == (Verdict.ACCEPTED, {Verdict.ACCEPTED: 1})


def test_what_remains_is_never_less_than_nothing() -> None:
    told = of(holding(), LIFETIME + HOUR)

    assert told.remaining == NONE
    assert not told.is_valid


def test_the_instants_of_a_credential_stand_on_the_servers_clock() -> None:
    """Ours is two hours ahead here: expiry is as Lightsail said it, and so is what remains."""
    ahead = ServerClock(at=NOON, seen=Moment(wall=NOON + 2 * HOUR, boot=at().boot))
    state = replace(holding(), clock=ahead)
    now = Moment(wall=NOON + 3 * HOUR, boot=at(HOUR).boot)

    told = report([(state, "")], now)

    assert told.at == now.wall
    assert told.logins[0].expires_at == NOON + LIFETIME
    assert told.logins[0].remaining == 11 * HOUR
    assert told.logins[0].next_attempt == told.logins[0].due
    assert told.logins[0].skew == 2 * HOUR


def test_a_clock_that_was_mended_shows_no_skew_before_the_next_answer() -> None:
    ahead = ServerClock(at=NOON, seen=Moment(wall=NOON + 2 * HOUR, boot=at().boot))

    assert report([(replace(holding(), clock=ahead), "")], at(HOUR)).logins[0].skew == NONE


def test_a_login_is_fresh_by_the_servers_clock() -> None:
    ahead = ServerClock(at=NOON, seen=Moment(wall=NOON + 2 * HOUR, boot=at().boot))
    now = Moment(wall=NOON + 10 * HOUR, boot=at(8 * HOUR).boot)

    assert report([(replace(holding(), clock=ahead), "")], now).logins[0].is_fresh


def test_a_failure_moves_the_next_attempt_and_leaves_what_is_due() -> None:
    state = after(
        holding(), started(6 * HOUR, Why.DUE), failed(6 * HOUR, Reason.THROTTLED, draw=0.0)
    )
    told = of(state, 6 * HOUR)

    assert told.due == NOON + LIFETIME * 0.45
    assert told.next_attempt == NOON + 6 * HOUR + 30 * SECOND
    assert told.consecutive_failures == 1
    assert told.failure is not None
    assert told.failure.reason is Reason.THROTTLED
    assert told.renewal_failures == {Reason.THROTTLED: 1}


def test_an_attempt_in_flight_is_no_failure_yet() -> None:
    state = after(holding(), started(HOUR), failed(HOUR), started(2 * HOUR))

    assert of(state, 2 * HOUR).consecutive_failures == 1
    assert of(state, 2 * HOUR).is_renewing
    assert of(after(state, failed(2 * HOUR)), 2 * HOUR).consecutive_failures == 2


def test_an_attempt_that_may_start_is_told_as_of_now_and_not_of_the_past() -> None:
    assert of(holding(), 8 * HOUR).next_attempt == NOON + 8 * HOUR


def test_a_renewal_that_was_asked_for_waits_for_the_floor_alone() -> None:
    told = of(after(holding(), requested(10 * SECOND)), 10 * SECOND)

    assert (told.next_why, told.next_attempt) == (Why.REQUESTED, NOON + 30 * SECOND)


def test_bugs_and_a_store_that_takes_nothing_are_told() -> None:
    told = of(after(holding(), not_saved(HOUR), surprised(HOUR, "deliver")), HOUR)

    assert told.unsaved is not None
    assert told.unsaved.reason is Reason.NO_SPACE
    assert told.bug is not None
    assert told.bug.detail == "deliver"


def test_the_last_twenty_facts_are_told() -> None:
    state = after(holding(), *(renewed(n * SECOND) for n in range(30)))

    assert len(of(state).notes) == 20


def test_logins_and_outputs_keep_the_order_of_the_configuration() -> None:
    first, second = served(OTHER, HERE), replace(served(), login=facts.LoginName("a"))

    told = report([(first, "x"), (second, "y")], at())

    assert [(login.login, login.region) for login in told.logins] == [("prod", "x"), ("a", "y")]
    assert [output.name for output in told.logins[0].outputs] == [OTHER.output, HERE.output]


STANDING = [
    (keeping(HERE), NONE, Standing.PENDING, "nothing is held"),
    (held_by(HERE), NONE, Standing.PENDING, "not delivered yet"),
    (after(held_by(HERE), delivering()), NONE, Standing.PENDING, "being delivered"),
    (served(HERE), NONE, Standing.OK, "read back"),
    (served(HERE), LIFETIME, Standing.FAILING, "it holds what has expired"),
    (after(held_by(HERE), not_delivered()), NONE, Standing.FAILING, "the delivery failed"),
    (after(served(HERE), not_delivered(MINUTE)), MINUTE, Standing.FAILING, "unreadable now"),
    (after(held_by(HERE), pending()), NONE, Standing.PENDING, "its directory does not exist"),
    (after(served(HERE), drifted(HOUR)), HOUR, Standing.PENDING, "to be repaired"),
    (after(held_by(HERE), seen(settled=False)), NONE, Standing.PENDING, "not settled"),
    (
        after(served(HERE), started(HOUR), renewed(HOUR, SECOND_ONE)),
        HOUR,
        Standing.PENDING,
        "it holds the former one",
    ),
]


@pytest.mark.parametrize(
    ("state", "when", "standing"),
    [case[:3] for case in STANDING],
    ids=[case[3] for case in STANDING],
)
def test_a_place_stands_as_it_was_read_back(
    state: LoginState, when: timedelta, standing: Standing
) -> None:
    assert place_of(state, when).standing is standing
    assert [output_of(state, when).count(one) for one in Standing] == [
        int(one is standing) for one in Standing
    ]


def test_a_place_in_conflict_is_failing() -> None:
    kept = PlaceState(place=HERE, replaces_foreign=False)
    state = after(a_state().with_places([kept]), started(), renewed())
    state = after(state, drifted(HOUR), not_delivered(HOUR, Reason.CONFLICT))

    assert place_of(state, HOUR).standing is Standing.FAILING


EXPIRY = [
    (served(HERE), NOON + LIFETIME, "ours"),
    (held_by(HERE), None, "not read yet"),
    (after(served(HERE), drifted(HOUR)), None, "somebody else's"),
    (after(served(HERE), drifted(HOUR, Cause.REMOVED, digest=None)), None, "nothing"),
    (after(served(HERE), started(HOUR), renewed(HOUR, SECOND_ONE)), NOON + LIFETIME, "former"),
    (after(served(HERE), not_delivered(HOUR)), NOON + LIFETIME, "what it held when last read"),
    (after(served(HERE), not_delivered(HOUR, Reason.WRONG_TYPE)), None, "nothing for clients"),
]


@pytest.mark.parametrize(
    ("state", "expires"), [case[:2] for case in EXPIRY], ids=[case[2] for case in EXPIRY]
)
def test_a_place_expires_with_what_it_really_holds(state: LoginState, expires: object) -> None:
    assert place_of(state, HOUR).expires_at == expires
    assert output_of(state, HOUR).earliest == expires


def test_an_output_expires_with_the_first_of_its_places() -> None:
    state = after(
        served(HERE, THERE),
        started(HOUR),
        renewed(HOUR, SECOND_ONE),
        delivered(HOUR, SECOND_ONE.digest),
    )

    assert output_of(state, HOUR).earliest == FIRST.expires_at


def test_an_output_with_one_place_of_unknown_content_has_no_expiry() -> None:
    state = after(served(HERE, THERE), drifted(HOUR, place=THERE))

    assert output_of(state, HOUR).earliest is None


def test_drift_and_notices_of_a_place_are_told() -> None:
    noticed = delivered(notices=frozenset({Notice.FIRST_ENTRY, Notice.WIDE_MODE}))

    assert place_of(after(held_by(HERE), noticed)).notices == (
        Notice.WIDE_MODE,
        Notice.FIRST_ENTRY,
    )
    assert place_of(after(served(HERE), drifted(HOUR)), HOUR).drift is Cause.REPLACED


READY = [
    (served(HERE), NONE, [], [], "delivered"),
    (served(), NONE, [], [], "no output at all"),
    (served(HERE), 9 * HOUR, [], [], "exactly half of what a renewal in time leaves"),
    (keeping(), NONE, ["pending"], ["pending"], "nothing came yet"),
    (keeping(HERE), NONE, ["pending", "pending"], ["pending", "pending"], "nothing to deliver"),
    (served(HERE), 9 * HOUR + SECOND, ["pending"], ["pending"], "less than that"),
    (served(HERE), LIFETIME, ["expired", "expired"], ["expired", "expired"], "expired"),
    (
        after(keeping(), started(), failed(reason=Reason.ACCESS_DENIED)),
        NONE,
        ["access_denied"],
        ["access_denied"],
        "the attempt failed",
    ),
    (after(served(), started(HOUR), failed(HOUR)), HOUR, [], [], "it failed with time to spare"),
    (
        after(served(), verified(HOUR, Verdict.REJECTED)),
        HOUR,
        ["rejected"],
        ["rejected"],
        "the registry stopped to take it",
    ),
    (
        after(served(), verified(HOUR, Verdict.REJECTED), failed(HOUR, Reason.SUPERSEDED)),
        HOUR,
        ["superseded"],
        ["superseded"],
        "somebody ends our logins",
    ),
    (after(served(), verified(HOUR, Verdict.INCONCLUSIVE)), HOUR, [], [], "the registry is away"),
    (
        after(keeping(), started(), renewed(verdict=Verdict.REJECTED)),
        NONE,
        [],
        [],
        "never taken: there is none better",
    ),
    (after(held_by(HERE), not_delivered()), NONE, ["read_only"], ["read_only"], "not delivered"),
    (
        after(served(HERE), drifted(HOUR, Cause.REMOVED, digest=None)),
        HOUR,
        ["removed"],
        ["removed"],
        "somebody took it out",
    ),
    (after(held_by(HERE), pending()), NONE, ["pending"], ["pending"], "no directory yet"),
    (
        after(served(HERE, THERE), not_delivered(HOUR)),
        HOUR,
        [],
        ["read_only"],
        "one of two places holds it",
    ),
    (
        after(served(HERE, OTHER), not_delivered(HOUR)),
        HOUR,
        ["read_only"],
        ["read_only"],
        "one of two outputs has it",
    ),
]


@pytest.mark.parametrize(
    ("state", "when", "reasons", "of_every_place"),
    [case[:4] for case in READY],
    ids=[case[4] for case in READY],
)
def test_ready_is_who_has_time_left_and_a_place_that_holds_it(
    state: LoginState, when: timedelta, reasons: list[str], of_every_place: list[str]
) -> None:
    told = report([(state, "")], at(when))

    assert [one.reason for one in unready(told, every_place=False)] == reasons
    assert [one.reason for one in unready(told, every_place=True)] == of_every_place


def test_what_is_not_ready_is_named() -> None:
    told = report([(after(served(HERE), not_delivered(HOUR)), "")], at(HOUR))

    (one,) = unready(told, every_place=False)

    assert (one.login, one.output, one.place) == (LOGIN, HERE.output, HERE.name)
    assert one.sentence == (
        "prod at /a/config.json: /a: read-only (read_only). The file system or the unit's sandbox"
        " is read-only there; remount it, or add the directory to ReadWritePaths."
    )


SENTENCES = [
    (keeping(), NONE, "prod has no valid credential; an attempt is to come."),
    (after(keeping(), started()), NONE, "prod has no valid credential; an attempt is under way."),
    (served(), 10 * HOUR, "prod has little time left; an attempt is to come."),
    (
        after(served(), verified(HOUR, Verdict.REJECTED)),
        HOUR,
        "prod is refused by the registry that took it before; an attempt is to come.",
    ),
    (
        after(keeping(), started(), failed(reason=Reason.IMDS_UNREACHABLE, detail="no answer")),
        NONE,
        "prod has no valid credential: no answer (imds_unreachable). The instance metadata",
    ),
]


@pytest.mark.parametrize(("state", "when", "sentence"), SENTENCES, ids=[s for *_, s in SENTENCES])
def test_people_are_told_why_a_login_is_not_ready(
    state: LoginState, when: timedelta, sentence: str
) -> None:
    (one,) = unready(report([(state, "")], at(when)), every_place=False)

    assert one.sentence.startswith(sentence)


def test_people_are_told_why_a_place_is_not_ready() -> None:
    told = [
        unready(report([(state, "")], at(when)), every_place=True)[-1].sentence
        for state, when in [
            (keeping(HERE), NONE),
            (held_by(HERE), LIFETIME),
            (held_by(HERE), NONE),
            (after(held_by(HERE), pending()), NONE),
            (after(served(HERE), drifted(HOUR)), HOUR),
            (after(held_by(HERE), drifted(HOUR)), HOUR),
            (after(served(HERE), drifted(HOUR, Cause.REMOVED, digest=None)), HOUR),
            (served(HERE), LIFETIME),
        ]
    ]

    somebody = "prod at /a/config.json: somebody else"
    asked = "the registry is asked, and it is to be repaired after 13:00:05Z."
    assert told == [
        "prod at /a/config.json: waits for the first login: none is held that could be put there.",
        "prod at /a/config.json: waits for the next login: the one that is held has expired.",
        "prod at /a/config.json: what is held is not there yet; its delivery comes next.",
        "prod at /a/config.json: /run/user/1; looked for again from 12:00:10Z on.",
        f"{somebody} replaced our entry; {asked}",
        (
            "prod at /a/config.json: it holds a login that is not ours; the registry is asked, and"
            " it is to be replaced after 13:00:00Z."
        ),
        f"{somebody} removed our entry; it is to be repaired at 13:00:01Z.",
        "prod at /a/config.json: it holds a credential that has expired.",
    ]


def test_a_success_makes_ready_at_once() -> None:
    bad = after(served(HERE), started(11 * HOUR), failed(11 * HOUR))
    new = a_credential("simulated-3", issued=11 * HOUR)
    good = after(
        bad,
        started(11 * HOUR + MINUTE),
        renewed(11 * HOUR + MINUTE, new),
        delivered(11 * HOUR + MINUTE, new.digest),
    )

    assert unready(report([(bad, "")], at(11 * HOUR)), every_place=False)
    assert not unready(report([(good, "")], at(11 * HOUR + MINUTE)), every_place=True)


_FACTS = st.one_of(
    st.sampled_from([started, renewed, failed, requested, pending, delivering, not_delivered]),
    st.sampled_from([delivered, drifted, seen, not_saved]),
)


@given(
    made=st.lists(st.tuples(_FACTS, st.integers(0, 60)), max_size=30),
    when=st.integers(0, 15 * 60),
    digest=st.sampled_from([FIRST.digest, FOREIGN, None]),
)
def test_whatever_happened_the_report_agrees_with_itself(
    made: list[tuple[object, int]], when: int, digest: Digest | None
) -> None:
    state, passed = keeping(HERE, THERE, OTHER), NONE
    for make, minutes in made:
        passed += minutes * MINUTE
        fact = make(passed)  # type: ignore[operator]  # each takes an instant
        if isinstance(fact, facts.Drifted | facts.PlaceRead):
            fact = replace(fact, digest=digest)
        state = after(state, fact)
    told = report([(state, "")], at(passed + when * MINUTE))

    (login,) = told.logins
    some, all_ = unready(told, every_place=False), unready(told, every_place=True)
    assert set(some) <= set(all_)
    assert login.is_valid == (login.remaining > NONE)
    assert login.next_attempt >= NOON + passed + when * MINUTE
    assert sum(len(output.places) for output in login.outputs) == 3
    for output in login.outputs:
        assert sum(output.count(one) for one in Standing) == len(output.places)
        for place in output.places:
            if place.standing is Standing.OK:
                assert place.expires_at == login.expires_at
    if not all_:
        assert all(output.earliest == login.expires_at for output in login.outputs)


def test_a_clock_that_nobody_compared_shows_no_skew() -> None:
    assert of(replace(keeping(), clock=a_clock())).skew == NONE
