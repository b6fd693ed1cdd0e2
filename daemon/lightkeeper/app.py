"""The composition root: a Config becomes a daemon, or one run of what a daemon does."""

from __future__ import annotations

import os
import resource
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, TextIO

from msgspec import Struct

from lightkeeper.adapters.clock import SystemClock
from lightkeeper.adapters.state_dir import exposed, taken
from lightkeeper.adapters.workers import in_time
from lightkeeper.config.load import Loaded
from lightkeeper.config.model import Config, FileOutput, LeaderElection
from lightkeeper.config.problem import ConfigErrors
from lightkeeper.core.answer import Refusal
from lightkeeper.core.credential import Digest, RegistryHost
from lightkeeper.core.facts import LoginName, Place
from lightkeeper.core.file_failure import FileFailure
from lightkeeper.core.reasons import Reason
from lightkeeper.core.report import Report
from lightkeeper.core.saved import Saved
from lightkeeper.core.state import Known
from lightkeeper.edge import Edge, Sources, file_options, view_of
from lightkeeper.ports import Failed, Recorder
from lightkeeper.viewing import PLACE, Unreadable, kept_in, saved_of

if TYPE_CHECKING:
    from lightkeeper.cluster import Cluster
    from lightkeeper.daemon import Daemon

_IDENTITY: Final = timedelta(seconds=30)
_RENEWED: Final = 1.5
"""In so many times its interval a Lease is renewed, if anybody does."""


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
    where = (config.state.secret or "nowhere") if config.state else directory
    edge.reach_all(config)
    with _owning_state(edge, config), writing_to(log, Journal.lines_lost) as writer:
        journal = Journal(writer, withdrawal)
        journal.configure(config.log.format, config.log.level)
        names = [login.name for login in config.logins]
        warnings = [*loaded.warnings, *_exposed(config), *edge.clusters.insecure()]
        journal.daemon_started(names, where, warnings)
        saved = saved_of(edge, config, journal.state_unreadable)
        notifier = Notifier.from_environ(os.environ)
        daemon = Daemon(loaded, saved, load=load, edge=edge, journal=journal, notifier=notifier)
        began(daemon)
        await daemon.run()


def _exposed(config: Config) -> Iterator[str]:
    """What is to be said of where the state is kept."""
    if config.state is None:
        if said := exposed(str(config.state_dir)):
            yield said
    elif config.state.secret is None:
        yield (
            "state is kept nowhere: a restart costs a call, and the floor between attempts holds"
            " within this process only"
        )


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
    _keep_no_core()
    edge = Edge(config)
    try:
        return await _once(edge, config, recorder, unreadable, left)
    finally:
        await edge.close()


async def _once(
    edge: Edge,
    config: Config,
    recorder: Recorder,
    unreadable: Unreadable,
    left: Callable[[LoginName, list[str]], None],
) -> Report:
    # What only looks (`stored`) shares this module and needs no event loop.
    import asyncio  # noqa: PLC0415

    from lightkeeper.adapters.timer import LoopAlarm  # noqa: PLC0415
    from lightkeeper.desk import settle  # noqa: PLC0415
    from lightkeeper.ear import Ear  # noqa: PLC0415
    from lightkeeper.fleet import Fleet  # noqa: PLC0415

    if config.state is None:
        edge.store.sweep()
    saved = await edge.loader(saved_of(edge, config, unreadable), unreadable)()
    if isinstance(saved, Failed):
        raise FileFailure(saved.reason, saved.detail)
    ear = Ear(recorder)
    fleet = Fleet(edge.world(LoopAlarm(edge.clock), ear), saved)
    sources, before = Sources(edge.clock), fleet.places
    edge.kept(config, sources, before)
    edge.clusters.serve(config, before)
    if edge.clusters.targets is not None:
        await edge.clusters.targets.list()
    gone = fleet.apply(edge.kept(config, sources, before))
    served = {state.login: tuple(state.places) for state in fleet.states}
    for login, places in gone.items():
        here = served.get(login, ())
        stays = edge.clusters.apart(config, login, places, here)
        names = [one.name for one in await edge.clusters.holding(config, login, stays)]
        if apart := _apart(edge, names, [place.name for place in here]):
            left(login, apart)
    async with asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(fleet.run(), name="fleet")
        await settle(fleet, ear, edge.clock)
        keeping.cancel()
    await edge.workers.drain(timedelta(seconds=5))
    asked, states = edge.clusters, fleet.states
    return view_of(config, states, edge.clock, unlisted=asked.unlisted, unchosen=asked.unchosen)


def _apart(edge: Edge, places: list[str], served: Collection[str]) -> list[str]:
    """Those places that are no served file under another name, as far as that is told in time."""
    apart = in_time(partial(edge.writers.apart, places, served), PLACE)
    return places if isinstance(apart, Failed) else apart


