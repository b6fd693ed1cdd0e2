"""The daemon in a real cluster: with the rights that it asks for, in pairs, and when things end."""

from __future__ import annotations

import base64
import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.process import Daemon, Simulated, command, daemon, eventually, simulator
from tests.real.cluster import Account, ApiServer

NAME = "lightsail-push"
WITHIN_SECONDS = 10.0
"""After which a new namespace has its Secret."""


@dataclass
class Cluster:
    """An API server, Lightsail, and a namespace of the daemon's own."""

    api: ApiServer
    lightsail: Simulated
    folder: Path
    home: str
    account: Account

    def configure(self, name: str, text: str) -> Path:
        file = self.folder / f"{name}.yaml"
        file.write_text(text)
        return file

    def apply_rights(self, file: Path) -> None:
        """What `check --rbac` prints, for our account."""
        done = command(
            self.folder, self.lightsail.environment, "check", "--rbac", "--config", str(file)
        )
        assert done.returncode == 0, done.stderr
        self.api.kubectl("apply", "-f", "-", stdin=done.stdout)

    def environment(self, kubeconfig: Path) -> dict[str, str]:
        return {**self.lightsail.environment, "KUBECONFIG": str(kubeconfig)}

    def secret(self, namespace: str, name: str = NAME) -> dict[str, Any] | None:
        path = f"/api/v1/namespaces/{namespace}/secrets/{name}"
        answer = self.api.ask("GET", path)
        return answer.body if answer.status == 200 else None

    def holds(self, namespace: str) -> bool:
        """Whether a client would find our login there."""
        secret = self.secret(namespace)
        if secret is None:
            return False
        document = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))
        return self.lightsail.registry in document["auths"]


@pytest.fixture
def cluster(api_server: ApiServer, tmp_path: Path) -> Iterator[Cluster]:
    home = api_server.namespace()
    account = api_server.account(home, "lightkeeper")
    with simulator(tmp_path, "--lifetime", "600") as lightsail:
        yield Cluster(api_server, lightsail, tmp_path, home, account)


def login(outputs: str, more: str = "") -> str:
    return f"logins:\n  - name: prod\n    region: eu-central-1\n    outputs:\n{outputs}{more}"


def within(seconds: float, what: str, is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"not in {seconds} s: {what}"
        time.sleep(0.1)


def test_with_the_rights_that_are_printed_every_namespace_has_its_secret(
    cluster: Cluster,
) -> None:
    first = cluster.api.namespace(labels={"ci": cluster.home})
    output = f"      - {{type: kubernetes_secret, namespace_selector: ci={cluster.home}}}\n"
    state = f"state: {{secret: {cluster.home}/state}}\n"
    file = cluster.configure("daemon", login(output, state))
    cluster.apply_rights(file)
    kubeconfig = cluster.api.write_kubeconfig(
        cluster.folder / "kubeconfig", token=cluster.api.token(cluster.account)
    )
    arguments = ("--config", str(file), "--listen", "127.0.0.1:0")
    with daemon(
        cluster.folder / "d", cluster.environment(kubeconfig), *arguments, from_file=True
    ) as running:
        within(30, "the first Secret", lambda: cluster.holds(first))
        second = cluster.api.namespace(labels={"ci": cluster.home})
        within(WITHIN_SECONDS, "the second Secret", lambda: cluster.holds(second))
        assert running.get("/readyz?places=all")[0] == 200
        described = cluster.api.kubectl("-n", second, "describe", "secret", NAME)
        assert "lightkeeper.io/expires-at" in described
        assert cluster.lightsail.calls() == 1

    with daemon(
        cluster.folder / "d", cluster.environment(kubeconfig), *arguments, from_file=True
    ) as again:
        eventually("it is ready again", lambda: again.get("/readyz?places=all")[0] == 200)
    assert cluster.lightsail.calls() == 1


def test_a_right_that_is_missing_is_told_with_what_grants_it_and_fails_no_other(
    cluster: Cluster,
) -> None:
    allowed, denied = cluster.api.namespace(), cluster.api.namespace()
    state = f"state: {{secret: {cluster.home}/state}}\n"
    one = f"      - {{type: kubernetes_secret, namespaces: [{allowed}]}}\n"
    cluster.apply_rights(cluster.configure("less", login(one, state)))
    both = f"      - {{type: kubernetes_secret, namespaces: [{allowed}, {denied}]}}\n"
    file = cluster.configure("daemon", login(both, state))
    kubeconfig = cluster.api.write_kubeconfig(
        cluster.folder / "kubeconfig", token=cluster.api.token(cluster.account)
    )
    with daemon(
        cluster.folder / "d",
        cluster.environment(kubeconfig),
        *("--config", str(file), "--listen", "127.0.0.1:0"),
        from_file=True,
    ) as running:
        failed = running.wait_for("delivery_failed")
        within(30, "the Secret that may be", lambda: cluster.holds(allowed))

        assert (failed["place"], failed["reason"]) == (f"{denied}/{NAME}", "access_denied")
        assert "lightkeeper check --rbac" in failed["advice"]
        assert running.get("/readyz")[0] == 200
        assert running.get("/readyz?places=all")[0] == 503


def test_a_token_that_ends_is_followed_by_the_one_in_its_file(cluster: Cluster) -> None:
    here = cluster.api.namespace()
    cluster.api.grant(
        cluster.account,
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "create", "patch"]},
        namespace=here,
    )
    token = cluster.folder / "token"
    token.write_text(cluster.api.brief_token(cluster.account, 3))
    kubeconfig = cluster.api.write_kubeconfig(cluster.folder / "kubeconfig", token_file=token)
    output = f"      - {{type: kubernetes_secret, namespaces: [{here}]}}\n"
    file = cluster.configure("daemon", login(output))
    with daemon(
        cluster.folder / "d", cluster.environment(kubeconfig), "--config", str(file)
    ) as running:
        running.wait_for("credential_delivered")
        time.sleep(15)  # the API server remembers a token that it took for ten seconds
        token.write_text(cluster.api.brief_token(cluster.account, 600))
        running.signal(signal.SIGUSR1)
        delivered = running.wait_for("credential_delivered", 2)

    assert delivered["failing"] == 0


