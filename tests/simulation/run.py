"""One seed, lived through: its fate befalls its machine, and what is left is the verdict."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.simulation.fate import DAY, Event, fates
from tests.simulation.foreign import Foreigner
from tests.simulation.machine import RESTART_SECONDS, Machine, Parts, is_killed

_KILL_AT_THE_LATEST = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """What came of one seed."""

    seed: int
    days: float
    """Summed over logins."""
    violations: tuple[str, ...]
    digests: tuple[tuple[str, str], ...]
    """Login and digest of all that it told."""
    met: Counter[str]
    lost_seconds: float
    """Without an accepted login although the oracle had one."""
    invalid_seconds: float
    """Without an accepted login at all."""
    cpu_seconds: float


def live(
    seed: int,
    days: float,
    *,
    beating_days: float = 0.0,
    calm: float = 1.0,
    parts: Parts | None = None,
) -> Lived:
    """Live one seed to its end."""
    begin = time.process_time()
    machine = Machine(seed, beating_days * DAY, parts or Parts())
    try:
        Run(machine, days, calm).run()
    except Exception as exc:  # noqa: BLE001 - the daemon's bugs are findings
        machine.judge.violations.append(f"{machine.clocks.true:.3f}: the daemon broke: {exc!r}")
    judge = machine.judge
    return Lived(
        seed=seed,
        days=days * len(machine.lightsails),
        violations=tuple(judge.violations),
        digests=tuple((name, trace.hexdigest()) for name, trace in machine.traces.items()),
        met=machine.met,
        lost_seconds=judge.validity.lost_seconds,
        invalid_seconds=judge.validity.invalid_seconds,
        cpu_seconds=time.process_time() - begin,
    )


class Run:
    """Lets a fate befall a machine."""

    def __init__(self, machine: Machine, days: float, calm: float) -> None:
        self._machine = machine
        self._days = days
        self._calm = calm
        self._foreigner = Foreigner(machine)
        self._chaos = machine.chaos

    def run(self) -> None:
        """Live through the days."""
        loop = self._machine.loop
        try:
            loop.run_until_complete(self._run())
        finally:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            with suppress(BaseException):
                loop.run_until_complete(asyncio.sleep(0))
            loop.close()

    async def _run(self) -> None:
        machine = self._machine
        machine.loop.set_exception_handler(self._told_by_asyncio)
        machine.start()
        for event in fates(machine.seed, self._days, self._calm):
            await asyncio.sleep(max(0.0, event.at - machine.loop.time()))
            machine.raise_surprises()
            machine.judge.inspect()
            machine.met[f"event_{event.kind}"] += 1
            getattr(self, f"_{event.kind}")(event)
            machine.stir()
        await asyncio.sleep(max(0.0, self._days * DAY - machine.loop.time()))
        machine.raise_surprises()
        machine.judge.inspect()
        machine.judge.validity.finish()

    def _told_by_asyncio(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What asyncio says of the tasks of a life that was killed."""
        exc = context.get("exception")
        self._machine.judge.secrecy.shown("what asyncio says", repr(context).encode())
        if exc is not None and not is_killed(exc):
            self._machine.judge.violations.append(f"asyncio: {context.get('message')}: {exc!r}")

    def _fault(self, event: Event) -> None:
        name = self._chaos.choice(sorted(self._machine.lightsails))
        lightsail = self._machine.lightsails[name]
        lightsail.faults.append(event.detail)
        end = self._machine.judge.wrong(f"api {name}", event.detail)

        def over() -> None:
            lightsail.faults.remove(event.detail)
            end()

        self._machine.loop.call_later(event.seconds, over)

    _storm = _fault

    def _registry(self, event: Event) -> None:
        lightsails = self._machine.lightsails.values()
        for lightsail in lightsails:
            lightsail.registry_down += 1

        def over() -> None:
            for lightsail in lightsails:
                lightsail.registry_down -= 1
            self._machine.stir()

        end = self._machine.judge.wrong("registry", "down")
        self._machine.loop.call_later(event.seconds, over)
        self._machine.loop.call_later(event.seconds, end)

    def _suspend(self, event: Event) -> None:
        end = self._machine.judge.wrong("machine", "suspend")
        self._machine.clocks.slept += event.seconds
        end()

    def _step(self, event: Event) -> None:
        self._machine.clocks.stepped += float(event.detail)
        self._machine.judge.clock_set()

    def _disk(self, event: Event) -> None:
        machine = self._machine
        where = self._chaos.choice((("disk",), ("state",), ("disk", "state")))
        if "disk" in where:
            machine.disk_fault = event.detail
        if "state" in where:
            machine.state_fault = event.detail
        ends = [machine.judge.wrong(which, event.detail) for which in where]
        machine.met[f"disk_{event.detail}"] += 1

        def over() -> None:
            if "disk" in where:
                machine.disk_fault = ""
            if "state" in where:
                machine.state_fault = ""
            for end in ends:
                end()
            machine.stir()

        machine.loop.call_later(event.seconds, over)

    def _edit(self, event: Event) -> None:
        self._foreigner.befall(event)

    def _early_end(self, event: Event) -> None:
        for name, lightsail in self._machine.lightsails.items():
            lightsail.end_early()
            self._machine.ended_early(name)

    def _reload(self, event: Event) -> None:
        self._machine.reload()

    def _stop(self, event: Event) -> None:
        self._down(event.seconds, kill=False)

    def _kill(self, event: Event) -> None:
        self._down(event.seconds, kill=True)

    def _power_cut(self, event: Event) -> None:
        self._down(event.seconds, kill=True, cut=True)

    def _kill_at_point(self, event: Event) -> None:
        """Die at one of the next awaits or Fs calls; an edit sees to it that there are some."""
        life = self._machine.life
        if life is None or life.is_over:
            return
        life.kill_at = life.points + int(event.detail)

        def make_sure() -> None:
            if self._machine.life is life:
                where = "point" if life.is_over else "rest"
                self._machine.met[f"killed_at_{where}"] += 1
                self._down(RESTART_SECONDS, kill=True, cut=event.seconds > 600)

        self._foreigner.edit(self._chaos.choice(self._machine.paths), "logout")
        self._machine.loop.call_later(_KILL_AT_THE_LATEST, make_sure)

    def _down(self, seconds: float, *, kill: bool, cut: bool = False) -> None:
        machine = self._machine
        life = machine.end(kill=kill)
        if life is None:
            return
        main = machine.main
        if main is not None and not kill:
            machine.judge.stopped(main)
        up = machine.judge.wrong("machine", "down")

        def again() -> None:
            if main is not None and not main.done():
                machine.judge.blame(f"shutdown: still running after {seconds:.1f} s")
            machine.raise_surprises()
            life.is_over = True
            if cut:
                machine.judge.power_cut(partial(self._cut_power))
            machine.start()
            up()

        machine.loop.call_later(max(seconds, 0.5), again)

    def _cut_power(self) -> None:
        machine = self._machine
        machine.disk.cut_power(lambda: self._chaos.random() < 0.5)
        machine.state_disk.cut_power(lambda: self._chaos.random() < 0.5)
        machine.clocks.reboot()
