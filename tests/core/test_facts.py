"""The vocabulary of what happens: words that are kept, and values that give nothing away."""

from __future__ import annotations

from typing import get_args

import pytest

from lightkeeper.core import facts
from lightkeeper.core.facts import Cause, LoginFact, OutputName, Place, Why
from tests.core.making import FIRST, HERE, THERE, at, renewed


def test_the_words_are_those_that_logs_and_metrics_know() -> None:
    assert [str(why) for why in Why] == ["first", "due", "expired", "refused", "requested"]
    assert [str(cause) for cause in Cause] == ["removed", "replaced", "reverted", "altered"]


@pytest.mark.parametrize("kind", get_args(LoginFact))
def test_every_fact_says_whose_it_is_and_when(kind: type[LoginFact]) -> None:
    assert {"login", "at"} <= set(kind.__struct_fields__)


def test_a_fact_cannot_be_changed() -> None:
    fact = renewed()

    with pytest.raises(AttributeError, match="immutable"):
        fact.draw = 0.1  # type: ignore[misc] # that is the point


def test_a_fact_that_carries_a_credential_shows_no_password() -> None:
    password = FIRST.password.reveal()

    assert password not in repr(renewed())
    assert "***" in repr(renewed())


def test_places_stand_in_the_order_of_their_outputs_and_names() -> None:
    other = Place(OutputName("a"), "/z")

    assert sorted([THERE, HERE, other]) == [other, HERE, THERE]


def test_no_credential_has_the_digest_of_none() -> None:
    assert facts.NO_DIGEST == ""
    assert FIRST.digest != facts.NO_DIGEST


def test_a_step_of_the_clocks_is_nobodys_fact() -> None:
    """It happens to the machine, not to one login."""
    assert facts.ClockStepped not in get_args(LoginFact)
    assert facts.ClockStepped(at=at(), stepped=FIRST.lifetime, suspended=FIRST.lifetime)


def test_a_secret_is_a_name_in_a_namespace_and_a_file_is_a_path() -> None:
    secret, file = Place(OutputName("a"), "ci/push"), Place(OutputName("a"), "/home/ci/config.json")

    assert (secret.namespace, secret.secret, secret.is_file) == ("ci", "push", False)
    assert file.is_file
