"""Reads this machine's clocks. Nothing else in Lightkeeper may."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from lightkeeper.core.moment import Moment

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class SystemClock:
    """The Clock of a running machine."""

    def now(self) -> Moment:
        """Wall clock and boot clock, read one right after the other."""
        boot = timedelta(microseconds=time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000)
        return Moment(wall=datetime.now(UTC), boot=boot)

    def monotonic(self) -> timedelta:
        """The clock that stands still while the machine sleeps."""
        return timedelta(microseconds=time.monotonic_ns() // 1000)


def pause(duration: timedelta) -> None:
    """Do nothing for so long: for a command that waits for another process, and has no loop."""
    time.sleep(duration.total_seconds())


def boot_id(path: Path = _BOOT_ID) -> str:
    """Which start of the machine this is, so that boot clocks of two are never compared.

    Empty where the kernel does not say.
    """
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
