"""The machine's clocks, as the kernel gives them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lightkeeper.adapters.clock import SystemClock, boot_id

CLOCK = SystemClock()


def test_the_wall_clock_is_read_in_utc() -> None:
    before = datetime.now(UTC)
    now = CLOCK.now()

    assert before <= now.wall <= datetime.now(UTC)
    assert now.wall.tzinfo is UTC


def test_the_boot_clock_is_the_one_that_runs_through_a_suspend() -> None:
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    boot = CLOCK.now().boot.total_seconds()

    assert before - 1e-5 <= boot <= time.clock_gettime(time.CLOCK_BOOTTIME)


def test_the_monotonic_clock_is_the_one_that_the_loop_sleeps_by() -> None:
    before = time.monotonic()
    monotonic = CLOCK.monotonic().total_seconds()

    assert before - 1e-5 <= monotonic <= time.monotonic()


def test_no_clock_goes_back_while_nobody_sets_it() -> None:
    readings = [(CLOCK.now().boot, CLOCK.monotonic()) for _ in range(100)]

    assert readings == sorted(readings)
    assert readings[-1][0] - readings[0][0] < timedelta(seconds=30)


def test_this_start_of_the_machine_has_a_name() -> None:
    assert len(boot_id()) == 36
    assert boot_id() == boot_id()


def test_where_the_kernel_does_not_say_it_is_empty(tmp_path: Path) -> None:
    garbled = tmp_path / "boot_id"
    garbled.write_bytes(b"\xff")

    assert boot_id(garbled) == ""
    assert boot_id(tmp_path / "missing") == ""
