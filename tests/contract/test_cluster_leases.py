"""Leases and namespaces, as the simulation has them and as a real API server does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from msgspec.structs import replace

from lightkeeper.cluster import (
    Cluster,
    LeaseSeen,
    Listed,
    NamespaceGone,
    NamespaceSeen,
    Stale,
)
from lightkeeper.core.reasons import Reason
from lightkeeper.ports import Failed
from tests.contract.clustering import Stage
from tests.fakes.cluster import Right

BEGAN: Final = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
LATER: Final = BEGAN + timedelta(seconds=10)
NEW: Final = LeaseSeen(
    version="",
    holder="one",
    duration_seconds=30,
    acquired_at=BEGAN,
    renewed_at=BEGAN,
    transitions=0,
)
NAME: Final = "lightkeeper"
CAN_WATCH: Final = Right(verbs=("list", "watch"), resource="namespaces")

Told = Listed | NamespaceSeen | NamespaceGone | Failed


async def written(cluster: Cluster, namespace: str, lease: LeaseSeen = NEW) -> LeaseSeen:
    seen = await cluster.write_lease(namespace, NAME, lease)
    assert isinstance(seen, LeaseSeen), seen
    return seen


async def test_a_lease_that_is_not_there_is_none(stage: Stage, cluster: Cluster) -> None:
    assert await cluster.read_lease(stage.namespace(), NAME) is None
    assert await cluster.read_lease("nowhere", NAME) is None


async def test_a_lease_is_read_as_it_was_written(stage: Stage, cluster: Cluster) -> None:
    """To the microsecond."""
    namespace = stage.namespace()

    made = await written(cluster, namespace)

    assert made.version
    assert made == replace(NEW, version=made.version)
    assert await cluster.read_lease(namespace, NAME) == made


async def test_a_lease_is_made_once(stage: Stage, cluster: Cluster) -> None:
    namespace = stage.namespace()
    made = await written(cluster, namespace)

    assert await cluster.write_lease(namespace, NAME, replace(NEW, holder="two")) == Stale()
    assert await cluster.read_lease(namespace, NAME) == made


async def test_of_two_who_write_over_a_version_one_does(stage: Stage, cluster: Cluster) -> None:
    namespace = stage.namespace()
    made = await written(cluster, namespace)

    taken = await written(cluster, namespace, replace(made, holder="two", transitions=1))

    assert taken.version != made.version
    assert (taken.holder, taken.transitions) == ("two", 1)
    late = replace(made, renewed_at=LATER)
    assert await cluster.write_lease(namespace, NAME, late) == Stale()
    assert await cluster.read_lease(namespace, NAME) == taken


async def test_a_lease_written_as_it_is_keeps_its_version(stage: Stage, cluster: Cluster) -> None:
    """So two who write the same within a microsecond would both have written it."""
    namespace = stage.namespace()
    made = await written(cluster, namespace)

    assert await written(cluster, namespace, made) == made
    assert (await written(cluster, namespace, replace(made, renewed_at=LATER))) != made


async def test_a_released_lease_has_nobody_and_lasts_a_second(
    stage: Stage, cluster: Cluster
) -> None:
    namespace = stage.namespace()
    made = await written(cluster, namespace)

    released = await written(cluster, namespace, replace(made, holder="", duration_seconds=1))

    assert (released.holder, released.duration_seconds) == ("", 1)


@pytest.mark.parametrize("bad", [{"duration_seconds": 0}, {"transitions": -1}])
async def test_a_lease_that_cannot_be_is_refused(
    stage: Stage, cluster: Cluster, bad: dict[str, int]
) -> None:
    namespace = stage.namespace()
    made = await written(cluster, namespace)

    for lease in (replace(made, **bad), replace(NEW, **bad)):
        refused = await cluster.write_lease(
            namespace, "other" if not lease.version else NAME, lease
        )
        assert isinstance(refused, Failed)
        assert refused.reason is Reason.INVALID_INPUT


async def test_a_lease_that_is_gone_is_not_written_over(stage: Stage, cluster: Cluster) -> None:
    namespace = stage.namespace()
    made = await written(cluster, namespace)
    stage.delete_lease(namespace, NAME)

    assert await cluster.write_lease(namespace, NAME, replace(made, holder="two")) == Stale()
    assert (await written(cluster, namespace)).holder == "one"


async def test_where_a_lease_can_be(stage: Stage, cluster: Cluster) -> None:
    namespace = stage.namespace()
    made = await written(cluster, namespace)
    stage.end_namespace(namespace)

    missing = await cluster.write_lease("nowhere", NAME, NEW)
    ending = await cluster.write_lease(namespace, "other", NEW)

    assert isinstance(missing, Failed)
    assert isinstance(ending, Failed)
    assert missing.reason is Reason.NAMESPACE_MISSING
    assert ending.reason is Reason.NAMESPACE_TERMINATING
    assert isinstance(await written(cluster, namespace, replace(made, renewed_at=LATER)), LeaseSeen)


ROLES: Final = {
    "nothing": ([], False, False),
    "named": (
        [Right(verbs=("get", "create", "update"), resource="leases", names=(NAME,))],
        False,
        True,
    ),
    "created_unnamed": (
        [
            Right(verbs=("create",), resource="leases"),
            Right(verbs=("get", "update"), resource="leases", names=(NAME,)),
        ],
        True,
        True,
    ),
}


@pytest.mark.parametrize("name", ROLES)
async def test_the_rights_that_a_lease_needs(stage: Stage, cluster: Cluster, name: str) -> None:
    """To make one by its name alone is no right at all: a POST has no name."""
    rights, may_create, may_change = ROLES[name]
    namespace = stage.namespace()
    limited = stage.connect(*rights)

    def is_allowed(outcome: object) -> bool:
        assert not isinstance(outcome, Failed) or outcome.reason is Reason.ACCESS_DENIED, outcome
        return not isinstance(outcome, Failed)

    assert is_allowed(await limited.write_lease(namespace, NAME, NEW)) is may_create
    if not may_create:
        await written(cluster, namespace)
    there = await cluster.read_lease(namespace, NAME)
    assert isinstance(there, LeaseSeen)
    assert is_allowed(await limited.read_lease(namespace, NAME)) is may_change
    renewed = await limited.write_lease(namespace, NAME, replace(there, renewed_at=LATER))
    assert is_allowed(renewed) is may_change
    await limited.close()


@asynccontextmanager
async def watching(cluster: Cluster, selector: str) -> AsyncIterator[AsyncIterator[Told]]:
    async with aclosing(cluster.watch_namespaces(selector)) as watch:  # type: ignore[type-var]
        yield watch


async def told(watch: AsyncIterator[Told]) -> Told:
    async with asyncio.timeout(20):
        return await anext(watch)


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("", {"a", "b", "c"}),
        ("ci=true", {"a"}),
        ("ci==true,team", {"a"}),
        ("ci!=true", {"b", "c"}),
        ("ci", {"a", "b"}),
        ("!ci", {"c"}),
        ("ci in (true, false)", {"a", "b"}),
        ("ci notin (true)", {"b", "c"}),
        ("team=blue, ci", {"a"}),
    ],
)
async def test_what_a_selector_takes(
    stage: Stage, cluster: Cluster, selector: str, expected: set[str]
) -> None:
    names = {
        stage.namespace({"ci": "true", "team": "blue"}): "a",
        stage.namespace({"ci": "false"}): "b",
        stage.namespace(): "c",
    }

    async with watching(cluster, selector) as watch:
        listed = await told(watch)

    assert isinstance(listed, Listed)
    found = {one.name: one for one in listed.namespaces}
    assert {names[name] for name in names.keys() & found.keys()} == expected
    for name in names.keys() & found.keys():
        assert not found[name].is_ending


async def test_what_happens_to_namespaces_is_told(stage: Stage, cluster: Cluster) -> None:
    label = stage.namespace()  # a word that nobody else has
    async with watching(cluster, label) as watch:
        assert await told(watch) == Listed(())

        name = stage.namespace({label: "1"})
        seen = await told(watch)
        assert isinstance(seen, NamespaceSeen)
        assert (seen.name, seen.is_ending) == (name, False)

        stage.label_namespace(name, {label: "2"})
        seen = await told(watch)
        assert isinstance(seen, NamespaceSeen)
        assert (seen.name, seen.is_ending) == (name, False)

        stage.end_namespace(name)
        seen = await told(watch)
        assert isinstance(seen, NamespaceSeen)
        assert (seen.name, seen.is_ending) == (name, True)

        stage.finish_namespace(name)
        assert await told(watch) == NamespaceGone(name)


async def test_what_no_longer_matches_is_gone_and_comes_back(
    stage: Stage, cluster: Cluster
) -> None:
    label = stage.namespace()
    name = stage.namespace({label: "1"})
    async with watching(cluster, label) as watch:
        listed = await told(watch)
        assert isinstance(listed, Listed)
        assert [one.name for one in listed.namespaces] == [name]

        stage.label_namespace(name, {label: None})
        assert await told(watch) == NamespaceGone(name)

        stage.label_namespace(name, {"unheard": "of"})
        stage.label_namespace(name, {label: "1"})
        seen = await told(watch)
        assert isinstance(seen, NamespaceSeen)
        assert (seen.name, seen.is_ending) == (name, False)


async def test_a_namespace_that_ends_is_listed_so(stage: Stage, cluster: Cluster) -> None:
    label = stage.namespace()
    name = stage.namespace({label: "1"})
    stage.end_namespace(name)

    async with watching(cluster, label) as watch:
        listed = await told(watch)

    assert isinstance(listed, Listed)
    assert [(one.name, one.is_ending) for one in listed.namespaces] == [(name, True)]


@pytest.mark.parametrize("selector", ["a=b=c", "in (a)", "=x"])
async def test_what_is_no_selector_is_refused(cluster: Cluster, selector: str) -> None:
    async with watching(cluster, selector) as watch:
        refused = await told(watch)

    assert isinstance(refused, Failed)
    assert refused.reason is Reason.INVALID_INPUT


async def test_whoever_may_not_list_is_told_so_and_asks_again(stage: Stage) -> None:
    limited = stage.connect(Right(verbs=("get",), resource="namespaces"))

    async with watching(limited, "") as watch:
        outcomes = [await told(watch), await told(watch)]

    assert [one.reason for one in outcomes if isinstance(one, Failed)] == [
        Reason.ACCESS_DENIED,
        Reason.ACCESS_DENIED,
    ]
    await limited.close()


async def test_whoever_may_list_and_not_watch_is_told_both(stage: Stage) -> None:
    limited = stage.connect(Right(verbs=("list",), resource="namespaces"))

    async with watching(limited, "") as watch:
        listed, refused = await told(watch), await told(watch)

    assert isinstance(listed, Listed)
    assert isinstance(refused, Failed)
    assert refused.reason is Reason.ACCESS_DENIED
    await limited.close()
