"""Commands that ask a running daemon find the one that is meant."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightkeeper.cli.main import DONE, FAILED, main


class _Desk(socketserver.StreamRequestHandler):
    """Answers as a daemon that keeps nothing would, and renews what it is asked to."""

    def handle(self) -> None:
        wish = json.loads(self.rfile.readline())["ask"]
        renewed = '{"login": "prod", "expires": "2026-01-01"}'
        said = '{"logins": []}' if wish == "status" else renewed
        self.wfile.write(said.encode() + b"\n")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The configuration of a daemon that listens where only this file says."""
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.delenv("LIGHTKEEPER_SOCKET", raising=False)
    monkeypatch.delenv("LIGHTKEEPER_CONFIG", raising=False)
    file, path = tmp_path / "config.yaml", tmp_path / "of-its-own.sock"
    file.write_text(
        f"logins: [{{name: prod, outputs: [{{type: docker_config, path: {tmp_path}/c.json}}]}}]\n"
        f"socket: {path}\nstate_dir: {tmp_path}/state\n"
    )
    with socketserver.UnixStreamServer(str(path), _Desk) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield str(file)
        server.shutdown()
        thread.join()


def test_status_asks_the_daemon_of_the_configuration_that_is_named(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--config", file]) == DONE

    assert capsys.readouterr().out == ""


def test_renew_asks_the_daemon_of_the_configuration_that_is_named(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["renew", "--config", file]) == DONE

    assert capsys.readouterr().out == "prod: renewed, expires 2026-01-01\n"


def test_a_daemon_of_another_socket_is_not_taken_for_it(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody = str(tmp_path / "nobody.sock")

    assert main(["status", "--config", file, "--socket", nobody]) == FAILED
    assert main(["renew", "--config", file, "--socket", nobody]) == FAILED

    said = capsys.readouterr()
    assert "no daemon is running here" in said.out
    assert f"{tmp_path}/c.json  [pending]  holds none of ours" in said.out
    assert "no daemon answers here" in said.err
