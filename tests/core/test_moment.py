from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightkeeper.core.moment import Moment, ServerClock, iso, utc

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SPANS = st.timedeltas(-timedelta(days=400), timedelta(days=400))


def _moment(wall: datetime = NOON, boot: timedelta = HOUR) -> Moment:
    return Moment(wall=wall, boot=boot)


@pytest.mark.parametrize(
    "wall",
    [datetime(2026, 1, 1, 12), datetime(2026, 1, 1, 12, tzinfo=timezone(HOUR))],  # noqa: DTZ001  # it is what is refused
    ids=["naive", "elsewhere"],
)
def test_a_moment_stands_on_aware_utc(wall: datetime) -> None:
    with pytest.raises(ValueError, match="must be aware UTC"):
        _moment(wall=wall)


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(1000, 1, 1)))  # noqa: DTZ001  # as it wants it
def test_an_instant_as_text_is_read_as_the_same_to_the_second(at: datetime) -> None:
    assert utc(iso(at)) == at.replace(microsecond=0)


@given(SPANS)
def test_the_wall_clock_is_foretold_from_the_boot_clock(wait: timedelta) -> None:
    assert _moment().wall_at(HOUR + wait) == NOON + wait


@given(SPANS, SPANS)
def test_the_servers_time_goes_on_with_whichever_clock_is_ahead(
    wall: timedelta, boot: timedelta
) -> None:
    server = ServerClock(at=NOON - HOUR, seen=_moment())

    now = server.now(_moment(NOON + wall, HOUR + boot))

    assert now == NOON - HOUR + max(wall, boot, timedelta(0))


def test_a_wall_clock_that_is_set_back_gives_no_time_back() -> None:
    """Otherwise a credential that the registry refuses would look alive."""
    server = ServerClock(at=NOON, seen=_moment())

    assert server.now(_moment(NOON - 24 * HOUR, 3 * HOUR)) == NOON + 2 * HOUR


def test_a_wall_clock_that_is_set_forward_is_believed() -> None:
    server = ServerClock(at=NOON, seen=_moment())

    assert server.now(_moment(NOON + 24 * HOUR, HOUR)) == NOON + 24 * HOUR


@pytest.mark.parametrize("skew", [HOUR, timedelta(0), -HOUR])
def test_the_skew_is_how_far_our_wall_clock_is_ahead(skew: timedelta) -> None:
    assert ServerClock(at=NOON, seen=_moment(NOON + skew)).skew == skew


def test_the_skew_follows_our_wall_clock_as_it_is_set() -> None:
    server = ServerClock(at=NOON, seen=_moment(NOON + HOUR))
    mended, set_again = _moment(NOON + HOUR, 2 * HOUR), _moment(NOON + 4 * HOUR, 3 * HOUR)

    assert server.skew_at(server.seen) == HOUR
    assert server.skew_at(mended) == timedelta(0)
    assert server.skew_at(set_again) == 2 * HOUR


def test_the_server_is_never_before_the_instant_that_was_compared() -> None:
    """Both of our clocks may go back: a snapshot of a machine brings an old boot clock."""
    server = ServerClock(at=NOON, seen=_moment())

    assert server.now(_moment(NOON - HOUR, timedelta(0))) == NOON


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01T12:00:00Z",
        "2026-01-01T12:00:00+00:00",
        "2026-01-01 17:30:00+05:30",
        "20260101T12Z",
    ],
)
def test_a_text_with_a_zone_is_an_instant_in_utc(text: str) -> None:
    assert utc(text) == NOON
    assert utc(text).tzinfo is UTC


@pytest.mark.parametrize("text", ["2026-01-01T12:00:00", "2026-01-01", "", "noon", "1767268800"])
def test_a_text_without_a_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"names no time zone|Invalid isoformat"):
        utc(text)
