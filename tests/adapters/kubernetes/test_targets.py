"""Which namespaces are served, and what goes with those that are no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from lightkeeper.adapters.clock import SystemClock
from lightkeeper.adapters.kubernetes.clusters import Clusters
from lightkeeper.adapters.kubernetes.manifest import SecretOptions
from lightkeeper.adapters.kubernetes.output import KubernetesSecret
from lightkeeper.adapters.kubernetes.targets import ServedSecret, Targets
from lightkeeper.cluster import ClusterConfig, SecretSeen
from lightkeeper.core.facts import LoginName, OutputName, Place
from lightkeeper.core.namespaces import Choice, Unlisted
from lightkeeper.core.reasons import Reason
from lightkeeper.owning import Ranks
from lightkeeper.ports import Failed, Put
from tests.adapters.kubernetes.api import SECRET, TOKEN, Reply, saying, serving
from tests.adapters.kubernetes.test_clusters import CHANCE, write
from tests.core.making import LOGIN, NOON, SECOND_ONE
from tests.fakes.cluster import UNREACHABLE, FakeApiServer, FakeCluster, Identity, Right
from tests.fakes.edge import turns
from tests.filing import a_delivery

NAME = "lightsail-push"
OUTPUT = OutputName("secrets")
RIGHTS = (
    Right(verbs=("get", "create", "patch", "delete"), resource="secrets", names=(NAME,)),
    Right(verbs=("list", "watch"), resource="namespaces"),
)


class Reached(FakeCluster):
    """The one cluster."""

    __hash__ = object.__hash__
    limited: float | None = None

    def limit(self, per_second: float | None) -> None:
        self.limited = per_second


class Scene:
    """A cluster with some namespaces, and one output."""

    def __init__(
        self,
        choice: Choice,
        *,
        is_pruned: bool = False,
        is_shared: bool = False,
        known: tuple[str, ...] = (),
        rights: tuple[Right, ...] = RIGHTS,
        pause: timedelta = timedelta(0),
    ) -> None:
        self.server = FakeApiServer(now=lambda: NOON)
        for name in ("ci", "team-a", "kube-system"):
            self.server.namespace(name)
        self.cluster = Reached(self.server, Identity(rights=rights))
        clusters: Any = self
        self.targets = Targets(clusters, Ranks(), pause)
        self.served = ServedSecret(
            login=LOGIN,
            name=OUTPUT,
            where=ClusterConfig(),
            choice=choice,
            options=SecretOptions(name=NAME, is_shared=is_shared),
            replaces_foreign=False,
            known=frozenset(known),
            is_pruned=is_pruned,
        )
        self.changes = asyncio.Event()
        self.targets.hooks.changed = self.changes.set
        self.not_left: list[str] = []
        self.pruned: list[list[str]] = []
        self.not_pruned: list[str] = []
        self.targets.hooks.not_left = lambda _, place: self.not_left.append(place.name)
        self.targets.hooks.pruned = lambda *told: self.pruned.append([*told[2]])
        self.targets.hooks.not_pruned = lambda _, place: self.not_pruned.append(place.name)

    def reach(self, _: ClusterConfig) -> Reached:
        return self.cluster

    def keep(self, _: object) -> None:
        """There is no other."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[KubernetesSecret]:
        output = self.targets.output(self.served)
        self.targets.serve([self.served])
        self.changes.clear()
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.targets.run(), name="targets")
            yield output
            task.cancel()

    async def changed(self) -> None:
        async with asyncio.timeout(5):
            await self.changes.wait()
        self.changes.clear()


def namespaces_of(output: KubernetesSecret) -> list[str]:
    return [place.name.partition("/")[0] for place in output.places()]


async def test_an_output_is_unlisted_until_it_is_told_which_namespaces_there_are() -> None:
    scene = Scene(Choice.of(["team-*"], "ci=true", []), known=("team-old",))
    async with scene.running() as output:
        unlisted = [output.is_unlisted]
        await scene.changed()
        while output.is_unlisted:
            await scene.changed()
        unlisted.append(output.is_unlisted)
        scene.server.namespace("team-b")
        await scene.changed()
        unlisted.append(output.is_unlisted)

    assert unlisted == [True, False, False]


