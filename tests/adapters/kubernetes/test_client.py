"""What each call of the port sends, and what it makes of the answer."""

from __future__ import annotations

import base64
import json
import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from lightkeeper.cluster import LeaseSeen, SecretSeen, Stale
from lightkeeper.core.credential import Secret
from lightkeeper.core.reasons import Reason
from lightkeeper.ports import Failed
from tests.adapters.kubernetes.api import (
    MANIFEST,
    PASSWORD,
    SECRET,
    TOKEN,
    Nothing,
    Reply,
    access,
    cause,
    client_of,
    saying,
    serving,
    status,
    talking,
)

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LEASE = LeaseSeen(
    version="", holder="me", duration_seconds=30, acquired_at=AT, renewed_at=AT, transitions=2
)


def managed(manager: str, operation: str = "Update", kind: str = "f:data") -> dict[str, Any]:
    fields: dict[str, Any] = {
        kind: {".": {}, "f:.dockerconfigjson": {}, "f:gone": {}},
        "f:type": {},
    }
    return {"manager": manager, "operation": operation, "fieldsV1": fields}


async def test_a_secret_is_read() -> None:
    metadata = {
        "uid": "u1",
        "resourceVersion": "7",
        "labels": {"a": "b"},
        "annotations": {"c": "d"},
        "managedFields": [managed("lightkeeper", "Apply"), managed("kubectl-edit")],
    }
    async with talking(Reply(body=SECRET | {"metadata": metadata, "immutable": True})) as (api, it):
        found = await it.read_secret("ci", "login")

    assert isinstance(found, SecretSeen)
    assert (found.uid, found.version, found.type) == ("u1", "7", "kubernetes.io/dockerconfigjson")
    assert found.data == {".dockerconfigjson": PASSWORD.encode()}
    assert found.managers == {".dockerconfigjson": "kubectl-edit"}
    assert (found.labels, found.annotations) == ({"a": "b"}, {"c": "d"})
    assert found.is_immutable
    assert [(one.method, one.target) for one in api.asked] == [
        ("GET", "/api/v1/namespaces/ci/secrets/login")
    ]


@pytest.mark.parametrize(
    ("entry", "managers"),
    [
        (managed("lightkeeper", "Apply"), {}),
        (managed("lightkeeper", "Update"), {".dockerconfigjson": "lightkeeper"}),
        (managed("x", "Apply", "f:stringData"), {".dockerconfigjson": "x"}),
        (managed("x", "Apply", "f:metadata"), {}),
    ],
)
async def test_a_key_is_managed_by_who_else_wrote_it(
    entry: dict[str, Any], managers: dict[str, str]
) -> None:
    metadata = {"managedFields": [entry]}
    async with talking(Reply(body=SECRET | {"metadata": metadata})) as (_, cluster):
        found = await cluster.read_secret("ci", "login")

    assert isinstance(found, SecretSeen)
    assert found.managers == managers


async def test_an_empty_secret_is_one() -> None:
    async with talking(Reply(body={"metadata": {"uid": "u"}, "data": {"x": ""}})) as (_, cluster):
        found = await cluster.read_secret("ci", "login")

    assert isinstance(found, SecretSeen)
    assert found.data == {"x": b""}
    assert (found.type, found.is_immutable) == ("", False)


@pytest.mark.parametrize(
    ("version", "dry_run", "query"),
    [
        ("", False, "force=true&fieldManager=lightkeeper"),
        ("7", True, "force=true&fieldManager=lightkeeper&dryRun=All"),
    ],
)
async def test_a_secret_is_applied(version: str, dry_run: bool, query: str) -> None:  # noqa: FBT001
    async with talking(Reply(status=201, body=SECRET)) as (api, cluster):
        found = await cluster.apply_secret("ci", MANIFEST, version, dry_run=dry_run)

    assert isinstance(found, SecretSeen)
    (asked,) = api.asked
    assert (asked.method, asked.target) == (
        "PATCH",
        f"/api/v1/namespaces/ci/secrets/login?{query}",
    )
    assert asked.headers["content-type"] == "application/apply-patch+yaml"
    sent = json.loads(asked.body)
    assert sent["metadata"].pop("resourceVersion") == (version or "1")
    assert sent == {"apiVersion": "v1", "kind": "Secret"} | MANIFEST


async def test_a_secret_is_deleted_if_it_is_still_that_one() -> None:
    """By a precondition, which lightkube cannot send."""
    async with talking(Reply(body={"kind": "Status"})) as (api, cluster):
        assert await cluster.delete_secret("ci", "login", "u1", "7") is None

    (asked,) = api.asked
    assert (asked.method, asked.target) == ("DELETE", "/api/v1/namespaces/ci/secrets/login")
    assert json.loads(asked.body) == {"preconditions": {"uid": "u1", "resourceVersion": "7"}}


async def test_what_is_gone_by_now_is_deleted() -> None:
    async with talking(status(404, "NotFound", kind="secrets")) as (_, cluster):
        assert await cluster.delete_secret("ci", "login", "u1", "7") is None


async def test_what_is_another_by_now_is_not_deleted() -> None:
    async with talking(status(409, "Conflict")) as (_, cluster):
        assert await cluster.delete_secret("ci", "login", "u1", "7") == Stale()


