from __future__ import annotations

from datetime import UTC, datetime, timedelta

from lightkeeper.simulator.aws_keys import AwsKeys
from lightkeeper.simulator.clock import Clock
from lightkeeper.simulator.settings import ACCESS_KEY_ID, SECRET_ACCESS_KEY

START = datetime(2026, 3, 1, tzinfo=UTC)


def _keys() -> tuple[AwsKeys, Clock]:
    clock = Clock(source=lambda: START)
    return AwsKeys(clock), clock


def test_one_pair_is_known_from_the_start() -> None:
    keys, _ = _keys()

    first = keys.find(ACCESS_KEY_ID)

    assert first is not None
    assert (first.secret, first.token, first.expires_at) == (SECRET_ACCESS_KEY, "", None)


def test_a_new_pair_is_known_until_it_is_revoked() -> None:
    keys, _ = _keys()
    key = keys.create()
    assert keys.find(key.id) is key

    keys.revoke(key.id)

    assert keys.find(key.id) is None


def test_revoking_a_stranger_is_no_mistake() -> None:
    keys, _ = _keys()

    keys.revoke("AKIASTRANGER")

    assert keys.find(ACCESS_KEY_ID) is not None


def test_ids_look_like_those_of_aws() -> None:
    keys, _ = _keys()

    assert [len(key.id) for key in (keys.create(), keys.create_temporary(timedelta(1)))] == [20, 20]
    assert len(ACCESS_KEY_ID) == 20


def test_a_temporary_one_has_a_token_and_an_end() -> None:
    keys, _ = _keys()

    key = keys.create_temporary(timedelta(hours=1))

    assert key.token
    assert key.expires_at == START + timedelta(hours=1)
    assert key.id.startswith("ASIA")


def test_an_expired_one_is_remembered_for_a_day_so_that_it_is_refused_as_expired() -> None:
    keys, clock = _keys()
    key = keys.create_temporary(timedelta(hours=1))

    clock.offset = timedelta(hours=24)
    keys.create_temporary(timedelta(hours=1))
    assert keys.find(key.id) is key

    clock.offset = timedelta(hours=26)
    keys.create_temporary(timedelta(hours=1))
    assert keys.find(key.id) is None
    assert keys.find(ACCESS_KEY_ID) is not None


def test_denying_is_undone_by_allowing() -> None:
    keys, _ = _keys()

    keys.deny("arn:aws:iam::1:role/r")
    assert keys.is_denied("arn:aws:iam::1:role/r")

    keys.allow("arn:aws:iam::1:role/r")
    assert not keys.is_denied("arn:aws:iam::1:role/r")


def test_secrets_are_not_shown() -> None:
    keys, _ = _keys()

    key = keys.create_temporary(timedelta(hours=1))

    assert key.secret not in repr(key)
    assert key.token not in repr(key)