@pytest.mark.parametrize(
    ("selector", "served"), [(None, ["ops", "team-old"]), ("ci=true", ["ops", "other", "team-old"])]
)
async def test_before_the_list_only_those_are_served_that_may_be_meant(
    selector: str | None, served: list[str]
) -> None:
    """Who was served by another configuration is told of no failure by this one."""
    choice = Choice.of(["ops", "team-*"], selector, ["team-x", "ops"])
    async with Scene(choice, known=("other", "team-old", "team-x")).running() as output:
        assert output.is_unlisted
        assert namespaces_of(output) == served


async def test_an_output_whose_namespaces_are_all_named_is_told_nothing_more() -> None:
    async with Scene(Choice(names=("ci",))).running() as output:
        assert not output.is_unlisted


async def test_who_lists_once_is_told_nothing_more_even_if_that_failed() -> None:
    scene = Scene(Choice.of(["team-*"], None, []), rights=RIGHTS[:1])
    output = scene.targets.output(scene.served)
    scene.targets.serve([scene.served])
    assert output.is_unlisted

    await scene.targets.list()

    assert scene.targets.why_unlisted is not None
    assert not output.is_unlisted


async def test_named_namespaces_are_served_whether_or_not_they_are_there() -> None:
    async with Scene(Choice(names=("later", "ci"))).running() as output:
        assert namespaces_of(output) == ["ci", "later"]


async def test_a_pattern_finds_namespaces_as_they_come_and_go() -> None:
    scene = Scene(Choice.of(["ci", "team-*"], None, ["team-x*"]), known=("team-old",))
    async with scene.running() as output:
        assert namespaces_of(output) == ["ci", "team-old"]
        await scene.changed()
        assert namespaces_of(output) == ["ci", "team-a"]
        for name in ("team-b", "team-x1"):
            scene.server.namespace(name)
            await scene.changed()
        assert namespaces_of(output) == ["ci", "team-a", "team-b"]
        scene.server.end_namespace("team-a")
        await scene.changed()
        assert namespaces_of(output) == ["ci", "team-b"]


async def test_a_label_finds_them_beside_names() -> None:
    scene = Scene(Choice.of(["ci"], "ci=true", []))
    async with scene.running() as output:
        await scene.changed()
        scene.server.label_namespace("team-a", {"ci": "true"})
        await scene.changed()
        assert namespaces_of(output) == ["ci", "team-a"]
        scene.server.label_namespace("team-a", {"ci": None})
        await scene.changed()
        assert namespaces_of(output) == ["ci"]


async def test_what_chooses_none_is_told_once_they_are_listed_and_until_it_chooses_some() -> None:
    scene = Scene(Choice.of(["nothing-*"], None, []), known=())
    told = asyncio.Queue[Any]()
    async with asyncio.timeout(5), scene.running():
        assert not scene.targets.choosing_none
        scene.targets.hooks.unchosen = told.put_nowait
        assert await told.get() == ((LOGIN, OUTPUT),)
        scene.server.namespace("nothing-yet")
        assert await told.get() == ()
        scene.server.end_namespace("nothing-yet")
        assert await told.get() == ((LOGIN, OUTPUT),)


async def test_it_is_told_why_they_are_not_known_and_when_they_are_again() -> None:
    """What was known before is served meanwhile."""
    scene = Scene(Choice.of([], "ci=true", []), known=("team-old",), rights=RIGHTS[:1])
    told = asyncio.Queue[Unlisted | None]()
    scene.targets.hooks.unlisted = told.put_nowait
    async with asyncio.timeout(5), scene.running() as output:
        why = await told.get()
        assert why is not None
        assert why.reason is Reason.ACCESS_DENIED
        assert scene.targets.why_unlisted == why
        assert namespaces_of(output) == ["team-old"]

        scene.cluster.identity = Identity(rights=RIGHTS)
        while (again := await told.get()) is not None:
            assert again == why
        assert namespaces_of(output) == []


