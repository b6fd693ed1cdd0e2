"""As its own ServiceAccount: with what `deploy/` grants and nothing else, by tokens that end."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.deploy.rendering import configured, manifests, rendered
from tests.integration.kubernetes.cluster import NAME, Cluster, faked_time, login, prepared, within
from tests.integration.process import command, daemon, eventually
from tests.real.cluster import Account, ApiServer
from tests.real.test_cluster import status_as

pytestmark = pytest.mark.timeout(240)
HOME: Final = "lightkeeper"
GRANTS: Final = ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
WAYS: Final = ("base", "overlays/pair-everywhere")
Rights = dict[str, set[tuple[str, str, str, str]]]


class Deployed:
    """What a folder of `deploy/kubernetes` comes to: its objects and its configuration."""

    def __init__(self, cluster: Cluster, way: str) -> None:
        self.cluster = cluster
        text = rendered(way)
        self.config, self.variables = configured(text)
        self.account = Account(namespace=HOME, name=HOME, uid="")
        kinds = ("Namespace", "ServiceAccount", "Secret", "Lease", *GRANTS)
        self.objects = [one for one in manifests(text) if one["kind"] in kinds]
        self.is_everywhere = any(one["kind"] == "ClusterRole" for one in self.objects)

    def apply(self) -> None:
        self._kubectl(self.objects, "apply", "--server-side", "--validate=false")

    def withdraw(self) -> None:
        """Leave nothing that other tests of this server would meet; namespaces stay."""
        objects = [one for one in self.objects if one["kind"] != "Namespace"]
        self._kubectl(objects, "delete", "--wait=false", "--ignore-not-found")

    def _kubectl(self, objects: Sequence[Mapping[str, Any]], *arguments: str) -> None:
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        self.cluster.api.kubectl(*arguments, "--filename=-", stdin=listed)

    def environment(self, token: str) -> dict[str, str]:
        """The Deployment's, but for where it listens and how it finds its API server."""
        path = self.cluster.folder / "kubeconfig"
        self.cluster.api.write_kubeconfig(path, token=token)
        said = {key: value for key, value in self.variables.items() if "CONFIG" not in key}
        return {**said, **self.cluster.environment(path), "LIGHTKEEPER_LISTEN": "127.0.0.1:0"}


@pytest.fixture(params=WAYS)
def deployed(
    request: pytest.FixtureRequest, api_server: ApiServer, tmp_path: Path
) -> Iterator[Deployed]:
    with prepared(api_server, tmp_path) as cluster:
        made = Deployed(cluster, request.param)
        for name in ("ci", HOME):
            if api_server.ask("GET", f"/api/v1/namespaces/{name}").status == 404:
                api_server.namespace(name)
        made.apply()
        try:
            yield made
        finally:
            made.withdraw()


def granted(objects: Sequence[Mapping[str, Any]]) -> Rights:
    """What Roles grant, right by right, by namespace; without one it is everywhere."""
    found: Rights = {}
    for one in objects:
        if one["kind"] not in {"Role", "ClusterRole"}:
            continue
        mine = found.setdefault(one["metadata"].get("namespace", ""), set())
        for rule in one["rules"]:
            for resource in rule["resources"]:
                for name in rule.get("resourceNames", [""]):
                    mine |= {(rule["apiGroups"][0], resource, name, v) for v in rule["verbs"]}
    return found


@pytest.mark.parametrize("way", WAYS)
def test_the_roles_that_are_printed_are_those_that_are_deployed(tmp_path: Path, way: str) -> None:
    """But for the making of a Lease: what is deployed has one already."""
    config, variables = configured(rendered(way))
    file = tmp_path / "config.yaml"
    file.write_text(config)
    said = {key: value for key, value in variables.items() if "CONFIG" not in key}

    done = command(tmp_path, said, "check", "--rbac", "--config", str(file))

    assert done.returncode == 0, done.stderr
    printed = granted([one for one in yaml.safe_load_all(done.stdout) if one])
    deployed = granted(manifests(rendered(way)))
    for rights in printed.values():
        rights.discard(("coordination.k8s.io", "leases", "", "create"))
    assert printed == deployed


