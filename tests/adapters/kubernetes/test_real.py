"""Our client at a real API server, for what the contract tests do not ask: time and rotation."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import aclosing
from pathlib import Path
from random import Random

import pytest

from lightkeeper.adapters.clock import SystemClock
from lightkeeper.adapters.kubernetes.access import access_to
from lightkeeper.adapters.kubernetes.client import KubernetesCluster
from lightkeeper.cluster import ClusterConfig, Listed, NamespaceSeen, SecretSeen
from lightkeeper.core.reasons import Reason
from lightkeeper.ports import Failed
from tests.adapters.kubernetes.api import HandClock, client_of, path_of
from tests.real.cluster import Account, ApiServer, rule, serving

NAME = "lightsail-push"
RIGHTS = (rule(["create", "patch"], ["secrets"], NAME), rule(["get"], ["secrets"], NAME))
pytestmark = pytest.mark.timeout(120)


def manifest(text: str = "{}") -> dict[str, object]:
    coded = base64.b64encode(text.encode()).decode()
    kind = "kubernetes.io/dockerconfigjson"
    return {"metadata": {"name": NAME}, "type": kind, "data": {".dockerconfigjson": coded}}


def admin(server: ApiServer) -> KubernetesCluster:
    """By the client certificate of its kubeconfig."""
    access = access_to(ClusterConfig(kubeconfig=str(server.kubeconfig)), {})
    return KubernetesCluster(access, SystemClock(), Random(1), per_second=None)  # noqa: S311 - waits


@pytest.fixture
def account(api_server: ApiServer) -> Account:
    """One that may write its Secret in a namespace of its own, and nothing else."""
    namespace = api_server.namespace()
    made = api_server.account(namespace, "lightkeeper")
    api_server.grant(made, *RIGHTS, namespace=namespace)
    return made


async def test_a_token_that_is_renewed_in_its_file(
    api_server: ApiServer, account: Account, tmp_path: Path
) -> None:
    """The old one ends; the file is read again on the refusal, a minute has not passed."""
    token = path_of(tmp_path, "token", api_server.brief_token(account, -30))
    config = api_server.write_kubeconfig(tmp_path / "kubeconfig", token_file=token)
    access = access_to(ClusterConfig(kubeconfig=str(config)), {})

    async with client_of(access, clock=HandClock()) as cluster:
        late = await cluster.apply_secret(account.namespace, manifest(), "")
        path_of(tmp_path, "token", api_server.token(account))
        fresh = await cluster.apply_secret(account.namespace, manifest(), "")

    assert isinstance(late, Failed)
    assert late.reason is Reason.UNAUTHENTICATED
    assert isinstance(fresh, SecretSeen)


async def test_what_rbac_forbids_is_told_in_its_words(
    api_server: ApiServer, account: Account, tmp_path: Path
) -> None:
    config = api_server.write_kubeconfig(tmp_path / "k", token=api_server.token(account))
    access = access_to(ClusterConfig(kubeconfig=str(config)), {})

    async with client_of(access) as cluster:
        other = await cluster.read_secret("default", NAME)

    assert isinstance(other, Failed)
    assert other.reason is Reason.ACCESS_DENIED
    assert other.detail == (
        "the API server answered 403 Forbidden: User"
        f' "system:serviceaccount:{account.namespace}:lightkeeper" cannot get resource "secrets"'
        ' in API group "" in the namespace "default"'
    )


async def test_what_an_api_server_cannot_read_is_a_bug_of_ours(api_server: ApiServer) -> None:
    """500 without a reason, for base64 that is none."""
    cluster = admin(api_server)
    broken = manifest() | {"data": {".dockerconfigjson": "!"}}

    outcome = await cluster.apply_secret(api_server.namespace(), broken, "")
    await cluster.close()

    assert isinstance(outcome, Failed)
    assert outcome.reason is Reason.INTERNAL_ERROR


async def test_more_namespaces_than_a_page_holds(api_server: ApiServer) -> None:
    label = f"p{api_server.namespace()}"
    made = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{label}-{one}"}}
        for one in range(501)
    ]
    for one in made:
        one["metadata"] |= {"labels": {"page": label}}  # type: ignore[operator]
    whole = {"apiVersion": "v1", "kind": "List", "items": made}
    await asyncio.to_thread(
        api_server.kubectl, "create", "--validate=false", "-f", "-", stdin=json.dumps(whole)
    )
    cluster = admin(api_server)
    async with aclosing(cluster.watch_namespaces(f"page={label}")) as told:  # type: ignore[type-var]
        listed = await anext(told)
    await cluster.close()

    assert isinstance(listed, Listed)
    assert len({one.name for one in listed.namespaces}) == 501


async def test_an_api_server_that_comes_back_is_taken_up_again(tmp_path: Path) -> None:
    """The watch is cut, there is nobody for a while, and its version may be forgotten."""
    with serving(tmp_path / "state") as server:
        cluster = admin(server)
        async with (
            asyncio.timeout(90),
            aclosing(cluster.watch_namespaces("")) as told,  # type: ignore[type-var]
        ):
            before = await anext(told)
            await asyncio.to_thread(server.stop, "kube-apiserver")
            gone = await anext(told)
            unread = await cluster.read_secret("default", NAME)
            await asyncio.to_thread(server.start, "kube-apiserver")
            server.namespace("later")
            names: set[str] = set()
            async for one in told:
                if isinstance(one, Listed):
                    names |= {each.name for each in one.namespaces}
                elif isinstance(one, NamespaceSeen):
                    names.add(one.name)
                if "later" in names:
                    break
        again = await cluster.apply_secret("later", manifest(), "")
        await cluster.close()

    assert isinstance(before, Listed)
    assert isinstance(gone, Failed)
    assert gone.reason in {Reason.NETWORK, Reason.SERVICE_ERROR}
    assert isinstance(unread, Failed)
    assert isinstance(again, SecretSeen)


async def test_an_overloaded_api_server_is_left_in_peace(tmp_path: Path) -> None:
    """It takes two calls at a time of us, and answers 429 in plain text to the others."""
    flags = "--max-requests-inflight=1 --max-mutating-requests-inflight=1"
    off = "--feature-gates=APIPriorityAndFairness=false"
    with serving(tmp_path / "state", f"{flags} {off}") as server:
        account = server.account("default", "lightkeeper")
        server.grant(account, *RIGHTS, namespace="default")
        config = server.write_kubeconfig(tmp_path / "k", token=server.token(account))
        access = access_to(ClusterConfig(kubeconfig=str(config)), {})
        async with client_of(access) as cluster:
            refused: list[Failed] = []
            while not refused:
                calls = (
                    cluster.apply_secret("default", manifest(f'{{"a":{n}}}'), "") for n in range(8)
                )
                refused = [one for one in await asyncio.gather(*calls) if isinstance(one, Failed)]
            waiting = asyncio.timeout(0.2)
            with pytest.raises(TimeoutError):
                async with waiting:
                    await cluster.read_secret("default", NAME)

    assert {one.reason for one in refused} == {Reason.THROTTLED}
    assert refused[0].detail == "the API server answered 429, not as an API server does"
