from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest
from msgspec.structs import replace

from lightkeeper.core.moment import Moment
from lightkeeper.core.policy import HEARTBEAT
from lightkeeper.pulse import Pulse
from tests.core.making import HOUR, MINUTE, NONE, SECOND, at


@dataclass
class Clocks:
    """Three clocks, each where the test put it."""

    moment: Moment
    running: timedelta = NONE

    def now(self) -> Moment:
        return self.moment

    def monotonic(self) -> timedelta:
        return self.running

    def go(self, span: timedelta, *, set_by: timedelta = NONE, asleep: timedelta = NONE) -> None:
        """Let time pass, with the wall clock set and the machine asleep in between."""
        wall = self.moment.wall + span + asleep + set_by
        self.moment = replace(self.moment, wall=wall, boot=self.moment.boot + span + asleep)
        self.running += span


@pytest.fixture
def clocks() -> Clocks:
    return Clocks(at())


def test_clocks_that_go_together_are_no_news(clocks: Clocks) -> None:
    pulse = Pulse(clocks)
    clocks.go(HEARTBEAT, set_by=SECOND)

    assert pulse.beat() == (None, NONE)


@pytest.mark.parametrize("by", [-HOUR, -3 * SECOND, 3 * SECOND, HOUR])
def test_a_wall_clock_that_was_set_is_told_once(clocks: Clocks, by: timedelta) -> None:
    pulse = Pulse(clocks)
    clocks.go(HEARTBEAT, set_by=by)
    step, _ = pulse.beat()
    clocks.go(HEARTBEAT)

    assert step is not None
    assert (step.stepped, step.suspended) == (by, NONE)
    assert pulse.beat()[0] is None


def test_a_suspend_is_told_from_a_step(clocks: Clocks) -> None:
    pulse = Pulse(clocks)
    clocks.go(HEARTBEAT, asleep=8 * HOUR)
    step, late = pulse.beat()

    assert step is not None
    assert (step.stepped, step.suspended) == (NONE, 8 * HOUR)
    assert late == NONE


def test_a_loop_that_was_held_up_is_late(clocks: Clocks) -> None:
    pulse = Pulse(clocks)
    clocks.go(HEARTBEAT + 2 * SECOND)

    assert pulse.beat() == (None, 2 * SECOND)


def test_it_is_alive_while_the_core_ran_within_two_heartbeats(clocks: Clocks) -> None:
    pulse = Pulse(clocks)
    clocks.go(2 * HEARTBEAT)
    alive = pulse.is_alive()
    clocks.go(SECOND)
    dead = pulse.is_alive()
    pulse.beat()
    pulse.progressed()

    assert alive
    assert not dead
    assert pulse.is_alive()
    clocks.go(NONE, asleep=MINUTE)
    assert pulse.is_alive()