async def test_what_nobody_asks_for_any_more_is_neither_known_nor_failing() -> None:
    """A reload took the pattern away, and another one brings it back: much has happened since."""
    scene = Scene(Choice.of(["team-*"], None, []), known=("team-old",))
    named = replace(scene.served, choice=Choice(names=("ci",)))
    async with scene.running() as output:
        await scene.changed()
        assert namespaces_of(output) == ["team-a"]
        scene.cluster.fate = lambda _: UNREACHABLE
        scene.server.end_watches(Failed(reason=Reason.NETWORK, detail="reset"))
        await turns()
        why = [scene.targets.why_unlisted]

        scene.targets.serve([named])
        await turns()
        why += [scene.targets.why_unlisted]

        scene.targets.serve([scene.served])
        assert namespaces_of(output) == ["team-old"]

    assert why == [Unlisted(reason=Reason.NETWORK, detail="reset"), None]


async def test_of_two_logins_in_one_secret_one_is_refused_once_both_are_served() -> None:
    scene = Scene(Choice(names=("ci",)))
    other = replace(scene.served, login=LoginName("other"))
    scene.targets.serve([scene.served, other])
    place = Place(output=OUTPUT, name=f"ci/{NAME}")

    first = await scene.targets.output(scene.served).deliver(place, a_delivery())
    second = await scene.targets.output(other).deliver(
        place, a_delivery(SECOND_ONE, login=other.login)
    )

    assert isinstance(first, Put)
    assert isinstance(second, Failed)
    assert second.reason is Reason.CONFLICT


async def test_who_only_looks_lists_them_once() -> None:
    scene = Scene(Choice.of(["team-*"], None, []))
    output = scene.targets.output(scene.served)
    scene.targets.serve([scene.served])

    await scene.targets.list()

    assert namespaces_of(output) == ["team-a"]


@pytest.mark.parametrize(
    ("namespaces", "selector"), [(["team-*"], None), ([], "ci=true"), (["team-*"], "ci=true")]
)
async def test_with_a_namespace_that_is_deleted_its_secret_is_gone(
    namespaces: list[str], selector: str | None
) -> None:
    scene = Scene(Choice.of(namespaces, selector, []))
    scene.server.label_namespace("team-a", {"ci": "true"})
    place = Place(output=OUTPUT, name=f"team-a/{NAME}")
    async with scene.running() as output:
        while "team-a" not in namespaces_of(output):
            await scene.changed()
        assert output.may_stay(place)
        scene.server.end_namespace("team-a")
        while "team-a" in namespaces_of(output):
            await scene.changed()

        assert not output.may_stay(place)


async def test_a_namespace_that_a_label_finds_no_more_may_have_its_secret_still() -> None:
    scene = Scene(Choice.of([], "ci=true", []))
    scene.server.label_namespace("team-a", {"ci": "true"})
    async with scene.running() as output:
        await scene.changed()
        scene.server.label_namespace("team-a", {"ci": None})
        await scene.changed()

        assert namespaces_of(output) == []
        assert output.may_stay(Place(output=OUTPUT, name=f"team-a/{NAME}"))


async def test_of_a_namespace_that_was_deleted_meanwhile_a_list_of_all_knows() -> None:
    scene = Scene(Choice.of(["team-*"], None, []), known=("team-a", "team-old"))
    async with scene.running() as output:
        await scene.changed()

        assert not output.may_stay(Place(output=OUTPUT, name=f"team-old/{NAME}"))
        assert output.may_stay(Place(output=OUTPUT, name=f"team-a/{NAME}"))


def many(scene: Scene, login: str, count: int, qps: int | None) -> ServedSecret:
    """An output of a login of its own into so many namespaces."""
    return replace(
        scene.served,
        login=LoginName(login),
        where=ClusterConfig(qps=qps),
        choice=Choice(names=tuple(f"{login}-{number}" for number in range(count))),
    )


def told(scene: Scene, *outputs: ServedSecret) -> list[float]:
    """How often each output's Secrets are read, in seconds."""
    made = [scene.targets.output(one) for one in outputs]
    scene.targets.serve(outputs)
    return [one.poll.total_seconds() for one in made]


async def test_the_looks_of_all_outputs_take_a_tenth_of_the_rate() -> None:
    """A hundred logins of a hundred Secrets ask an API server what one of ten thousand asks it."""
    scene = Scene(Choice())

    assert told(scene, many(scene, "a", 10_000, 20)) == [5_000]
    assert (
        told(scene, *(many(scene, f"a{number}", 100, 20) for number in range(100))) == [5_000] * 100
    )
    assert told(scene, many(scene, "a", 10_000, 200)) == [500]


