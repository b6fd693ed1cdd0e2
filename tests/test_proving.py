"""What clusters would refuse, by a model of one: told, and nothing of it done."""

from __future__ import annotations

import base64
import json

import pytest

from lightkeeper.adapters.kubernetes.manifest import KEY, TYPE, SecretOptions, renewed
from lightkeeper.adapters.kubernetes.output import KubernetesSecret, SecretWriters
from lightkeeper.adapters.kubernetes.state_secret import StateSecret
from lightkeeper.cluster import SecretSeen
from lightkeeper.config import model
from lightkeeper.config.values import ObjectName
from lightkeeper.core.facts import OutputName
from lightkeeper.core.reasons import Reason
from lightkeeper.core.state import LoginState
from lightkeeper.look import places_of
from lightkeeper.owning import Ranks
from lightkeeper.proving import Pulling, Tried, tried, tried_lease, tried_state
from lightkeeper.viewing import LOOKS
from tests.adapters.kubernetes.test_output import NAME, RIGHTS, Serving
from tests.adapters.kubernetes.test_state_secret import saved
from tests.contract.test_cluster import LEASE
from tests.core.making import FIRST, LOGIN, NOON, a_state, holding
from tests.fakes.cluster import FINE, FakeApiServer, FakeCluster, Fate, Identity, Right
from tests.filing import a_delivery

LISTING = Right(verbs=("list",), resource="serviceaccounts")


class World:
    """A cluster, an identity, and an output in some of its namespaces."""

    def __init__(self, *namespaces: str, rights: tuple[Right, ...] = RIGHTS) -> None:
        self.server = FakeApiServer(now=lambda: NOON)
        for name in namespaces:
            self.server.namespace(name)
        self.asked: list[str] = []
        self.cluster = FakeCluster(self.server, Identity(rights=rights), self._fate)
        self.names = namespaces

    def _fate(self, call: str) -> Fate:
        self.asked.append(call)
        return FINE

    async def fill(self) -> None:
        """Each namespace has its Secret."""
        for name in self.names:
            manifest = renewed(name, a_delivery(), SecretOptions(name=NAME)).manifest
            assert isinstance(await self.cluster.apply_secret(name, manifest, ""), SecretSeen)

    async def tried(
        self,
        state: LoginState,
        *,
        known: tuple[str, ...] = (),
        prune: bool = False,
        merge: bool = False,
        if_foreign: str = "report",
    ) -> Tried:
        name = f"kubernetes_secret:{NAME}"
        said = model.KubernetesSecret(name=name, namespaces=self.names, prune=prune, merge=merge)
        output = KubernetesSecret(
            LOGIN,
            OutputName(name),
            served=Serving(self.names),
            replaces_foreign=if_foreign == "replace",
            options=SecretOptions(name=NAME),
            writers=SecretWriters(self.cluster, Ranks()),
        )
        state = state.with_places(places_of([output]))
        before = self.server.writes
        told = await tried(said, output, state, self.cluster, known, NOON)
        assert self.server.writes == before
        return told


@pytest.mark.parametrize("state", [holding(), a_state()], ids=["held", "placeholder"])
async def test_what_may_be_written_is_told_and_not_written(state: LoginState) -> None:
    told = await World("ci", "team").tried(state)

    assert (told.tried, told.failures, told.undeletable, told.looked) == (2, (), (), 2)
    assert told.is_placeholder is (state.held is None)


async def test_each_that_would_fail_is_told_and_no_other() -> None:
    verbs = ("get", "create", "patch")
    rights = (Right(verbs=verbs, resource="secrets", namespace=one) for one in ("ci", "ending"))
    world = World("ci", "team", "ending", rights=tuple(rights))
    world.server.end_namespace("ending")

    told = await world.tried(a_state())

    assert [(place, failed.reason) for place, failed in told.failures] == [
        (f"team/{NAME}", Reason.ACCESS_DENIED),
        (f"ending/{NAME}", Reason.NAMESPACE_TERMINATING),
    ]


async def test_what_is_known_to_fail_is_not_tried_again() -> None:
    told = await World("ci", "team", rights=()).tried(a_state(), known=(f"team/{NAME}",))

    assert told.tried == 1
    assert [place for place, _ in told.failures] == [f"ci/{NAME}"]


async def test_of_very_many_the_first_are_tried() -> None:
    told = await World(*(f"n{number:03}" for number in range(LOOKS + 1))).tried(a_state())

    assert (told.tried, told.places, told.looked) == (LOOKS, LOOKS + 1, LOOKS)


async def test_pruning_needs_a_right_of_its_own() -> None:
    told = await World("ci").tried(a_state(), prune=True)

    assert told.failures == ()
    ((place, failed),) = told.undeletable
    assert (place, failed.reason) == (f"ci/{NAME}", Reason.ACCESS_DENIED)
    may = Right(verbs=("delete",), resource="secrets", names=(NAME,))
    assert (await World("ci", rights=(*RIGHTS, may)).tried(a_state(), prune=True)).undeletable == ()


WITHOUT_CREATE = Right(verbs=("get", "patch"), resource="secrets", names=(NAME,))


