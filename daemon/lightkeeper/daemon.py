"""One running daemon: it starts, serves, reloads and stops, in this order."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial
from typing import Final

from lightkeeper.adapters.alarm import SchedulerAlarm
from lightkeeper.adapters.heap import spare_collections
from lightkeeper.adapters.watch import InotifyWatch
from lightkeeper.boundary import boundary
from lightkeeper.cluster import Hooks
from lightkeeper.config.load import Loaded
from lightkeeper.config.model import Config
from lightkeeper.config.problem import ConfigErrors, Problem
from lightkeeper.core.election import ElectionFact
from lightkeeper.core.facts import LoginName
from lightkeeper.core.plan import is_settled
from lightkeeper.core.report import Report
from lightkeeper.core.saved import Saved
from lightkeeper.core.state import LoginState
from lightkeeper.core.status import headline
from lightkeeper.desk import Desk
from lightkeeper.ear import Ear
from lightkeeper.edge import Edge, Sources, view_of
from lightkeeper.fleet import Fleet
from lightkeeper.keeping import Keeping
from lightkeeper.leavings import Leavings
from lightkeeper.pace import at_most
from lightkeeper.ports import Failed
from lightkeeper.pulse import Pulse
from lightkeeper.serve.control import Control
from lightkeeper.serve.http import Web
from lightkeeper.serve.listener import Address, Listener, ListenError
from lightkeeper.serve.notify import Notifier
from lightkeeper.telemetry.journal import Journal
from lightkeeper.telemetry.metrics import Metrics
from lightkeeper.telemetry.recorder import FactRecorder

_DRAIN: Final = timedelta(seconds=4)
"""For all together that is under way when the daemon stops."""
_FIXED: Final = ("state_dir", "socket", "state", "leader_election")
"""What of the configuration stays as it was at the start."""
_LOAD: Final = timedelta(seconds=20)
"""For reading the configuration anew; it may stand on a network file system."""
_SWITCH_SECONDS: Final = 0.001
"""When a thread that computes makes way for one that waits; Python's own is five times it."""


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
        self._begun: Final = loaded.config
        self._load = load
        self._edge = edge
        self._journal = journal
        self._notifier = notifier
        self._sources = Sources(edge.clock)
        elects = bool(self.config.leader_election)
        self._metrics = Metrics(self.look, edge.clock.now().wall, elects=elects)
        self._pulse = Pulse(edge.clock)
        self._alarm = SchedulerAlarm(self.beat)
        ear = Ear(FactRecorder(self._metrics))
        self._ear = ear
        electing = edge.electing(self.config, self._elected, partial(self._surprised, "lead"))
        world = edge.world(self._alarm, ear, electing)
        self._leads = world.leads
        self._fleet = Fleet(world, {})
        self._keeping = Keeping(
            self._fleet,
            edge.loader(saved, journal.state_unreadable),
            self._begin,
            electing,
            lambda failed: journal.state_not_read(failed.reason, failed.detail, edge.clock.now()),
            end=edge.clusters.rest,
        )
        desk = Desk(self._fleet, ear, edge.clock, self._view_of, lambda: self._keeping.part.aside)
        self._control = Control(self.config.socket, desk.answer)
        self._watch = InotifyWatch(
            edge.workers,
            is_news=edge.writers.is_news,
            end_of=edge.writers.end_of,
            touched=self._fleet.touched_at,
            blind=journal.watch_blind,
        )
        self._listener = Listener(_address(self.config), self._web, edge.workers)
        self._beaten = asyncio.Event()
        at = edge.clusters, edge.writers, edge.workers
        self._leavings = Leavings(self._fleet, *at, journal.places_left, due=self._beaten.set)
        self._is_tidy = False
        self._hear_again = asyncio.Event()
        self._roam_again = asyncio.Event()
        self._reload_wanted = asyncio.Event()
        self._stop_wanted = asyncio.Event()

    def _view_of(self, state: LoginState) -> Report:
        unchosen = self._edge.clusters.unchosen
        return view_of(self.config, [state], self._edge.clock, unchosen=unchosen)

    def look(self) -> Callable[[], Report]:
        """How everything stands now, to be made a report of in any thread."""
        part, states = self._keeping.part, self._fleet.states
        unlisted, unchosen = self._edge.clusters.unlisted, self._edge.clusters.unchosen
        return partial(view_of, self.config, states, self._edge.clock, part, unlisted, unchosen)

    @property
    def address(self) -> str:
        """Where metrics and status are served; empty if nowhere, or not yet."""
        listen, port = self.config.web.listen, self._listener.port
        return f"{listen.rpartition(':')[0]}:{port}" if listen and port else ""

    async def run(self) -> None:
        """Run until a signal or `stop` ends it; a second signal ends it at once."""
        # Threads that make reports and metrics of many logins let the loop in between.
        sys.setswitchinterval(_SWITCH_SECONDS)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop_or_leave)
        loop.add_signal_handler(signal.SIGHUP, self._reload_wanted.set)
        loop.add_signal_handler(signal.SIGUSR1, self._renew_all)
        try:
            if self.config.state is None:
                await self._control.start()
            else:  # in a container there may be no place for a socket
                await self._be_reached()
            self._alarm.start()
            await self._serve()
        finally:
            await self._close()

    def stop(self) -> None:
        """End in good order."""
        self._stop_wanted.set()

    async def _serve(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            keeping = tasks.create_task(self._keeping.run(), name="keeping")
            roaming = tasks.create_task(self._roam(), name="namespaces")
            beside = [
                tasks.create_task(self._hear(), name="watch"),
                tasks.create_task(self._tend(), name="tend"),
                tasks.create_task(self._reload_when_wanted(), name="reload"),
            ]
            try:
                await self._stop_wanted.wait()
                self._journal.daemon_stopping()
            finally:
                await self._drain([keeping, roaming], beside)

    async def _drain(
        self, writing: Sequence[asyncio.Task[None]], beside: Sequence[asyncio.Task[None]]
    ) -> None:
        """Have what is under way done while we lead, and let another lead after that."""
        self._notifier.stopping()
        for task in beside:
            task.cancel()
        end = self._edge.clock.monotonic() + _DRAIN
        await at_most(_DRAIN, self._keeping.drain(), self._edge.clusters.drain())
        for task in writing:
            task.cancel()
        await asyncio.wait([*writing, *beside])
        await self._edge.workers.drain(end - self._edge.clock.monotonic())
        await self._keeping.release()

    async def _close(self) -> None:
        self._alarm.close()
        await self._control.close()
        await self._listener.close()
        await self._edge.close()

    def _begin(self) -> str:
        """Keep the logins, with what was saved of them; why they cannot be, or nothing."""
        served = self._fleet.places
        try:
            logins = self._edge.kept(self.config, self._sources, served)
            self._edge.clusters.serve(self.config, served, self._fleet.left)
        except ConfigErrors as exc:  # of a cluster: what it takes to ask one is read now
            detail = "; ".join(map(str, exc.problems))
            return self._journal.cluster_not_reached(detail, self._edge.clock.now())
        self._leavings.add(self._fleet.apply(logins))
        self._beaten.set()
        return ""

    def _elected(self, fact: ElectionFact) -> None:
        self._metrics.led(fact)
        self._journal.elected(fact)
        self._ear.stir()

    # What each heartbeat does.

    def beat(self) -> None:
        """Compare clocks, and tell how all stands."""
        with self._bounded("beat"):
            step, late = self._pulse.beat()
            self._metrics.lagged(late)
            if self._fleet.have_turned():
                self._pulse.progressed()
                self._notifier.watchdog()
            if step is not None:
                self._ear.record(step, news=True)
            self._fleet.forget_again()
            self._edge.clusters.beat()
        self._beaten.set()
        self._hear_again.set()
        self._roam_again.set()

    async def _hear(self) -> None:
        """Watch; while it cannot be done the polls still find what others wrote."""
        while True:
            with self._bounded("watch"):
                await self._watch.run()
            self._hear_again.clear()
            await self._hear_again.wait()

    async def _roam(self) -> None:
        """Look which namespaces there are, once a cluster is delivered into."""
        while True:
            with self._bounded("namespaces"):
                if (targets := self._edge.clusters.targets) is not None:
                    targets.hooks = self._hooks()
                    await targets.run()
            self._roam_again.clear()
            await self._roam_again.wait()

    def _hooks(self) -> Hooks:
        journal = self._journal
        return Hooks(
            changed=self._leavings.survey,
            unlisted=partial(journal.namespaces_listed, self._edge.clock.now),
            unchosen=journal.namespaces_chosen,
            not_left=self._fleet.cleared,
            pruned=journal.places_pruned,
            not_pruned=lambda login, place: journal.places_left(login, [place.name]),
            known=self._fleet.known,
            leads=self._leads,
        )

    async def _tend(self) -> None:
        """What a heartbeat starts and may take longer than it."""
        with self._bounded("listen"):
            await self._listen()
        self._announce()
        while True:
            with self._bounded("tell"):
                await self._tell_systemd()
            with self._bounded("watch"):
                self._watch.look_at(self._fleet.files)
            with self._bounded("tidy"):
                self._tidy()
            with self._bounded("left"):
                await self._leavings.tell(self.config)
            with self._bounded("control"):
                await self._be_reached()
            await self._beaten.wait()
            self._beaten.clear()
            with self._bounded("listen"):
                await self._listen()

    def _announce(self) -> None:
        spare_collections()
        self._notifier.ready()
        self._journal.daemon_ready(self.address)

    def _tidy(self) -> None:
        """Once those that begin have settled: what a login has by then, it has for long."""
        now = self._edge.clock.now()
        if not self._is_tidy and all(is_settled(state, now) for state in self._fleet.states):
            self._is_tidy = True
            spare_collections()

    async def _tell_systemd(self) -> None:
        """Beside the loop, which many logins would stall."""
        if self._notifier.is_heard:
            look = self.look()
            self._notifier.status(await asyncio.to_thread(lambda: headline(look())))

    async def _be_reached(self) -> None:
        """Whoever tidies /run, or logs out, may take the socket away."""
        if detail := await self._control.start_again():
            self._journal.control_failed(detail, self._edge.clock.now())

    async def _listen(self) -> None:
        """Serve, unless that is done; a port in use does not keep a login from being renewed."""
        try:
            await self._listener.open()
        except ListenError as exc:
            listen = self.config.web.listen or ""
            self._journal.listener_failed(listen, str(exc), self._edge.clock.now())

    def _web(self) -> Web:
        return Web(look=self.look, scrape=self._metrics.snapshot, is_alive=self._pulse.is_alive)

    # What people ask for.

    def _renew_all(self) -> None:
        if aside := self._keeping.part.aside:
            self._journal.renewal_not_begun(aside)
        self._fleet.request_renewal([state.login for state in self._fleet.states])

    def _stop_or_leave(self) -> None:
        if self._stop_wanted.is_set():
            raise SystemExit(1)
        self._stop_wanted.set()

    async def _reload_when_wanted(self) -> None:
        while True:
            await self._reload_wanted.wait()
            self._reload_wanted.clear()
            self._notifier.reloading(self._edge.clock.monotonic())
            with boundary(self._reload_broke):
                await self._reload()
            self._notifier.ready()

    async def _reload(self) -> None:
        """Take the configuration anew, all of it or nothing."""
        try:
            await self._adopt(await self._loaded())
        except ConfigErrors as exc:
            self._rejected(exc.problems)

    async def _loaded(self) -> Loaded:
        loaded = await self._edge.workers.run("configuration", self._load, _LOAD)
        if isinstance(loaded, Failed):
            raise ConfigErrors([_problem("", f"could not be read: {loaded.detail}")])
        return loaded

    async def _adopt(self, loaded: Loaded) -> None:
        served, once_served = self._fleet.places, self._fleet.left
        logins = self._edge.kept(loaded.config, self._sources, served)
        try:
            async with self._listener.moving(_address(loaded.config)):
                left = self._fleet.apply(logins) if self._keeping.is_open else {}
        except ListenError as exc:
            message = f"{loaded.config.web.listen} cannot be listened on: {exc}"
            raise ConfigErrors([_problem("web.listen", message)]) from exc
        before, self.config = self.config, loaded.config
        self._is_tidy = False
        self._metrics.reloaded(self._edge.clock.now().wall)
        with self._bounded("reload"):  # it is done: what breaks from here on rejects nothing
            self._leavings.add(left)
            self._edge.follow(before, self.config)
            if self._keeping.is_open:
                self._edge.clusters.serve(self.config, served, once_served)
            self._follow(loaded)
            if not self._keeping.is_open:  # what it would reach has been told of by now
                self._edge.clusters.rest()

    def _follow(self, loaded: Loaded) -> None:
        """What else a reload brings with it, and what is told of it."""
        self._journal.configure(self.config.log.format, self.config.log.level)
        self._beaten.set()
        self._roam_again.set()
        self._ear.stir()
        fixed = [key for key in _FIXED if getattr(self.config, key) != getattr(self._begun, key)]
        warnings = [*loaded.warnings, *self._edge.clusters.insecure()]
        self._journal.config_reloaded(warnings, needs_restart=fixed)

    def _rejected(self, problems: Sequence[Problem]) -> None:
        self._metrics.reloaded(None)
        self._journal.config_rejected(problems)

    def _reload_broke(self, traceback: str) -> None:
        self._surprised("reload", traceback)
        self._rejected([_problem("", "a bug in Lightkeeper; its traceback is in the log")])

    def _bounded(self, doing: str) -> AbstractContextManager[None]:
        return boundary(partial(self._surprised, doing))

    def _surprised(self, doing: str, traceback: str) -> None:
        self._metrics.surprised()
        self._journal.daemon_surprised(doing, traceback, self._edge.clock.now())


def _address(config: Config) -> Address | None:
    listen = config.web.listen
    return None if listen is None else Address(listen.host, listen.port)


def _problem(key: str, message: str) -> Problem:
    return Problem("", 0, key, message)
