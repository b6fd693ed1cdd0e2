"""How logins stand where no daemon says it: by what was saved, and by a look at their places."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeAlias

from lightkeeper.adapters.clock import boot_id
from lightkeeper.adapters.posix import mount_points
from lightkeeper.adapters.workers import in_time
from lightkeeper.config.model import Config, FileOutput, KubernetesSecret, Login, source_fingerprint
from lightkeeper.core.facts import LoginName, OutputName, Place
from lightkeeper.core.file_failure import FileFailure
from lightkeeper.core.fold import fold
from lightkeeper.core.reasons import Reason
from lightkeeper.core.report import Report
from lightkeeper.core.saved import Saved, begin
from lightkeeper.core.state import LoginState, digests_of
from lightkeeper.edge import Edge, file_options, policy_of, view_of
from lightkeeper.look import looked, places_of, spared
from lightkeeper.ports import Failed, Found, Output, Pending

if TYPE_CHECKING:
    from lightkeeper.adapters.docker_file import FileOptions, FileWriters


Unreadable: TypeAlias = Callable[[LoginName, str], None]
"""Is told which login's saved state cannot be used, and why."""
Unread: TypeAlias = Callable[[FileFailure], None]
"""Is told why nothing that is saved can be read; who does not raise goes on with nothing."""

LOOKS: Final = 200
"""Secrets of one output that a command looks at."""
PLACE: Final = timedelta(seconds=10)
"""For one place, where no daemon waits for it."""


def _raised(exc: FileFailure) -> None:
    raise exc


def stored(config: Config, unreadable: Unreadable, unread: Unread = _raised) -> Report:
    """How the logins stand by what is kept of them and what their places hold.

    Asks nobody but the clusters of Secrets, and changes nothing; a place that hangs holds up the
    others for its deadline alone. `FileFailure` if the state cannot be read, `ConfigErrors` for a
    cluster that cannot be asked.
    """
    edge = Edge(config)
    if config.state is None and not any(map(_has_secrets, config.logins)):
        return _report(config, edge, _kept(edge, config, unreadable, unread))
    import asyncio  # noqa: PLC0415 - as in `once`

    return asyncio.run(_stored_in_clusters(config, edge, unreadable, unread))


def _has_secrets(login: Login) -> bool:
    return any(isinstance(output, KubernetesSecret) for output in login.outputs)


async def taken_up(
    config: Config, edge: Edge, unreadable: Unreadable, unread: Unread
) -> list[tuple[LoginState, list[Output]]]:
    """Each login as a daemon would begin with it, with its outputs; namespaces are listed once."""
    saved = await edge.loader(_kept(edge, config, unreadable, unread), unreadable)()
    if isinstance(saved, Failed):
        unread(FileFailure(saved.reason, saved.detail))
        saved = {}
    served = {
        name: [Place(OutputName(output), place) for output, place in one.places]
        for name, one in saved.items()
    }
    edge.reach_all(config)
    edge.clusters.serve(config, served)
    if edge.clusters.targets is not None:
        await edge.clusters.targets.list()
    return [
        (state.with_places(places_of(outputs)), outputs)
        for login, state in zip(config.logins, _begun(config, edge, saved), strict=True)
        for outputs in [edge.outputs(login, served)]
    ]


async def _stored_in_clusters(
    config: Config, edge: Edge, unreadable: Unreadable, unread: Unread
) -> Report:
    try:
        states = []
        logins = await taken_up(config, edge, unreadable, unread)
        for login, (state, outputs) in zip(config.logins, logins, strict=True):
            known = _looked(state, login, edge)
            states.append(await _looked_in_clusters(known, outputs, edge))
        asked = edge.clusters
        return view_of(config, states, edge.clock, unlisted=asked.unlisted, unchosen=asked.unchosen)
    finally:
        await edge.close()


async def _looked_in_clusters(
    state: LoginState, outputs: Iterable[Output], edge: Edge
) -> LoginState:
    """The state with the first of its Secrets read."""
    if state.held is None:
        return state
    for output in outputs:
        for place in islice((one for one in output.places() if not one.is_file), LOOKS):
            seen = await output.read(place, state.held, spared(state, place))
            for one in _with_obstacle(seen):
                for fact in looked(state, place, one, edge.clock.now()):
                    state = fold(state, fact)
    return state


def _with_obstacle(seen: Found | Pending | Failed) -> list[Found | Pending | Failed]:
    """What was seen, and what would keep a delivery from there, if one is needed."""
    if not isinstance(seen, Found) or seen.settled or seen.obstacle is None:
        return [seen]
    return [seen, seen.obstacle]


def _report(config: Config, edge: Edge, saved: Mapping[LoginName, Saved]) -> Report:
    states = [
        _looked(state.with_places(places_of(edge.files(login))), login, edge)
        for login, state in zip(config.logins, _begun(config, edge, saved), strict=True)
    ]
    return view_of(config, states, edge.clock)


def _begun(config: Config, edge: Edge, saved: Mapping[LoginName, Saved]) -> Iterator[LoginState]:
    """Each login as a daemon would begin with it."""
    kin = digests_of(one.known for one in saved.values())
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
        yield state.under(state.policy, kin)


def _looked(state: LoginState, login: Login, edge: Edge) -> LoginState:
    """The state with its files read, as a keeper would read them before it delivers."""
    options = {
        str(output.path): file_options(output)
        for output in login.outputs
        if isinstance(output, FileOutput)
    }
    for place in state.places:
        if not place.is_file:
            continue
        seek = partial(_seen, edge.writers, state, place, options[place.name])
        seen = in_time(seek, PLACE)
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
            if isinstance(seen := in_time(probe, PLACE), Failed):
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
    """What would keep us from owning the state directory, or from saving in it; None if none is."""
    if config.state is not None:
        return None
    names = [LoginName(login.name) for login in config.logins]
    return in_time(partial(Edge(config).store.obstacle, names), PLACE)


def saved_of(edge: Edge, config: Config, unreadable: Unreadable) -> dict[LoginName, Saved]:
    """What the state directory has; nothing where the state is in a cluster."""
    return {} if config.state else kept_in(edge, unreadable)


def _kept(
    edge: Edge, config: Config, unreadable: Unreadable, unread: Unread
) -> dict[LoginName, Saved]:
    try:
        return saved_of(edge, config, unreadable)
    except FileFailure as exc:
        unread(exc)
        return {}


def kept_in(edge: Edge, unreadable: Unreadable) -> dict[LoginName, Saved]:
    """What is kept of each login; what cannot be used of it is told."""
    saved, lost = edge.store.load()
    for one in lost:
        unreadable(one.login, one.detail)
    return saved
