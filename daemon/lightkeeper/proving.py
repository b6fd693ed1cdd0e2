"""What clusters would refuse of all that a configuration needs: asked for, and nothing written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from lightkeeper.cluster import Cluster
from lightkeeper.config.model import Config, KubernetesSecret
from lightkeeper.config.values import ObjectName
from lightkeeper.core.credential import Credential, RegistryHost, Secret
from lightkeeper.core.facts import LoginName, OutputName, Place
from lightkeeper.core.namespaces import Choice
from lightkeeper.core.reasons import Failing, Reason
from lightkeeper.core.state import LoginState
from lightkeeper.core.upkeep import LEASE, NAMESPACES, STORE
from lightkeeper.edge import Edge
from lightkeeper.look import delivery_of
from lightkeeper.ports import Failed, IfForeign, Output
from lightkeeper.viewing import LOOKS, taken_up

if TYPE_CHECKING:
    from lightkeeper.adapters.kubernetes.state_secret import StateSecret

T = TypeVar("T")
U = TypeVar("U")

_AT_ONCE: Final = 8
_PLACEHOLDER: Final = "placeholder-of-lightkeeper-check"


class Pulling(Struct, frozen=True, kw_only=True):
    """A ServiceAccount whose pods pull with a Secret of ours, which cannot be pulled with."""

    namespace: str
    account: str
    secret: str


class Tried(Struct, frozen=True, kw_only=True):
    """What an output's Secrets were tried for."""

    login: LoginName
    output: OutputName
    places: int
    tried: int
    """How many were tried of those that were looked at; the others fail as it is known."""
    looked: int
    """How many of the first were looked at."""
    is_placeholder: bool
    """Whether what was tried is no login, since none is held."""
    failures: tuple[tuple[str, Failed], ...]
    """By place."""
    unmakeable: tuple[tuple[str, Failed], ...] = ()
    """What keeps one that is there, and may be written, from being made anew, by place."""
    undeletable: tuple[tuple[str, Failed], ...] = ()
    """What keeps `prune` from deleting them, by place; empty without it."""
    pulling: tuple[Pulling, ...]


class Needed(Struct, frozen=True, kw_only=True):
    """What has to be allowed besides."""

    what: str
    does: str
    """What can be done with it, if nothing failed."""
    failed: Failed | None
    advice: Mapping[Reason, Failing]


class Proof(Struct, frozen=True, kw_only=True):
    """What came of it."""

    secrets: tuple[Tried, ...]
    others: tuple[Needed, ...]


def proof(config: Config, known: Collection[str]) -> Proof:
    """Try all that is to be written into clusters in dry runs; places among `known` fail anyway.

    `ConfigErrors` for a cluster that cannot be asked.
    """
    return asyncio.run(_proof(config, known))


async def _proof(config: Config, known: Collection[str]) -> Proof:
    edge = Edge(config)
    try:
        # What cannot be read of the state is said by whoever looked before.
        logins = await taken_up(config, edge, lambda _, __: None, lambda _: None)
        secrets = []
        for login, (state, outputs) in zip(config.logins, logins, strict=True):
            for said, output in zip(login.outputs, outputs, strict=True):
                if isinstance(said, KubernetesSecret):
                    cluster = edge.clusters.cluster(said)
                    secrets.append(
                        await tried(said, output, state, cluster, known, edge.clock.now().wall)
                    )
        others = [one async for one in _others(config, edge)]
        return Proof(secrets=tuple(secrets), others=tuple(others))
    finally:
        await edge.close()


