"""Dry runs of deliveries into Secrets: of just what would be written, and nothing is."""

from __future__ import annotations

import pytest

from lightkeeper.core.credential import Digest
from lightkeeper.core.reasons import Reason
from lightkeeper.ports import Failed, Found, IfForeign, Put
from tests.adapters.kubernetes.test_output import (
    CI,
    GHCR,
    NAME,
    RIGHTS,
    Scene,
    put,
    read,
)
from tests.core.making import FIRST, SECOND_ONE
from tests.fakes.cluster import Right
from tests.filing import a_delivery

WITHOUT_PATCH = (Right(verbs=("get", "create"), resource="secrets", names=(NAME,)),)


@pytest.mark.parametrize("is_shared", [False, True])
async def test_a_dry_run_is_of_just_what_would_be_written_and_writes_nothing(
    *, is_shared: bool
) -> None:
    scene = Scene()
    output = scene.output(is_shared=is_shared)
    await put(output, a_delivery())
    before = scene.server.secrets["ci", NAME], scene.server.writes
    await read(output)
    scene.asked.clear()

    assert await output.prove(CI, a_delivery()) is None
    assert await output.prove(CI, a_delivery(SECOND_ONE)) is None

    each = ["get secrets", "patch secrets"] if is_shared else ["patch secrets"]
    assert scene.asked == each * 2
    assert (scene.server.secrets["ci", NAME], scene.server.writes) == before
    assert await put(output, a_delivery()) == Put(changed=False, notices=frozenset())


async def test_a_right_that_is_missing_is_told_by_a_dry_run() -> None:
    scene = Scene()
    output = scene.output()
    await put(output, a_delivery())
    scene.cluster.identity.rights = WITHOUT_PATCH
    assert await read(output) == Found(digest=FIRST.digest, settled=True)

    refused = await output.prove(CI, a_delivery())

    assert isinstance(refused, Failed)
    assert refused.reason is Reason.ACCESS_DENIED
    scene.cluster.identity.rights = RIGHTS
    assert await output.prove(CI, a_delivery()) is None


async def test_a_dry_run_makes_no_secret_where_there_is_none() -> None:
    scene = Scene()

    assert await scene.output().prove(CI, a_delivery()) is None
    assert scene.server.secrets == {}
    scene.server.end_namespace("ci")
    refused = await scene.output().prove(CI, a_delivery())
    assert isinstance(refused, Failed)
    assert refused.reason is Reason.NAMESPACE_TERMINATING


async def test_a_dry_run_tells_of_an_immutable_secret_that_holds_what_is_held() -> None:
    scene = Scene()
    output = scene.output()
    await put(output, a_delivery())
    scene.server.edit_secret("ci", NAME, {("immutable", ""): True}, "kubectl-edit")
    found = await read(output)
    assert isinstance(found, Found)
    assert found.settled

    refused = await output.prove(CI, a_delivery())

    assert isinstance(refused, Failed)
    assert refused.reason is Reason.IMMUTABLE


async def test_a_dry_run_beside_another_writer_tells_nothing_of_rights() -> None:
    scene = Scene()
    output = scene.output()
    await put(output, a_delivery())
    scene.edit(GHCR)

    refused = await output.prove(CI, a_delivery())

    assert isinstance(refused, Failed)
    assert refused.reason is Reason.CONTENDED
    assert scene.auths == GHCR


async def test_a_dry_run_leaves_alone_what_is_somebody_elses() -> None:
    scene = Scene()
    scene.others(GHCR)

    refused = await scene.output().prove(CI, a_delivery(if_foreign=IfForeign.SPARE))

    assert isinstance(refused, Failed)
    assert refused.reason is Reason.CONFLICT
    assert scene.asked == ["get secrets"]


@pytest.mark.parametrize("is_shared", [False, True])
@pytest.mark.parametrize("spared", [frozenset({FIRST.digest}), None])
async def test_a_look_tells_of_what_is_somebody_elses_and_is_to_stay(
    spared: frozenset[Digest] | None, *, is_shared: bool
) -> None:
    scene = Scene()
    scene.others(GHCR)

    found = await scene.output(is_shared=is_shared).read(CI, FIRST, spared)

    assert isinstance(found, Found)
    is_barred = spared is not None and not is_shared
    assert (found.obstacle and found.obstacle.reason) == (Reason.CONFLICT if is_barred else None)


async def test_a_dry_run_says_nothing_of_a_login_that_came_in_between_and_is_not_ours() -> None:
    scene = Scene()
    scene.others({FIRST.registry: {"auth": "c3RyYW5nZXI6cHc="}})

    refused = await scene.output().prove(CI, a_delivery(if_foreign=IfForeign.ASK))

    assert isinstance(refused, Failed)
    assert refused.reason is Reason.CONTENDED
