"""A pair of daemons at a real API server: what a person is told by the one that does not lead."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.process import Daemon, command, daemon, eventually, simulator
from tests.real.cluster import ApiServer


@pytest.fixture
def pair(api_server: ApiServer, tmp_path: Path) -> Iterator[tuple[Daemon, Daemon]]:
    """One that leads and has delivered, and one that stands by."""
    here = api_server.namespace()
    config = tmp_path / "pair.yaml"
    config.write_text(
        "logins:\n"
        "  - name: prod\n"
        "    region: eu-central-1\n"
        f"    outputs: [{{type: kubernetes_secret, namespaces: [{here}]}}]\n"
        f"state: {{secret: {here}/state}}\n"
        f"leader_election: {{lease: {here}/leader, duration: 6s, renew_deadline: 4s, retry: 1s}}\n"
    )
    arguments = ("--config", str(config), "--listen", "127.0.0.1:0")
    with simulator(tmp_path, "--lifetime", "600") as lightsail:
        environment = {**lightsail.environment, "KUBECONFIG": str(api_server.kubeconfig)}
        with daemon(tmp_path / "one", environment, *arguments, from_file=True) as leader:
            leader.wait_for("credential_delivered")
            with daemon(tmp_path / "two", environment, *arguments, from_file=True) as standby:
                standby.wait_for("leader_seen")
                yield leader, standby


def asked(daemon: Daemon, *arguments: str) -> tuple[int, str, str]:
    """A command that is given where the daemon runs."""
    socket = ("--socket", str(daemon.folder / "control.sock"))
    done = command(daemon.folder, {}, *arguments, *socket)
    return done.returncode, done.stdout, done.stderr


def test_a_person_at_the_standby_is_told_whom_to_ask(pair: tuple[Daemon, Daemon]) -> None:
    leader, standby = pair
    name = json.loads(leader.get("/readyz")[1])["leader"]

    for words in (("status",), ("status", "--json"), ("renew",), ("renew", "prod")):
        status, out, said = asked(standby, *words)

        assert (status, out) == (1, "")
        assert said.count("\n") == 1
        assert f"this replica is the standby and keeps no login: {name} leads" in said

    status, out, said = asked(standby, "withdraw", "--config", f"{standby.folder.parent}/pair.yaml")
    assert (status, out) == (1, "")
    assert f"{name} leads" in said
    assert said.endswith("ask that one; or stop all replicas first\n")

    assert json.loads(standby.get("/readyz")[1]) == {
        "ready": True,
        "role": "standby",
        "leader": name,
        "failing": [],
    }
    assert json.loads(standby.get("/status")[1])["leader"] == name
    assert asked(leader, "status")[0] == 0

    leader.signal(signal.SIGTERM)
    standby.wait_for("leadership_began")
    eventually("it keeps the login", lambda: asked(standby, "status")[0] == 0)
