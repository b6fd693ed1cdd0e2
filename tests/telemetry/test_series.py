"""The series of logins, outputs and places, against states made by hand."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from lightkeeper.core.answer import Verdict
from lightkeeper.core.facts import Cause, LoginName, OutputName, Place
from lightkeeper.core.moment import ServerClock
from lightkeeper.core.reasons import DELIVERY, RENEWAL, Reason
from lightkeeper.core.report import report
from lightkeeper.core.state import LoginState
from lightkeeper.telemetry.metrics import Metrics
from lightkeeper.telemetry.series import MAX_PLACES, Series
from tests.core.making import (
    HERE,
    HOUR,
    LIFETIME,
    LOGIN,
    MINUTE,
    NOON,
    OUTPUT,
    SECOND_ONE,
    THERE,
    after,
    at,
    delivered,
    drifted,
    failed,
    not_delivered,
    not_saved,
    renewed,
    started,
    verified,
)
from tests.telemetry.scrape import (
    SERVED,
    an_hour_later,
    families_of,
    keeping,
    metrics_of,
    served,
    text_of,
    value,
)

NOON_SECONDS = NOON.timestamp()
HOUR_SECONDS = HOUR.total_seconds()


def of_login(login: LoginState, name: str, /, **labels: str) -> float:
    return value(families_of(metrics_of(login)), f"lightkeeper_{name}", login="prod", **labels)


HELD = [
    ("login_valid", 1.0),
    ("login_accepted", 1.0),
    ("login_issued_timestamp_seconds", NOON_SECONDS),
    ("login_expiration_timestamp_seconds", NOON_SECONDS + 12 * HOUR_SECONDS),
    ("login_lifetime_seconds", 12 * HOUR_SECONDS),
    ("login_time_to_expiry_seconds", 11 * HOUR_SECONDS),
    ("login_next_renewal_timestamp_seconds", NOON_SECONDS + 5.4 * HOUR_SECONDS),
    ("login_next_attempt_timestamp_seconds", NOON_SECONDS + 5.4 * HOUR_SECONDS),
    ("login_last_success_timestamp_seconds", NOON_SECONDS),
    ("login_consecutive_failures", 0.0),
    ("login_state_saved", 1.0),
]
ALWAYS = {"login_next_attempt_timestamp_seconds", "login_state_saved"}
"""What is told of a login that holds nothing, too."""


@pytest.mark.parametrize(("name", "expected"), HELD)
def test_a_held_credential_is_told(name: str, expected: float) -> None:
    assert of_login(SERVED, name) == expected


def test_a_state_that_is_not_saved_is_told() -> None:
    assert of_login(after(SERVED, not_saved()), "login_state_saved") == 0.0


@pytest.mark.parametrize("name", [name for name, _ in HELD if name not in ALWAYS])
def test_a_login_that_holds_nothing_is_there_with_zero(name: str) -> None:
    assert of_login(keeping(HERE), name) == 0.0


def test_a_login_without_a_credential_says_when_it_is_attempted() -> None:
    told = of_login(keeping(), "login_next_attempt_timestamp_seconds")

    assert told == NOON_SECONDS + HOUR_SECONDS


def test_a_login_names_its_registry_once_it_is_known() -> None:
    assert of_login(keeping(), "login_info", registry="", region="eu-central-1") == 1.0
    assert of_login(SERVED, "login_info", registry="registry.test", region="eu-central-1") == 1.0


def test_a_credential_that_the_registry_refuses_is_not_accepted() -> None:
    assert of_login(after(SERVED, verified(HOUR, Verdict.REJECTED)), "login_accepted") == 0.0


def test_that_a_login_is_superseded_is_no_attempt_that_failed() -> None:
    state = after(SERVED, started(MINUTE), failed(MINUTE), failed(HOUR, Reason.SUPERSEDED))

    assert of_login(state, "renewals_total", result="failure") == 1.0
    assert of_login(state, "renewal_failures_total", reason="superseded") == 1.0


def test_what_failed_is_counted_by_reason() -> None:
    state = after(SERVED, started(MINUTE), failed(MINUTE), failed(HOUR, Reason.THROTTLED))

    assert of_login(state, "renewals_total", result="success") == 1.0
    assert of_login(state, "renewals_total", result="failure") == 2.0
    assert of_login(state, "renewal_failures_total", reason="network") == 1.0
    assert of_login(state, "renewal_failures_total", reason="throttled") == 1.0
    assert of_login(state, "login_consecutive_failures") == 1.0


def test_verdicts_are_counted() -> None:
    state = after(SERVED, verified(MINUTE, Verdict.INCONCLUSIVE))

    counts = [of_login(state, "verifications_total", result=verdict) for verdict in Verdict]
    assert counts == [1.0, 0.0, 1.0]


def test_every_closed_set_is_there_from_the_start() -> None:
    families = families_of(metrics_of(keeping(HERE)))

    def words(name: str, label: str) -> set[str]:
        samples = [one for family in families for one in family.samples]
        return {one.labels[label] for one in samples if one.name == name and one.value == 0.0}

    assert words("lightkeeper_renewals_total", "result") == {"success", "failure"}
    assert words("lightkeeper_renewal_failures_total", "reason") == {*RENEWAL}
    assert words("lightkeeper_verifications_total", "result") == {*Verdict}
    assert words("lightkeeper_deliveries_total", "result") == {"changed", "unchanged"}
    assert words("lightkeeper_delivery_failures_total", "reason") == {*DELIVERY}
    assert words("lightkeeper_output_repairs_total", "cause") == {*Cause}
    assert words("lightkeeper_output_places", "state") == {"ok", "failing"}
    assert words("lightkeeper_place_expiration_timestamp_seconds", "place") == {HERE.name}


def test_places_are_told_by_what_they_hold() -> None:
    """One place has the new credential, the other still the former one."""
    state = after(
        served(HERE, THERE),
        started(MINUTE),
        renewed(MINUTE, SECOND_ONE),
        delivered(MINUTE, SECOND_ONE.digest, place=HERE),
        not_delivered(MINUTE, place=THERE),
    )

    expiry = "place_expiration_timestamp_seconds"
    first, second = NOON_SECONDS + 12 * HOUR_SECONDS, NOON_SECONDS + 13 * HOUR_SECONDS
    assert of_login(state, expiry, place=HERE.name) == second
    assert of_login(state, expiry, place=THERE.name) == first
    assert of_login(state, "output_earliest_expiration_timestamp_seconds") == first
    states = [of_login(state, "output_places", state=one) for one in ("ok", "failing", "pending")]
    assert states == [1.0, 1.0, 0.0]


def test_a_place_that_lost_its_entry_counts_as_expired() -> None:
    gone = drifted(MINUTE, Cause.REMOVED, place=HERE, digest=None)
    state = after(served(HERE, THERE), gone)

    assert of_login(state, "place_expiration_timestamp_seconds", place=HERE.name) == 0.0
    assert of_login(state, "output_earliest_expiration_timestamp_seconds") == 0.0


def test_deliveries_and_repairs_are_counted() -> None:
    state = after(
        SERVED,
        delivered(MINUTE, changed=False),
        drifted(MINUTE, Cause.REVERTED),
        delivered(MINUTE, repaired=Cause.REVERTED),
        not_delivered(MINUTE, Reason.NO_SPACE),
    )

    assert of_login(state, "deliveries_total", result="changed", output=OUTPUT) == 2.0
    assert of_login(state, "deliveries_total", result="unchanged", output=OUTPUT) == 1.0
    assert of_login(state, "output_repairs_total", cause="reverted") == 1.0
    assert of_login(state, "delivery_failures_total", reason="no_space") == 1.0


def test_the_largest_skew_is_told_whichever_its_sign() -> None:
    def skewed(ahead: float) -> LoginState:
        clock = ServerClock(at=NOON - ahead * MINUTE, seen=at())
        return replace(keeping(), clock=clock)

    families = families_of(metrics_of(skewed(1), skewed(-2), skewed(0)))

    assert value(families, "lightkeeper_clock_skew_seconds") == -120.0


def test_without_a_login_nothing_but_the_skew_is_told() -> None:
    series = [s for family in Series(an_hour_later()).collect() for s in family.samples]

    assert [(one.name, one.value) for one in series] == [("lightkeeper_clock_skew_seconds", 0.0)]


def test_samples_are_made_one_by_one_and_none_is_kept() -> None:
    for family in Series(an_hour_later(SERVED)).collect():
        if family.name != "lightkeeper_clock_skew_seconds":
            assert len([*family.samples]) > 0
            assert len([*family.samples]) == 0


def many(count: int) -> LoginState:
    places = [Place(OutputName("a"), f"/{n}") for n in range(count - 1)]
    return served(*places, Place(OutputName("b"), "/b"))


@pytest.mark.parametrize(("places", "listed"), [(MAX_PLACES, MAX_PLACES), (MAX_PLACES + 1, 0)])
def test_places_have_series_of_their_own_up_to_a_thousand(places: int, listed: int) -> None:
    state = many(places)
    families = {one.name: [*one.samples] for one in Series(an_hour_later(state)).collect()}

    assert len(families["lightkeeper_place_expiration_timestamp_seconds"]) == listed
    earliest = families["lightkeeper_output_earliest_expiration_timestamp_seconds"]
    assert [one.value for one in earliest] == [NOON_SECONDS + LIFETIME.total_seconds()] * 2


def test_a_path_that_is_no_text_does_not_fail_the_scrape() -> None:
    odd = Place(OutputName("docker_config:/\udcff"), '/a/\udcff"\n')

    families = families_of(metrics_of(served(odd)))

    name = "lightkeeper_place_expiration_timestamp_seconds"
    assert value(families, name, place='/a/\\udcff"\n') > 0.0


def test_a_login_that_is_gone_leaves_no_series() -> None:
    gone = replace(SERVED, login=LoginName("gone"))
    told = [an_hour_later(SERVED, gone)]
    metrics = Metrics(lambda: lambda: told[0], NOON)
    assert 'login="gone"' in text_of(metrics)

    told[0] = an_hour_later(SERVED)

    assert 'login="gone"' not in text_of(metrics)
    assert 'login="prod"' in text_of(metrics)


def test_an_output_that_chooses_no_namespace_has_no_place_and_no_expiry() -> None:
    """Of a series that is absent no alert fires."""
    told = report([(keeping(), "")], at(), [(LOGIN, OUTPUT)])
    families = families_of(Metrics(lambda: lambda: told, NOON, elects=False))

    for state in ("ok", "failing", "pending"):
        assert value(families, "lightkeeper_output_places", output=OUTPUT, state=state) == 0.0
    with pytest.raises(ValueError, match="not enough values"):
        value(families, "lightkeeper_output_earliest_expiration_timestamp_seconds")
