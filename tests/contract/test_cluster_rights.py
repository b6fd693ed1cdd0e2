"""What an identity may do, and whose pods pull with a Secret: the model and a real API server."""

from __future__ import annotations

import pytest

from lightkeeper.cluster import Cluster
from lightkeeper.core.reasons import Reason
from lightkeeper.ports import Failed
from tests.contract.clustering import NAME, Stage
from tests.fakes.cluster import Right


async def test_a_right_is_told_as_it_is(stage: Stage) -> None:
    here, there = stage.namespace(), stage.namespace()
    cluster = stage.connect(
        Right(verbs=("delete",), resource="secrets", names=(NAME,), namespace=here),
        Right(verbs=("create",), resource="leases", namespace=here),
        Right(verbs=("list",), resource="namespaces"),
        Right(verbs=("create",), resource="secrets", names=(NAME,)),
    )

    told = {
        (verb, resource, namespace, name): await cluster.may(verb, resource, namespace, name)
        for verb, resource, namespace, name in (
            ("delete", "secrets", here, NAME),
            ("delete", "secrets", here, "other"),
            ("delete", "secrets", here, ""),
            ("delete", "secrets", there, NAME),
            ("delete", "secrets", "", NAME),
            ("patch", "secrets", here, NAME),
            ("create", "secrets", "", NAME),
            ("create", "secrets", there, NAME),
            ("create", "secrets", "", ""),
            ("create", "leases", here, ""),
            ("update", "leases", here, "it"),
            ("list", "namespaces", "", ""),
            ("watch", "namespaces", "", ""),
        )
    }

    assert [key for key, is_allowed in told.items() if is_allowed is True] == [
        ("delete", "secrets", here, NAME),
        ("create", "secrets", "", NAME),
        ("create", "secrets", there, NAME),
        ("create", "leases", here, ""),
        ("list", "namespaces", "", ""),
    ]
    assert set(told.values()) == {True, False}
    await cluster.close()


async def test_the_accounts_whose_pods_pull_with_a_secret(cluster: Cluster, stage: Stage) -> None:
    here, there = stage.namespace(), stage.namespace()
    for name, *pulls in (("b", NAME), ("a", "other", NAME), ("other", "other"), ("none",)):
        stage.account(here, name, *pulls)
    stage.account(there, "c", NAME)

    assert await cluster.pulling_accounts(here, NAME) == ("a", "b")
    assert await cluster.pulling_accounts(here, "nobody's") == ()
    assert await cluster.pulling_accounts("nowhere", NAME) == ()


async def test_whoever_may_not_list_accounts_hears_so(stage: Stage) -> None:
    cluster = stage.connect(Right(verbs=("get", "patch"), resource="secrets"))

    refused = await cluster.pulling_accounts(stage.namespace(), NAME)

    assert isinstance(refused, Failed)
    assert refused.reason is Reason.ACCESS_DENIED
    await cluster.close()


@pytest.mark.parametrize("way", ["late", "nowhere"])
async def test_nobody_and_nowhere_is_told_of_no_right(stage: Stage, way: str) -> None:
    cluster = stage.connect_late() if way == "late" else stage.connect_nowhere()

    outcomes = [
        await cluster.may("get", "secrets", "default", NAME),
        await cluster.pulling_accounts("default", NAME),
    ]

    expected = Reason.UNAUTHENTICATED if way == "late" else Reason.NETWORK
    assert [one.reason for one in outcomes if isinstance(one, Failed)] == [expected] * 2
    await cluster.close()
