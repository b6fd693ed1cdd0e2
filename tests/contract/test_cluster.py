"""What the simulation takes a Kubernetes API server for is what our client finds at a real one."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import pytest

from lightkeeper.cluster import (
    Cluster,
    LeaseSeen,
    SecretSeen,
    Stale,
)
from lightkeeper.core.reasons import Reason
from lightkeeper.ports import Failed
from tests.contract.clustering import (
    KEY,
    NAME,
    Stage,
    content,
    manifest,
)
from tests.fakes.applying import IMMUTABLE
from tests.fakes.cluster import Right

FIRST, SECOND, THIRD = content("first"), content("second"), content("third")
BEGAN: Final = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
LEASE: Final = LeaseSeen(
    version="",
    holder="one",
    duration_seconds=30,
    acquired_at=BEGAN,
    renewed_at=BEGAN,
    transitions=0,
)


@dataclass
class Secrets:
    """The one Secret of a namespace of its own, with the right to everything."""

    stage: Stage
    cluster: Cluster
    namespace: str

    async def apply(
        self, data: bytes = FIRST, *, version: str | None = None, **metadata: object
    ) -> SecretSeen | Stale | Failed:
        """To the version that is there, or to the one that is named."""
        applied = manifest({KEY: data}, metadata)
        version = await self.version() if version is None else version
        return await self.cluster.apply_secret(self.namespace, applied, version)

    async def send(self, applied: dict[str, object]) -> SecretSeen | Stale | Failed:
        return await self.cluster.apply_secret(self.namespace, applied, await self.version())

    async def applied(
        self, data: bytes = FIRST, *, version: str | None = None, **metadata: object
    ) -> SecretSeen:
        seen = await self.apply(data, version=version, **metadata)
        assert isinstance(seen, SecretSeen), seen
        return seen

    async def version(self) -> str:
        """Empty if there is none."""
        seen = await self.cluster.read_secret(self.namespace, NAME)
        return seen.version if isinstance(seen, SecretSeen) else ""

    async def read(self) -> SecretSeen:
        seen = await self.cluster.read_secret(self.namespace, NAME)
        assert isinstance(seen, SecretSeen), seen
        return seen


@pytest.fixture
def secrets(stage: Stage, cluster: Cluster) -> Secrets:
    return Secrets(stage, cluster, stage.namespace())


async def test_a_secret_that_is_not_there_is_none(secrets: Secrets) -> None:
    assert await secrets.cluster.read_secret(secrets.namespace, NAME) is None


async def test_what_was_applied_is_read_back(secrets: Secrets) -> None:
    labels, annotations = {"a": "b"}, {"expires": "noon"}

    seen = await secrets.applied(labels=labels, annotations=annotations)
    read = await secrets.read()

    assert seen.uid
    for one in (seen, read):
        assert (one.uid, one.version) == (seen.uid, seen.version)
        assert (one.type, one.data) == ("kubernetes.io/dockerconfigjson", {KEY: FIRST})
        assert (one.labels, one.annotations) == (labels, annotations)
        assert (one.managers, one.is_immutable) == ({}, False)


async def test_only_what_changes_gives_a_new_version(secrets: Secrets) -> None:
    first = await secrets.applied()
    again = await secrets.applied()
    changed = await secrets.applied(SECOND)

    assert again.version == first.version != changed.version
    assert changed.uid == first.uid
    assert changed.data == {KEY: SECOND}


async def test_a_label_that_is_left_out_goes_and_that_of_somebody_else_stays(
    secrets: Secrets,
) -> None:
    await secrets.applied(labels={"ours": "1"})
    secrets.stage.edit(secrets.namespace, {("labels", "theirs"): "1"}, "edit")

    assert (await secrets.applied(labels={})).labels == {"theirs": "1"}


async def test_a_label_that_is_left_out_stays_if_somebody_else_wants_it_too(
    secrets: Secrets,
) -> None:
    await secrets.applied(labels={"shared": "1"})
    secrets.stage.apply(secrets.namespace, manifest(None, {"labels": {"shared": "1"}}), "somebody")

    assert (await secrets.applied(labels={})).labels == {"shared": "1"}


async def test_data_of_somebody_else_stays_and_is_told(secrets: Secrets) -> None:
    await secrets.applied()
    secrets.stage.edit(secrets.namespace, {("data", "other"): b"x"}, "edit")

    seen = await secrets.applied(SECOND)

    assert seen.data == {KEY: SECOND, "other": b"x"}
    assert seen.managers == {"other": "edit"}


async def test_whoever_changed_it_last_is_told(secrets: Secrets) -> None:
    await secrets.applied()
    secrets.stage.edit(secrets.namespace, {("data", KEY): SECOND}, "adam")
    secrets.stage.edit(secrets.namespace, {("data", KEY): THIRD}, "zoe")

    assert (await secrets.read()).managers == {KEY: "zoe"}


@pytest.mark.parametrize("way", ["edit", "apply"])
async def test_what_others_changed_is_taken_over(secrets: Secrets, way: str) -> None:
    await secrets.applied()
    if way == "edit":
        secrets.stage.edit(secrets.namespace, {("data", KEY): SECOND}, "somebody")
    else:
        applied = manifest({KEY: SECOND})
        secrets.stage.apply(secrets.namespace, applied, "somebody")

    assert (await secrets.read()).managers == {KEY: "somebody"}
    ours = await secrets.applied(THIRD)
    assert (ours.data, ours.managers) == ({KEY: THIRD}, {})


async def test_who_applies_the_same_owns_it_too(secrets: Secrets) -> None:
    await secrets.applied()
    secrets.stage.apply(secrets.namespace, manifest(), "somebody")

    assert (await secrets.applied()).managers == {KEY: "somebody"}
    assert (await secrets.applied(SECOND)).managers == {}


async def test_an_edit_that_changes_nothing_takes_nothing_over(secrets: Secrets) -> None:
    first = await secrets.applied()
    secrets.stage.edit(secrets.namespace, {("data", KEY): FIRST}, "somebody")

    assert (await secrets.read()).version == first.version
    assert (await secrets.applied(SECOND)).managers == {}


async def test_what_others_removed_is_put_back_unasked(secrets: Secrets) -> None:
    await secrets.applied(labels={"ours": "1"})
    secrets.stage.edit(secrets.namespace, {("labels", "ours"): None}, "somebody")

    assert (await secrets.applied(labels={"ours": "1"})).labels == {"ours": "1"}


async def test_a_version_that_is_past_is_written_over_by_nobody(secrets: Secrets) -> None:
    first = await secrets.applied()
    second = await secrets.applied(SECOND)

    assert await secrets.apply(FIRST, version=first.version) == Stale()
    assert await secrets.apply(SECOND, version=first.version) == Stale()
    assert (await secrets.read()).version == second.version
    assert (await secrets.applied(FIRST, version=second.version)).data == {KEY: FIRST}


async def test_whoever_saw_none_writes_over_none_that_was_made_since(secrets: Secrets) -> None:
    first = await secrets.applied(version="")

    assert await secrets.apply(SECOND, version="") == Stale()
    assert await secrets.apply(FIRST, version="") == Stale()
    assert (await secrets.read()).version == first.version


async def test_a_version_is_no_guard_against_making_it_again(secrets: Secrets) -> None:
    first = await secrets.applied()
    secrets.stage.delete_secret(secrets.namespace)

    assert (await secrets.applied(version=first.version)).uid != first.uid


async def test_a_uid_is_a_guard_against_making_it_again(secrets: Secrets) -> None:
    first = await secrets.applied()
    assert (await secrets.applied(SECOND, uid=first.uid)).uid == first.uid
    secrets.stage.delete_secret(secrets.namespace)

    assert await secrets.apply(uid=first.uid) == Stale()
    await secrets.applied()
    assert await secrets.apply(SECOND, uid=first.uid) == Stale()


async def test_a_type_cannot_be_changed(secrets: Secrets) -> None:
    await secrets.applied()

    refused = await secrets.send(manifest({KEY: SECOND}, kind="Opaque"))

    assert isinstance(refused, Failed)
    assert refused.reason is Reason.WRONG_TYPE


async def test_what_is_immutable_keeps_its_data_and_takes_labels(secrets: Secrets) -> None:
    await secrets.applied()
    secrets.stage.edit(secrets.namespace, {IMMUTABLE: True}, "somebody")

    refused = await secrets.apply(SECOND)

    assert isinstance(refused, Failed)
    assert refused.reason is Reason.IMMUTABLE
    labelled = await secrets.applied(labels={"a": "b"})
    assert (labelled.labels, labelled.is_immutable) == ({"a": "b"}, True)


BAD: Final = {
    "no_json": (manifest({KEY: b"{"}), Reason.INVALID_INPUT),
    "a_list": (manifest({KEY: b"[]"}), Reason.INVALID_INPUT),
    "no_key": (manifest({"other": b"{}"}), Reason.INVALID_INPUT),
    "large": (manifest({"x": b"x" * (1024 * 1024 + 1)}, kind="Opaque"), Reason.TOO_LARGE),
    "larger": (manifest({"x": b"x" * (3 * 1024 * 1024)}, kind="Opaque"), Reason.TOO_LARGE),
    "no_base64": ({**manifest(), "data": {KEY: "*"}}, Reason.INTERNAL_ERROR),
    "unknown_field": ({**manifest(), "dta": {}}, Reason.INTERNAL_ERROR),
}


@pytest.mark.parametrize("name", BAD)
async def test_what_is_wrong_is_refused_with_its_reason(secrets: Secrets, name: str) -> None:
    applied, reason = BAD[name]

    refused = await secrets.send(applied)

    assert isinstance(refused, Failed)
    assert refused.reason is reason
    assert await secrets.cluster.read_secret(secrets.namespace, NAME) is None


@pytest.mark.parametrize(
    "data", [{KEY: b"{}"}, {KEY: FIRST, "x": b"x" * (1024 * 1024 - len(FIRST))}]
)
async def test_any_object_of_json_is_taken_up_to_a_mebibyte(
    secrets: Secrets, data: dict[str, bytes]
) -> None:
    seen = await secrets.send(manifest(data))

    assert isinstance(seen, SecretSeen)
    assert seen.data == data


async def test_a_namespace_that_is_missing_holds_nothing(secrets: Secrets) -> None:
    for dry_run in (False, True):
        refused = await secrets.cluster.apply_secret("nowhere", manifest(), "", dry_run=dry_run)
        assert isinstance(refused, Failed)
        assert refused.reason is Reason.NAMESPACE_MISSING

    assert await secrets.cluster.read_secret("nowhere", NAME) is None
    assert await secrets.cluster.delete_secret("nowhere", NAME, "uid", "1") is None


async def test_a_namespace_that_ends_takes_changes_and_nothing_new(secrets: Secrets) -> None:
    first = await secrets.applied()
    secrets.stage.end_namespace(secrets.namespace)

    assert (await secrets.applied(SECOND)).uid == first.uid
    secrets.stage.delete_secret(secrets.namespace)
    refused = await secrets.apply()
    assert isinstance(refused, Failed)
    assert refused.reason is Reason.NAMESPACE_TERMINATING


async def test_a_dry_run_proves_and_writes_nothing(secrets: Secrets) -> None:
    async def tried(version: str) -> SecretSeen | Stale | Failed:
        applied = manifest({KEY: SECOND})
        return await secrets.cluster.apply_secret(secrets.namespace, applied, version, dry_run=True)

    new = await tried("")
    assert isinstance(new, SecretSeen)
    assert new.data == {KEY: SECOND}
    assert await secrets.cluster.read_secret(secrets.namespace, NAME) is None

    first = await secrets.applied()
    assert isinstance(await tried(first.version), SecretSeen)
    assert await tried("") == Stale()
    assert (await secrets.read()).version == first.version
    assert (await secrets.read()).data == {KEY: FIRST}


async def test_only_the_secret_that_is_meant_is_deleted(secrets: Secrets) -> None:
    first = await secrets.applied()
    secrets.stage.delete_secret(secrets.namespace)
    second = await secrets.applied()

    async def deleted(uid: str, version: str) -> Stale | Failed | None:
        return await secrets.cluster.delete_secret(secrets.namespace, NAME, uid, version)

    assert await deleted(first.uid, second.version) == Stale()
    assert (await secrets.read()).uid == second.uid
    assert await deleted(second.uid, second.version) is None
    assert await secrets.cluster.read_secret(secrets.namespace, NAME) is None
    assert await deleted(second.uid, second.version) is None


async def test_a_secret_that_was_written_since_it_was_seen_is_not_deleted(secrets: Secrets) -> None:
    first = await secrets.applied()
    second = await secrets.applied(SECOND)
    assert second.uid == first.uid

    refused = await secrets.cluster.delete_secret(secrets.namespace, NAME, first.uid, first.version)

    assert refused == Stale()
    assert (await secrets.read()).data == {KEY: SECOND}


# What a role of these rules may, after the measurements on real API servers: create it, change it.
ROLES: Final = {
    "patch": ([Right(verbs=("patch",), resource="secrets", names=(NAME,))], False, True),
    "create": ([Right(verbs=("create",), resource="secrets")], False, False),
    "both": ([Right(verbs=("create", "patch"), resource="secrets", names=(NAME,))], True, True),
    "both_of_another": (
        [Right(verbs=("create", "patch"), resource="secrets", names=("other",))],
        False,
        False,
    ),
    "get_update_create": (
        [Right(verbs=("get", "update", "create"), resource="secrets")],
        False,
        False,
    ),
}


@pytest.mark.parametrize("name", ROLES)
async def test_the_rights_that_an_apply_needs(secrets: Secrets, name: str) -> None:
    rights, may_create, may_change = ROLES[name]
    cluster = secrets.stage.connect(*rights)

    async def may(data: bytes, *, dry_run: bool) -> bool:
        done = await cluster.apply_secret(
            secrets.namespace, manifest({KEY: data}), await secrets.version(), dry_run=dry_run
        )
        if isinstance(done, Failed):
            assert done.reason is Reason.ACCESS_DENIED
        return isinstance(done, SecretSeen)

    assert await may(FIRST, dry_run=True) is may_create
    assert await may(FIRST, dry_run=False) is may_create
    await secrets.applied()
    assert await may(SECOND, dry_run=True) is may_change
    assert await may(SECOND, dry_run=False) is may_change
    await cluster.close()


async def test_whoever_may_only_apply_reads_and_deletes_nothing(secrets: Secrets) -> None:
    """And hears of a missing namespace before the want of a right to make it there."""
    cluster = secrets.stage.connect(Right(verbs=("patch",), resource="secrets"))

    read = await cluster.read_secret(secrets.namespace, NAME)
    deleted = await cluster.delete_secret(secrets.namespace, NAME, "uid", "1")
    applied = await cluster.apply_secret("nowhere", manifest(), "")

    assert isinstance(read, Failed)
    assert isinstance(deleted, Failed)
    assert isinstance(applied, Failed)
    assert read.reason is deleted.reason is Reason.ACCESS_DENIED
    assert applied.reason is Reason.NAMESPACE_MISSING
    await cluster.close()


async def test_a_right_in_one_namespace_is_none_in_another(secrets: Secrets) -> None:
    there = secrets.stage.namespace()
    right = Right(verbs=("create", "patch"), resource="secrets", namespace=there)
    cluster = secrets.stage.connect(right)

    allowed = await cluster.apply_secret(there, manifest(), "")
    refused = await cluster.apply_secret(secrets.namespace, manifest(), "")

    assert isinstance(allowed, SecretSeen)
    assert isinstance(refused, Failed)
    assert refused.reason is Reason.ACCESS_DENIED
    await cluster.close()


@pytest.mark.parametrize("way", ["late", "nowhere"])
async def test_a_token_that_ended_and_a_server_that_is_away_fail_every_call(
    stage: Stage, way: str
) -> None:
    cluster = stage.connect_late() if way == "late" else stage.connect_nowhere()

    async with aclosing(cluster.watch_namespaces("")) as watch:  # type: ignore[type-var]
        outcomes = [
            await cluster.read_secret("default", NAME),
            await cluster.apply_secret("default", manifest(), ""),
            await cluster.delete_secret("default", NAME, "uid", "1"),
            await cluster.read_lease("default", "it"),
            await cluster.write_lease("default", "it", LEASE),
            await anext(watch),
        ]

    expected = Reason.UNAUTHENTICATED if way == "late" else Reason.NETWORK
    assert [one.reason for one in outcomes if isinstance(one, Failed)] == [expected] * 6
    await cluster.close()
