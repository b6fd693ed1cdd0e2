"""The composition root: a Config becomes a daemon, or one run of what a daemon does."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, TextIO

from msgspec import Struct

from lightkeeper.adapters.clock import SystemClock, boot_id
from lightkeeper.adapters.posix import mount_points
from lightkeeper.adapters.state_dir import exposed, taken
from lightkeeper.adapters.workers import in_time
from lightkeeper.config.load import Loaded
from lightkeeper.config.model import Config, FileOutput, Login, source_fingerprint
from lightkeeper.core.answer import Refusal
from lightkeeper.core.facts import LoginName, Place
from lightkeeper.core.fold import fold
from lightkeeper.core.reasons import Reason
from lightkeeper.core.report import Report
from lightkeeper.core.saved import Saved, begin
from lightkeeper.core.state import Known, LoginState, digests_of
from lightkeeper.edge import Edge, Sources, file_options, policy_of, view_of
from lightkeeper.look import looked, places_of, spared
from lightkeeper.ports import Failed, Found, Pending, Recorder

if TYPE_CHECKING:
    from lightkeeper.adapters.docker_file import FileOptions, FileWriters
    from lightkeeper.daemon import Daemon

Unreadable = Callable[[LoginName, str], None]
"""Is told which login's saved state cannot be used, and why."""

_IDENTITY: Final = timedelta(seconds=30)
_PLACE: Final = timedelta(seconds=10)
"""For one place, where no daemon waits for it."""


async def run(
    loaded: Loaded,
    *,
    load: Callable[[], Loaded],
    log: TextIO,
    began: Callable[[Daemon], None] = lambda _: None,
    withdrawal: Callable[[str], str] = "lightkeeper withdraw {}".format,
) -> None:
    """Run a daemon that logs to `log` until a signal ends it; `began` gets it before it starts.

    `withdrawal` gives the command that takes a login's entries out.
    `StateDirTakenError` if another serves the same state directory; `OSError`, `FileFailure` if
    that directory or the control socket cannot be used.
    """
    # A one-shot run shares this module and needs neither a scheduler nor a web server.
    from lightkeeper.adapters.heap import keep_heap_small  # noqa: PLC0415
    from lightkeeper.daemon import Daemon  # noqa: PLC0415
    from lightkeeper.serve.notify import Notifier  # noqa: PLC0415
    from lightkeeper.telemetry.journal import Journal  # noqa: PLC0415
    from lightkeeper.telemetry.writer import writing_to  # noqa: PLC0415

    _keep_no_core()
    keep_heap_small()
    config = loaded.config
    edge = Edge(config)
    directory = str(config.state_dir)
    where = config.state.secret if config.state else directory
    with _owning_state(edge, config), writing_to(log, Journal.lines_lost) as writer:
        journal = Journal(writer, withdrawal)
        journal.configure(config.log.format, config.log.level)
        names = [login.name for login in config.logins]
        warnings = [*loaded.warnings, *filter(None, [exposed(directory)])]
        journal.daemon_started(names, where, warnings)
        saved = {} if config.state else _kept(edge, journal.state_unreadable)
        notifier = Notifier.from_environ(os.environ)
        daemon = Daemon(loaded, saved, load=load, edge=edge, journal=journal, notifier=notifier)
        began(daemon)
        await daemon.run()


@contextmanager
def _owning_state(edge: Edge, config: Config) -> Iterator[None]:
    """Own the state directory, where there is one, and tidy it up."""
    if config.state is not None:
        yield
        return
    with taken(str(config.state_dir)):
        edge.store.sweep()
        yield


async def once(
    config: Config,
    recorder: Recorder,
    unreadable: Unreadable,
    left: Callable[[LoginName, list[str]], None],
) -> Report:
    """Renew what is due, deliver, and tell what came of it; raises as `run` does.

    Whoever calls it has taken the state directory, and asks: after a failure the floor alone is
    waited for. `left` is told of places that are served no more, and in which entries of ours stay.
    """
    # What only looks (`stored`) shares this module and needs no event loop.
    import asyncio  # noqa: PLC0415

    from lightkeeper.adapters.timer import LoopAlarm  # noqa: PLC0415
    from lightkeeper.desk import settle  # noqa: PLC0415
    from lightkeeper.ear import Ear  # noqa: PLC0415
    from lightkeeper.fleet import Fleet  # noqa: PLC0415

    _keep_no_core()
    edge = Edge(config)
    edge.store.sweep()
    saved = _kept(edge, unreadable)
    ear = Ear(recorder)
    fleet = Fleet(edge.world(LoopAlarm(edge.clock), ear), saved)
    gone = fleet.apply(edge.kept(config, Sources(edge.clock), {}))
    served = {state.login: [place.name for place in state.places] for state in fleet.states}
    for login, places in gone.items():
        if apart := _apart(edge, places, served.get(login, ())):
            left(login, apart)
    async with asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(fleet.run(), name="fleet")
        await settle(fleet, ear, edge.clock)
        keeping.cancel()
    await edge.workers.drain(timedelta(seconds=5))
    return view_of(config, fleet.states, edge.clock)


def _apart(edge: Edge, places: list[str], served: Collection[str]) -> list[str]:
    """Those places that are no served file under another name, as far as that is told in time."""
    apart = in_time(partial(edge.writers.apart, places, served), _PLACE)
    return places if isinstance(apart, Failed) else apart


