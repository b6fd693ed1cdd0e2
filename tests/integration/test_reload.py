"""A running daemon is told something else: all of it is taken, or nothing changes."""

from __future__ import annotations

import json
import shlex
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.process import (
    Daemon,
    Simulated,
    command,
    daemon,
    eventually,
    simulator,
)

SUCCESSFUL = "lightkeeper_config_last_reload_successful"


@dataclass
class Configured:
    """A daemon that runs from a file."""

    running: Daemon
    lightsail: Simulated
    file: Path

    def write(self, *places: str, name: str = "prod", more: str = "") -> None:
        outputs = "".join(f"\n      - {{type: docker_config, path: {place}}}" for place in places)
        self.file.write_text(
            f"logins:\n  - name: {name}\n    region: eu-central-1\n    outputs:{outputs}\n{more}"
        )

    def reload(self, outcome: str, count: int = 1) -> dict[str, object]:
        self.running.signal(signal.SIGHUP)
        return self.running.wait_for(outcome, count)

    def path(self, name: str) -> str:
        return str(self.running.folder / name / "config.json")

    def holds(self, name: str) -> bool:
        path = Path(self.path(name))
        return path.exists() and self.lightsail.registry in json.loads(path.read_text())["auths"]


@pytest.fixture
def configured(tmp_path: Path) -> Iterator[Configured]:
    folder = tmp_path / "host"
    folder.mkdir()
    file = folder / "config.yaml"
    file.write_text(
        "logins:\n  - {name: prod, region: eu-central-1, outputs: [{type: docker_config,"
        f" path: {folder}/one/config.json}}]}}\n"
    )
    with (
        simulator(tmp_path) as lightsail,
        daemon(folder, lightsail.environment, "--config", str(file)) as running,
    ):
        running.wait_for("credential_delivered")
        yield Configured(running, lightsail, file)


def test_a_new_output_gets_what_is_held_without_a_call(configured: Configured) -> None:
    configured.write(configured.path("one"), configured.path("two"))

    configured.reload("config_reloaded")

    eventually("the new place holds it", lambda: configured.holds("two"))
    assert configured.lightsail.calls() == 1
    assert configured.running.metric(SUCCESSFUL) == 1


def test_a_wrong_configuration_changes_nothing_and_is_said(configured: Configured) -> None:
    configured.write(configured.path("two"), more="renewall: {at: 50%}\n")

    rejected = configured.reload("config_rejected")

    assert "did you mean renewal?" in str(rejected["problems"])
    assert configured.running.metric(SUCCESSFUL) == 0
    assert configured.running.get("/readyz")[0] == 200
    assert not configured.holds("two")
    configured.write(configured.path("one"))
    configured.reload("config_reloaded")
    assert configured.running.metric(SUCCESSFUL) == 1


def test_a_file_that_was_emptied_changes_nothing_and_is_said(configured: Configured) -> None:
    """An editor or a full disk did it: nobody wants to lose every login for that."""
    configured.file.write_text("")

    rejected = configured.reload("config_rejected")

    assert f"{configured.file}:1: holds nothing; " in str(rejected["problems"])
    assert configured.running.get("/readyz")[0] == 200


def test_a_login_that_is_gone_leaves_no_series_and_its_entries_are_told(
    configured: Configured,
) -> None:
    configured.write(configured.path("two"), name="other")

    configured.reload("config_reloaded")
    left = configured.running.wait_for("places_left")

    eventually("the new login is delivered", lambda: configured.holds("two"))
    assert (left["login"], left["places"]) == ("prod", [configured.path("one")])
    assert "lightkeeper withdraw prod" in str(left["command"])
    assert configured.holds("one")
    assert 'login="prod"' not in configured.running.get("/metrics")[1]


def test_a_login_of_another_source_keeps_no_place_from_the_one_that_takes_its_registry_over(
    configured: Configured,
) -> None:
    """Even while nobody answers at its new source."""
    outputs = f"outputs: [{{type: docker_config, path: {configured.path('one')}}}]"
    configured.file.write_text(
        "logins:\n"
        f"  - {{name: prod, region: eu-central-1, endpoint_url: 'http://127.0.0.1:9', {outputs}}}\n"
        f"  - {{name: heir, region: eu-central-1, {outputs}}}\n"
    )
    configured.reload("config_reloaded")

    delivered = configured.running.wait_for("credential_delivered", 2)

    assert (delivered["login"], delivered["failing"]) == ("heir", 0)


def test_a_place_that_a_login_left_is_taken_out_beside_the_daemon_and_the_others_stay(
    configured: Configured,
) -> None:
    configured.write(configured.path("two"))
    configured.reload("config_reloaded")
    left = configured.running.wait_for("places_left")
    eventually("the new place holds it", lambda: configured.holds("two"))
    line = shlex.split(str(left["command"]))

    done = command(configured.running.folder, configured.lightsail.environment, *line[1:])

    assert done.returncode == 0, done.stderr
    assert done.stdout == f"prod: {configured.path('one')}: taken out\n"
    again = command(configured.running.folder, configured.lightsail.environment, *line[1:])
    assert again.returncode == 0, again.stderr
    assert again.stdout == "prod: nothing of it is left where the daemon serves it no more\n"
    assert not configured.holds("one")
    assert configured.holds("two")
    assert configured.lightsail.calls() == 1


def test_a_new_listener_is_bound_before_anything_changes(tmp_path: Path) -> None:
    """And one that cannot be had rejects the whole configuration."""
    folder = tmp_path / "host"
    folder.mkdir()
    file = folder / "config.yaml"

    def write(listen: str, state: str) -> None:
        file.write_text(
            f"web: {{listen: '{listen}'}}\nstate_dir: {folder}/{state}\nlogins:\n"
            "  - {name: prod, region: eu-central-1, outputs: [{type: docker_config,"
            f" path: {folder}/config.json}}]}}\n"
        )

    write("127.0.0.1:0", "state")
    with (
        simulator(tmp_path) as lightsail,
        daemon(folder, lightsail.environment, "--config", str(file), from_file=True) as running,
    ):
        running.wait_for("credential_delivered")
        write("192.0.2.1:9", "state")
        running.signal(signal.SIGHUP)
        rejected = running.wait_for("config_rejected")
        assert running.get("/readyz")[0] == 200

        write("localhost:0", "elsewhere")
        running.signal(signal.SIGHUP)
        running.wait_for("config_reloaded")

    assert "192.0.2.1:9" in str(rejected["problems"])
    assert running.wait_for("restart_needed")["key"] == "state_dir"


def test_sigusr1_renews_now(tmp_path: Path) -> None:
    folder = tmp_path / "host"
    path = str(folder / "config.json")
    with (
        simulator(tmp_path, "--lifetime", "30") as lightsail,
        daemon(folder, lightsail.environment, "--docker-config", path) as running,
    ):
        running.wait_for("credential_delivered")
        before = running.password(lightsail.registry)

        running.signal(signal.SIGUSR1)
        running.wait_for("credential_delivered", 2)

        assert running.events("renewal_requested")
        assert running.password(lightsail.registry) != before
