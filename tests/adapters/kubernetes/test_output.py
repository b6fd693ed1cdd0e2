"""Deliveries into Secrets of an API server in memory: what is written, kept, and left alone."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from lightkeeper.adapters.kubernetes.manifest import KEY, TYPE, SecretOptions
from lightkeeper.adapters.kubernetes.output import KubernetesSecret, SecretWriters, withdraw
from lightkeeper.core.credential import Credential
from lightkeeper.core.facts import LoginName, OutputName, Place
from lightkeeper.core.reasons import Reason
from lightkeeper.owning import Ranks
from lightkeeper.ports import Delivery, Failed, Foreign, Found, IfForeign, Pending, Put
from tests.core.making import FIRST, LOGIN, NOON, SECOND_ONE, a_credential
from tests.fakes.cluster import CUT, FINE, LOST, FakeApiServer, FakeCluster, Fate, Identity, Right
from tests.filing import a_delivery

NAME = "lightsail-push"
OUTPUT = OutputName(f"kubernetes_secret:{NAME}")
CI = Place(output=OUTPUT, name=f"ci/{NAME}")
OTHER = LoginName("other")
ELSEWHERE = a_credential("simulated-9", registry="other.test")
RIGHTS = (Right(verbs=("get", "create", "patch"), resource="secrets", names=(NAME,)),)
GHCR = {"ghcr.io": {"auth": "dTpw"}}


@dataclass
class Serving:
    """What the output serves, as the test says."""

    names: Sequence[str] = ("ci",)
    gone: Collection[str] = ()
    awaits_list: bool = False

    def namespaces(self) -> Sequence[str]:
        return self.names

    def is_unlisted(self) -> bool:
        return self.awaits_list

    def is_gone(self, namespace: str) -> bool:
        return namespace in self.gone

    def poll(self) -> timedelta:
        return timedelta(seconds=len(self.names))


@dataclass
class Scene:
    """A cluster with the namespace `ci`, and how often it was asked for what."""

    server: FakeApiServer = field(default_factory=lambda: FakeApiServer(now=lambda: NOON))
    fates: dict[str, list[Fate]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    ranks: Ranks = field(default_factory=Ranks)
    rights: tuple[Right, ...] = RIGHTS

    def __post_init__(self) -> None:
        self.server.namespace("ci")
        self.cluster = FakeCluster(self.server, Identity(rights=self.rights), self._fate)
        self.writers = SecretWriters(self.cluster, self.ranks)
        self.writers.serve([NAME])

    def output(
        self,
        login: LoginName = LOGIN,
        *,
        is_shared: bool = False,
        labels: dict[str, str] | None = None,
    ) -> KubernetesSecret:
        return KubernetesSecret(
            login,
            OUTPUT,
            served=Serving(),
            replaces_foreign=False,
            options=SecretOptions(name=NAME, is_shared=is_shared, labels=labels or {}),
            writers=self.writers,
        )

    def _fate(self, call: str) -> Fate:
        self.asked.append(call)
        left = self.fates.get(call)
        return left.pop(0) if left else FINE

    @property
    def auths(self) -> dict[str, dict[str, str]]:
        document = json.loads(self.server.secrets["ci", NAME].data()[KEY])
        return dict(document["auths"])

    def others(
        self, auths: dict[str, dict[str, str]], *, kind: str = TYPE, namespace: str = "ci"
    ) -> None:
        """Somebody else has a Secret of that name."""
        document = json.dumps({"auths": auths}).encode()
        self.server.apply_secret(
            namespace,
            {
                "metadata": {"name": NAME},
                "type": kind,
                "data": {KEY: base64.b64encode(document).decode()},
            },
            "argocd",
        )

    def edit(self, auths: dict[str, dict[str, str]]) -> None:
        """`kubectl edit`."""
        document = json.dumps({"auths": auths}).encode()
        self.server.edit_secret("ci", NAME, {("data", KEY): document}, "kubectl-edit")


def auth_of(held: Credential) -> dict[str, str]:
    pair = f"{held.username}:{held.password.reveal()}"
    return {"auth": base64.b64encode(pair.encode()).decode()}


async def put(output: KubernetesSecret, delivery: Delivery) -> Put:
    done = await output.deliver(CI, delivery)
    assert isinstance(done, Put), done
    return done


async def read(output: KubernetesSecret, held: Credential = FIRST) -> Found | Pending | Failed:
    return await output.read(CI, held, None)


async def test_a_secret_is_made_as_clients_read_it_and_people_understand_it() -> None:
    scene = Scene()

    done = await put(scene.output(labels={"team": "ci"}), a_delivery())

    there = scene.server.secrets["ci", NAME].seen()
    assert done == Put(changed=True, notices=frozenset())
    assert there.type == TYPE
    assert scene.auths == {FIRST.registry: auth_of(FIRST)}
    assert there.labels == {"app.kubernetes.io/managed-by": "lightkeeper", "team": "ci"}
    assert there.annotations["lightkeeper.io/login"] == LOGIN
    assert there.annotations["lightkeeper.io/expires-at"] == "2026-01-02T00:00:00Z"
    assert FIRST.password.reveal() not in json.dumps(dict(there.annotations))
    assert await read(scene.output()) == Found(digest=FIRST.digest, settled=True)


async def test_a_renewal_costs_one_request_and_what_is_there_none() -> None:
    scene = Scene()
    output = scene.output()
    await put(output, a_delivery())
    scene.asked.clear()

    await put(output, a_delivery(SECOND_ONE))

    assert scene.asked == ["patch secrets"]
    assert scene.auths == {SECOND_ONE.registry: auth_of(SECOND_ONE)}


async def test_what_a_look_found_missing_is_made_without_looking_again() -> None:
    scene = Scene()
    output = scene.output()
    assert await read(output) == Found(digest=None, settled=False)
    scene.asked.clear()

    await put(output, a_delivery())

    assert scene.asked == ["patch secrets"]
    assert scene.auths == {FIRST.registry: auth_of(FIRST)}


async def test_what_somebody_made_since_a_look_found_none_is_left_alone() -> None:
    scene = Scene()
    output = scene.output()
    await read(output)
    scene.others(GHCR)

    outcome = await output.deliver(CI, a_delivery(if_foreign=IfForeign.SPARE))

    assert isinstance(outcome, Failed)
    assert outcome.reason is Reason.CONFLICT
    assert scene.auths == GHCR


async def test_what_is_to_be_shared_is_looked_at_before_each_write() -> None:
    scene = Scene()
    output = scene.output(is_shared=True)
    await read(output)
    scene.others(GHCR)

    await put(output, a_delivery())

    assert scene.auths == GHCR | {FIRST.registry: auth_of(FIRST)}


async def test_what_was_changed_since_is_read_before_anything_is_written_over_it() -> None:
    scene = Scene()
    output = scene.output()
    await put(output, a_delivery())
    scene.edit({FIRST.registry: {"auth": "c3RyYW5nZXI6cHc="}})

    done = await output.deliver(CI, a_delivery(SECOND_ONE, if_foreign=IfForeign.ASK))

    assert isinstance(done, Foreign)
    assert scene.auths == {FIRST.registry: {"auth": "c3RyYW5nZXI6cHc="}}


async def test_a_writer_that_saw_no_secret_writes_over_none_that_was_made_since() -> None:
    """Two replicas: the one that is behind was slow to hear that there was none."""
    behind, ahead = Scene(), Scene()
    ahead.cluster.server = behind.server
    behind.fates["get secrets"] = [Fate(answers=0.05)]

    late, done = await asyncio.gather(
        behind.output().deliver(CI, a_delivery(if_foreign=IfForeign.ASK)),
        ahead.output().deliver(CI, a_delivery(SECOND_ONE)),
    )

    assert isinstance(done, Put)
    assert isinstance(late, Foreign)
    assert behind.auths == {SECOND_ONE.registry: auth_of(SECOND_ONE)}


@pytest.mark.parametrize("if_foreign", [IfForeign.SPARE, IfForeign.ASK])
async def test_somebody_elses_secret_is_a_conflict_that_names_its_manager(
    if_foreign: IfForeign,
) -> None:
    scene = Scene()
    scene.others(GHCR)

    done = await scene.output().deliver(CI, a_delivery(if_foreign=if_foreign))

    if if_foreign is IfForeign.SPARE:
        assert isinstance(done, Failed)
        assert done.reason is Reason.CONFLICT
        assert done.detail == (
            "argocd manages it, and keeps logins of other registries in it; merge: true shares it"
            " with them, if_foreign: replace would throw them away"
        )
        assert scene.auths == GHCR
    else:
        assert isinstance(done, Put)
        assert scene.auths == {FIRST.registry: auth_of(FIRST)}


async def test_a_foreign_login_for_our_registry_is_told_with_its_manager() -> None:
    scene = Scene()
    scene.others({FIRST.registry: {"auth": "dTpw"}})

    done = await scene.output().deliver(CI, a_delivery(if_foreign=IfForeign.ASK))

    assert isinstance(done, Foreign)
    assert done.by == "argocd"


async def test_a_shared_secret_keeps_the_entries_data_and_marks_of_others() -> None:
    scene = Scene()
    scene.others(GHCR)
    scene.server.edit_secret("ci", NAME, {("data", "note"): b"mine", ("labels", "a"): "b"}, "x")

    await put(scene.output(is_shared=True), a_delivery(if_foreign=IfForeign.SPARE))

    there = scene.server.secrets["ci", NAME].seen()
    assert scene.auths == {**GHCR, FIRST.registry: auth_of(FIRST)}
    assert there.data["note"] == b"mine"
    assert there.labels["a"] == "b"
    found = await read(scene.output(is_shared=True))
    assert isinstance(found, Found)
    assert found.settled


async def test_two_logins_share_a_secret_and_keep_each_others_entry_and_marks() -> None:
    scene = Scene()
    scene.writers.serve([NAME, NAME])
    one, other = scene.output(is_shared=True), scene.output(OTHER, is_shared=True)

    await asyncio.gather(put(one, a_delivery()), put(other, a_delivery(ELSEWHERE, login=OTHER)))

    there = scene.server.secrets["ci", NAME].seen()
    assert set(scene.auths) == {FIRST.registry, "other.test"}
    marks = {key for key in there.annotations if key.endswith("/login")}
    assert marks == {f"{LOGIN}.lightkeeper.io/login", "other.lightkeeper.io/login"}


async def test_of_two_logins_that_want_the_whole_secret_the_first_keeps_it() -> None:
    scene = Scene()
    scene.ranks.order([LOGIN, OTHER])
    scene.writers.serve([NAME, NAME])
    await put(scene.output(), a_delivery())

    done = await scene.output(OTHER).deliver(CI, a_delivery(ELSEWHERE, login=OTHER))

    assert isinstance(done, Failed)
    assert done.reason is Reason.CONFLICT
    assert set(scene.auths) == {FIRST.registry}


@pytest.mark.parametrize("edited", [{}, {FIRST.registry: {}}])
async def test_what_kubectl_took_out_is_put_back(edited: dict[str, dict[str, str]]) -> None:
    scene = Scene()
    output = scene.output()
    await put(output, a_delivery())
    scene.edit(edited)
    assert await read(output) == Found(digest=None, settled=False, by="kubectl-edit")

    await put(output, a_delivery(if_foreign=IfForeign.SPARE))

    assert scene.auths == {FIRST.registry: auth_of(FIRST)}


async def test_another_label_is_put_on_what_holds_the_login() -> None:
    """Where a reload asks for one, or somebody took it off."""
    scene = Scene()
    await put(scene.output(labels={"team": "one"}), a_delivery())
    output = scene.output(labels={"team": "two"})
    assert output.wants != scene.output(labels={"team": "one"}).wants
    assert output.wants == scene.output(labels={"team": "two"}).wants
    assert await read(output) == Found(digest=FIRST.digest, settled=False)

    await put(output, a_delivery())

    assert scene.server.secrets["ci", NAME].seen().labels["team"] == "two"
    assert await read(output) == Found(digest=FIRST.digest, settled=True)


async def test_a_secret_that_was_deleted_is_made_anew() -> None:
    scene = Scene()
    output = scene.output()
    await put(output, a_delivery())
    scene.server.delete_secret("ci", NAME)
    assert await read(output) == Found(digest=None, settled=False)

    await put(output, a_delivery())

    assert scene.auths == {FIRST.registry: auth_of(FIRST)}


async def test_another_type_is_refused() -> None:
    scene = Scene()
    scene.others(GHCR, kind="Opaque")

    for seen in await read(scene.output()), await scene.output().deliver(CI, a_delivery()):
        assert isinstance(seen, Failed)
        assert seen.reason is Reason.WRONG_TYPE


async def test_an_immutable_one_is_told_when_it_has_to_change() -> None:
    scene = Scene()
    output = scene.output()
    await put(output, a_delivery())
    scene.server.edit_secret("ci", NAME, {("immutable", ""): True}, "kubectl-edit")

    found = await read(output)
    done = await output.deliver(CI, a_delivery(SECOND_ONE))

    assert isinstance(done, Failed)
    assert done.reason is Reason.IMMUTABLE
    assert found == Found(digest=FIRST.digest, settled=True, obstacle=done)


async def test_what_no_client_could_read_is_left_as_it_is() -> None:
    scene = Scene()
    await put(scene.output(), a_delivery())
    scene.server.edit_secret("ci", NAME, {("data", KEY): b'{"auths": []}'}, "kubectl-edit")

    done = await scene.output().deliver(CI, a_delivery())

    assert isinstance(done, Failed)
    assert done.reason is Reason.MALFORMED


async def test_an_answer_that_was_lost_after_it_was_done_is_found_at_the_next_try() -> None:
    scene = Scene()
    output = scene.output()
    scene.fates["patch secrets"] = [CUT]
    lost = await output.deliver(CI, a_delivery())
    assert isinstance(lost, Failed)

    assert await read(output) == Found(digest=FIRST.digest, settled=True)
    assert await put(output, a_delivery()) == Put(changed=False, notices=frozenset())


async def test_a_secret_that_hangs_delays_no_other() -> None:
    scene = Scene()
    scene.server.namespace("team")
    output = scene.output()
    scene.fates["get secrets"] = [LOST]
    hung = asyncio.ensure_future(output.deliver(CI, a_delivery()))
    await asyncio.sleep(0)

    there = Place(output=OUTPUT, name=f"team/{NAME}")
    assert isinstance(await output.deliver(there, a_delivery()), Put)
    assert not hung.done()
    hung.cancel()


async def test_its_places_are_the_namespaces_that_there_are() -> None:
    serving = Serving(["a", "b"], gone={"d"})
    output = KubernetesSecret(
        LOGIN,
        OUTPUT,
        served=serving,
        replaces_foreign=False,
        options=SecretOptions(name=NAME),
        writers=Scene().writers,
    )

    assert [place.name for place in output.places()] == [f"a/{NAME}", f"b/{NAME}"]
    assert output.poll.total_seconds() == 2
    serving.names = ["c"]
    assert [place.name for place in output.places()] == [f"c/{NAME}"]
    assert output.may_stay(Place(output=OUTPUT, name=f"a/{NAME}"))
    assert not output.may_stay(Place(output=OUTPUT, name=f"d/{NAME}"))


@pytest.mark.parametrize("is_shared", [False, True])
async def test_what_is_withdrawn_leaves_the_secret_and_what_others_have_in_it(
    *, is_shared: bool
) -> None:
    scene = Scene()
    if is_shared:
        scene.others(GHCR)
    await put(scene.output(is_shared=is_shared), a_delivery())
    place, ours = f"ci/{NAME}", {FIRST.digest}

    assert await withdraw(scene.cluster, place, LOGIN, [FIRST.registry], ours) is True
    assert await withdraw(scene.cluster, place, LOGIN, [FIRST.registry], ours) is False

    assert scene.auths == (GHCR if is_shared else {})
    there = scene.server.secrets["ci", NAME].seen()
    assert not any("lightkeeper.io" in key for key in there.annotations)
    assert await withdraw(scene.cluster, f"no/{NAME}", LOGIN, [FIRST.registry], ours) is False


async def test_no_more_is_remembered_than_there_are_places() -> None:
    """Where namespaces are made for each build and go with it, a year has many."""
    scene, serving = Scene(), Serving([])
    output = KubernetesSecret(
        LOGIN,
        OUTPUT,
        served=serving,
        replaces_foreign=False,
        options=SecretOptions(name=NAME),
        writers=scene.writers,
    )
    for number in range(50):
        serving.names = [f"build-{number}"]
        scene.server.namespace(serving.names[0])
        (place,) = output.places()
        assert isinstance(await output.deliver(place, a_delivery()), Put)

    assert len(output._versions) <= 2  # noqa: SLF001 - what is kept is the point
