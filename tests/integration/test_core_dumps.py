"""No core dump: it would hold passwords."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.process import Simulated, clean_environment, daemon, simulator

_, MOST = resource.getrlimit(resource.RLIMIT_CORE)
ALLOWED = ("prlimit", f"--core={MOST if MOST >= 0 else 'unlimited'}")

pytestmark = pytest.mark.skipif(MOST == 0, reason="no core dumps are allowed here anyway")


@pytest.fixture
def lightsail(tmp_path: Path) -> Iterator[Simulated]:
    with simulator(tmp_path) as running:
        yield running


def test_a_daemon_leaves_none(lightsail: Simulated, tmp_path: Path) -> None:
    place = str(tmp_path / "host" / "config.json")
    arguments = ("--docker-config", place)
    with daemon(tmp_path / "host", lightsail.environment, *arguments, wrapper=ALLOWED) as running:
        running.wait_for("credential_delivered")
        limits = Path(f"/proc/{running.process.pid}/limits").read_text().splitlines()

    (core,) = (line.split() for line in limits if line.startswith("Max core file size"))
    assert core[4] == "0"


def test_once_leaves_none(lightsail: Simulated, tmp_path: Path) -> None:
    """What it asks for AWS credentials runs within its limits, and tells them."""
    told = tmp_path / "told"
    keys = {"Version": 1, "AccessKeyId": "simulated", "SecretAccessKey": "simulated-fake"}
    asked = tmp_path / "asked"
    asked.write_text(f"#!/bin/sh\nulimit -Sc >{told}\necho '{json.dumps(keys)}'\n")
    asked.chmod(0o700)
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {asked}\n")
    environment = {
        name: value
        for name, value in lightsail.environment.items()
        if not name.startswith(("AWS_ACCESS", "AWS_SECRET"))
    }
    arguments = ("once", "--docker-config", str(tmp_path / "config.json"))

    subprocess.run(
        [*ALLOWED, sys.executable, "-m", "lightkeeper", *arguments],
        check=False,
        timeout=60,
        env={
            **clean_environment(tmp_path),
            **environment,
            "AWS_CONFIG_FILE": str(tmp_path / "config"),
        },
    )

    assert told.read_text() == "0\n"