async def test_what_may_not_be_deleted_is_a_failure() -> None:
    async with talking(status(403, "Forbidden")) as (_, cluster):
        outcome = await cluster.delete_secret("ci", "login", "u1", "7")

    assert isinstance(outcome, Failed)
    assert outcome.reason is Reason.ACCESS_DENIED


def lease(version: str, **spec: object) -> Reply:
    metadata: dict[str, Any] = {
        "name": "l",
        "namespace": "ci",
        "resourceVersion": version,
        "labels": {"a": "b"},
    }
    metadata["managedFields"] = []
    return Reply(body={"metadata": metadata, "spec": spec})


async def test_a_lease_is_created_with_microseconds() -> None:
    """Without a fraction, which lightkube's own would leave out, the API server answers 400."""
    answer = lease("1", holderIdentity="me", renewTime="2026-01-02T03:04:05.000000Z")
    async with talking(answer) as (api, cluster):
        found = await cluster.write_lease("ci", "l", LEASE)

    assert isinstance(found, LeaseSeen)
    assert (found.version, found.holder, found.renewed_at) == ("1", "me", AT)
    assert (found.acquired_at, found.duration_seconds, found.transitions) == (None, 0, 0)
    (asked,) = api.asked
    path = "/apis/coordination.k8s.io/v1/namespaces/ci/leases"
    assert (asked.method, asked.target) == ("POST", path)
    told = json.loads(asked.body)
    assert told["spec"] == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 30,
        "leaseTransitions": 2,
        "acquireTime": "2026-01-02T03:04:05.000000Z",
        "renewTime": "2026-01-02T03:04:05.000000Z",
    }
    assert told["kind"] == "Lease"


async def test_a_lease_is_replaced_with_all_that_others_put_there() -> None:
    """Labels of whoever made it; a strategy."""
    replies = lease("5", strategy="OldestEmulationVersion", holderIdentity="x"), lease("6")
    async with talking(*replies) as (api, cluster):
        found = await cluster.read_lease("ci", "l")
        assert isinstance(found, LeaseSeen)
        await cluster.write_lease("ci", "l", LeaseSeen(version="5", **_rest(LEASE)))

    asked = api.asked[1]
    assert (asked.method, asked.target.rpartition("/")[2]) == ("PUT", "l")
    told = json.loads(asked.body)
    assert told["metadata"]["resourceVersion"] == "5"
    assert told["metadata"]["labels"] == {"a": "b"}
    assert "managedFields" not in told["metadata"]
    assert told["spec"]["strategy"] == "OldestEmulationVersion"
    assert told["spec"]["holderIdentity"] == "me"


def _rest(lease: LeaseSeen) -> dict[str, Any]:
    return {name: getattr(lease, name) for name in lease.__struct_fields__ if name != "version"}


@pytest.mark.parametrize(
    "reply",
    [
        status(409, "Conflict"),
        status(409, "AlreadyExists"),
        status(404, "NotFound", kind="leases"),
    ],
)
async def test_a_lease_that_is_another_by_now_is_stale(reply: Reply) -> None:
    async with talking(reply) as (_, cluster):
        assert await cluster.write_lease("ci", "l", LeaseSeen(version="5", **_rest(LEASE))) == (
            Stale()
        )


async def test_a_lease_that_is_not_there_is_none() -> None:
    async with talking(status(404, "NotFound", kind="leases")) as (_, cluster):
        assert await cluster.read_lease("ci", "l") is None


async def test_a_lease_without_its_namespace() -> None:
    async with talking(status(404, "NotFound", kind="namespaces")) as (_, cluster):
        outcome = await cluster.write_lease("ci", "l", LEASE)

    assert isinstance(outcome, Failed)
    assert outcome.reason is Reason.NAMESPACE_MISSING


async def test_a_lease_with_a_time_that_is_none() -> None:
    async with talking(lease("1", renewTime="yesterday")) as (_, cluster):
        outcome = await cluster.read_lease("ci", "l")

    assert isinstance(outcome, Failed)
    assert outcome.reason is Reason.SERVICE_ERROR


async def test_nothing_that_is_seen_shows_what_is_in_it() -> None:
    causes = [cause("FieldValueInvalid", PASSWORD, "data[.dockerconfigjson]")]
    replies = Reply(body=SECRET), status(422, "Invalid", PASSWORD, causes=causes)
    async with talking(*replies) as (_, cluster):
        told = [await cluster.apply_secret("ci", MANIFEST, "") for _ in replies]

    said = "".join(map(repr, [*told, cluster, cluster.access]))
    assert PASSWORD not in said
    assert base64.b64encode(PASSWORD.encode()).decode() not in said


async def test_no_library_logs_a_token_or_what_a_secret_holds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Not even where everything is to be logged."""
    caplog.set_level(logging.DEBUG)
    replies = saying(Reply(body=SECRET), status(401, "Unauthorized"), Nothing(is_cut=True))
    async with (
        serving(replies) as api,
        client_of(access(api.url, bearer=Secret(TOKEN))) as cluster,
    ):
        for _ in range(3):
            await cluster.apply_secret("ci", MANIFEST, "")

    assert any(one.name.startswith("httpx2") for one in caplog.records)
    assert TOKEN not in caplog.text
    assert PASSWORD not in caplog.text
    assert base64.b64encode(PASSWORD.encode()).decode() not in caplog.text
