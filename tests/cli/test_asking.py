"""Commands that ask a running daemon find the one that is meant."""

from __future__ import annotations

import json
import os
import socketserver
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lightkeeper.adapters.state_dir import taken
from lightkeeper.cli import asking
from lightkeeper.cli.main import DONE, FAILED, main
from lightkeeper.config.environment import Environment, Host, Meant
from lightkeeper.config.model import Web
from lightkeeper.core import policy
from tests.cli.test_closed import as_nobody


def test_it_waits_for_longer_than_a_daemon_does_for_all_to_settle() -> None:
    assert policy.SETTLE.total_seconds() < asking.PATIENCE_SECONDS


EMPTY = {"at": "2026-01-01T12:00:00Z", "ready": True, "logins": []}


class _Desk(socketserver.StreamRequestHandler):
    """Answers as a daemon that keeps nothing would, and renews what it is asked to."""

    def handle(self) -> None:
        asked = self.rfile.readline()
        match json.loads(asked or "{}"):
            case {} if not asked:
                lines = []
            case {"ask": "status"}:
                lines = [json.dumps(EMPTY)]
            case {"logins": ["nope"]}:
                lines = ['{"error": "there is no login \'nope\' here; there are: prod"}']
            case {"logins": ["full"]}:
                place = {
                    "place": "/c.json",
                    "reason": "no_space",
                    "detail": "full",
                    "advice": "Do.",
                }
                lines = [json.dumps({"login": "full", "expires": "2026-01-01", "failing": [place]})]
            case {"logins": ["unsaved"]}:
                unsaved = {"reason": "immutable", "detail": "closed", "advice": "Do."}
                lines = [json.dumps({"login": "a", "expires": "2026-01-01", "unsaved": unsaved})]
            case {"logins": ["slow"]}:
                lines = ['{"login": "slow", "waits_seconds": 0}']
            case _:
                lines = ['{"login": "prod", "expires": "2026-01-01"}']
        self.wfile.write("".join(f"{line}\n" for line in lines).encode())


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
    with _serving(path):
        yield str(file)


@contextmanager
def _serving(path: Path, desk: type[socketserver.StreamRequestHandler] = _Desk) -> Iterator[None]:
    with socketserver.UnixStreamServer(str(path), desk) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield
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


def test_a_new_login_that_is_not_in_its_place_is_a_failure(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["renew", "--config", file, "full"]) == FAILED

    said = "full: renewed, expires 2026-01-01\n  /c.json: no_space: full\n    Do.\n"
    assert capsys.readouterr().out == said


def test_a_new_login_that_no_restart_would_know_is_told_with_why(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["renew", "--config", file, "unsaved"]) == DONE

    said = "lightkeeper renew: a: the state cannot be saved: immutable: closed. Do.\n"
    assert capsys.readouterr().err == said


