"""One run that fails says why, and the next one says why it does not even try."""

from __future__ import annotations

import socket
from pathlib import Path

from lightkeeper.cli.main import FAILED
from tests.integration.process import command


def test_a_wait_that_an_earlier_run_began_is_told_with_its_end(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}"
    environment = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "none"}
    arguments = ("once", "--region", "eu-central-1", "--endpoint-url", closed)

    first = command(tmp_path, environment, *arguments)
    second = command(tmp_path, environment, *arguments)

    assert (first.returncode, second.returncode) == (FAILED, FAILED)
    assert "eu-central-1: failed, network: " in first.stdout
    assert "no login has come yet; the next attempt may begin at 20" in second.stdout
