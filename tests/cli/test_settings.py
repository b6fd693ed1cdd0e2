"""Which daemon a command means."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from argparse import Namespace
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from lightkeeper.cli import settings
from lightkeeper.config.environment import Meant
from lightkeeper.config.problem import ConfigErrors
from tests.config.loading import files


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
    assert settings.meant(Namespace(socket=None, config=None)) is None


def test_the_socket_that_is_named_is_meant(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = _file(tmp_path, "/run/of-the-file.sock")
    monkeypatch.setenv("LIGHTKEEPER_SOCKET", "/run/of-the-variable.sock")

    by_flag = settings.meant(Namespace(socket="/run/of-the-flag.sock", config=file))
    by_variable = settings.meant(Namespace(socket=None, config=file))

    assert by_flag == Meant("/run/of-the-flag.sock")
    assert by_variable == Meant("/run/of-the-variable.sock")


def test_a_configuration_that_is_named_means_the_daemon_that_runs_with_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = _file(tmp_path, "/run/of-the-file.sock")

    by_flag = settings.meant(Namespace(config=file))
    monkeypatch.setenv("LIGHTKEEPER_CONFIG", file)
    by_variable = settings.meant(Namespace(config=None))

    assert by_flag == Meant("/run/of-the-file.sock")
    assert by_variable == Meant("/run/of-the-file.sock")


def test_a_state_directory_that_is_named_means_the_daemon_that_owns_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("LIGHTKEEPER_STATE_DIR", str(tmp_path / "state"))

    state_dir = str(tmp_path / "state")
    assert settings.meant(Namespace()) == Meant(str(tmp_path / "control.sock"), state_dir)


def test_a_configuration_that_is_wrong_elsewhere_still_says_where_its_daemon_is(
    tmp_path: Path,
) -> None:
    """It may be one that is about to be mended, while the daemon runs by what stood there."""
    file = tmp_path / "config.yaml"
    file.write_text("logins: [{name: PROD}]\nwebb: {}\nsocket: /run/of-the-file.sock\n")

    assert settings.meant(Namespace(config=str(file))) == Meant("/run/of-the-file.sock")


@pytest.mark.parametrize("text", ["socket: [", "socket: {}", "socket: here", "state_dir: $NOWHERE"])
def test_a_configuration_that_does_not_say_where_its_daemon_is_is_told(
    text: str, tmp_path: Path
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"{text}\n")

    with pytest.raises(ConfigErrors):
        settings.meant(Namespace(config=str(file)))


@pytest.mark.parametrize("home", ["", None])
def test_without_a_home_in_the_environment_it_is_the_one_of_the_user(
    home: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker's own client finds its file there too."""
    monkeypatch.delenv("HOME")
    if home is not None:
        monkeypatch.setenv("HOME", home)
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)

    [login] = settings.loader(Namespace())().config.logins

    expected = Path(pwd.getpwuid(os.getuid()).pw_dir, ".docker/config.json")
    assert [output.path for output in files(login)] == [expected]


def test_a_configuration_that_cannot_be_read_is_told_and_no_other_daemon_asked(
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigErrors, match="cannot be read"):
        settings.meant(Namespace(config=str(tmp_path / "missing.yaml")))


def test_a_path_on_the_command_line_begins_in_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it does for every command; a variable, which outlives a shell, says it in full."""
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    paths = ["folder", "new/", "~/of-the-user.json", "/of-root.json"]

    config = settings.loader(Namespace(docker_config=paths, state_dir="state"))().config

    home = Path(os.environ["HOME"])
    assert [output.path for output in files(config.logins[0])] == [
        *(tmp_path / "folder/config.json", tmp_path / "new/config.json"),
        *(home / "of-the-user.json", Path("/of-root.json")),
    ]
    assert config.state_dir == tmp_path / "state"
    assert settings.meant(Namespace(socket="my.sock")) == Meant(f"{tmp_path}/my.sock")
    monkeypatch.setenv("LIGHTKEEPER_STATE_DIR", "state")
    with pytest.raises(ConfigErrors, match="is not an absolute path"):
        settings.loader(Namespace())()


def test_a_pipe_that_nobody_writes_is_told(tmp_path: Path) -> None:
    pipe = tmp_path / "config.yaml"
    os.mkfifo(pipe)

    with pytest.raises(ConfigErrors) as broke:
        settings.content(pipe, timedelta(milliseconds=50))

    said = str(broke.value)
    assert said.startswith(f"{pipe}: cannot be read: no answer in 0.05 s; look whether its mount")


def test_a_file_that_may_not_be_read_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match=r"cannot be read: Is a directory; correct the path"):
        settings.content(tmp_path)
    with pytest.raises(ConfigErrors, match="No such file or directory; make it by what"):
        settings.content(tmp_path / "missing.yaml")


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    """As a shell gives it for `--config <(...)`, from a writer that takes its time."""
    pipe = tmp_path / "config.yaml"
    os.mkfifo(pipe)

    def write() -> None:
        with pipe.open("w") as file:
            for line in ("logins:\n", "  - name: prod\n", "socket: /run/of-the-pipe.sock\n"):
                file.write(line)
                file.flush()

    with ThreadPoolExecutor() as beside:
        beside.submit(write)
        assert settings.meant(Namespace(config=str(pipe))) == Meant("/run/of-the-pipe.sock")


@pytest.mark.parametrize("by_systemd", [False, True])
def test_a_command_is_told_with_what_it_needs_in_any_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, by_systemd: bool
) -> None:
    """Without systemd's variables, and as the user whose state it is."""
    file = _file(tmp_path, str(tmp_path / "socket"))
    state = tmp_path / "state"
    state.mkdir()
    given = Namespace(config=file, state_dir=str(state))
    if by_systemd:
        monkeypatch.setenv("STATE_DIRECTORY", str(state))
        given = Namespace(config=file)

    line = settings.whole(given, settings.loader(given)().config, "withdraw", "prod")

    user = pwd.getpwuid(os.getuid()).pw_name
    said = f"lightkeeper withdraw prod --state-dir {state} --config {file}"
    assert line == (f"sudo -u {user} {said}" if by_systemd else said)