def test_the_standby_takes_over_without_a_call_when_its_leader_is_killed(
    cluster: Cluster,
) -> None:
    here = cluster.api.namespace()
    output = f"      - {{type: kubernetes_secret, namespaces: [{here}]}}\n"
    more = (
        f"state: {{secret: {cluster.home}/state}}\n"
        f"leader_election: {{lease: {cluster.home}/leader, duration: 6s, renew_deadline: 4s,"
        " retry: 1s}\n"
    )
    file = cluster.configure("pair", login(output, more))
    cluster.apply_rights(file)
    kubeconfig = cluster.api.write_kubeconfig(
        cluster.folder / "kubeconfig", token=cluster.api.token(cluster.account)
    )
    arguments = ("--config", str(file), "--listen", "127.0.0.1:0")

    def replica(stack: ExitStack, name: str) -> Daemon:
        environment = cluster.environment(kubeconfig)
        return stack.enter_context(
            daemon(cluster.folder / name, environment, *arguments, from_file=True)
        )

    with ExitStack() as stack:
        leader = replica(stack, "one")
        leader.wait_for("credential_delivered")
        standby = replica(stack, "two")
        standby.wait_for("leader_seen")
        assert json.loads(standby.get("/readyz")[1])["role"] == "standby"
        assert leader.metric("lightkeeper_leader") == 1

        leader.process.kill()
        killed = time.monotonic()
        standby.wait_for("leadership_began")

        assert time.monotonic() - killed < 6 + 2 + 1
        eventually("it is ready", lambda: standby.get("/readyz?places=all")[0] == 200)
        assert standby.metric("lightkeeper_leader") == 1
        assert cluster.lightsail.calls() == 1
        third = replica(stack, "three")
        third.wait_for("leader_seen")
        standby.signal(signal.SIGTERM)
        third.wait_for("leadership_began")
    assert cluster.lightsail.calls() == 1


@pytest.mark.parametrize("is_shared", [False, True], ids=["directory", "secret"])
def test_commands_do_without_a_daemon_what_it_would(cluster: Cluster, *, is_shared: bool) -> None:
    """`once` delivers, `status` and `check` look, `withdraw` takes out and leaves the Secret."""
    named, found = cluster.api.namespace(), cluster.api.namespace(labels={"ci": cluster.home})
    output = (
        f"      - {{type: kubernetes_secret, namespaces: [{named}],"
        f" namespace_selector: ci={cluster.home}}}\n"
    )
    folder = cluster.folder
    where = f"state: {{secret: {cluster.home}/state}}" if is_shared else f"state_dir: {folder}/s"
    more = f"{where}\nsocket: {folder}/control.sock\n"
    file = cluster.configure("host", login(output, more))

    def run(word: str, *arguments: str) -> tuple[int, str]:
        environment = cluster.environment(cluster.api.kubeconfig)
        done = command(folder, environment, word, "--config", str(file), *arguments)
        return done.returncode, done.stdout

    status, said = run("once")
    assert status == 0, said
    assert f"{named}/{NAME}: ok" in said
    assert f"{found}/{NAME}: ok" in said
    assert cluster.holds(named)
    assert cluster.holds(found)

    assert run("once")[0] == 0
    assert cluster.lightsail.calls() == 1
    assert f"{found}/{NAME}  [ok]" in run("status")[1]
    assert "nothing, it is current" in run("check")[1]

    status, said = run("withdraw")
    assert (status, said.count("taken out")) == (0, 2)
    assert cluster.secret(named) is not None
    assert not cluster.holds(named)
    assert not cluster.holds(found)
    if is_shared:
        kept = cluster.secret(cluster.home, "state")
        assert kept is not None
        assert not kept.get("data")


def test_a_cluster_that_cannot_be_asked_is_told_in_a_sentence(cluster: Cluster) -> None:
    output = "      - {type: kubernetes_secret, namespaces: [ci]}\n"
    file = cluster.configure("host", login(output, f"state_dir: {cluster.folder}/state\n"))
    missing = cluster.folder / "missing"

    for word in ("run", "once", "status", "check"):
        done = command(cluster.folder, cluster.environment(missing), word, "--config", str(file))
        assert done.returncode == 2, done.stderr
        assert f"cluster: {missing}: no such kubeconfig" in done.stderr
