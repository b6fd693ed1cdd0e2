"""What is believed of an answer, and which credential is the better one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lightkeeper.core.answer import Answer, Believed, Oddity, Refusal, believe, is_not_newer
from lightkeeper.core.credential import Secret
from lightkeeper.core.moment import ServerClock
from lightkeeper.core.reasons import Reason
from tests.core.making import HOUR, LIFETIME, MINUTE, NONE, NOON, SECOND, a_credential, at

ECR = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
PASSWORD = "simulated-answer"
ANSWER = Answer(
    registry=ECR,
    username="AWS",
    password=Secret(PASSWORD),
    expires_at=NOON + LIFETIME,
    date=NOON,
    received=at(),
)


def believed(answer: Answer, endpoint: str | None = None) -> Believed:
    outcome = believe(answer, endpoint)
    assert isinstance(outcome, Believed)
    return outcome


def refusal(answer: Answer) -> str:
    """Why it is refused, which is for one reason always."""
    outcome = believe(answer, None)
    assert isinstance(outcome, Refusal)
    assert outcome == Refusal(reason=Reason.INVALID_RESPONSE, detail=outcome.detail)
    said, _, why = outcome.detail.partition(": ")
    assert said == "the answer cannot be used"
    return why


def test_a_complete_answer_is_taken_at_its_word() -> None:
    outcome = believed(ANSWER)

    credential = outcome.credential
    assert (credential.registry, credential.username) == (ECR, "AWS")
    assert credential.password == Secret(PASSWORD)
    assert (credential.issued_at, credential.expires_at) == (NOON, NOON + LIFETIME)
    assert (outcome.oddities, credential.is_odd) == (frozenset(), False)


def test_the_answers_date_is_the_servers_clock() -> None:
    """All instants of a login stand on it, however wrong our own clock is."""
    skewed = replace(ANSWER, date=NOON - HOUR, expires_at=NOON + HOUR)

    outcome = believed(skewed)

    assert outcome.clock == ServerClock(at=NOON - HOUR, seen=at())
    assert outcome.clock.skew == HOUR
    assert outcome.credential.issued_at == NOON - HOUR


def test_without_a_date_our_clock_stands_in_and_that_is_said() -> None:
    outcome = believed(replace(ANSWER, date=None, received=at(MINUTE)))

    assert outcome.clock == ServerClock(at=NOON + MINUTE, seen=at(MINUTE))
    assert outcome.oddities == {Oddity.NO_DATE}


def test_an_answer_without_a_date_is_not_odd_enough_to_leave_foreign_entries_alone() -> None:
    assert not believed(replace(ANSWER, date=None)).credential.is_odd


@pytest.mark.parametrize("expires_at", [None, datetime(2026, 1, 2)])  # noqa: DTZ001  # it is what is refused
def test_an_answer_without_an_expiry_on_the_clock_is_refused(expires_at: datetime | None) -> None:
    answer = replace(ANSWER, expires_at=expires_at)

    assert refusal(answer) == "it has no expiresAt with a time zone"


@pytest.mark.parametrize("before", [NONE, SECOND, 400 * 24 * HOUR])
def test_an_answer_that_is_expired_by_its_own_date_is_refused(before: timedelta) -> None:
    said = f"{NOON - before:%Y-%m-%dT%H:%M:%S+0000}"

    assert refusal(replace(ANSWER, expires_at=NOON - before)) == (
        f"it expired at {said}, before it was sent"
    )


def test_an_expiry_is_judged_by_the_answers_date_and_not_by_our_clock() -> None:
    """Our clock may be a day ahead: the answer is fresh all the same."""
    assert believed(replace(ANSWER, received=at(24 * HOUR)))


def test_an_expiry_elsewhere_on_earth_is_brought_to_utc() -> None:
    elsewhere = (NOON + LIFETIME).astimezone(timezone(5 * HOUR))

    credential = believed(replace(ANSWER, expires_at=elsewhere)).credential

    assert credential.expires_at == NOON + LIFETIME
    assert credential.expires_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("ahead", "lifetime"),
    [
        (SECOND, SECOND),
        (48 * HOUR, 48 * HOUR),
        (48 * HOUR + SECOND, 12 * HOUR),
        (100 * 365 * 24 * HOUR, 12 * HOUR),
    ],
)
def test_an_expiry_beyond_two_days_is_used_as_if_it_were_the_usual_one(
    ahead: timedelta, lifetime: timedelta
) -> None:
    """A renewal too early costs one call; one too late costs every job until somebody looks."""
    outcome = believed(replace(ANSWER, expires_at=NOON + ahead))

    assert outcome.credential.lifetime == lifetime
    is_distant = ahead != lifetime
    assert outcome.oddities == ({Oddity.DISTANT_EXPIRY} if is_distant else set())
    assert outcome.credential.is_odd is is_distant


@pytest.mark.parametrize("field", ["username", "password", "registry"])
def test_half_a_login_is_refused(field: str) -> None:
    answer = replace(ANSWER, **{field: None})

    assert refusal(answer) == "it has no username, no password or no registry"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (replace(ANSWER, registry="not a host"), "'not a host' is not the bare host of a registry"),
        (
            replace(ANSWER, username="A:B"),
            "the username is empty or holds a colon or a control character",
        ),
        (
            replace(ANSWER, password=Secret(f"{PASSWORD}\n")),
            "the password is empty or holds a control character",
        ),
    ],
)
def test_a_login_that_no_client_could_use_is_refused(answer: Answer, said: str) -> None:
    assert refusal(answer) == said


def test_a_refusal_does_not_say_the_password() -> None:
    assert PASSWORD not in repr(believe(replace(ANSWER, password=Secret(f"{PASSWORD}\0")), None))


@pytest.mark.parametrize(
    ("registry", "endpoint"),
    [
        (ECR, None),
        (f"https://{ECR}", None),
        ("localhost", None),
        ("localhost:5000", None),
        ("127.0.0.1:5000", None),
        ("registry.test:5000", "http://registry.test:4566"),
        ("registry.test", "https://Registry.Test/path"),
        ("registry.test", "https://registry.test"),
    ],
)
def test_a_registry_of_aws_of_this_machine_or_of_the_endpoint_is_familiar(
    registry: str, endpoint: str | None
) -> None:
    outcome = believed(replace(ANSWER, registry=registry), endpoint)

    assert (outcome.oddities, outcome.credential.is_odd) == (frozenset(), False)


@pytest.mark.parametrize(
    ("registry", "endpoint"),
    [
        ("registry.test", None),
        ("registry.test", "https://other.test"),
        ("registry.test", "https://registry.test.evil"),
        ("registry.test", "https://my-registry.test"),
        ("registry.test", "https://other.test/registry.test"),
        ("https", "https://other.test"),
        (f"{ECR}.evil", None),
        (f"evil-{ECR}", None),
        ("localhost.evil", None),
        ("127.evil", None),
    ],
)
def test_any_other_registry_is_used_and_said(registry: str, endpoint: str | None) -> None:
    """It is the only login there is; what is not ours is left alone for it all the same."""
    outcome = believed(replace(ANSWER, registry=registry), endpoint)

    assert outcome.credential.registry == registry
    assert outcome.oddities == {Oddity.UNFAMILIAR_REGISTRY}
    assert outcome.credential.is_odd


INSTANTS = st.datetimes(timezones=st.just(UTC)) | st.datetimes(
    timezones=st.timedeltas(-23 * HOUR, 23 * HOUR).map(timezone)
)


@given(
    st.builds(
        Answer,
        registry=st.none() | st.text(max_size=20) | st.just(ECR),
        username=st.none() | st.text(max_size=5) | st.just("AWS"),
        password=st.none() | st.text(max_size=5).map(Secret),
        expires_at=st.none() | INSTANTS | st.datetimes(),
        date=st.none() | st.timedeltas(-100 * HOUR, 100 * HOUR).map(NOON.__add__),
        received=st.timedeltas(NONE, HOUR).map(at),
    ),
    st.none() | st.text(max_size=20),
)
def test_any_answer_is_believed_or_refused(answer: Answer, endpoint: str | None) -> None:
    outcome = believe(answer, endpoint)

    if isinstance(outcome, Believed):
        credential = outcome.credential
        assert outcome.clock.at == credential.issued_at < credential.expires_at
        assert NONE < credential.lifetime <= 48 * HOUR
        assert credential.expires_at.utcoffset() == NONE


@pytest.mark.parametrize(
    ("later", "registry", "is_no_gain"),
    [
        (NONE, "registry.test", True),
        (-SECOND, "registry.test", True),
        (SECOND, "registry.test", False),
        (-SECOND, "other.test", False),
    ],
)
def test_a_credential_is_a_gain_if_it_expires_later_or_is_for_another_registry(
    later: timedelta, registry: str, *, is_no_gain: bool
) -> None:
    held = a_credential()
    new = a_credential("simulated-2", lifetime=LIFETIME + later, registry=registry)

    assert is_not_newer(new, held) is is_no_gain
