"""What tests of a real API server rely on: identities, and a server that comes and goes."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.integration.process import eventually
from tests.real.cluster import ApiServer, rule, serving

SECRETS = "/api/v1/namespaces/{}/secrets"


def status_as(server: ApiServer, token: str, path: str, patience_seconds: float = 30) -> int:
    """What a GET with this token is answered with."""
    address = urlsplit(server.url)
    trusting = ssl.create_default_context(cafile=server.ca)
    connection = http.client.HTTPSConnection(
        address.hostname or "", address.port, context=trusting, timeout=patience_seconds
    )
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        return connection.getresponse().status
    finally:
        connection.close()


def test_an_account_may_do_what_it_was_granted_and_no_more(api_server: ApiServer) -> None:
    here, elsewhere = api_server.namespace(), api_server.namespace()
    account = api_server.account(here, "it")
    api_server.grant(account, rule(["get", "list"], ["secrets"]), namespace=here)
    token = api_server.token(account)

    assert status_as(api_server, token, SECRETS.format(here)) == 200
    assert status_as(api_server, token, SECRETS.format(elsewhere)) == 403
    assert status_as(api_server, "none", SECRETS.format(here)) == 401


def test_a_brief_token_ends(api_server: ApiServer) -> None:
    namespace = api_server.namespace()
    account = api_server.account(namespace, "it")
    api_server.grant(account, rule(["list"], ["secrets"]), namespace=namespace)
    path = SECRETS.format(namespace)

    def status(seconds: int) -> int:
        return status_as(api_server, api_server.brief_token(account, seconds), path)

    assert status(60) == 200
    assert status(-1) == 401


def test_kubectl_knows_the_way(api_server: ApiServer) -> None:
    namespace = api_server.namespace(labels={"ci": "true"})

    found = json.loads(api_server.kubectl("get", "namespace", namespace, "-o", "json"))

    assert found["metadata"]["labels"]["ci"] == "true"


def test_a_server_that_comes_back_is_the_same(tmp_path: Path) -> None:
    """Its state, its address, what it handed out; without etcd it answers nobody."""
    with serving(tmp_path / "kube") as server:
        namespace = server.namespace()
        account = server.account(namespace, "it")
        server.grant(account, rule(["list"], ["secrets"]), namespace=namespace)
        token, path = server.token(account), SECRETS.format(namespace)
        assert status_as(server, token, path) == 200

        server.stop("kube-apiserver")
        with pytest.raises(OSError, match="refused"):
            status_as(server, token, path)
        server.start()
        assert status_as(server, token, path) == 200

        server.stop("etcd")
        with pytest.raises(TimeoutError):
            status_as(server, token, path, patience_seconds=1)
        server.start()
        assert status_as(server, token, path) == 200


@pytest.mark.timeout(600)  # it may wait for that part to be built
def test_with_a_controller_manager_namespaces_live_and_go_by_themselves(tmp_path: Path) -> None:
    with serving(tmp_path / "kube", parts=["kube-controller-manager"]) as server:
        namespace = server.namespace()
        account = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
        eventually("the account is made", lambda: server.ask("GET", account).status == 200)

        server.end_namespace(namespace)
        gone = f"/api/v1/namespaces/{namespace}"
        eventually("the namespace is gone", lambda: server.ask("GET", gone).status == 404)
