"""What can be done to the model of a cluster and hardly to a real one: each failure, on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, TypeVar

import pytest

from lightkeeper.cluster import Listed, NamespaceGone, NamespaceSeen, SecretSeen, Stale
from lightkeeper.core.reasons import Reason
from lightkeeper.ports import Failed
from tests.contract.clustering import EVERYTHING, KEY, NAME, NOW, content, manifest
from tests.fakes.cluster import (
    BROKEN,
    CUT,
    FINE,
    LOST,
    THROTTLED,
    UNANSWERED,
    UNREACHABLE,
    FakeApiServer,
    FakeCluster,
    Fate,
    Identity,
)
from tests.simulation.loop import SimLoop

T = TypeVar("T")

FIRST, SECOND = content("first"), content("second")
DEADLINE: Final = 10.0


class Stage:
    """An API server on virtual time, whose next calls have these fates."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner(loop_factory=SimLoop)
        self.server = FakeApiServer(self.now)
        self.server.namespace("ci")
        self.fates: Iterator[Fate] = iter(())
        self.identity = Identity(EVERYTHING)
        self.cluster = FakeCluster(self.server, self.identity, self.fate)

    def fate(self, call: str) -> Fate:
        return next(self.fates, FINE)

    def passed(self) -> float:
        return self.runner.get_loop().time()

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.passed())

    def run(self, play: Callable[[], Awaitable[T]], *fates: Fate) -> T:
        async def played() -> T:
            return await play()

        self.fates = iter(fates)
        return self.runner.run(played())

    async def apply(self, data: bytes = FIRST) -> object:
        """To the version that is there."""
        there = self.server.secrets.get(("ci", NAME))
        version = there.version if there else ""
        return await self.cluster.apply_secret("ci", manifest({KEY: data}), version)

    def held(self) -> bytes | None:
        there = self.server.secrets.get(("ci", NAME))
        return there.seen().data[KEY] if there else None


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    with made.runner:
        yield made


@pytest.mark.parametrize(
    ("fate", "reason", "is_done"),
    [
        (UNREACHABLE, Reason.NETWORK, False),
        (THROTTLED, Reason.THROTTLED, False),
        (BROKEN, Reason.SERVICE_ERROR, False),
        (LOST, Reason.TIMEOUT, False),
        (UNANSWERED, Reason.TIMEOUT, True),
        (CUT, Reason.NETWORK, True),
        (Fate(arrives=1, answers=DEADLINE), Reason.TIMEOUT, True),
    ],
)
def test_a_failure_says_nothing_of_whether_it_was_done(
    stage: Stage, fate: Fate, reason: Reason, *, is_done: bool
) -> None:
    failed = stage.run(stage.apply, fate)

    assert isinstance(failed, Failed)
    assert failed.reason is reason
    assert stage.held() == (FIRST if is_done else None)
    assert stage.passed() == (DEADLINE if reason is Reason.TIMEOUT else 0)


def test_latency_takes_its_time(stage: Stage) -> None:
    assert isinstance(stage.run(stage.apply, Fate(arrives=2, answers=3)), SecretSeen)
    assert stage.passed() == 5


@pytest.mark.parametrize("between", ["nothing", "a write"])
def test_a_write_may_arrive_after_its_caller_gave_up(stage: Stage, between: str) -> None:
    """And not over what was written since."""
    stage.run(stage.apply)

    async def play() -> None:
        gave_up = await stage.apply(SECOND)
        assert isinstance(gave_up, Failed)
        assert stage.held() == FIRST
        if between == "a write":
            await stage.apply(content("third"))
        await asyncio.sleep(60)

    stage.run(play, Fate(arrives=DEADLINE + 15))

    assert stage.held() == (SECOND if between == "nothing" else content("third"))


def test_an_identity_ends_by_the_clock_that_was_given(stage: Stage) -> None:
    stage.identity.expires_at = NOW + timedelta(seconds=30)

    async def play() -> list[object]:
        before = await stage.apply()
        await asyncio.sleep(30)
        return [before, await stage.apply()]

    before, after = stage.run(play)

    assert isinstance(before, SecretSeen)
    assert isinstance(after, Failed)
    assert after.reason is Reason.UNAUTHENTICATED


def test_of_two_at_once_one_is_stale(stage: Stage) -> None:
    first = stage.run(stage.apply)
    assert isinstance(first, SecretSeen)

    async def play() -> list[object]:
        both = (manifest({KEY: content(name)}) for name in ("a", "b"))
        calls = (stage.cluster.apply_secret("ci", one, first.version) for one in both)
        return list(await asyncio.gather(*calls))

    slow = Fate(arrives=2)
    outcomes = stage.run(play, slow, FINE)

    assert outcomes[0] == Stale()
    assert isinstance(outcomes[1], SecretSeen)


def test_a_watch_that_ends_is_begun_again_with_a_list(stage: Stage) -> None:
    """After a failure that is told, or in silence if what it went on from is forgotten."""

    async def play() -> list[object]:
        async with aclosing(stage.cluster.watch_namespaces("")) as watch:  # type: ignore[type-var]
            told = [await anext(watch)]
            stage.server.namespace("one")
            told.append(await anext(watch))
            stage.server.end_watches(Failed(reason=Reason.NETWORK, detail="as the test wants it"))
            told.append(await anext(watch))
            stage.server.finish_namespace("one")
            told.append(await anext(watch))
            stage.server.end_watches()
            stage.server.namespace("two")
            told.append(await anext(watch))
            stage.server.finish_namespace("two")
            return [*told, await anext(watch)]

    listed, one, failed, again, anew, gone = stage.run(play)

    assert isinstance(listed, Listed)
    assert isinstance(one, NamespaceSeen)
    assert isinstance(failed, Failed)
    assert again == listed
    assert isinstance(anew, Listed)
    assert [seen.name for seen in anew.namespaces] == ["ci", "two"]
    assert gone == NamespaceGone("two")


def test_a_watch_waits_longer_each_time_it_fails_until_it_lists(stage: Stage) -> None:
    async def play() -> list[float]:
        at = []
        async with aclosing(stage.cluster.watch_namespaces("")) as watch:  # type: ignore[type-var]
            for _ in range(11):
                if isinstance(await anext(watch), Listed):
                    stage.server.end_watches()
                at.append(stage.passed())
        return at

    at = stage.run(play, *[UNREACHABLE] * 8, FINE, FINE, UNREACHABLE, UNREACHABLE)

    waits = [after - before for before, after in pairwise(at)]
    assert waits == [1, 2, 4, 8, 8, 8, 8, 8, 1, 2]


def test_a_secret_shows_nothing_of_its_content(stage: Stage) -> None:
    seen = stage.run(stage.apply)

    assert "first" not in repr(seen)
