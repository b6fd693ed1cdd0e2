"""The composition root: a Config becomes a daemon, or one run of what a daemon does."""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from lightkeeper.adapters.clock import boot_id
from lightkeeper.adapters.state_dir import taken
from lightkeeper.adapters.timer import LoopAlarm
from lightkeeper.config.load import Loaded
from lightkeeper.config.model import Config, source_fingerprint
from lightkeeper.core.facts import LoginName
from lightkeeper.core.plan import is_settled
from lightkeeper.core.report import Report
from lightkeeper.core.saved import begin
from lightkeeper.ear import Ear
from lightkeeper.edge import Edge, Sources, policy_of, view_of
from lightkeeper.fleet import Fleet
from lightkeeper.ports import Recorder

if TYPE_CHECKING:
    from lightkeeper.daemon import Daemon

_ONCE: Final = timedelta(seconds=120)
"""How long `once` may take in all: an attempt, a repair that waits, and a delivery."""


async def run(
    loaded: Loaded,
    *,
    load: Callable[[], Loaded],
    began: Callable[[Daemon], None] = lambda _: None,
) -> None:
    """Run a daemon until a signal ends it; `began` is given it before it starts.

    `StateDirTakenError` if another serves the same state directory; `OSError`, `FileFailure` if
    that directory or the control socket cannot be used.
    """
    # A one-shot run shares this module and needs neither a scheduler nor a web server.
    from lightkeeper.daemon import Daemon  # noqa: PLC0415
    from lightkeeper.serve.notify import Notifier  # noqa: PLC0415
    from lightkeeper.telemetry.journal import Journal  # noqa: PLC0415

    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold passwords
    config = loaded.config
    edge = Edge(config)
    with taken(str(config.state_dir)):
        journal = Journal(sys.stdout)
        journal.configure(config.log)
        journal.daemon_started(config, loaded.warnings)
        saved, unreadable = edge.store.load()
        for one in unreadable:
            journal.state_unreadable(one.login, one.detail)
        notifier = Notifier.from_environ(os.environ)
        daemon = Daemon(loaded, saved, load=load, edge=edge, journal=journal, notifier=notifier)
        began(daemon)
        await daemon.run()


async def once(config: Config, recorder: Recorder) -> Report:
    """Renew what is due, deliver, and tell what came of it; raises as `run` does."""
    edge = Edge(config)
    with taken(str(config.state_dir)):
        saved, _ = edge.store.load()
        ear = Ear(recorder)
        fleet = Fleet(edge.world(LoopAlarm(edge.clock), ear), saved)
        fleet.apply(edge.kept(config, Sources(edge.clock)))
        # What is not done by then shows in the report.
        with suppress(TimeoutError):
            async with asyncio.timeout(_ONCE.total_seconds()), asyncio.TaskGroup() as tasks:
                keeping = tasks.create_task(fleet.run(), name="fleet")
                await _settled(fleet, ear, edge)
                keeping.cancel()
        await edge.workers.drain(timedelta(seconds=5))
        return view_of(config, fleet.states, edge.clock)


def stored(config: Config) -> Report:
    """How the logins stand by what is kept of them; asks nobody and changes nothing.

    `FileFailure` if the state directory cannot be read.
    """
    edge = Edge(config)
    saved, _ = edge.store.load()
    states = [
        begin(
            saved.get(LoginName(login.name)),
            LoginName(login.name),
            policy_of(login, config),
            fingerprint=source_fingerprint(login),
            boot_id=boot_id(),
            now=edge.clock.now(),
        )
        for login in config.logins
    ]
    return view_of(config, states, edge.clock)


async def _settled(fleet: Fleet, ear: Ear, edge: Edge) -> None:
    with ear.listening() as heard:
        while not all(is_settled(state, edge.clock.now()) for state in fleet.states):
            await heard.get()