def leader(config: Config) -> str:
    """Which replica leads: it is seen to renew the Lease. Empty if none is, or none is told.

    No clock is compared: it takes as long as a renewal, unless the Lease is nobody's.
    """
    import asyncio  # noqa: PLC0415 - as in `once`

    from lightkeeper.cluster import LeaseSeen  # noqa: PLC0415
    from lightkeeper.pace import pause  # noqa: PLC0415

    async def seen(election: LeaderElection) -> str:
        edge, lease = Edge(config), election.lease
        try:
            cluster = edge.clusters.own("leader_election")
            before = await cluster.read_lease(lease.namespace, lease.name)
            if not isinstance(before, LeaseSeen) or not before.holder:
                return ""
            await pause(_RENEWED * election.retry)
            after = await cluster.read_lease(lease.namespace, lease.name)
        finally:
            await edge.close()
        if not isinstance(after, LeaseSeen) or after.version == before.version:
            return ""
        return after.holder

    return asyncio.run(seen(config.leader_election)) if config.leader_election else ""


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
    served: Mapping[str, Collection[Place]],
    unreadable: Unreadable,
) -> tuple[Withdrawn, ...]:
    """Take the entries of these logins, or of all that are kept, out of every place.

    A login that a running daemon keeps has its places in `served`: it is taken out of others only,
    and is not forgotten. Of the rest all that is kept goes once their entries are out. A file that
    the configuration still names is written in place if it says so.
    """
    import asyncio  # noqa: PLC0415 - as in `once`

    async def all_of_it() -> tuple[Withdrawn, ...]:
        edge = Edge(config)
        try:
            saved = kept_in(edge, unreadable) if config.state is None else {}
            loaded = await edge.loader(saved, unreadable)()
            if isinstance(loaded, Failed):
                raise FileFailure(loaded.reason, loaded.detail)
            work = _Withdrawal(config, edge)
            wanted = {name: kept for name, kept in loaded.items() if not logins or name in logins}
            return tuple(
                [
                    one
                    for name, kept in wanted.items()
                    async for one in work.of(name, kept, served.get(name))
                ]
            )
        finally:
            await edge.close()

    return asyncio.run(all_of_it())


class _Withdrawal:
    """One pass over what is kept, with one client for each cluster."""

    def __init__(self, config: Config, edge: Edge) -> None:
        self._config = config
        self._edge = edge
        self._options = {
            str(output.path): file_options(output)
            for login in config.logins
            for output in login.outputs
            if isinstance(output, FileOutput)
        }

    async def of(
        self, login: LoginName, kept: Saved, served: Collection[Place] | None
    ) -> AsyncIterator[Withdrawn]:
        """What became of one login; of one that is not `served` at all nothing is kept."""
        files: dict[str, set[Known]] = {}
        secrets: dict[tuple[Cluster | Failed, str], tuple[Place, set[Known]]] = {}
        known: set[Known]
        for left in kept.all_places():
            if left.place.is_file:
                known = files.setdefault(left.name, set())
            else:
                key = (self._cluster(login, left.place), left.name)
                _, known = secrets.setdefault(key, (left.place, set()))
            known.update(left.known, kept.known)
        for place in served or ():
            files.pop(place.name, None)
            if not place.is_file:
                secrets.pop((self._cluster(login, place), place.name), None)
        is_out = True
        paths = [place.name for place in served or () if place.is_file]
        for path in _apart(self._edge, [*files], paths):
            hosts, ours = _named(files[path])
            options = self._options.get(path)
            take_out = partial(self._edge.writers.withdraw, path, hosts, ours, options)
            one = _withdrawn(login, path, in_time(take_out, PLACE))
            is_out = is_out and one.failure is None
            yield one
        names = Counter(name for _, name in secrets)
        for (cluster, name), (place, known) in secrets.items():
            outcome = await self._take_out(cluster, name, login, known)
            told = name if names[name] == 1 else f"{name} of {place.output}"
            one = _withdrawn(login, told, outcome)
            is_out = is_out and one.failure is None
            yield one
        if is_out and served is None:
            failure = await self._forgotten(login)
            if failure or not (files or secrets):
                yield Withdrawn(login=login, place="", was_there=False, failure=failure)

    def _cluster(self, login: LoginName, place: Place) -> Cluster | Failed:
        try:
            return self._edge.clusters.cluster_of(self._config, login, place)
        except ConfigErrors as exc:
            return Failed(reason=Reason.INVALID_INPUT, detail=str(exc.problems[0]))

    async def _take_out(
        self, cluster: Cluster | Failed, name: str, login: LoginName, known: Collection[Known]
    ) -> bool | Failed:
        from lightkeeper.adapters.kubernetes.output import withdraw  # noqa: PLC0415

        if isinstance(cluster, Failed):
            return cluster
        return await withdraw(cluster, name, login, *_named(known))

    async def _forgotten(self, login: LoginName) -> Failed | None:
        """Keep nothing of a login any more, wherever it is kept."""
        if self._config.state is None:
            return self._edge.store.remove(login)
        return await self._edge.forget(login)


def _named(known: Collection[Known]) -> tuple[set[RegistryHost], set[Digest]]:
    return {one.registry for one in known}, {one.digest for one in known}


def _withdrawn(login: LoginName, place: str, outcome: object) -> Withdrawn:
    failure = outcome if isinstance(outcome, Failed) else None
    return Withdrawn(login=login, place=place, was_there=outcome is True, failure=failure)


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
