"""The promise, kept by the real process: what jobs find, and what people see."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
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


@pytest.fixture
def lightsail(tmp_path: Path) -> Iterator[Simulated]:
    with simulator(tmp_path) as running:
        yield running


@pytest.fixture
def keeping(lightsail: Simulated, tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that has delivered its first credential."""
    folder = tmp_path / "host"
    path = str(folder / "config.json")
    with daemon(folder, lightsail.environment, "--docker-config", path) as running:
        running.wait_for("credential_delivered")
        yield running


def test_a_client_finds_a_login_that_the_registry_takes(
    keeping: Daemon, lightsail: Simulated
) -> None:
    auth = keeping.auth(lightsail.registry)

    assert auth is not None
    assert lightsail.accepts(auth)
    assert keeping.config.stat().st_mode & 0o777 == 0o600
    assert lightsail.calls() == 1


def test_a_login_is_renewed_ahead_of_its_expiry_and_always_accepted(tmp_path: Path) -> None:
    with simulator(tmp_path, "--lifetime", "4") as lightsail:
        folder = tmp_path / "host"
        path = str(folder / "config.json")
        with daemon(folder, lightsail.environment, "--docker-config", path) as running:
            running.wait_for("credential_delivered")
            refused = 0
            while len(running.events("credential_renewed")) < 4:
                auth = running.auth(lightsail.registry)
                refused += auth is None or not lightsail.accepts(auth)

    assert refused == 0


def test_a_restart_goes_on_with_what_was_held_and_asks_nobody(
    lightsail: Simulated, tmp_path: Path
) -> None:
    folder = tmp_path / "host"
    arguments = ("--docker-config", str(folder / "config.json"))
    with daemon(folder, lightsail.environment, *arguments) as first:
        first.wait_for("credential_delivered")
        before = first.password(lightsail.registry)
    first.config.unlink()

    with daemon(folder, lightsail.environment, *arguments) as second:
        second.wait_for("place_delivered")
        after = second.password(lightsail.registry)

    assert before == after
    assert lightsail.calls() == 1


def test_sigterm_ends_it_well(keeping: Daemon) -> None:
    keeping.signal(signal.SIGTERM)

    assert keeping.process.wait(10) == 0
    keeping.wait_for("daemon_stopping")


def test_an_entry_that_a_job_logged_out_is_back_at_once(
    keeping: Daemon, lightsail: Simulated
) -> None:
    other = {"auth": "Zm9yZWlnbjplbnRyeQ=="}
    login = 'login="eu-central-1"'
    output = f'output="docker_config:{keeping.config}"'
    repairs = f'lightkeeper_output_repairs_total{{cause="removed",{login},{output}}}'
    for count in range(1, 4):
        keeping.config.write_text(json.dumps({"auths": {"other.test": other}}))

        eventually("our entry is back", lambda: keeping.auth(lightsail.registry))
        # Taken out again before that, it would be one repair.
        eventually("it is counted", lambda: keeping.metric(repairs) >= count)  # noqa: B023

    assert json.loads(keeping.config.read_text())["auths"]["other.test"] == other
    assert lightsail.calls() == 1


def test_probes_and_metrics_tell_what_the_place_holds(
    keeping: Daemon, lightsail: Simulated
) -> None:
    status, body = keeping.get("/readyz?places=all")
    document = json.loads(keeping.get("/status")[1])
    login = document["logins"][0]
    place = login["outputs"][0]["places"][0]

    assert (status, json.loads(body)["failing"]) == (200, [])
    assert keeping.get("/livez")[0] == 200
    assert login["registry"] == lightsail.registry
    assert place["expires"] == login["expires"]
    assert keeping.metric('lightkeeper_login_valid{login="eu-central-1"}') == 1


def test_not_ready_while_lightsail_fails_and_ready_at_once_after(
    lightsail: Simulated, tmp_path: Path
) -> None:
    lightsail.order("faults", {"name": "AccessDeniedException"})
    folder = tmp_path / "host"
    path = str(folder / "config.json")
    with daemon(folder, lightsail.environment, "--docker-config", path) as running:
        failed = running.wait_for("renewal_failed")
        status, body = running.get("/readyz")
        command(folder, lightsail.environment, "renew", "--socket", str(folder / "control.sock"))
        running.wait_for("credential_delivered")

        assert failed["reason"] == "access_denied"
        assert "lightsail:CreateContainerServiceRegistryLogin" in failed["advice"]
        assert status == 503
        assert json.loads(body)["failing"][0]["reason"] == "access_denied"
        assert running.get("/readyz")[0] == 200


