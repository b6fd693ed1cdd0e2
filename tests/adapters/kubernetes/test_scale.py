"""What many Secrets cost while nothing is to be done, and while all are written: no more than few.

A keeper delivers by a real client into an API server of loopback that keeps what it is given.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lightkeeper.adapters.clock import SystemClock
from lightkeeper.adapters.kubernetes.clusters import Clusters
from lightkeeper.adapters.kubernetes.manifest import SecretOptions
from lightkeeper.adapters.kubernetes.targets import ServedSecret, Targets
from lightkeeper.cluster import ClusterConfig
from lightkeeper.core import facts
from lightkeeper.core.facts import OutputName
from lightkeeper.core.namespaces import Choice
from lightkeeper.core.state import LoginState
from lightkeeper.history import History
from lightkeeper.keeper import Keeper
from lightkeeper.owning import Ranks
from tests.adapters.kubernetes.api import TOKEN, Asked, FakeApi, Reply, serving, status
from tests.adapters.kubernetes.test_clusters import CHANCE, write
from tests.core.making import HOUR, LOGIN, POLICY, a_clock
from tests.fakes.edge import Edge, running

FDS = Path("/proc/self/fd")
FEW, MANY = 20, 400
AT_ONCE = 8


@dataclass
class Secrets:
    """What the API server keeps, and the most that was there at once while it was asked."""

    kept: dict[str, dict[str, Any]] = field(default_factory=dict)
    version: int = 0
    most_tasks: int = 0

    def say(self, asked: Asked) -> Reply:
        self.most_tasks = max(self.most_tasks, len(asyncio.all_tasks()))
        path = asked.target.partition("?")[0]
        if asked.method == "GET":
            return Reply(body=self.kept[path]) if path in self.kept else _missing(path)
        self.version += 1
        made = json.loads(asked.body)
        made["metadata"] |= {"uid": path, "resourceVersion": str(self.version)}
        self.kept[path] = made
        return Reply(body=made)


def _missing(path: str) -> Reply:
    return status(404, "NotFound", "not there", kind="secrets", name=path.rpartition("/")[2])


@dataclass
class Scene:
    """A keeper of one login that has so many places."""

    api: FakeApi
    secrets: Secrets
    edge: Edge
    keeper: Keeper

    async def rounds(self, count: int) -> None:
        await self.edge.notebook.until(facts.RoundEnded, count)

    async def renew(self, number: int) -> None:
        """And look at every place in the next heartbeats."""
        self.edge.pass_on(6 * HOUR)
        await self.rounds(number)


def _there() -> tuple[int, int]:
    """How many tasks and descriptors there are."""
    return len(asyncio.all_tasks()), sum(1 for _ in FDS.iterdir())


async def _rested() -> tuple[int, int]:
    """The same once nothing moves."""
    seen = (0, 0)
    while (now := _there()) != seen:
        seen = now
        await asyncio.sleep(0.05)
    return seen


async def _lived(folder: Path, places: int, rounds: int = 3) -> tuple[tuple[int, int], int, int]:
    """What is there at rest, the most tasks, and the connections, of a life of some rounds."""
    secrets, edge = Secrets(), Edge()
    async with serving(secrets.say) as api:
        write(folder / "kubeconfig", TOKEN, api.url)
        clusters = Clusters({"KUBECONFIG": str(folder / "kubeconfig")}, SystemClock(), CHANCE)
        targets = Targets(clusters, Ranks())
        served = ServedSecret(
            login=LOGIN,
            name=OutputName("secrets"),
            where=ClusterConfig(),
            choice=Choice(names=tuple(f"n{number}" for number in range(places))),
            options=SecretOptions(name="push"),
            replaces_foreign=False,
            known=frozenset(),
            is_pruned=False,
        )
        output = targets.output(served)
        targets.serve([served])
        world = edge.world()
        keeper = Keeper(
            History(LoginState(login=LOGIN, policy=POLICY, clock=a_clock()), world),
            fingerprint="f",
            source=edge.source(edge.issuer()),
            outputs=[output],
            world=world,
        )
        scene = Scene(api, secrets, edge, keeper)
        async with running(keeper):
            await scene.rounds(1)
            for number in range(2, rounds + 1):
                await scene.renew(number)
            at_rest = await _rested()
        await targets.close()
    assert len(secrets.kept) == places
    assert keeper.state.delivered_at is not None
    return at_rest, secrets.most_tasks, api.connections


@pytest.mark.timeout(120)
async def test_many_secrets_have_no_more_tasks_and_connections_than_few(tmp_path: Path) -> None:
    few = await _lived(tmp_path, FEW)
    many = await _lived(tmp_path, MANY)

    at_rest, most_tasks, connections = many
    assert at_rest[0] <= few[0][0]
    assert at_rest[1] <= few[0][1] + AT_ONCE
    assert most_tasks <= few[1] + 2 * AT_ONCE
    assert connections <= AT_ONCE
