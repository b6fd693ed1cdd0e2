"""What admission webhooks make of what is written: told at the first answer, if it matters."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from lightkeeper.adapters.kubernetes.manifest import KEY
from lightkeeper.core.reasons import Reason
from lightkeeper.ports import Failed, Found, IfForeign, Put
from tests.adapters.kubernetes.test_output import CI, GHCR, Scene, auth_of, put, read
from tests.core.making import FIRST, SECOND_ONE
from tests.fakes.applying import Path, Value
from tests.filing import a_delivery

Fields = dict[Path, Value]
REWRITTEN = Failed(
    reason=Reason.INVALID_INPUT,
    detail="an admission webhook or policy of the cluster changes what is written",
)


def _data(fields: Fields, change: Callable[[bytes], bytes]) -> Fields:
    before = fields["data", KEY]
    assert isinstance(before, bytes)
    return fields | {("data", KEY): change(before)}


def reformatting(fields: Fields) -> Fields:
    return _data(fields, lambda data: json.dumps(json.loads(data), indent=8).encode())


def emptying(fields: Fields) -> Fields:
    return _data(fields, lambda _: b'{"auths": {}}')


def adding(fields: Fields) -> Fields:
    return _data(
        fields, lambda data: json.dumps({"auths": json.loads(data)["auths"] | GHCR}).encode()
    )


def unlabelling(fields: Fields) -> Fields:
    return {path: value for path, value in fields.items() if path[0] != "labels"}


def unmarking(fields: Fields) -> Fields:
    return {path: value for path, value in fields.items() if path[0] != "annotations"}


@pytest.mark.parametrize("admits", [emptying, adding, unlabelling, unmarking])
async def test_what_is_changed_on_its_way_is_told_and_not_tried_again_at_once(
    admits: Callable[[Fields], Fields],
) -> None:
    """It would come back so each time; nobody else has written."""
    scene = Scene()
    scene.server.admits = admits

    done = await scene.output(labels={"team": "ci"}).deliver(CI, a_delivery())

    assert done == REWRITTEN
    assert scene.asked == ["get secrets", "patch secrets"]


@pytest.mark.parametrize("is_shared", [False, True])
async def test_what_is_only_written_in_another_form_is_delivered(*, is_shared: bool) -> None:
    scene = Scene()
    scene.server.admits = reformatting
    output = scene.output(is_shared=is_shared)

    for held in (FIRST, SECOND_ONE):
        assert await put(output, a_delivery(held)) == Put(changed=True, notices=frozenset())
        assert await read(output, held) == Found(digest=held.digest, settled=True)

    assert await put(output, a_delivery(SECOND_ONE)) == Put(changed=False, notices=frozenset())


async def test_what_is_only_written_in_another_form_may_stand_beside_what_is_spared() -> None:
    scene = Scene()
    output = scene.output(is_shared=True)
    await put(output, a_delivery())
    beside = {f"https://{FIRST.registry}/v1/": {"auth": "dTpw"}}
    scene.edit(scene.auths | beside)
    scene.server.admits = reformatting

    await put(output, a_delivery(SECOND_ONE, if_foreign=IfForeign.SPARE))

    assert scene.auths == {SECOND_ONE.registry: auth_of(SECOND_ONE)} | beside


async def test_another_label_than_our_own_is_no_matter() -> None:
    """As where a cluster says itself who manages what."""
    scene = Scene()
    managed = ("labels", "app.kubernetes.io/managed-by")
    scene.server.admits = lambda fields: fields | {managed: "platform"}
    output = scene.output()

    await put(output, a_delivery())

    assert await read(output) == Found(digest=FIRST.digest, settled=True)


async def test_a_dry_run_tells_what_would_be_changed() -> None:
    scene = Scene()
    scene.server.admits = emptying
    output = scene.output()

    assert await output.prove(CI, a_delivery()) == REWRITTEN
    scene.server.admits = reformatting
    assert await output.prove(CI, a_delivery()) is None
