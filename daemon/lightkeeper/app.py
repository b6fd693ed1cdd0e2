"""The composition root: a Config becomes a daemon, or one run of what a daemon does."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TextIO

from msgspec import Struct

from lightkeeper.adapters.clock import SystemClock, boot_id
from lightkeeper.adapters.state_dir import taken
from lightkeeper.config.load import Loaded
from lightkeeper.config.model import Config, Login, source_fingerprint
from lightkeeper.core.answer import Refusal
from lightkeeper.core.facts import LoginName, OutputName, Place
from lightkeeper.core.fold import fold
from lightkeeper.core.place import PlaceState
from lightkeeper.core.plan import is_settled
from lightkeeper.core.report import Report
from lightkeeper.core.saved import begin
from lightkeeper.core.state import LoginState
from lightkeeper.edge import Edge, Sources, policy_of, view_of
from lightkeeper.look import seen_at
from lightkeeper.ports import Failed, Recorder

if TYPE_CHECKING:
    from lightkeeper.daemon import Daemon
    from lightkeeper.ear import Ear
    from lightkeeper.fleet import Fleet

_ONCE: Final = timedelta(seconds=120)
"""How long `once` may take in all: an attempt, a repair that waits, and a delivery."""

_IDENTITY: Final = timedelta(seconds=30)


async def run(
    loaded: Loaded,
    *,
    load: Callable[[], Loaded],
    log: TextIO,
    began: Callable[[Daemon], None] = lambda _: None,
) -> None:
    """Run a daemon that logs to `log` until a signal ends it; `began` gets it before it starts.

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
        journal = Journal(log)
        journal.configure(config.log.format, config.log.level)
        names = [login.name for login in config.logins]
        journal.daemon_started(names, str(config.state_dir), loaded.warnings)
        saved, unreadable = edge.store.load()
        for one in unreadable:
            journal.state_unreadable(one.login, one.detail)
        notifier = Notifier.from_environ(os.environ)
        daemon = Daemon(loaded, saved, load=load, edge=edge, journal=journal, notifier=notifier)
        began(daemon)
        await daemon.run()


async def once(config: Config, recorder: Recorder) -> Report:
    """Renew what is due, deliver, and tell what came of it; raises as `run` does."""
    # What only looks (`stored`) shares this module and needs no event loop.
    import asyncio  # noqa: PLC0415

    from lightkeeper.adapters.timer import LoopAlarm  # noqa: PLC0415
    from lightkeeper.ear import Ear  # noqa: PLC0415
    from lightkeeper.fleet import Fleet  # noqa: PLC0415

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
    """How the logins stand by what is kept of them and what their places hold.

    Asks nobody and changes nothing. `FileFailure` if the state directory cannot be read.
    """
    edge = Edge(config)
    saved, _ = edge.store.load()
    states = []
    for login in config.logins:
        name = LoginName(login.name)
        state = begin(
            saved.get(name),
            name,
            policy_of(login, config),
            fingerprint=source_fingerprint(login),
            boot_id=boot_id(),
            now=edge.clock.now(),
        )
        states.append(_looked(state, login, edge))
    return view_of(config, states, edge.clock)


def _looked(state: LoginState, login: Login, edge: Edge) -> LoginState:
    """The state with its places read."""
    places = {
        Place(output=OutputName(output.name), name=str(output.path)): output
        for output in login.outputs
    }
    state = state.with_places(PlaceState(place=place) for place in places)
    held = state.held
    if held is None:
        return state
    for place in places:
        now = edge.clock.now()
        seen = edge.writers.read(place.name, held, None)
        state = fold(state, seen_at(state.login, place, seen, now))
    return state


class Withdrawn(Struct, frozen=True, kw_only=True):
    """What became of our entries in one place."""

    login: LoginName
    place: str
    was_there: bool
    failure: str
    """Empty if all went well."""


def withdraw(config: Config, logins: Collection[str]) -> Iterator[Withdrawn]:
    """Take the entries of these logins, or of all that are kept, out of every place.

    What is kept of a login goes once all its entries are out.
    """
    edge = Edge(config)
    saved, _ = edge.store.load()
    for name, kept in saved.items():
        if logins and name not in logins:
            continue
        hosts = {known.registry for known in kept.known}
        ours = {known.digest for known in kept.known}
        is_out = True
        for _, place in kept.places:
            outcome = edge.writers.withdraw(place, hosts, ours)
            failure = outcome.detail if isinstance(outcome, Failed) else ""
            is_out = is_out and not failure
            yield Withdrawn(login=name, place=place, was_there=outcome is True, failure=failure)
        if is_out:
            edge.store.remove(name)


async def identities(config: Config) -> dict[str, str | Refusal]:
    """Who AWS takes each login for: an ARN, or why it cannot be told."""
    import asyncio  # noqa: PLC0415 - as in `once`

    sources = Sources(SystemClock())
    issuers = [sources.issuer(login) for login in config.logins]
    said = await asyncio.gather(*(issuer.identity(_IDENTITY) for issuer in issuers))
    return dict(zip((login.name for login in config.logins), said, strict=True))


async def _settled(fleet: Fleet, ear: Ear, edge: Edge) -> None:
    with ear.listening() as heard:
        while not all(is_settled(state, edge.clock.now()) for state in fleet.states):
            await heard.get()