async def tried(
    said: KubernetesSecret,
    output: Output,
    state: LoginState,
    cluster: Cluster,
    known: Collection[str],
    now: datetime,
) -> Tried:
    """What comes of the first Secrets of an output, those that are not among `known`."""
    places = tuple(output.places())
    first = places[:LOOKS]
    unknown = [place for place in first if place.name not in known]
    held = state.held or _placeholder(now)

    async def refused(place: Place) -> tuple[str, Failed] | None:
        assert output.prove is not None  # noqa: S101 - of a Secret there is a dry run
        delivery = delivery_of(replace(state, held=held), place, held)
        if delivery.if_foreign is IfForeign.ASK:  # the registry would be asked before
            delivery = replace(delivery, if_foreign=IfForeign.REPLACE)
        failed = await output.prove(place, delivery)
        return None if failed is None else (place.name, failed)

    async def lacking(verb: str, asked: list[Place]) -> tuple[tuple[str, Failed], ...]:
        async def lacks(place: Place) -> tuple[str, Failed] | None:
            failed = await _denied(cluster, [verb], "secrets", place.namespace, place.secret)
            return None if failed is None else (place.name, failed)

        # A ClusterRole gives it everywhere: then one question is enough for very many.
        if len(asked) > 1 and not await _denied(cluster, [verb], "secrets", name=said.secret):
            return ()
        return tuple(one for one in await _each(lacks, asked) if one is not None)

    async def pulling(place: Place) -> list[Pulling]:
        namespace, name = place.namespace, place.secret
        accounts = await cluster.pulling_accounts(namespace, name)
        # Who may not list them is told nothing: no right is asked for this.
        names = () if isinstance(accounts, Failed) else accounts
        return [Pulling(namespace=namespace, account=one, secret=name) for one in names]

    failures = [one for one in await _each(refused, unknown) if one is not None]
    # Where nobody answers there is one thing to tell, and where a right is missing each of them.
    silent = {name for name, one in failures if one.reason is not Reason.ACCESS_DENIED}
    asked = [place for place in unknown if said.deletes and place.name not in silent]
    failing = {name for name, _ in failures}
    # A dry run asks for `create` only where no Secret is.
    written = [place for place in unknown if place.name not in failing]
    return Tried(
        login=state.login,
        output=output.name,
        places=len(places),
        tried=len(unknown),
        looked=len(first),
        is_placeholder=state.held is None,
        failures=tuple(failures),
        unmakeable=await lacking("create", written),
        undeletable=await lacking("delete", asked),
        pulling=tuple(one for found in await _each(pulling, first) for one in found),
    )


async def _others(config: Config, edge: Edge) -> AsyncIterator[Needed]:
    """The namespaces, the state and the Lease."""
    listed: list[Cluster] = []
    for said in (output for login in config.logins for output in login.outputs):
        if isinstance(said, KubernetesSecret) and _is_listed(said):
            cluster = edge.clusters.cluster(said)
            if cluster not in listed:
                listed.append(cluster)
                failed = await _denied(cluster, ["list", "watch"], "namespaces")
                yield Needed(
                    what="namespaces",
                    does="can be listed and watched",
                    failed=failed,
                    advice=NAMESPACES,
                )
    if config.state is not None and (where := config.state.secret) is not None:
        state = edge.clusters.state(where.namespace, where.name)
        yield Needed(
            what=f"the state {where}",
            does="could be saved",
            failed=await tried_state(state, edge.clusters.own("state"), where),
            advice=STORE,
        )
    if config.leader_election is not None:
        lease = config.leader_election.lease
        failed = await tried_lease(edge.clusters.own("leader_election"), lease)
        yield Needed(what=f"the Lease {lease}", does="could be held", failed=failed, advice=LEASE)


async def tried_state(state: StateSecret, cluster: Cluster, where: ObjectName) -> Failed | None:
    """What keeps a state from being saved, now or once somebody deleted the Secret."""
    if failed := await state.prove():
        return failed
    return await _denied(cluster, ["create"], "secrets", where.namespace, where.name)


async def tried_lease(cluster: Cluster, where: ObjectName) -> Failed | None:
    """What keeps a candidate from the Lease."""
    seen = await cluster.read_lease(where.namespace, where.name)
    if isinstance(seen, Failed):
        return seen
    if denied := await _denied(cluster, ["update"], "leases", where.namespace, where.name):
        return denied
    return None if seen else await _denied(cluster, ["create"], "leases", where.namespace)


async def _denied(
    cluster: Cluster, verbs: Iterable[str], resource: str, namespace: str = "", name: str = ""
) -> Failed | None:
    for verb in verbs:
        is_allowed = await cluster.may(verb, resource, namespace, name)
        if isinstance(is_allowed, Failed):
            return is_allowed
        if not is_allowed:
            detail = f"this identity may not {verb} {resource}"
            return Failed(reason=Reason.ACCESS_DENIED, detail=detail)
    return None


async def _each(work: Callable[[T], Awaitable[U]], ones: Iterable[T]) -> list[U]:
    """What comes of each, in order; a few at a time, since a call's deadline counts its wait."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def bounded(one: T) -> U:
        async with room:
            return await work(one)

    return await asyncio.gather(*map(bounded, ones))


def _is_listed(said: KubernetesSecret) -> bool:
    choice = Choice.of(said.namespaces, said.namespace_selector, said.exclude)
    return bool(choice.selectors)


def _placeholder(now: datetime) -> Credential:
    """What stands for a login where none is held: no registry has that name."""
    return Credential(
        registry=RegistryHost("lightkeeper-check.invalid"),
        username="AWS",
        password=Secret(_PLACEHOLDER),
        issued_at=now,
        expires_at=now + timedelta(hours=12),
    )
