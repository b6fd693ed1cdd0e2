"""A writer that is behind steps back from what another one put there, whatever comes when."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest
from msgspec.structs import replace

from lightkeeper.adapters.kubernetes.manifest import KEY, SecretOptions
from lightkeeper.adapters.kubernetes.output import KubernetesSecret, SecretWriters
from lightkeeper.core.credential import Digest
from lightkeeper.core.facts import OutputName, Place
from lightkeeper.core.reasons import Reason
from lightkeeper.owning import Ranks
from lightkeeper.ports import Failed, Put
from tests.core.making import FIRST, LOGIN, NOON, SECOND_ONE
from tests.fakes.cluster import FakeApiServer, FakeCluster, Identity, Right
from tests.filing import a_delivery

NAME = "lightsail-push"
OUTPUT = OutputName("secrets")
CI = Place(output=OUTPUT, name=f"ci/{NAME}")
RIGHTS = (Right(verbs=("get", "create", "patch"), resource="secrets", names=(NAME,)),)


class Serving:
    """One namespace."""

    def namespaces(self) -> tuple[str, ...]:
        return ("ci",)

    def is_unlisted(self) -> bool:
        return False

    def is_gone(self, _: str) -> bool:
        return False

    def poll(self) -> timedelta:
        return timedelta(minutes=1)


@pytest.fixture
def server() -> FakeApiServer:
    server = FakeApiServer(now=lambda: NOON)
    server.namespace("ci")
    return server


def a_replica(server: FakeApiServer) -> KubernetesSecret:
    """The output of one of those that write there."""
    writers = SecretWriters(FakeCluster(server, Identity(rights=RIGHTS)), Ranks())
    writers.serve([NAME])
    return KubernetesSecret(
        LOGIN,
        OUTPUT,
        served=Serving(),
        replaces_foreign=True,
        options=SecretOptions(name=NAME),
        writers=writers,
    )


def password(server: FakeApiServer) -> str:
    document = json.loads(server.secrets["ci", NAME].data()[KEY])
    return base64.b64decode(document["auths"][FIRST.registry]["auth"]).decode().partition(":")[2]


async def test_a_stale_writer_steps_back_from_a_newer_login_that_the_store_knows(
    server: FakeApiServer,
) -> None:
    stale, leader = a_replica(server), a_replica(server)
    await stale.deliver(CI, a_delivery())
    await leader.deliver(CI, a_delivery(SECOND_ONE))

    async def newer() -> frozenset[Digest]:
        return frozenset({SECOND_ONE.digest})

    done = await stale.deliver(CI, replace(a_delivery(), newer=newer))

    assert isinstance(done, Failed)
    assert done.reason is Reason.SUPERSEDED
    assert password(server) == SECOND_ONE.password.reveal()


async def test_what_is_newer_is_asked_once_it_is_seen_what_would_be_replaced(
    server: FakeApiServer,
) -> None:
    """Whoever asks before may hear nothing of what is put there until it looks."""
    stale, leader = a_replica(server), a_replica(server)
    await stale.deliver(CI, a_delivery())
    stranger = {"auths": {FIRST.registry: {"auth": "c3RyYW5nZXI6cHc="}}}
    edit = {("data", KEY): json.dumps(stranger).encode()}
    server.edit_secret("ci", NAME, edit, "kubectl-edit")
    saved: list[Digest] = []

    async def newer() -> frozenset[Digest]:
        known = frozenset(saved)
        if not saved:  # the leader goes on just after the first answer
            saved.append(SECOND_ONE.digest)
            assert isinstance(await leader.deliver(CI, a_delivery(SECOND_ONE)), Put)
        return known

    done = await stale.deliver(CI, replace(a_delivery(), newer=newer))

    assert isinstance(done, Failed)
    assert done.reason is Reason.SUPERSEDED
    assert password(server) == SECOND_ONE.password.reveal()


async def test_nothing_is_replaced_while_it_cannot_be_told_what_is_newer(
    server: FakeApiServer,
) -> None:
    stale, leader = a_replica(server), a_replica(server)
    await stale.deliver(CI, a_delivery())
    await leader.deliver(CI, a_delivery(SECOND_ONE))
    untold = Failed(reason=Reason.THROTTLED, detail="429")

    async def newer() -> Failed:
        return untold

    done = await stale.deliver(CI, replace(a_delivery(), newer=newer))

    assert done == untold
    assert password(server) == SECOND_ONE.password.reveal()
