from __future__ import annotations

from datetime import UTC, datetime, timedelta

from lightkeeper.simulator.clock import Clock


def test_is_ahead_of_its_source_by_its_offset() -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)

    assert Clock(source=lambda: start, offset=timedelta(hours=-2)).now() == start - timedelta(
        hours=2
    )


def test_is_this_machine_s_by_default() -> None:
    before = datetime.now(UTC)

    assert before <= Clock().now() <= datetime.now(UTC)
