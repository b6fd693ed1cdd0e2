"""The values of a configuration, and which login is the same."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from lightkeeper.config.model import (
    Config,
    DockerConfig,
    Login,
    source_fingerprint,
)

LOGIN = Login(
    name="prod",
    region="eu-central-1",
    outputs=(DockerConfig(name="n", path=Path("/a")),),
)


def test_a_configuration_cannot_be_changed() -> None:
    config = Config(logins=(LOGIN,), state_dir=Path("/s"), socket=Path("/k"))

    with pytest.raises(AttributeError):
        config.state_dir = Path("/t")  # type: ignore[misc] # that is the point


def test_the_fingerprint_is_the_same_in_every_release() -> None:
    """It is saved: another one would cost a call for every login after an upgrade."""
    assert source_fingerprint(LOGIN) == "9882ad68daa62343"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "other"),
        ("region", "eu-west-1"),
        ("profile", "p"),
        ("role_arn", "arn:aws:iam::123456789012:role/push"),
        ("endpoint_url", "http://a"),
    ],
)
def test_a_login_of_another_source_is_another(field: str, value: str) -> None:
    other = msgspec.structs.replace(LOGIN, **{field: value})

    assert source_fingerprint(other) != source_fingerprint(LOGIN)


def test_a_login_that_is_delivered_elsewhere_is_the_same() -> None:
    elsewhere = (DockerConfig(name="n", path=Path("/b")),)
    other = msgspec.structs.replace(LOGIN, outputs=elsewhere, verify=False, session_name="s")

    assert source_fingerprint(other) == source_fingerprint(LOGIN)


def test_values_do_not_run_into_one_another() -> None:
    one = msgspec.structs.replace(LOGIN, profile="a", role_arn=None)
    other = msgspec.structs.replace(LOGIN, profile=None, role_arn="a")

    assert source_fingerprint(one) != source_fingerprint(other)
