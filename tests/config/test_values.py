"""Values that are printed as they are written."""

from __future__ import annotations

from datetime import timedelta

import pytest

from lightkeeper.config.values import Duration, FileMode, Listen, ObjectName, Rate, Share


def test_values_are_shown_as_they_are_written() -> None:
    assert [str(Share.parse("50%")), str(Share.parse("12.5%")), str(Share.parse("15%"))] == [
        "50%",
        "12.5%",
        "15%",
    ]
    assert str(FileMode.parse("600")) == "0600"
    assert str(Rate.parse("20")) == "20"
    assert str(Listen.parse("[::1]:80")) == "[::1]:80"
    assert str(ObjectName.parse("ci/push")) == "ci/push"


@pytest.mark.parametrize(
    ("text", "seconds", "shown"),
    [("30s", 30, "30s"), ("2m", 120, "2m"), ("120s", 120, "2m"), ("90s", 90, "90s")],
)
def test_a_duration_is_seconds_or_minutes(text: str, seconds: int, shown: str) -> None:
    duration = Duration.parse(text)

    assert duration == timedelta(seconds=seconds)
    assert str(duration) == shown


def test_an_object_is_a_name_in_a_namespace() -> None:
    name = ObjectName.parse("ci/push.example")

    assert (name.namespace, name.name) == ("ci", "push.example")