@pytest.mark.parametrize("by", ["file", "variables"])
def test_a_command_names_no_state_directory_where_a_secret_holds_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """It would be refused; and what came by variables alone is told as flags."""
    file = tmp_path / "config.yaml"
    text = f"logins: [{{name: prod}}]\nsocket: {tmp_path}/socket\n"
    more = "state: {secret: ops/state}\nleader_election: {lease: ops/leader}\n"
    file.write_text(text + more if by == "file" else text)
    if by == "variables":
        monkeypatch.setenv("LIGHTKEEPER_STATE_SECRET", "ops/state")
        monkeypatch.setenv("LIGHTKEEPER_LEASE", "ops/leader")
        monkeypatch.setenv("LIGHTKEEPER_LOG_LEVEL", "debug")
    given = Namespace(config=str(file))

    line = settings.whole(given, settings.loader(given)().config, "withdraw", "prod")

    flags = "" if by == "file" else " --state-secret ops/state --lease ops/leader"
    assert line.removeprefix("sudo -u ").endswith(
        f"lightkeeper withdraw prod --config {file}{flags}"
    )


def test_a_command_tells_flags_and_variables_as_this_shell_means_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In another one the variables are not set; without a file the region is told, too."""
    monkeypatch.setenv("HERE", str(tmp_path))
    monkeypatch.setenv("LIGHTKEEPER_SOCKET", "$HERE/socket")
    monkeypatch.setenv("LIGHTKEEPER_DOCKER_CONFIG", f"$HERE/one/:{tmp_path}/two")
    given = Namespace(config="/dev/null", state_dir=str(tmp_path / "state"))

    line = settings.whole(given, settings.loader(given)().config, "withdraw")

    assert line == (
        f"lightkeeper withdraw --state-dir {tmp_path}/state --region eu-central-1"
        f" --config /dev/null --docker-config {tmp_path}/one/ --docker-config {tmp_path}/two"
        f" --socket {tmp_path}/socket"
    )


TELL_WHOLE = """
from argparse import Namespace
from lightkeeper.cli import settings
given = Namespace(region="eu-central-1", state_dir="state")
print(settings.whole(given, settings.loader(given)().config, "withdraw"))
"""


@pytest.mark.parametrize("by", ["bin/lightkeeper", "./bin/lightkeeper"])
def test_a_program_that_was_called_by_a_relative_path_is_told_by_its_whole_path(
    tmp_path: Path, by: str
) -> None:
    program = tmp_path / "bin" / "lightkeeper"
    program.parent.mkdir()
    program.write_text(TELL_WHOLE)

    done = subprocess.run(
        [sys.executable, by], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )

    told, *rest = done.stdout.split()
    assert Path(told) == program
    assert rest[0] == "withdraw"


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root")
def test_the_state_of_another_user_is_asked_for_as_that_user(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, 65534, 65534)
    given = Namespace(state_dir=str(state), region="eu-central-1", socket="/s")

    line = settings.whole(given, settings.loader(given)().config, "withdraw")

    said = f"lightkeeper withdraw --state-dir {state} --region eu-central-1 --socket /s"
    assert line == f"sudo -u {pwd.getpwuid(65534).pw_name} {said}"


def test_dev_null_is_no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where flags say all, whatever this host has in /etc."""
    monkeypatch.setenv("AWS_REGION", "eu-central-1")

    loaded = settings.loader(Namespace(config="/dev/null"))()

    assert [login.region for login in loaded.config.logins] == ["eu-central-1"]
