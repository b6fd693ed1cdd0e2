"""The state of every login in one Secret, which replicas share."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass, field

from msgspec.structs import replace

from lightkeeper.adapters.kubernetes.state_secret import StateSecret
from lightkeeper.core.facts import LoginName
from lightkeeper.core.reasons import Reason
from lightkeeper.core.saved import Saved, put_down
from lightkeeper.core.state import LoginState
from lightkeeper.ports import Failed
from tests.core.making import FIRST, HOUR, LOGIN, NOON, SECOND_ONE, after, at, holding, renewed
from tests.fakes.cluster import FINE, UNREACHABLE, FakeApiServer, FakeCluster, Identity, Right

NAME = "lightkeeper-state"
RIGHTS = (Right(verbs=("get", "create", "patch"), resource="secrets", names=(NAME,)),)
OTHER = LoginName("other")
LATER = after(holding(), renewed(HOUR, SECOND_ONE))


@dataclass
class Scene:
    server: FakeApiServer = field(default_factory=lambda: FakeApiServer(now=lambda: NOON))
    is_down: bool = False

    def __post_init__(self) -> None:
        self.server.namespace("lk")

    def store(self) -> StateSecret:
        def fate(_: str) -> object:
            return UNREACHABLE if self.is_down else FINE

        cluster = FakeCluster(self.server, Identity(rights=RIGHTS), fate)  # type: ignore[arg-type]
        return StateSecret(cluster, "lk", NAME)

    def data(self) -> dict[str, bytes]:
        return self.server.secrets["lk", NAME].data()


def saved(state: LoginState, login: LoginName = LOGIN) -> Saved:
    kept = put_down(state, fingerprint="f", boot_id="b", now=at(HOUR))
    return replace(kept, login=login)


async def loaded(store: StateSecret) -> dict[LoginName, Saved]:
    found = await store.load()
    assert not isinstance(found, Failed), found
    assert found[1] == {}
    return found[0]


async def test_what_is_saved_is_there_for_the_next_pod() -> None:
    scene = Scene()
    assert await loaded(scene.store()) == {}
    store = scene.store()

    assert await store.save(saved(holding())) is None
    assert await store.save(saved(LATER, OTHER)) is None

    assert await loaded(scene.store()) == {
        LOGIN: saved(holding()),
        OTHER: saved(LATER, OTHER),
    }


async def test_a_save_is_one_request_and_one_that_changes_nothing_writes_nothing() -> None:
    scene = Scene()
    store = scene.store()
    await store.save(saved(holding()))
    writes = scene.server.writes

    await store.save(saved(holding()))

    assert scene.server.writes == writes


async def test_who_is_behind_puts_nothing_in_place_of_a_newer_login() -> None:
    """A leader that was stopped past its lease, and goes on."""
    scene = Scene()
    stale, leader = scene.store(), scene.store()
    await stale.save(saved(holding()))
    await loaded(leader)
    await leader.save(saved(LATER))

    failed = await stale.save(saved(holding()))

    assert isinstance(failed, Failed)
    assert failed.reason is Reason.SUPERSEDED
    assert await loaded(scene.store()) == {LOGIN: saved(LATER)}
    known = await stale.known(LOGIN)
    assert not isinstance(known, Failed)
    assert [one.digest for one in known] == [SECOND_ONE.digest, FIRST.digest]


async def test_two_replicas_lose_nothing_of_one_another() -> None:
    scene = Scene()
    one, two = scene.store(), scene.store()
    await loaded(one)
    await loaded(two)

    await one.save(saved(holding()))
    await two.save(saved(holding(), OTHER))

    assert set(await loaded(scene.store())) == {LOGIN, OTHER}


async def test_two_that_saw_no_secret_lose_nothing_of_one_another() -> None:
    scene = Scene()
    one, two = scene.store(), scene.store()

    await asyncio.gather(one.save(saved(holding())), two.save(saved(holding(), OTHER)))

    assert set(await loaded(scene.store())) == {LOGIN, OTHER}


async def test_what_is_forgotten_keeps_what_withdraw_needs_and_no_password() -> None:
    scene = Scene()
    store = scene.store()
    await store.save(saved(holding()))

    assert await store.forget(LOGIN) is None
    assert await store.forget(OTHER) is None

    kept = (await loaded(scene.store()))[LOGIN]
    assert kept.credential is None
    assert [one.digest for one in kept.known] == [FIRST.digest]
    assert FIRST.password.reveal().encode() not in b"".join(scene.data().values())


async def test_a_server_that_is_away_is_a_failure_and_nothing_is_lost() -> None:
    scene = Scene()
    store = scene.store()
    await store.save(saved(holding()))
    scene.is_down = True

    failed = await store.save(saved(LATER))
    assert isinstance(failed, Failed)
    assert isinstance(await scene.store().load(), Failed)
    assert await store.known(LOGIN) == Failed(reason=Reason.NETWORK, detail="as the test wants it")

    scene.is_down = False
    assert await store.save(saved(LATER)) is None
    assert await loaded(scene.store()) == {LOGIN: saved(LATER)}


async def test_damage_costs_its_login_a_call_and_a_newer_version_is_left_as_it_is() -> None:
    scene = Scene()
    await scene.store().save(saved(holding()))
    newer = b'{"version": 2, "state": {}}'
    for data, reason in ((b"{", None), (newer, Reason.MALFORMED)):
        scene.server.edit_secret("lk", NAME, {("data", f"{LOGIN}.json"): data}, "kubectl-edit")
        found = await scene.store().load()
        assert not isinstance(found, Failed)
        assert set(found[1]) == {LOGIN}

        failed = await scene.store().save(saved(LATER))

        assert (failed.reason if failed else None) is reason
    untold = await scene.store().known(LOGIN)
    assert isinstance(untold, Failed)
    assert untold.reason is Reason.SUPERSEDED
    assert scene.data()[f"{LOGIN}.json"] == newer


async def test_what_is_removed_leaves_the_others() -> None:
    scene = Scene()
    await scene.store().save(saved(holding()))
    await scene.store().save(saved(holding(), OTHER))

    assert await scene.store().remove(LOGIN) is None

    assert set(await loaded(scene.store())) == {OTHER}


async def test_a_dry_run_tells_what_would_keep_a_state_from_being_saved() -> None:
    scene = Scene()
    assert await scene.store().prove() is None
    assert scene.server.secrets == {}
    store = scene.store()
    assert await store.save(saved(holding())) is None
    writes = scene.server.writes

    assert await store.prove() is None
    assert await scene.store().prove() is None
    assert scene.server.writes == writes
    assert await store.save(saved(LATER)) is None
    scene.server.edit_secret("lk", NAME, {("immutable", ""): True}, "kubectl-edit")
    frozen = await store.prove()
    scene.is_down = True
    down = await store.prove()

    assert isinstance(frozen, Failed)
    assert isinstance(down, Failed)
    assert (frozen.reason, down.reason) == (Reason.IMMUTABLE, Reason.NETWORK)


async def test_a_dry_run_of_a_state_is_of_a_right_to_write_it() -> None:
    scene = Scene()
    assert await scene.store().save(saved(holding())) is None
    reads = Identity(rights=(Right(verbs=("get",), resource="secrets"),))

    refused = await StateSecret(FakeCluster(scene.server, reads), "lk", NAME).prove()

    assert isinstance(refused, Failed)
    assert refused.reason is Reason.ACCESS_DENIED


async def test_what_another_manager_has_in_the_secret_is_removed_too() -> None:
    """As where somebody put it back from a backup; to leave it out would take it from us alone."""
    scene = Scene()
    await scene.store().save(saved(holding()))
    kept = scene.data()[f"{LOGIN}.json"]
    scene.server.secrets.clear()
    data = {f"{LOGIN}.json": base64.b64encode(kept).decode()}
    manifest = {"metadata": {"name": NAME}, "type": "Opaque", "data": data}
    scene.server.apply_secret("lk", manifest, "kubectl-create")

    assert await scene.store().remove(LOGIN) is None

    assert scene.data() == {}