async def test_what_is_there_and_could_not_be_made_anew_is_told() -> None:
    """A dry run is allowed what the next namespace, or one Secret that is deleted, is not."""
    world = World("ci", "team")
    await world.fill()
    world.cluster.identity.rights = (WITHOUT_CREATE,)

    told = await world.tried(a_state())

    assert told.failures == ()
    assert [(place, failed.reason) for place, failed in told.unmakeable] == [
        (f"ci/{NAME}", Reason.ACCESS_DENIED),
        (f"team/{NAME}", Reason.ACCESS_DENIED),
    ]
    here = Right(verbs=("create",), resource="secrets", names=(NAME,), namespace="team")
    world.cluster.identity.rights = (WITHOUT_CREATE, here)
    ((place, _),) = (await world.tried(a_state())).unmakeable
    assert place == f"ci/{NAME}"


async def test_what_fails_already_is_not_told_as_what_could_not_be_made_as_well() -> None:
    told = await World("ci", "team", rights=(WITHOUT_CREATE,)).tried(a_state())

    assert len(told.failures) == 2
    assert told.unmakeable == ()


async def test_a_right_that_is_given_everywhere_is_asked_for_once() -> None:
    world = World(*(f"n{number}" for number in range(9)))

    await world.tried(a_state())

    assert world.asked.count("create selfsubjectaccessreviews") == 1


async def test_a_state_that_is_there_and_could_not_be_made_anew_is_told() -> None:
    world = World("ci")
    store = StateSecret(world.cluster, "ci", "state")
    where = ObjectName("ci/state")
    world.cluster.identity.rights = (Right(verbs=("get", "create", "patch"), resource="secrets"),)
    assert await store.save(saved(holding())) is None
    assert await tried_state(store, world.cluster, where) is None

    world.cluster.identity.rights = (Right(verbs=("get", "patch"), resource="secrets"),)
    failed = await tried_state(store, world.cluster, where)

    assert failed is not None
    assert (failed.reason, failed.detail) == (
        Reason.ACCESS_DENIED,
        "this identity may not create secrets",
    )


async def test_who_may_neither_write_nor_delete_is_told_both() -> None:
    world = World("ci", "ending", rights=())
    told = await world.tried(a_state(), prune=True)
    assert [place for place, _ in told.undeletable] == [f"ci/{NAME}", f"ending/{NAME}"]

    world = World("ending")
    world.server.end_namespace("ending")
    told = await world.tried(a_state(), prune=True)
    assert [one.reason for _, one in told.failures] == [Reason.NAMESPACE_TERMINATING]
    assert told.undeletable == ()
    assert (await World("ci").tried(a_state(), prune=True, merge=True)).failures == ()


@pytest.mark.parametrize(("if_foreign", "is_well"), [("report", False), ("replace", True)])
@pytest.mark.parametrize("state", [holding(), a_state()], ids=["held", "placeholder"])
async def test_somebody_elses_secret_is_tried_as_it_would_be_written(
    state: LoginState, if_foreign: str, *, is_well: bool
) -> None:
    world = World("ci")
    document = base64.b64encode(b'{"auths": {"ghcr.io": {"auth": "dTpw"}}}').decode()
    theirs = {"metadata": {"name": NAME}, "type": TYPE, "data": {KEY: document}}
    world.server.apply_secret("ci", theirs, "argocd")

    told = await world.tried(state, if_foreign=if_foreign)

    assert [failed.reason for _, failed in told.failures] == ([] if is_well else [Reason.CONFLICT])


async def test_a_foreign_login_that_may_be_replaced_is_tried_as_if_the_registry_was_asked() -> None:
    world = World("ci")
    document = json.dumps({"auths": {FIRST.registry: {"auth": "c3RyYW5nZXI6cHc="}}}).encode()
    data = {KEY: base64.b64encode(document).decode()}
    world.server.apply_secret("ci", {"metadata": {"name": NAME}, "type": TYPE, "data": data}, "x")

    assert (await world.tried(holding(), if_foreign="replace")).failures == ()


@pytest.mark.parametrize("may_see", [True, False])
async def test_whoever_pulls_with_it_is_told_where_that_may_be_seen(*, may_see: bool) -> None:
    world = World("ci", rights=(*RIGHTS, LISTING) if may_see else RIGHTS)
    world.server.accounts["ci", "builder"] = ("other", NAME)
    world.server.accounts["ci", "default"] = ("other",)

    told = await world.tried(a_state())

    pulling = Pulling(namespace="ci", account="builder", secret=NAME)
    assert told.pulling == ((pulling,) if may_see else ())
    assert told.failures == ()


def may(*verbs: str, names: tuple[str, ...] = ("it",)) -> Right:
    return Right(verbs=verbs, resource="leases", names=names, namespace="lk")


@pytest.mark.parametrize(
    ("rights", "is_there", "is_well"),
    [
        ((may("get", "update"), may("create", names=())), False, True),
        ((may("get", "update"),), False, False),
        ((may("get", "update"),), True, True),
        ((may("get"), may("create", names=())), True, False),
        ((may("update"), may("create", names=())), True, False),
    ],
)
async def test_a_lease_has_to_be_read_and_held_and_made_where_it_is_missing(
    rights: tuple[Right, ...], *, is_there: bool, is_well: bool
) -> None:
    world = World("lk", rights=rights)
    if is_there:
        world.server.write_lease(("lk", "it"), LEASE)

    failed = await tried_lease(world.cluster, ObjectName("lk/it"))

    assert (failed is None) is is_well
    assert failed is None or failed.reason is Reason.ACCESS_DENIED
