from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from lightkeeper.simulator import Validity
from lightkeeper.simulator.credentials import MARKER, Credential, Credentials, new_credential

NOW = datetime(2026, 3, 1, 12, 0, 0, 999_999, tzinfo=UTC)
HOUR = timedelta(hours=1)


def _new(at: datetime = NOW, *, username: str = "AWS") -> Credential:
    return new_credential(registry="r.test", username=username, now=at, lifetime=HOUR)


def test_passwords_are_long_and_unlike_and_marked() -> None:
    passwords = [_new().password for _ in range(50)]

    assert all(password.startswith(MARKER) for password in passwords)
    assert all(1000 <= len(password) <= 3000 for password in passwords)
    assert len({password[:72] for password in passwords}) == 50
    assert all({"+", "/", "="} <= set(password) for password in passwords)


def test_the_expiry_has_milliseconds_and_no_more() -> None:
    assert _new().expires_at == (NOW + HOUR).replace(microsecond=999_000)


def test_a_credential_does_not_show_its_password() -> None:
    credential = _new()

    assert credential.password not in repr(credential)


def test_a_credential_is_alive_until_it_expires() -> None:
    credentials = Credentials(Validity.KEEP)
    credential = _new()
    credentials.add(credential)

    assert credentials.alive(credential.expires_at - timedelta(milliseconds=1)) == [credential]
    assert credentials.alive(credential.expires_at) == []


def test_a_pair_is_accepted_as_a_whole() -> None:
    credentials = Credentials(Validity.KEEP)
    one, other = _new(username="AWS_1"), _new(username="AWS_2")
    credentials.add(one)
    credentials.add(other)

    assert credentials.accepts("AWS_1", one.password, NOW)
    assert not credentials.accepts("AWS_1", other.password, NOW)
    assert not credentials.accepts("AWS_1", "pässword", NOW)


def test_ending_the_newest_leaves_the_older() -> None:
    credentials = Credentials(Validity.KEEP)
    one, other = _new(), _new()
    credentials.add(one)
    credentials.add(other)

    credentials.end_newest(NOW)

    assert credentials.alive(NOW) == [one]
    assert list(credentials.issued) == [one, other]


def test_ending_the_newest_of_none_is_no_mistake() -> None:
    credentials = Credentials(Validity.KEEP)

    credentials.end_newest(NOW)

    assert credentials.alive(NOW) == []


@given(st.lists(st.timedeltas(timedelta(0), 2 * HOUR), min_size=1, max_size=12))
def test_at_most_one_is_alive_where_each_ends_its_predecessor(waits: list[timedelta]) -> None:
    credentials = Credentials(Validity.END_PREDECESSOR)
    now = NOW
    for wait in waits:
        now += wait
        newest = _new(now)
        credentials.add(newest)

        assert credentials.alive(now) == [newest]

    assert credentials.count == len(waits)


@given(st.lists(st.timedeltas(timedelta(0), 2 * HOUR), min_size=1, max_size=12))
def test_all_that_have_not_expired_are_alive_where_each_keeps_the_others(
    waits: list[timedelta],
) -> None:
    credentials = Credentials(Validity.KEEP)
    now = NOW
    for wait in waits:
        now += wait
        credentials.add(_new(now))

    assert credentials.alive(now) == [one for one in credentials.issued if one.expires_at > now]