def test_a_port_in_use_keeps_no_login_from_being_kept(lightsail: Simulated, tmp_path: Path) -> None:
    folder = tmp_path / "host"
    path = str(folder / "config.json")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        arguments = ("--docker-config", path, "--listen", listen)
        with daemon(folder, lightsail.environment, *arguments) as running:
            running.wait_for("credential_delivered")

            assert running.wait_for("listener_failed")["listen"] == listen


def test_a_second_daemon_is_told_who_holds_the_state(keeping: Daemon, lightsail: Simulated) -> None:
    other = command(
        keeping.folder,
        lightsail.environment,
        *("run", "--state-dir", str(keeping.folder / "state"), "--listen", "none"),
        *("--docker-config", str(keeping.config), "--socket", str(keeping.folder / "other.sock")),
    )

    assert other.returncode == 1
    assert f"process {keeping.process.pid}" in other.stderr
    assert "Traceback" not in other.stderr


def test_renew_renews_now_and_tells_what_came(tmp_path: Path) -> None:
    folder = tmp_path / "host"
    path = str(folder / "config.json")
    with (
        simulator(tmp_path, "--lifetime", "30") as lightsail,
        daemon(folder, lightsail.environment, "--docker-config", path) as running,
    ):
        running.wait_for("credential_delivered")
        before = running.password(lightsail.registry)
        asked = ("renew", "eu-central-1", "--socket", str(folder / "control.sock"))
        done = command(folder, lightsail.environment, *asked)
        running.wait_for("credential_delivered", 2)

        assert done.returncode == 0, done.stderr
        assert "eu-central-1: renewed, expires" in done.stdout
        assert running.password(lightsail.registry) != before


def test_status_asks_the_daemon_or_reads_the_store(lightsail: Simulated, tmp_path: Path) -> None:
    folder = tmp_path / "host"
    path = str(folder / "config.json")
    settings = ("--state-dir", str(folder / "state"), "--socket", str(folder / "control.sock"))
    asked = ("status", "eu-central-1", *settings, "--docker-config", path)
    with daemon(folder, lightsail.environment, "--docker-config", path) as running:
        running.wait_for("credential_delivered")
        live = command(folder, lightsail.environment, *asked)
    stored = command(folder, lightsail.environment, *asked)

    for said in (live, stored):
        assert said.returncode == 0, said.stderr
        assert "without another renewal the login lasts until" in said.stdout
    assert "what happened last" in live.stdout
    assert "no daemon answers at " in stored.stdout


def test_withdraw_takes_our_entry_out_and_leaves_the_others(
    lightsail: Simulated, tmp_path: Path
) -> None:
    folder = tmp_path / "host"
    config = folder / "config.json"
    settings = ("--state-dir", str(folder / "state"), "--socket", str(folder / "control.sock"))
    folder.mkdir()
    config.write_text('{"auths": {"other.test": {"auth": "Zm9yZWlnbjplbnRyeQ=="}}}')
    with daemon(folder, lightsail.environment, "--docker-config", str(config)) as running:
        running.wait_for("credential_delivered")
        refused = command(folder, lightsail.environment, "withdraw", *settings)
    done = command(folder, lightsail.environment, "withdraw", *settings)

    assert refused.returncode == 1
    assert "the running daemon serves eu-central-1, and would" in refused.stderr
    assert done.returncode == 0, done.stderr
    assert list(json.loads(config.read_text())["auths"]) == ["other.test"]


def test_once_renews_delivers_and_ends(lightsail: Simulated, tmp_path: Path) -> None:
    folder = tmp_path / "host"
    config = folder / "config.json"
    asked = ("once", "--state-dir", str(folder / "state"), "--docker-config", str(config))

    first = command(folder, lightsail.environment, *asked)
    second = command(folder, lightsail.environment, *asked)

    assert first.returncode == 0, first.stderr
    assert second.returncode == 0, second.stderr
    assert f"{config}: ok" in first.stdout
    auth = json.loads(config.read_text())["auths"][lightsail.registry]["auth"]
    assert lightsail.accepts(auth)
    assert lightsail.calls() == 1


def test_once_says_what_failed_and_what_to_do(lightsail: Simulated, tmp_path: Path) -> None:
    lightsail.order("faults", {"name": "ThrottlingException"})
    folder = tmp_path / "host"
    done = command(
        folder,
        lightsail.environment,
        *("once", "--state-dir", str(folder / "state")),
        *("--docker-config", str(folder / "config.json")),
    )

    assert done.returncode == 1
    assert "throttled" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_once_beside_a_daemon_asks_that_one(keeping: Daemon, lightsail: Simulated) -> None:
    done = command(
        keeping.folder,
        lightsail.environment,
        *("once", "--state-dir", str(keeping.folder / "state")),
        *("--socket", str(keeping.folder / "control.sock")),
        *("--docker-config", str(keeping.config)),
    )

    assert done.returncode == 0, done.stderr
    assert lightsail.calls() == 1
