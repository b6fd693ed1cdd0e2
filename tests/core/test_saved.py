"""What outlives the process: nothing is lost, and no restart brings an attempt forward."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lightkeeper.core import policy
from lightkeeper.core.answer import Verdict
from lightkeeper.core.credential import Secret
from lightkeeper.core.facts import Place, Why
from lightkeeper.core.moment import Moment, ServerClock
from lightkeeper.core.news import is_news
from lightkeeper.core.place import PlaceState
from lightkeeper.core.plan import next_renewal, plan
from lightkeeper.core.reasons import RENEWAL, Reason
from lightkeeper.core.saved import Saved, SavedCredential, begin, put_down, take_up
from lightkeeper.core.state import Known, LoginState
from lightkeeper.core.step import Renew, Verify
from tests.core.making import (
    BOOT,
    FIRST,
    HERE,
    HOUR,
    LIFETIME,
    LOGIN,
    MINUTE,
    NONE,
    NOON,
    OUTPUT,
    POLICY,
    SECOND,
    SECOND_ONE,
    THERE,
    a_credential,
    a_state,
    after,
    at,
    failed,
    holding,
    renewed,
    started,
    verified,
)

SOURCE = "0123456789abcdef"


def put(state: LoginState, when: timedelta = NONE) -> Saved:
    return put_down(state, fingerprint=SOURCE, boot_id="boot-1", now=at(when))


def restarted(state: LoginState, down: timedelta, up: timedelta) -> LoginState:
    """The login after a restart of the daemon alone."""
    return take_up(put(state, down), POLICY, boot_id="boot-1", now=at(up))


def booted(passed: timedelta, boot: timedelta = MINUTE) -> Moment:
    """This long past noon, on a machine that was started anew."""
    return Moment(wall=NOON + passed, boot=boot)


def rebooted(state: LoginState, down: timedelta, now: Moment) -> LoginState:
    """The login after a restart of the machine."""
    return take_up(put(state, down), POLICY, boot_id="boot-2", now=now)


HELD = after(
    holding(HERE, THERE),
    verified(HOUR),
    started(2 * HOUR, Why.DUE),
    renewed(2 * HOUR, SECOND_ONE, draw=0.25),
    verified(3 * HOUR, Verdict.REJECTED, digest=SECOND_ONE.digest),
    started(3 * HOUR, Why.REFUSED),
    renewed(3 * HOUR, a_credential("simulated-3", issued=3 * HOUR), draw=0.75),
    started(4 * HOUR, Why.REQUESTED),
    failed(4 * HOUR + SECOND),
)


def test_a_restart_of_the_daemon_forgets_nothing_that_is_needed() -> None:
    again = restarted(HELD, 4 * HOUR, 5 * HOUR)

    assert (again.login, again.policy) == (HELD.login, POLICY)
    assert (again.held, again.draw, again.clock) == (HELD.held, HELD.draw, HELD.clock)
    assert (again.known, again.once_accepted) == (HELD.known, True)
    assert (again.attempts, again.last_attempt) == (1, BOOT + 4 * HOUR)
    assert again.next_attempt == HELD.next_attempt
    assert again.refused_attempt == BOOT + 3 * HOUR
    assert again.last_success == NOON + 3 * HOUR


@pytest.mark.parametrize(
    ("verdict", "is_refused"), [(Verdict.REJECTED, True), (Verdict.ACCEPTED, False)]
)
def test_a_restart_of_the_daemon_knows_what_the_registry_refused(
    verdict: Verdict, *, is_refused: bool
) -> None:
    state = restarted(after(holding(HERE), verified(HOUR, verdict)), HOUR, HOUR)

    assert state.is_refused is is_refused


def test_a_boot_clock_that_went_back_is_moved_as_one_that_began_anew() -> None:
    """Or the floor would hold for as long as that machine had been up."""
    went_back = Moment(wall=NOON - HOUR, boot=SECOND)

    state = take_up(put(holding(HERE), HOUR), POLICY, boot_id="boot-1", now=went_back)

    assert state.last_attempt == SECOND - HOUR
    assert state.remaining(went_back) == LIFETIME - HOUR


def test_a_restart_of_the_daemon_knows_why_the_last_attempt_failed() -> None:
    again = restarted(HELD, 4 * HOUR, 5 * HOUR)

    assert HELD.failure is not None
    assert again.failure is not None
    assert replace(again.failure, said=HELD.failure.said) == HELD.failure
    assert is_news(again, failed(5 * HOUR, again.failure.reason)), "a new process says it again"


def test_a_failure_whose_reason_is_not_known_here_is_forgotten() -> None:
    """It was saved by another version."""
    saved = put(HELD, 4 * HOUR)
    assert saved.failure is not None
    saved = replace(saved, failure=replace(saved.failure, reason="of_another_version"))

    again = take_up(saved, POLICY, boot_id="boot-1", now=at(5 * HOUR))

    assert (again.failure, again.next_attempt) == (None, HELD.next_attempt)


def test_a_kernel_that_does_not_say_which_start_it_is_may_have_been_started_anew() -> None:
    """Two starts without a name must not be taken for one: waits would last for months."""
    month = timedelta(days=30)
    state = replace(HELD, last_attempt=BOOT + month, next_attempt=BOOT + month + MINUTE)
    saved = put_down(
        state, fingerprint=SOURCE, boot_id="", now=Moment(wall=NOON + month, boot=BOOT + month)
    )
    now = Moment(wall=NOON + month + HOUR, boot=MINUTE)

    again = take_up(saved, POLICY, boot_id="", now=now)

    assert again.last_attempt == MINUTE - HOUR
    assert again.next_attempt == 2 * MINUTE - HOUR


def test_a_held_credential_costs_no_call_after_a_restart() -> None:
    again = restarted(holding(), HOUR, 2 * HOUR)

    steps = plan(again, at(2 * HOUR)).start

    assert not any(isinstance(step, Renew) for step in steps)
    assert next_renewal(again, at(2 * HOUR)) == next_renewal(holding(), at(2 * HOUR))


def test_a_held_credential_is_shown_to_the_registry_after_a_restart() -> None:
    """It may have been ended while nobody looked."""
    again = restarted(holding(), HOUR, 2 * HOUR)

    assert plan(again, at(2 * HOUR)).start == (Verify(),)


def test_a_renewal_that_became_due_in_between_is_made_up_at_once() -> None:
    again = restarted(holding(), HOUR, 7 * HOUR)

    assert Renew(Why.DUE) in plan(again, at(7 * HOUR)).start


def test_a_login_that_holds_nothing_is_taken_up_with_its_attempts() -> None:
    """A crash in each first attempt climbs the ladder as failures do."""
    again = restarted(after(a_state(), started(), started(2 * SECOND)), 3 * SECOND, 3 * SECOND)

    assert (again.held, again.attempts) == (None, 2)
    assert again.clock == ServerClock(at=NOON + 3 * SECOND, seen=at(3 * SECOND))
    assert next_renewal(again, at(3 * SECOND)) == (Why.FIRST, BOOT + 6 * SECOND)


def test_a_reboot_moves_what_was_noted_by_the_time_that_passed() -> None:
    again = rebooted(HELD, 4 * HOUR + MINUTE, booted(5 * HOUR))

    def ago(boot: timedelta | None) -> timedelta:
        assert boot is not None
        return MINUTE - boot

    assert ago(again.last_attempt) == HOUR
    assert HELD.next_attempt is not None
    assert ago(again.next_attempt) == BOOT + 5 * HOUR - HELD.next_attempt
    assert ago(again.refused_attempt) == 2 * HOUR
    assert again.clock.now(booted(5 * HOUR)) == NOON + 5 * HOUR


def test_after_a_reboot_a_wall_clock_that_is_behind_gives_no_time_back() -> None:
    """A board without a battery starts in the past; the credential has not become younger."""
    again = rebooted(holding(), 5 * HOUR, booted(-1000 * HOUR))

    assert again.server_now(booted(-1000 * HOUR)) == NOON + 5 * HOUR


def test_after_a_reboot_the_servers_clock_goes_on_with_the_boot_clock() -> None:
    again = rebooted(holding(), 5 * HOUR, booted(-1000 * HOUR))

    assert not again.is_valid(booted(-1000 * HOUR, MINUTE + 7 * HOUR))


def first_attempt(state: LoginState, now: Moment) -> timedelta:
    """How long after `now` the plan asks for an attempt, if nothing else happens."""
    wait = NONE
    while True:
        then = Moment(wall=now.wall + wait, boot=now.boot + wait)
        planned = plan(state, then)
        if any(isinstance(step, Renew) for step in planned.start):
            return wait
        assert planned.wake is not None
        wait += planned.wake - then.wall


STATES = st.sampled_from(
    [
        a_state(),
        after(a_state(), *[started()] * 4),
        holding(),
        after(holding(), verified(HOUR, Verdict.REJECTED)),
        after(a_state(), started(), renewed(credential=a_credential(lifetime=MINUTE))),
    ]
)
PASSED = st.timedeltas(NONE, 2 * MINUTE)


@given(STATES, st.timedeltas(HOUR, 13 * HOUR), PASSED, PASSED, st.booleans())
def test_the_floor_between_attempts_holds_across_a_crash(
    state: LoginState, begun: timedelta, died: timedelta, down: timedelta, anew: object
) -> None:
    """The attempt is saved before the call: a crash loop is no storm."""
    crashed = after(state, started(begun))
    floor = policy.floor(crashed.held, crashed.attempts, valid=crashed.is_valid(at(begun)))
    now = booted(begun + died + down) if anew else at(begun + died + down)

    again = take_up(
        put(crashed, begun + died), POLICY, boot_id="boot-2" if anew else "boot-1", now=now
    )

    expired_floor = policy.floor(crashed.held, crashed.attempts, valid=False)
    assert died + down + first_attempt(again, now) >= min(floor, expired_floor)


@given(STATES, st.timedeltas(HOUR, 13 * HOUR), PASSED, PASSED, st.sampled_from(list(RENEWAL)))
def test_the_wait_after_a_failure_holds_across_a_restart(
    state: LoginState, begun: timedelta, died: timedelta, down: timedelta, reason: Reason
) -> None:
    broken = after(state, started(begun), failed(begun, reason, draw=0.9))
    assert broken.next_attempt is not None

    up = begun + died + down
    for again, now in (
        (restarted(broken, begun + died, up), at(up)),
        (rebooted(broken, begun + died, booted(up)), booted(up)),
    ):
        assert up + first_attempt(again, now) >= broken.next_attempt - BOOT


@given(
    st.lists(st.tuples(st.timedeltas(NONE, HOUR), st.timedeltas(NONE, HOUR), st.booleans())),
)
def test_any_number_of_restarts_is_as_one(steps: list[tuple[timedelta, timedelta, bool]]) -> None:
    """Where the wall clock is right, a reboot shifts instants and loses none of them."""
    state, when, boot, boot_id = HELD, 4 * HOUR, BOOT + 4 * HOUR, 0
    for ran, down, anew in steps:
        when, boot = when + ran, boot + ran
        left = put_down(
            state,
            fingerprint=SOURCE,
            boot_id=str(boot_id),
            now=Moment(wall=NOON + when, boot=boot),
        )
        when, boot = when + down, MINUTE if anew else boot + down
        boot_id += anew
        state = take_up(left, POLICY, boot_id=str(boot_id), now=Moment(wall=NOON + when, boot=boot))

    now = Moment(wall=NOON + when, boot=boot)
    _, renewal = next_renewal(state, now)
    _, expected = next_renewal(HELD, at(when))
    assert renewal - boot == expected - (BOOT + when)
    assert state.server_now(now) == NOON + when


def test_what_is_put_down_shows_no_password() -> None:
    assert SECOND_ONE.password.reveal() not in repr(put(holding()))


def test_what_is_put_down_names_source_boot_and_clocks() -> None:
    saved = put(HELD, 5 * HOUR)

    assert (saved.login, saved.fingerprint, saved.boot_id) == ("prod", SOURCE, "boot-1")
    assert (saved.wall, saved.boot) == (NOON + 5 * HOUR, BOOT + 5 * HOUR)
    assert saved.places == ((HERE.output, HERE.name), (THERE.output, THERE.name))


@pytest.mark.parametrize("is_odd", [True, False])
def test_that_a_credential_came_in_an_unusual_answer_is_kept(*, is_odd: bool) -> None:
    state = after(a_state(), started(), renewed(credential=a_credential(is_odd=is_odd)))

    held = restarted(state, NONE, HOUR).held

    assert held is not None
    assert held.is_odd is is_odd


def saved_credential() -> SavedCredential:
    saved = put(holding()).credential
    assert saved is not None
    return saved


def test_a_saved_credential_is_the_one_that_was_held() -> None:
    assert saved_credential().credential() == FIRST


def test_instants_elsewhere_on_earth_are_brought_to_utc() -> None:
    elsewhere = FIRST.expires_at.astimezone(timezone(3 * HOUR))

    credential = replace(saved_credential(), expires_at=elsewhere).credential()

    assert credential.expires_at.utcoffset() == NONE
    assert credential.lifetime == LIFETIME


NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001  # it is what is refused


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("registry", "not a host"),
        ("username", ""),
        ("password", Secret("")),
        ("password", Secret("\udc80")),
        ("expires_at", NOON),
        ("seen_wall", NAIVE),
        ("server_at", NAIVE),
        ("issued_at", datetime(1, 1, 1, tzinfo=timezone(23 * HOUR))),
        ("expires_at", datetime.max.replace(tzinfo=UTC)),
        ("seen_boot", timedelta.max),
        ("draw", 1e9),
        ("draw", float("nan")),
    ],
)
def test_a_damaged_credential_is_refused_as_it_is_read(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        replace(saved_credential(), **{field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("wall", NAIVE),
        ("wall", datetime.min.replace(tzinfo=UTC)),
        ("wall", NOON.astimezone(timezone(HOUR))),
        ("last_success", NAIVE),
        ("known", (Known(digest=FIRST.digest, registry=FIRST.registry, expires_at=NAIVE),)),
        ("boot", timedelta.min),
        ("last_attempt", timedelta.max),
        ("next_attempt", timedelta.max),
        ("refused_attempt", timedelta.max),
    ],
)
def test_a_damaged_clock_is_refused_as_it_is_read(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        replace(put(holding()), **{field: value})


def test_a_place_that_was_left_is_known_over_restarts_until_it_is_served_again() -> None:
    """By what was held when it was left: the last few credentials are others by then."""
    left = holding(HERE, THERE).with_places([PlaceState(place=THERE)])
    renewed_since = after(left, started(HOUR), renewed(HOUR, SECOND_ONE))

    again = restarted(renewed_since, HOUR, HOUR).with_places([PlaceState(place=THERE)])

    assert [(one.name, one.known) for one in again.left] == [(HERE.name, left.known)]
    assert again.with_places([PlaceState(place=HERE), PlaceState(place=THERE)]).left == ()


@pytest.mark.parametrize("fingerprint", [SOURCE, "other"])
def test_a_place_that_is_no_longer_configured_at_a_start_is_left(fingerprint: str) -> None:
    kept = put(holding(HERE, THERE))

    begun = begin(kept, LOGIN, POLICY, fingerprint=fingerprint, boot_id="boot-1", now=at(MINUTE))

    left = begun.with_places([PlaceState(place=THERE)]).left
    assert [(one.name, one.known) for one in left] == [(HERE.name, kept.known)]


def test_of_too_many_places_that_were_left_the_newest_are_known() -> None:
    """A path for each job would make the state grow without end."""
    state = holding(HERE)
    for number in range(150):
        served = PlaceState(place=Place(output=OUTPUT, name=f"/{number}"))
        state = state.with_places([served])

    assert [one.name for one in state.left] == [f"/{number}" for number in range(49, 149)]


def test_a_login_of_the_same_source_begins_where_it_ended() -> None:
    kept = put(holding(HERE))

    begun = begin(kept, LOGIN, POLICY, fingerprint=SOURCE, boot_id="boot-1", now=at(MINUTE))

    assert begun.held == FIRST


@pytest.mark.parametrize("kept", [None, put(holding(HERE))])
def test_a_login_of_another_source_begins_anew_and_knows_what_the_former_wrote(
    kept: Saved | None,
) -> None:
    begun = begin(kept, LOGIN, POLICY, fingerprint="other", boot_id="boot-1", now=at(MINUTE))

    assert begun.held is None
    assert begun.known == (kept.known if kept else ())
    assert begun.clock == ServerClock(at=NOON + MINUTE, seen=at(MINUTE))