def test_a_daemon_of_another_socket_is_not_taken_for_it(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody = str(tmp_path / "nobody.sock")

    assert main(["status", "--config", file, "--socket", nobody]) == FAILED
    assert main(["renew", "--config", file, "--socket", nobody]) == FAILED

    said = capsys.readouterr()
    assert f"no daemon answers at {nobody}; this is what {tmp_path}/state holds" in said.out
    assert f"{tmp_path}/c.json  [pending]\n    waits for the first login" in said.out
    assert f"no daemon answers at {nobody}; start one" in said.err


def test_renew_asks_the_daemon_of_a_configuration_that_is_wrong_by_now(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with Path(file).open("a", encoding="utf-8") as config:
        config.write("webb: {}\n")

    assert main(["renew", "--config", file]) == DONE

    assert capsys.readouterr().out == "prod: renewed, expires 2026-01-01\n"


def test_a_daemon_that_owns_another_state_directory_is_not_taken_for_the_one_of_this(
    file: str, tmp_path: Path
) -> None:
    """Root's daemons have one usual socket, whichever their state directory."""
    del file
    usual = Meant(str(tmp_path / "of-its-own.sock"), str(tmp_path / "state"))
    with pytest.raises(asking.NotRunningError, match=r"no daemon answers at .* for .*/state"):
        next(asking.ask(usual, {"ask": "status"}))

    with taken(str(tmp_path / "state")):
        assert next(asking.ask(usual, {"ask": "status"})) == EMPTY

    (tmp_path / "state" / "lock").write_text("1\n")
    with pytest.raises(asking.NotRunningError):
        next(asking.ask(usual, {"ask": "status"}))


def test_renew_asks_the_daemon_that_owns_the_state_directory_that_is_named(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIGHTKEEPER_CONFIG", file)
    with taken(str(tmp_path / "state")):
        assert main(["renew", "--state-dir", str(tmp_path / "state")]) == DONE


def test_a_login_that_the_daemon_does_not_know_is_a_failure(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["renew", "nope", "--config", file]) == FAILED

    said = "lightkeeper renew: there is no login 'nope' here; there are: prod\n"
    assert capsys.readouterr().err == said


def test_a_daemon_that_ends_before_a_renewal_did_is_no_success(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["renew", "slow", "--config", file]) == FAILED

    said = capsys.readouterr()
    assert said.out == "slow: renews now\n"
    assert "the daemon ended before it told what came of slow; look at its log" in said.err


def test_a_daemon_of_another_user_is_told_unless_one_of_ours_answers(
    file: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        theirs, ours = Path(folder, "theirs"), Path(folder, "ours")
        for path in (theirs, ours):
            path.mkdir()
        (ours / "lightkeeper").mkdir()
        monkeypatch.setenv("RUNTIME_DIRECTORY", str(theirs))
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(ours))
        with _serving(theirs / "control.sock"):
            (theirs / "control.sock").chmod(0o600)
            with as_nobody():
                alone = main(["renew"])
            with _serving(ours / "lightkeeper" / "control.sock"):
                (ours / "lightkeeper" / "control.sock").chmod(0o666)
                with as_nobody():
                    beside = main(["renew"])

    said = capsys.readouterr()
    assert (alone, beside) == (FAILED, DONE)
    assert f"{theirs}/control.sock belongs to another user" in said.err
    assert f"curl -fsS http://{Web().listen}/status" in said.err
    assert said.out == "prod: renewed, expires 2026-01-01\n"


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path leaves room for a socket's."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


VARIABLES = ("HOME", "RUNTIME_DIRECTORY", "STATE_DIRECTORY", "XDG_RUNTIME_DIR", "XDG_STATE_HOME")


@pytest.mark.parametrize("kept", [VARIABLES[:count] for count in range(1, 6)])
@pytest.mark.parametrize("set_", [VARIABLES, VARIABLES[:3], ("HOME", "XDG_STATE_HOME")])
def test_a_daemon_is_found_where_it_has_its_socket_by_default(
    kept: tuple[str, ...],
    set_: tuple[str, ...],
    short: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also if it lacks variables that whoever asks has."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name in set_:
        monkeypatch.setenv(name, str(short / name))
    known = {name: os.environ[name] for name in kept if name in set_}
    host = Host(home=Path(os.environ["HOME"]), uid=1, is_directory=Path.is_dir, profile_region=str)
    daemons = Environment(known, host)
    socket = Path(daemons.path(daemons.socket(daemons.state_dir())))
    socket.parent.mkdir(parents=True)

    with _serving(socket):
        assert next(asking.ask(None, {"ask": "status"})) == EMPTY


def test_where_no_daemon_has_its_socket_by_default_none_is_asked(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, user = short / "run", short / "user"
    for name in VARIABLES:
        monkeypatch.setenv(name, str(short))
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(run))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(user))
    (run / "lightkeeper").mkdir(parents=True)
    user.mkdir()

    with (
        _serving(run / "lightkeeper" / "control.sock"),
        _serving(user / "control.sock"),
        pytest.raises(asking.NotRunningError),
    ):
        next(asking.ask(None, {"ask": "status"}))


class _Full(socketserver.StreamRequestHandler):
    """Answers before it is asked, as a daemon does that too many ask."""

    def handle(self) -> None:
        self.wfile.write(b'{"error": "64 others ask"}\n')


def test_a_daemon_that_too_many_ask_says_so(tmp_path: Path) -> None:
    """The request is longer than what the kernel takes before the connection is closed."""
    path = tmp_path / "control.sock"
    request = {"ask": "renew", "logins": ["x" * 2_000_000]}

    with _serving(path, _Full), pytest.raises(asking.UnansweredError, match=r"^64 others ask$"):
        next(asking.ask(Meant(str(path)), request))
