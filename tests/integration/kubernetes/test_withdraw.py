"""Entries are taken out of Secrets, of every cluster that was delivered into."""

from __future__ import annotations

import shlex
import signal

import pytest

from tests.integration.kubernetes.cluster import NAME, Cluster, login, pair
from tests.integration.kubernetes.proxy import proxying
from tests.integration.process import command, daemon, eventually

pytestmark = pytest.mark.timeout(180)  # the first of them starts the API server


def test_secrets_of_one_name_in_two_clusters_are_two_places(cluster: Cluster) -> None:
    """One of them cannot be reached: it is told, and nothing is forgotten until it is done too."""
    namespace, folder = cluster.api.namespace(), cluster.folder
    ours, gone = cluster.api.kubeconfig, cluster.kubeconfig("https://127.0.0.1:1")

    def configured(other: object) -> str:
        outputs = "".join(
            f"      - {{type: kubernetes_secret, name: {name}, namespaces: [{namespace}],"
            f" cluster: {{kubeconfig: {file}}}}}\n"
            for name, file in (("one", ours), ("other", other))
        )
        more = f"state_dir: {folder}/state\nsocket: {folder}/control.sock\n"
        return str(cluster.configure("host", login(outputs, more)))

    def run(word: str, config: str) -> tuple[int, str]:
        done = command(folder, cluster.environment(ours), word, "--config", config)
        return done.returncode, done.stdout

    config = configured(gone)
    assert run("once", config)[0] == 1
    assert cluster.holds(namespace)

    status, said = run("withdraw", config)
    assert status == 1
    assert f"prod: {namespace}/{NAME} of one: taken out\n" in said
    assert f"prod: {namespace}/{NAME} of other: failed, network: " in said
    assert not cluster.holds(namespace)

    gone.write_text(ours.read_text())
    status, said = run("withdraw", config)
    assert status == 0
    assert f"prod: {namespace}/{NAME} of other: was not there\n" in said


def test_all_secrets_of_a_cluster_are_asked_for_by_one_client(cluster: Cluster) -> None:
    """Each with a connection and a budget of its own would be more than `qps` lets through."""
    names = [cluster.api.namespace() for _ in range(4)]
    output = f"      - {{type: kubernetes_secret, namespaces: [{', '.join(names)}]}}\n"
    folder = cluster.folder
    more = f"state: {{secret: {cluster.home}/state}}\nsocket: {folder}/control.sock\n"
    file = cluster.configure("host", login(output, more))
    cluster.apply_rights(file)
    with proxying(cluster.api) as proxy:
        environment = cluster.environment(cluster.kubeconfig(proxy.url))
        done = command(folder, environment, "once", "--config", str(file))
        assert done.returncode == 0, done.stdout
        before = proxy.connections

        done = command(folder, environment, "withdraw", "--config", str(file))

        assert done.stdout.count("taken out") == len(names)
        assert proxy.connections - before == 2  # one of them for the state


def test_nothing_is_taken_out_from_elsewhere_while_a_replica_leads(cluster: Cluster) -> None:
    """It would put each entry back, and builders had no login until then."""
    file, here = pair(cluster)
    elsewhere = cluster.environment(cluster.kubeconfig())

    def withdraw() -> tuple[int, str]:
        socket = f"--socket={cluster.folder}/nobody.sock"
        done = command(cluster.folder, elsewhere, "withdraw", "--config", str(file), socket)
        return done.returncode, done.stdout + done.stderr

    with cluster.running(file, cluster.kubeconfig()) as leader:
        leader.wait_for("credential_delivered")
        status, said = withdraw()

        assert status == 1
        assert "leads, and would put each entry back that is taken out" in said
        assert cluster.is_good(here)

    status, said = withdraw()
    assert status == 0
    assert f"prod: {here}/{NAME}: taken out\n" in said
    assert not cluster.holds(here)


@pytest.mark.parametrize("by", ["file", "flags", "variables"])
def test_the_command_that_a_run_advises_works_word_for_word(cluster: Cluster, by: str) -> None:
    """In a shell that has none of our variables; and of a Secret that is gone nothing is said."""
    left, gone, stays = (cluster.api.namespace() for _ in range(3))
    folder = cluster.folder
    environment = cluster.environment(cluster.kubeconfig())
    state = f"{cluster.home}/state"

    def run(*names: str) -> str:
        """A login in these namespaces, as each way of configuring says it."""
        output = f"      - {{type: kubernetes_secret, namespaces: [{', '.join(names)}]}}\n"
        more = f"state: {{secret: {state}}}\nsocket: {folder}/control.sock\n"
        file = cluster.configure("host", login(output, more).replace("prod", "eu-central-1"))
        if len(names) > 1:
            cluster.apply_rights(file)
        secrets = [f"{one}/{NAME}" for one in names]
        said = {
            "REGION": "eu-central-1",
            "KUBERNETES_SECRET": ":".join(secrets),
            "STATE_SECRET": state,
            "SOCKET": f"{folder}/control.sock",
        }
        words, variables = ["--config", str(file)], {}
        if by == "variables":
            words, variables = [], {f"LIGHTKEEPER_{key}": one for key, one in said.items()}
        elif by == "flags":
            words = [
                word
                for key, value in said.items()
                for one in (secrets if key == "KUBERNETES_SECRET" else [value])
                for word in (f"--{key.lower().replace('_', '-')}", one)
            ]
        done = command(folder, environment | variables, "once", *words)
        assert done.returncode == 0, done.stderr
        return done.stderr

    run(left, gone, stays)
    cluster.api.done("DELETE", f"/api/v1/namespaces/{gone}/secrets/{NAME}")
    said, _, advised = run(stays).partition(" no more, and its entries stay there until ")
    program, *line = shlex.split(advised.splitlines()[0])

    done = command(folder, environment, *line)

    assert said.endswith(f"eu-central-1 serves {left}/{NAME}")
    assert program == "lightkeeper"
    assert (done.returncode, done.stderr) == (0, "")
    assert f"eu-central-1: {left}/{NAME}: taken out\n" in done.stdout
    assert not cluster.holds(left)


def test_the_command_that_the_log_advises_works_word_for_word(cluster: Cluster) -> None:
    """Of a replica whose Secret and Lease are named by flags and variables alone."""
    left, stays = cluster.api.namespace(), cluster.api.namespace()
    folder = cluster.folder
    environment = cluster.environment(cluster.kubeconfig())

    def configured(*names: str) -> str:
        return login(f"      - {{type: kubernetes_secret, namespaces: [{', '.join(names)}]}}\n")

    election = (
        f"state: {{secret: {cluster.home}/state}}\n"
        f"leader_election: {{lease: {cluster.home}/leader}}\n"
    )
    cluster.apply_rights(cluster.configure("rights", configured(left, stays) + election))
    file = cluster.configure("d", configured(left, stays))
    words = ("--config", str(file), "--listen", "127.0.0.1:0", "--lease", f"{cluster.home}/leader")
    variable = {"LIGHTKEEPER_STATE_SECRET": f"{cluster.home}/state"}
    with daemon(folder / "d", environment | variable, *words, from_file=True) as running:
        eventually("both are served", lambda: cluster.holds(left) and cluster.holds(stays))
        file.write_text(configured(stays))
        running.signal(signal.SIGHUP)
        told = running.wait_for("places_left")
        _, *line = shlex.split(str(told["command"]))

        done = command(folder, environment, *line)

        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"prod: {left}/{NAME}: taken out\n"
        assert cluster.holds(stays)