def stored(config: Config, unreadable: Unreadable) -> Report:
    """How the logins stand by what is kept of them and what their places hold.

    Asks nobody and changes nothing; a place that hangs holds up the others for its deadline alone.
    `FileFailure` if the state directory cannot be read.
    """
    edge = Edge(config)
    saved = _kept(edge, unreadable)
    kin = digests_of(one.known for one in saved.values())
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
        states.append(_looked(state.under(state.policy, kin), login, edge))
    return view_of(config, states, edge.clock)


def _looked(state: LoginState, login: Login, edge: Edge) -> LoginState:
    """The state with its places read, as a keeper would read them before it delivers."""
    state = state.with_places(places_of(edge.files(login)))
    options = {
        str(output.path): file_options(output)
        for output in login.outputs
        if isinstance(output, FileOutput)
    }
    for place in state.places:
        seek = partial(_seen, edge.writers, state, place, options[place.name])
        seen = in_time(seek, _PLACE)
        for one in [seen] if isinstance(seen, Failed) else seen:
            for fact in looked(state, place, one, edge.clock.now()):
                state = fold(state, fact)
    return state


def _seen(
    writers: FileWriters, state: LoginState, place: Place, options: FileOptions
) -> list[Found | Pending | Failed]:
    """What a place holds, and what would keep a delivery from it, if one is needed."""
    seen: list[Found | Pending | Failed] = []
    if state.held:
        found = writers.read(place.name, state.held, spared(state, place), options)
        if not isinstance(found, Found) or found.settled:
            return [found]
        seen.append(found)
    obstacle = writers.obstacle(place.name, options)
    return [*seen, obstacle] if obstacle else seen


def obstacles(config: Config, known: Collection[str]) -> dict[str, Failed]:
    """What would keep a delivery from each place that is not among `known`; nothing is written.

    As far as a look tells: that a disk is full shows in a write alone.
    """
    edge, mounts = Edge(config), mount_points()
    found: dict[str, Failed] = {}
    for output in (output for login in config.logins for output in login.outputs):
        if not isinstance(output, FileOutput):
            continue
        path = str(output.path)
        if path not in known and path not in found:
            probe = partial(_obstacle, edge.writers, path, file_options(output), mounts)
            if isinstance(seen := in_time(probe, _PLACE), Failed):
                found[path] = seen
    return found


def _obstacle(
    writers: FileWriters, path: str, options: FileOptions, mounts: Collection[str]
) -> Pending | Failed | None:
    seen = writers.obstacle(path, options)
    if seen is not None or options.in_place or (real := os.path.realpath(path)) not in mounts:
        return seen
    return Failed(reason=Reason.SINGLE_FILE_MOUNT, detail=f"{real} is a mount of its own")


def unsavable(config: Config) -> Failed | None:
    """What would keep us from owning the state directory, or from saving a state in it."""
    names = [LoginName(login.name) for login in config.logins]
    return in_time(partial(Edge(config).store.obstacle, names), _PLACE)


def _kept(edge: Edge, unreadable: Unreadable) -> dict[LoginName, Saved]:
    """What is kept of each login; what cannot be used of it is told."""
    saved, lost = edge.store.load()
    for one in lost:
        unreadable(one.login, one.detail)
    return saved


class Withdrawn(Struct, frozen=True, kw_only=True):
    """What became of our entries in one place, or of what is kept of their login."""

    login: LoginName
    place: str
    """Empty for what is kept of the login itself: told if it stays, or if nothing else is told."""
    was_there: bool
    failure: Failed | None


def withdraw(
    config: Config,
    logins: Collection[str],
    served: Mapping[str, Collection[str]],
    unreadable: Unreadable,
) -> Iterator[Withdrawn]:
    """Take the entries of these logins, or of all that are kept, out of every place.

    A login that a running daemon keeps has its places in `served`: it is taken out of others only,
    and is not forgotten. Of the rest all that is kept goes once their entries are out. A file that
    the configuration still names is written in place if it says so.
    """
    edge = Edge(config)
    saved = _kept(edge, unreadable)
    outputs = (output for login in config.logins for output in login.outputs)
    options = {
        str(output.path): file_options(output)
        for output in outputs
        if isinstance(output, FileOutput)
    }
    for name, kept in saved.items():
        if logins and name not in logins:
            continue
        places: dict[str, set[Known]] = {}
        for left in kept.all_places():
            if left.name not in served.get(name, ()):
                places.setdefault(left.name, set()).update(left.known, kept.known)
        is_out = True
        for place in _apart(edge, [*places], served.get(name, ())):
            known = places[place]
            hosts, ours = {one.registry for one in known}, {one.digest for one in known}
            take_out = partial(edge.writers.withdraw, place, hosts, ours, options.get(place))
            outcome = in_time(take_out, _PLACE)
            failure = outcome if isinstance(outcome, Failed) else None
            is_out = is_out and failure is None
            yield Withdrawn(login=name, place=place, was_there=outcome is True, failure=failure)
        if is_out and name not in served:
            failure = edge.store.remove(name)
            if failure or not places:
                yield Withdrawn(login=name, place="", was_there=False, failure=failure)


async def identities(config: Config) -> dict[str, str | Refusal]:
    """Who AWS takes each login for: an ARN, or why it cannot be told."""
    import asyncio  # noqa: PLC0415 - as in `once`

    sources = Sources(SystemClock())
    issuers = [sources.issuer(login) for login in config.logins]
    said = await asyncio.gather(*(issuer.identity(_IDENTITY) for issuer in issuers))
    return dict(zip((login.name for login in config.logins), said, strict=True))


def _keep_no_core() -> None:
    """Leave no core dump: it would hold passwords."""
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))
