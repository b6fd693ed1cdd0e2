"""What each command may not import: a look at the logins must not cost what a daemon costs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.process import Simulated, clean_environment, daemon, simulator

_RUN = """
import sys
from lightkeeper.cli.main import main
try:
    status = main(sys.argv[1:])
except SystemExit as exc:
    status = exc.code
print(*sys.modules, file=sys.stderr)
sys.exit(status)
"""

AWS = ("aiobotocore", "aiohttp", "botocore")
SERVING = ("aiohttp.web", "apscheduler", "asyncinotify", "prometheus_client")
LOOP = ("asyncio", "concurrent.futures")
PAINT = ("rich",)
HELP_NEEDS = {"lightkeeper", "lightkeeper.cli", "lightkeeper.cli.main", "lightkeeper.cli.version"}


@pytest.fixture
def lightsail(tmp_path: Path) -> Iterator[Simulated]:
    with simulator(tmp_path) as running:
        yield running


def imported(folder: Path, *words: str, environment: dict[str, str] | None = None) -> set[str]:
    """What was imported by the end of a command that ends with status 0 or, without login, 1."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=clean_environment(folder) | (environment or {}),
    )
    assert done.returncode in (0, 1), done.stderr
    return set(done.stderr.splitlines()[-1].split())


def yaml_of(folder: Path) -> str:
    """A configuration with one login."""
    path = folder / "lightkeeper.yaml"
    login = {
        "region": "eu-central-1",
        "outputs": [{"type": "docker_config", "path": str(folder / "config.json")}],
    }
    settings = {"logins": [login], "state_dir": str(folder), "socket": str(folder / "socket")}
    path.write_text(json.dumps(settings))
    return str(path)


@pytest.mark.parametrize("word", ["--help", "version"])
def test_help_and_version_need_argparse_alone(tmp_path: Path, word: str) -> None:
    found = imported(tmp_path, word)

    assert "argparse" in found
    assert {name for name in found if name.startswith("lightkeeper")} <= HELP_NEEDS
    assert found.isdisjoint({*AWS, *SERVING, *LOOP, *PAINT, "msgspec", "structlog", "yaml"})


def test_status_beside_a_daemon_needs_neither_yaml_nor_a_loop(
    lightsail: Simulated, tmp_path: Path
) -> None:
    folder = tmp_path / "host"
    path = str(folder / "config.json")
    with daemon(folder, lightsail.environment, "--docker-config", path) as running:
        running.wait_for("credential_delivered")
        found = imported(tmp_path, "status", "--socket", str(folder / "control.sock"))

    assert "lightkeeper.cli.asking" in found
    assert found.isdisjoint({*AWS, *SERVING, *LOOP, *PAINT, "lightkeeper.app", "structlog", "yaml"})


@pytest.mark.parametrize("word", ["check", "status"])
def test_a_look_at_the_store_needs_no_loop(tmp_path: Path, word: str) -> None:
    found = imported(tmp_path, word, "--config", yaml_of(tmp_path))

    assert "lightkeeper.viewing" in found
    assert found.isdisjoint({*AWS, *SERVING, *LOOP, *PAINT, "lightkeeper.keeper", "structlog"})


def test_once_needs_nothing_that_serves(lightsail: Simulated, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    words = ("--docker-config", str(config), "--state-dir", str(tmp_path / "state"))
    found = imported(
        tmp_path,
        *("once", "--socket", str(tmp_path / "socket"), *words),
        environment=lightsail.environment,
    )

    assert config.exists()
    assert "aiobotocore" in found
    assert found.isdisjoint({*SERVING, *PAINT, "lightkeeper.daemon", "yaml"})


@pytest.mark.parametrize("module", ["app", "daemon", "desk", "fleet"])
def test_what_a_daemon_is_made_of_imports_no_rich(module: str) -> None:
    """Whichever of it is imported first: structlog would bring rich along."""
    script = f"import sys, lightkeeper.{module}, lightkeeper.daemon; print(*sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )

    assert "structlog" in done.stdout.split()
    assert set(done.stdout.split()).isdisjoint(PAINT)
