"""One running daemon: it starts, serves, reloads and stops, in this order."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from lightkeeper.adapters.alarm import SchedulerAlarm
from lightkeeper.adapters.watch import InotifyWatch
from lightkeeper.config.load import Loaded
from lightkeeper.config.model import Config, Listen
from lightkeeper.config.problem import ConfigErrors, Problem
from lightkeeper.core.facts import LoginName
from lightkeeper.core.report import Report, unready
from lightkeeper.core.saved import Saved
from lightkeeper.desk import Desk
from lightkeeper.ear import Ear
from lightkeeper.edge import Edge, Sources, view_of
from lightkeeper.fleet import Fleet
from lightkeeper.ports import Failed
from lightkeeper.pulse import Pulse
from lightkeeper.serve.control import Control
from lightkeeper.serve.http import Web
from lightkeeper.serve.notify import Notifier
from lightkeeper.telemetry.journal import Journal
from lightkeeper.telemetry.metrics import Metrics
from lightkeeper.telemetry.recorder import FactRecorder

_DRAIN: Final = timedelta(seconds=4)
"""For writes in progress when the daemon stops."""
_LOAD: Final = timedelta(seconds=20)
"""For reading the configuration anew; it may stand on a network file system."""


class StopRequestedError(Exception):
    """Somebody wants the daemon to end."""


class Daemon:
    """Keeps the logins of a configuration until it is told to stop."""

    def __init__(
        self,
        loaded: Loaded,
        saved: dict[LoginName, Saved],
        *,
        load: Callable[[], Loaded],
        edge: Edge,
        journal: Journal,
        notifier: Notifier,
    ) -> None:
        self.config: Config = loaded.config
        self._load = load
        self._edge = edge
        self._journal = journal
        self._notifier = notifier
        self._sources = Sources(edge.clock)
        self._metrics = Metrics(self.view, edge.clock.now().wall)
        self._pulse = Pulse(edge.clock)
        self._alarm = SchedulerAlarm(self._beat)
        ear = Ear(FactRecorder(self._metrics))
        self._ear = ear
        self._fleet = Fleet(edge.world(self._alarm, ear), saved)
        desk = Desk(self._fleet, ear, edge.clock, self.view)
        self._control = Control(self.config.socket, desk.answer)
        self._watch = InotifyWatch(edge.workers, self._touched, journal.watch_blind)
        self._web: Web | None = None
        self._beaten = asyncio.Event()
        self._reload_wanted = asyncio.Event()
        self._stop_wanted = asyncio.Event()

    def view(self) -> Report:
        """How everything stands."""
        return view_of(self.config, self._fleet.states, self._edge.clock)

    @property
    def address(self) -> str:
        """Where metrics and status are served; empty if nowhere, or not yet."""
        listen = self.config.web.listen
        if listen is None or self._web is None:
            return ""
        return f"{listen.rpartition(':')[0]}:{self._web.port}"

    async def run(self) -> None:
        """Run until a signal or `stop` ends it; a second signal ends it at once."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop_or_leave)
        loop.add_signal_handler(signal.SIGHUP, self._reload_wanted.set)
        loop.add_signal_handler(signal.SIGUSR1, self._renew_all)
        try:
            await self._start()
            await self._serve()
        finally:
            await self._close()

    def stop(self) -> None:
        """End in good order."""
        self._stop_wanted.set()

    async def _start(self) -> None:
        await self._control.start()
        self._alarm.start()
        self._apply()
        await self._listen()
        # What lives from here on is never garbage: collections no longer stall the loop over it.
        gc.collect()
        gc.freeze()
        self._notifier.ready()
        self._notifier.status(_sentence(self.view()))
        self._journal.daemon_ready(self.address)

    async def _serve(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._fleet.run(), name="fleet")
                tasks.create_task(self._watch.run(), name="watch")
                tasks.create_task(self._tend(), name="tend")
                tasks.create_task(self._reload_when_wanted(), name="reload")
                tasks.create_task(self._end_when_wanted(), name="end")
        except* StopRequestedError:
            self._journal.daemon_stopping()

    async def _close(self) -> None:
        self._notifier.stopping()
        self._alarm.close()
        await self._edge.workers.drain(_DRAIN)
        await self._control.close()
        if self._web is not None:
            await self._web.close()

    # What each heartbeat does.

    def _beat(self) -> None:
        step, late = self._pulse.beat()
        if step is not None:
            self._ear.record(step, news=True)
        self._metrics.lagged(late)
        if self._fleet.have_turned():
            self._pulse.progressed()
            self._notifier.watchdog()
        self._notifier.status(_sentence(self.view()))
        self._beaten.set()

    async def _tend(self) -> None:
        """What a heartbeat starts and may take longer than it."""
        while True:
            await self._listen()
            await self._watch.look_at(self._paths())
            await self._beaten.wait()
            self._beaten.clear()

    async def _listen(self) -> None:
        """Serve, unless that is done; a port in use does not keep a login from being renewed."""
        listen = self.config.web.listen
        if self._web is not None or listen is None:
            return
        try:
            self._web = await self._web_at(listen)
        except OSError as exc:
            self._journal.listener_failed(listen, exc, self._edge.clock.now())

    async def _web_at(self, listen: Listen) -> Web:
        web = Web(view=self.view, scrape=self._metrics.snapshot, is_alive=self._pulse.is_alive)
        await web.start(listen.host, listen.port)
        return web

    def _paths(self) -> set[str]:
        return {place.name for state in self._fleet.states for place in state.places}

    def _touched(self, path: str) -> None:
        for state in self._fleet.states:
            for place in state.places:
                if place.name == path:
                    self._fleet.touched(state.login, place)

    # What people ask for.

    def _renew_all(self) -> None:
        self._fleet.request_renewal([state.login for state in self._fleet.states])

    def _stop_or_leave(self) -> None:
        if self._stop_wanted.is_set():
            raise SystemExit(1)
        self._stop_wanted.set()

    async def _end_when_wanted(self) -> None:
        await self._stop_wanted.wait()
        raise StopRequestedError

    async def _reload_when_wanted(self) -> None:
        while True:
            await self._reload_wanted.wait()
            self._reload_wanted.clear()
            self._notifier.reloading(self._edge.clock.monotonic())
            await self._reload()
            self._notifier.ready()

    async def _reload(self) -> None:
        """Take the configuration anew, all of it or nothing."""
        try:
            loaded = await self._edge.workers.run("configuration", self._load, _LOAD)
        except ConfigErrors as exc:
            self._rejected(exc.problems)
            return
        if isinstance(loaded, Failed):
            self._rejected([Problem("", 0, "", f"could not be read: {loaded.detail}")])
            return
        listen = loaded.config.web.listen
        web = None
        if listen is not None and listen != self.config.web.listen:
            try:
                web = await self._web_at(listen)
            except OSError as exc:
                message = f"{listen} cannot be listened on: {exc.strerror}"
                self._rejected([Problem("", 0, "web.listen", message)])
                return
        await self._adopt(loaded, web)

    def _rejected(self, problems: list[Problem] | tuple[Problem, ...]) -> None:
        self._metrics.reloaded(None)
        self._journal.config_rejected(problems)

    async def _adopt(self, loaded: Loaded, web: Web | None) -> None:
        before, self.config = self.config, loaded.config
        self._journal.configure(self.config.log.format, self.config.log.level)
        if before.web.listen != self.config.web.listen:
            former, self._web = self._web, web
            if former is not None:
                await former.close()
        self._apply()
        self._edge.writers.forget_all_but([LoginName(one.name) for one in self.config.logins])
        self._beaten.set()
        self._metrics.reloaded(self._edge.clock.now().wall)
        fixed = [name for name in ("state_dir", "socket") if _differs(before, self.config, name)]
        self._journal.config_reloaded(loaded.warnings, needs_restart=fixed)

    def _apply(self) -> None:
        for left in self._fleet.apply(self._edge.kept(self.config, self._sources)):
            self._journal.places_left(left.login, left.places)


def _differs(one: Config, other: Config, name: str) -> bool:
    return bool(getattr(one, name) != getattr(other, name))


def _sentence(report: Report) -> str:
    """One line for `systemctl status`."""
    count = len(report.logins)
    logins = f"{count} login{'s' if count != 1 else ''}"
    failing = unready(report, every_place=True)
    if not failing:
        return f"{logins}, all delivered"
    return f"{logins}; {failing[0].sentence}"
