"""Secrets whose marks say that they are ours, where no state knows of them any more."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightkeeper.adapters.kubernetes.manifest import KEY
from lightkeeper.core.moment import iso
from lightkeeper.ports import Delivery, Foreign, Found, IfForeign, Put
from tests.adapters.kubernetes.test_output import (
    CI,
    GHCR,
    NAME,
    OTHER,
    Scene,
    auth_of,
    put,
    read,
)
from tests.core.making import FIRST, HOUR, LOGIN, SECOND_ONE
from tests.filing import a_delivery

CAREFUL = (IfForeign.ASK, IfForeign.SPARE)
ENTRY = {"auth": base64.b64encode(b"AWS:fake-of-a-lost-state").decode()}


def forgetful(if_foreign: IfForeign = IfForeign.SPARE) -> Delivery:
    """Of a login that knows of nothing that it wrote before."""
    return Delivery(
        login=LOGIN,
        credential=SECOND_ONE,
        ours=frozenset({SECOND_ONE.digest}),
        kin=frozenset(),
        former=frozenset(),
        if_foreign=if_foreign,
    )


def edit_mark(scene: Scene, mark: str, value: str, domain: str = "lightkeeper.io") -> None:
    marked = {("annotations", f"{domain}/{mark}"): value}
    scene.server.edit_secret("ci", NAME, marked, "kubectl-annotate")


@pytest.mark.parametrize("if_foreign", CAREFUL)
@pytest.mark.parametrize("is_shared", [False, True])
async def test_a_login_that_lost_its_state_takes_its_secret_up_again(
    if_foreign: IfForeign, *, is_shared: bool
) -> None:
    scene = Scene()
    if is_shared:
        scene.others(GHCR)
    await put(scene.output(is_shared=is_shared), a_delivery())

    after = scene.output(is_shared=is_shared)
    found = await after.read(CI, SECOND_ONE, frozenset({SECOND_ONE.digest}))
    proven = await scene.output(is_shared=is_shared).prove(CI, forgetful(if_foreign))
    done = await after.deliver(CI, forgetful(if_foreign))

    assert found == Found(digest=FIRST.digest, settled=False, is_marked=True)
    assert proven is None
    assert isinstance(done, Put)
    ours = {SECOND_ONE.registry: auth_of(SECOND_ONE)}
    assert scene.auths == (GHCR | ours if is_shared else ours)


@pytest.mark.parametrize("if_foreign", CAREFUL)
@pytest.mark.parametrize("is_shared", [False, True])
async def test_what_another_login_wrote_is_not_ours(
    if_foreign: IfForeign, *, is_shared: bool
) -> None:
    scene = Scene()
    theirs = scene.output(OTHER, is_shared=is_shared)
    await put(theirs, a_delivery(login=OTHER))

    done = await scene.output(is_shared=is_shared).deliver(CI, forgetful(if_foreign))

    assert isinstance(done, Foreign)


async def test_what_others_wrote_into_a_secret_of_ours_is_not_ours() -> None:
    scene = Scene()
    await put(scene.output(), a_delivery())
    scene.edit({FIRST.registry: ENTRY})

    done = await scene.output().deliver(CI, forgetful())

    assert isinstance(done, Foreign)
    assert done.by == "kubectl-edit"


@pytest.mark.parametrize(
    ("mark", "value"),
    [
        ("login", "other"),
        ("login", None),
        ("registry", "other.test"),
        ("expires-at", iso(SECOND_ONE.expires_at + timedelta(seconds=1))),
        ("expires-at", "soon"),
        ("expires-at", "2026-01-01T00:00:00"),
        ("expires-at", "0001-01-01T00:00:00+23:59"),
        ("expires-at", None),
    ],
)
async def test_a_mark_that_is_not_of_this_login_leaves_it_a_strangers(
    mark: str, value: str | None
) -> None:
    """One that expires later too: a login that is behind takes nothing from one that went on."""
    scene = Scene()
    await put(scene.output(), a_delivery())
    edit_mark(scene, mark, value or "")

    found = await read(scene.output(), SECOND_ONE)
    done = await scene.output().deliver(CI, forgetful())

    assert found == Found(digest=FIRST.digest, settled=False)
    assert isinstance(done, Foreign)
    assert scene.auths == {FIRST.registry: auth_of(FIRST)}


@given(
    expires=st.timedeltas(-HOUR, HOUR),
    is_login=st.booleans(),
    is_registry=st.booleans(),
    is_edited=st.booleans(),
    is_shared=st.booleans(),
    if_foreign=st.sampled_from(CAREFUL),
)
def test_a_look_and_a_delivery_agree_on_what_is_ours(
    expires: timedelta,
    if_foreign: IfForeign,
    *,
    is_login: bool,
    is_registry: bool,
    is_edited: bool,
    is_shared: bool,
) -> None:
    expires = timedelta(seconds=round(expires.total_seconds()))

    async def scenario() -> None:
        scene = Scene()
        await put(scene.output(is_shared=is_shared), a_delivery())
        domain = f"{LOGIN}.lightkeeper.io" if is_shared else "lightkeeper.io"
        edit_mark(scene, "login", LOGIN if is_login else "other", domain)
        edit_mark(scene, "registry", FIRST.registry if is_registry else "other.test", domain)
        edit_mark(scene, "expires-at", iso(SECOND_ONE.expires_at + expires), domain)
        if is_edited:
            scene.edit({FIRST.registry: ENTRY})
        before = scene.server.secrets["ci", NAME].data()[KEY]

        found = await read(scene.output(is_shared=is_shared), SECOND_ONE)
        done = await scene.output(is_shared=is_shared).deliver(CI, forgetful(if_foreign))

        ours = is_login and is_registry and not is_edited and expires <= timedelta(0)
        assert isinstance(found, Found)
        assert found.is_marked is ours
        assert isinstance(done, Put if ours else Foreign)
        after = scene.server.secrets["ci", NAME].data()[KEY]
        assert (after != before) is ours
        assert json.loads(after)["auths"].keys() == {FIRST.registry}

    asyncio.run(scenario())
