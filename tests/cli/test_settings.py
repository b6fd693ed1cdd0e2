"""Which daemon a command means."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from lightkeeper.cli import settings
from lightkeeper.config.problem import ConfigErrors


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SOCKET", "CONFIG", "STATE_DIR"):
        monkeypatch.delenv(f"LIGHTKEEPER_{name}", raising=False)
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")


def _file(folder: Path, socket: str) -> str:
    file = folder / "config.yaml"
    file.write_text(f"logins: [{{name: prod}}]\nsocket: {socket}\n")
    return str(file)


def test_no_daemon_is_meant_in_particular() -> None:
    assert settings.named_socket(Namespace(socket=None, config=None)) is None


def test_the_socket_that_is_named_is_meant(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = _file(tmp_path, "/run/of-the-file.sock")
    monkeypatch.setenv("LIGHTKEEPER_SOCKET", "/run/of-the-variable.sock")

    by_flag = settings.named_socket(Namespace(socket="/run/of-the-flag.sock", config=file))
    by_variable = settings.named_socket(Namespace(socket=None, config=file))

    assert by_flag == "/run/of-the-flag.sock"
    assert by_variable == "/run/of-the-variable.sock"


def test_a_configuration_that_is_named_means_the_daemon_that_runs_with_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = _file(tmp_path, "/run/of-the-file.sock")

    by_flag = settings.named_socket(Namespace(config=file))
    monkeypatch.setenv("LIGHTKEEPER_CONFIG", file)
    by_variable = settings.named_socket(Namespace(config=None))

    assert by_flag == "/run/of-the-file.sock"
    assert by_variable == "/run/of-the-file.sock"


def test_a_state_directory_that_is_named_means_the_daemon_that_owns_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("LIGHTKEEPER_STATE_DIR", str(tmp_path / "state"))

    assert settings.named_socket(Namespace()) == str(tmp_path / "control.sock")


def test_a_configuration_that_cannot_be_read_is_told_and_no_other_daemon_asked(
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigErrors, match="cannot be read"):
        settings.named_socket(Namespace(config=str(tmp_path / "missing.yaml")))