def test_all_works_with_what_is_deployed_and_nothing_else_is_in_reach(deployed: Deployed) -> None:
    cluster, api = deployed.cluster, deployed.cluster.api
    token = api.token(deployed.account)
    config = cluster.configure("config", deployed.config)
    environment = deployed.environment(token)
    extra = api.namespace(labels={"builds": "true"})
    with daemon(cluster.folder / "d", environment, "--config", str(config), from_file=True) as one:
        if deployed.is_everywhere:
            one.wait_for("leadership_began")
            within(20, "by its label", lambda: cluster.is_good(extra))
        within(20, "in ci", lambda: cluster.is_good("ci"))
        eventually("it is ready", lambda: one.get("/readyz?places=all")[0] == 200)
        one.signal(signal.SIGUSR1)
        one.wait_for("credential_delivered", 2)
        assert cluster.is_good("ci")
        assert not one.events("delivery_failed")
        assert not one.events("state_not_saved")
        assert not one.events("namespaces_unknown")

    kept = cluster.secret(HOME, "lightkeeper-state")
    assert kept is not None
    assert "prod.json" in kept["data"]
    for path, status in (
        (f"/api/v1/namespaces/ci/secrets/{NAME}", 200),
        ("/api/v1/namespaces/ci/secrets/other", 403),
        ("/api/v1/namespaces/ci/secrets", 403),
        ("/api/v1/secrets", 403),
        (f"/api/v1/namespaces/{HOME}/secrets", 403),
        ("/api/v1/namespaces/kube-system/secrets/other", 403),
        ("/api/v1/namespaces/ci/pods", 403),
        ("/api/v1/namespaces/ci/configmaps", 403),
    ):
        assert status_as(api, token, path) == status, path


def test_a_daemon_goes_on_with_the_token_in_its_file_whatever_becomes_of_the_last(
    cluster: Cluster,
) -> None:
    """One ends; then its ServiceAccount is deleted and made again, and tokens with it."""
    api, here = cluster.api, cluster.api.namespace()
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "create", "patch"]}
    api.grant(cluster.account, rule, namespace=here)
    token = cluster.folder / "token"
    path = f"/api/v1/namespaces/{here}/secrets/{NAME}"

    def is_refused() -> bool:
        return status_as(api, token.read_text(), path) == 401

    token.write_text(api.brief_token(cluster.account, 3))
    kubeconfig = api.write_kubeconfig(cluster.folder / "kubeconfig", token_file=token)
    output = f"      - {{type: kubernetes_secret, namespaces: [{here}]}}\n"
    file = cluster.configure("daemon", login(output))
    environment = cluster.environment(kubeconfig)
    environment |= faked_time("+0 x2")
    with daemon(cluster.folder / "d", environment, "--config", str(file)) as running:
        running.wait_for("credential_delivered")
        eventually("the first has ended", is_refused)  # it is remembered for ten seconds
        token.write_text(api.token(cluster.account, 600))
        running.signal(signal.SIGUSR1)
        assert running.wait_for("credential_delivered", 2)["failing"] == 0

        account = f"/api/v1/namespaces/{cluster.home}/serviceaccounts/{cluster.account.name}"
        api.done("DELETE", account)
        eventually("the second has ended", is_refused)
        told = len(running.events("delivery_failed"))  # the poll may have met the first's end
        running.signal(signal.SIGUSR1)
        failed = running.wait_for("delivery_failed", told + 1)
        assert failed["reason"] == "unauthenticated"
        assert running.get("/readyz?places=all")[0] == 503
        again = api.account(cluster.home, cluster.account.name)
        token.write_text(api.token(again, 600))
        eventually("it is ready", lambda: running.get("/readyz?places=all")[0] == 200)

        assert cluster.is_good(here)
        assert len(running.events("delivery_failed")) == told + 1
        assert cluster.lightsail.calls() == 3