async def test_no_place_is_read_more_than_once_a_minute() -> None:
    scene = Scene(Choice())

    assert told(scene, many(scene, "a", 3, 20)) == [60]


async def test_without_a_limit_looks_have_one_all_the_same() -> None:
    scene = Scene(Choice())

    assert told(scene, many(scene, "a", 10_000, None)) == [5_000]
    assert scene.cluster.limited is None


async def test_of_several_limits_the_lowest_counts() -> None:
    scene = Scene(Choice())
    outputs = [many(scene, "a", 100, None), many(scene, "b", 100, 50), many(scene, "c", 100, 10)]

    assert told(scene, *outputs) == [300] * 3
    assert scene.cluster.limited == 10
    assert told(scene, *outputs[:2]) == [60] * 2
    assert scene.cluster.limited == 50


async def test_who_serves_learns_that_polls_are_others_now() -> None:
    scene = Scene(Choice())
    scene.targets.serve([scene.served])

    assert scene.changes.is_set()


async def test_namespaces_that_come_one_upon_the_other_are_told_of_together() -> None:
    """A survey costs what all places cost: one for each new namespace would stall the loop."""
    scene = Scene(Choice.of(["team-*"], None, []), pause=timedelta(seconds=0.2))
    told: list[int] = []
    async with scene.running() as output:
        whole = asyncio.Event()

        def survey() -> None:
            told.append(len(list(output.places())))
            if told[-1] == 201:
                whole.set()

        scene.targets.hooks.changed = survey
        for number in range(200):
            scene.server.namespace(f"team-{number}")
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await whole.wait()

    assert len(told) < 50


async def test_a_kubeconfig_that_changed_leaves_no_client_behind(tmp_path: Path) -> None:
    """Its client is closed once nobody can be writing by it."""
    file = tmp_path / "kubeconfig"
    where = ClusterConfig(kubeconfig=str(file))
    served = replace(Scene(Choice(names=("ci",))).served, where=where)
    async with serving(saying(Reply(body=SECRET))) as api, asyncio.TaskGroup() as tasks:
        write(file, TOKEN, api.url)
        clusters = Clusters({}, SystemClock(), CHANCE)
        targets = Targets(clusters, Ranks())
        task = tasks.create_task(targets.run(), name="targets")
        output = targets.output(served)
        targets.serve([served])
        before = targets.cluster(where)
        write(file, "fake-token-that-is-newer", api.url)
        newer = targets.output(served)
        targets.serve([served])
        after = targets.cluster(where)
        assert clusters._known == [after] != [before]  # noqa: SLF001 - what is kept is the point

        targets.beat()
        await turns()
        assert isinstance(await before.read_secret("ci", NAME), SecretSeen)
        del output
        targets.beat()
        await turns()
        with pytest.raises(RuntimeError, match="closed"):
            await before.read_secret("ci", NAME)
        assert isinstance(await after.read_secret("ci", NAME), SecretSeen)

        del newer
        targets.serve([])
        await turns()
        with pytest.raises(RuntimeError, match="closed"):
            await after.read_secret("ci", NAME)
        assert clusters._known == []  # noqa: SLF001
        task.cancel()
        await targets.close()


async def test_who_had_which_secret_is_forgotten_with_its_namespace() -> None:
    scene = Scene(Choice.of([], "ci=true", []), is_shared=True)
    scene.server.label_namespace("team-a", {"ci": "true"})
    second = replace(scene.served, login=LoginName("second"))
    async with scene.running() as output:
        scene.targets.serve([scene.served, second])
        await scene.changed()
        place = Place(output=OUTPUT, name=f"team-a/{NAME}")
        assert isinstance(await output.deliver(place, a_delivery()), Put)
        writers = output._writers  # noqa: SLF001 - what is kept is the point
        scene.server.namespace("team-b")
        scene.server.label_namespace("team-b", {"ci": "true"})
        await scene.changed()
        assert writers.has_owners

        scene.server.label_namespace("team-a", {"ci": None})
        await scene.changed()
        await turns()
        assert not writers.has_owners
