"""One run says what failed and why it did not even try; and what kept it from running at all."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from lightkeeper.adapters.state_dir import taken
from lightkeeper.cli.main import DONE, FAILED, main
from tests.cli.test_closed import as_nobody
from tests.integration.process import command, simulator


@pytest.fixture
def flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.delenv("LIGHTKEEPER_CONFIG", raising=False)
    return [
        *("--region", "eu-central-1", "--docker-config", str(tmp_path / "config.json")),
        *("--state-dir", str(tmp_path / "state"), "--socket", str(tmp_path / "control.sock")),
    ]


@contextmanager
def _daemon(path: Path, answer: bytes) -> Iterator[None]:
    """One that says this to whoever asks, and hangs up."""

    def serve(listening: socket.socket) -> None:
        heard, _ = listening.accept()
        with heard:
            heard.recv(1000)
            heard.sendall(answer)

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        thread = threading.Thread(target=serve, args=[listening], daemon=True)
        thread.start()
        yield
        thread.join()


def test_a_run_after_a_failed_one_tries_again(flags: list[str], tmp_path: Path) -> None:
    """Somebody mended what was wrong, and does not want to wait for a back-off."""
    with simulator(tmp_path) as lightsail:
        lightsail.order("faults", {"name": "throttled_with_retry_after"})
        first = command(tmp_path, lightsail.environment, "once", *flags)
        lightsail.order("faults", {"name": "AccessDeniedException"})
        second = command(tmp_path, lightsail.environment, "once", *flags)
        third = command(tmp_path, lightsail.environment, "once", *flags)

    assert (first.returncode, second.returncode, third.returncode) == (FAILED, FAILED, DONE)
    assert "eu-central-1: failed, throttled: " in first.stdout
    assert "eu-central-1: failed, access_denied: " in second.stdout
    assert "eu-central-1: valid until " in third.stdout


def test_why_the_last_run_failed_is_known_afterwards(flags: list[str], tmp_path: Path) -> None:
    with simulator(tmp_path) as lightsail:
        lightsail.order("faults", {"name": "AccessDeniedException"})
        command(tmp_path, lightsail.environment, "once", *flags)
        status = command(tmp_path, lightsail.environment, "status", *flags)
        check = command(tmp_path, lightsail.environment, "check", *flags)

    assert "access_denied: " in status.stdout
    assert "lightsail:CreateContainerServiceRegistryLogin" in status.stdout
    assert "after access_denied" in check.stdout


def test_a_login_that_the_registry_refuses_is_replaced_however_soon_it_comes(
    flags: list[str], tmp_path: Path
) -> None:
    """It may have been issued a moment ago: status 0 means that the registry takes it."""
    with simulator(tmp_path, "--lifetime", "60") as lightsail:
        command(tmp_path, lightsail.environment, "once", *flags)
        lightsail.order("end", {"credentials": "all"})
        again = command(tmp_path, lightsail.environment, "once", *flags)

        assert again.returncode == DONE, again.stdout
        auths = json.loads((tmp_path / "config.json").read_text())["auths"]
        assert lightsail.accepts(auths[lightsail.registry]["auth"])


def test_runs_at_the_same_time_wait_for_one_another(flags: list[str], tmp_path: Path) -> None:
    """Each pipeline of a host may begin with one: one call does for all."""
    with simulator(tmp_path) as lightsail, ThreadPoolExecutor() as at_once:
        begun = [
            at_once.submit(command, tmp_path, lightsail.environment, "once", *flags)
            for _ in range(3)
        ]
        ended = [one.result() for one in begun]

        assert [one.returncode for one in ended] == [DONE] * 3, [one.stderr for one in ended]
        assert lightsail.calls() == 1


def test_a_state_directory_that_is_a_file_is_told_as_that(
    flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").touch()

    assert main(["once", *flags]) == FAILED

    said = capsys.readouterr().err
    assert f"the state directory cannot be used: {tmp_path}/state/lock: Not a directory" in said
    assert "nobody answers" not in said


def test_a_state_in_a_cluster_that_does_not_answer_leaves_no_session_open(tmp_path: Path) -> None:
    """Which aiohttp would tell on stderr, beside what is wrong."""
    where = {"server": "http://127.0.0.1:9"}
    kubeconfig = {
        "clusters": [{"name": "it", "cluster": where}],
        "users": [{"name": "it", "user": {}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "current-context": "it",
    }
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(kubeconfig))
    words = [
        *("--region", "eu-central-1", "--docker-config", str(tmp_path / "config.json")),
        *("--state-secret", "ops/state", "--socket", str(tmp_path / "control.sock")),
    ]

    done = command(tmp_path, {"KUBECONFIG": str(file)}, "once", *words)

    assert done.returncode == FAILED
    assert "the Secret ops/state cannot be used: " in done.stderr
    assert "Unclosed" not in done.stderr


@pytest.mark.parametrize("mode", [0o500, 0o300])
def test_a_state_directory_that_is_closed_to_us_is_told_as_that(
    mode: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        state = Path(folder, "state")
        state.mkdir()
        if os.geteuid() == 0:
            os.chown(state, 65534, 65534)
        state.chmod(mode)
        words = [
            *("--region", "eu-central-1", "--docker-config", f"{folder}/config.json"),
            *("--state-dir", str(state), "--socket", f"{folder}/control.sock"),
        ]

        with as_nobody():
            status = main(["once", *words])

    said = capsys.readouterr().err
    assert status == FAILED
    assert f"the state directory cannot be used: {state}" in said
    assert "Permission denied" in said
    assert "nobody answers" not in said


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "the daemon hung up without an answer; look at its log"),
        (b'{"logins": [', "the daemon stopped in the middle of its answer; look at its log"),
        (b'{"error": "too old"}\n', "too old"),
    ],
)
def test_a_daemon_that_does_not_answer_is_told_as_that(
    answer: bytes,
    said: str,
    flags: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    state = tmp_path / "state"
    with taken(str(state)), _daemon(tmp_path / "control.sock", answer):
        assert main(["once", *flags]) == FAILED

    assert capsys.readouterr().err == f"lightkeeper once: {said}\n"


def test_what_a_stuck_daemon_would_tell_at_once_is_not_waited_for(
    flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "control.sock"))
        listening.listen()

        assert main(["status", *flags]) == FAILED

    said = capsys.readouterr().err
    assert said == "lightkeeper status: the daemon has not answered for 15 s; look at its log\n"


def test_a_daemon_without_its_socket_is_told_with_its_process(
    flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with taken(str(tmp_path / "state")):
        assert main(["once", *flags]) == FAILED

    said = capsys.readouterr().err
    assert f"process {os.getpid()} owns {tmp_path}/state, and nobody answers at " in said


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("once", "once: another process owns {state}, and nobody answers at "),
        ("withdraw", "withdraw: another process owns {state}, and nobody answers at "),
        ("run", "run: {state} is served by another daemon; two of them would end "),
    ],
)
def test_who_could_not_say_its_id_is_told_without_one(
    word: str,
    said: str,
    flags: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The disk was full when it began."""
    state = tmp_path / "state"
    with taken(str(state)):
        (state / "lock").write_bytes(b"")

        assert main([word, *flags]) == FAILED

    assert capsys.readouterr().err.startswith("lightkeeper " + said.format(state=state))


PLACE = "/p/config.json"


@pytest.fixture
def daemons_flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The configuration of the daemon that answers as `_told`."""
    monkeypatch.delenv("LIGHTKEEPER_CONFIG", raising=False)
    return [
        *("--region", "eu-central-1", "--docker-config", PLACE),
        *("--state-dir", str(tmp_path / "state"), "--socket", str(tmp_path / "control.sock")),
    ]


def _told(failure: object, place: object = None, **more: object) -> bytes:
    """What a daemon says of a login that is valid, with what failed of it."""
    standing = {"place": PLACE, "state": "failing" if place else "ok", "failure": place}
    login = {
        "login": "eu-central-1",
        "region": "eu-central-1",
        "valid": True,
        "ready": not place,
        "due": "2026-01-01T18:00:00Z",
        "next_attempt_why": "due",
        "remaining_seconds": 21600.0,
        "expires": "2026-01-02T00:00:00Z",
        "failure": failure,
        "outputs": [
            {"lacks": None, "places": [{"drift": None, "waits": None, "notices": []} | standing]}
        ],
    }
    document = {"at": "2026-01-01T18:00:00Z", "ready": True, "logins": [login | more]}
    return json.dumps(document).encode() + b"\n"


VALID = "eu-central-1: valid until 2026-01-02T00:00:00Z\n"
LATER = "2026-01-01T18:00:05Z"
RENEWAL_FAILED = "  renewal failed, access_denied: denied\n    Allow it.\n"
DENIED = {"reason": "access_denied", "detail": "denied", "advice": "Allow it."}


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (_told(None), DONE, f"{VALID}  {PLACE}: ok\n"),
        (_told(DENIED), FAILED, f"{VALID}{RENEWAL_FAILED}  {PLACE}: ok\n"),
        (_told(DENIED, due=LATER), DONE, f"{VALID}{RENEWAL_FAILED}  {PLACE}: ok\n"),
        (
            _told(DENIED, due=LATER, remaining_seconds=21590.0),
            FAILED,
            f"{VALID}{RENEWAL_FAILED}  {PLACE}: ok\n",
        ),
        (
            _told(DENIED, due=LATER, ready=False),
            FAILED,
            f"{VALID}{RENEWAL_FAILED}  {PLACE}: ok\n",
        ),
        (
            _told(DENIED, due=LATER, next_attempt_why="refused"),
            FAILED,
            f"{VALID}{RENEWAL_FAILED}  {PLACE}: ok\n",
        ),
        (
            _told(None, DENIED),
            FAILED,
            f"{VALID}  {PLACE}: failing\n    access_denied: denied\n    Allow it.\n",
        ),
    ],
    ids=[
        "all is well",
        "the renewal that is due failed",
        "one failed that was not due",
        "it was not due and is by now",
        "the login has too little left",
        "the registry refuses it",
        "a place failed",
    ],
)
def test_beside_a_daemon_it_tells_what_that_one_says(
    answer: bytes,
    status: int,
    said: str,
    daemons_flags: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with taken(str(tmp_path / "state")), _daemon(tmp_path / "control.sock", answer):
        assert main(["once", *daemons_flags]) == status

    assert capsys.readouterr() == (said, "")


@pytest.mark.parametrize(
    ("more", "missing"),
    [
        (["--docker-config", "/q/config.json"], "/q/config.json for eu-central-1"),
        (
            ["--docker-config", PLACE, "--containers-auth", "/q/auth.json"],
            "/q/auth.json for eu-central-1",
        ),
        (["--region", "eu-west-1"], "the login eu-west-1 of eu-west-1"),
    ],
    ids=["another place", "one place more", "another login"],
)
def test_what_the_daemon_does_not_serve_is_not_done(
    more: list[str],
    missing: str,
    daemons_flags: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its configuration was changed and not reloaded, or these are other flags."""
    flags = daemons_flags
    if "--docker-config" in more:
        flags = [word for word in daemons_flags if word not in ("--docker-config", PLACE)]
    with taken(str(tmp_path / "state")), _daemon(tmp_path / "control.sock", _told(None)):
        assert main(["once", *flags, *more]) == FAILED

    said = capsys.readouterr()
    assert said.out == f"{VALID}  {PLACE}: ok\n"
    assert said.err.startswith(
        f"lightkeeper once: the daemon that owns {tmp_path}/state does not serve {missing}: reload"
    )


def _serving(place: Path) -> bytes:
    """What a daemon says that serves this place."""
    return _told(None).replace(json.dumps(PLACE).encode(), json.dumps(str(place)).encode())


def test_a_daemon_that_has_not_taken_up_another_state_directory_is_not_worked_against(
    flags: list[str], tmp_path: Path
) -> None:
    """Until it is started anew it keeps the place by the state directory of before."""
    with _daemon(tmp_path / "control.sock", _serving(tmp_path / "config.json")):
        done = command(tmp_path, {}, "once", *flags)

    assert done.returncode == FAILED
    assert (
        f"a daemon answers at {tmp_path}/control.sock and serves {tmp_path}/config.json, and its"
        f" state directory is not {tmp_path}/state: restart it if that was changed" in done.stderr
    )
    assert not (tmp_path / "config.json").exists()


def test_a_daemon_that_serves_other_places_is_none_of_its_business(
    flags: list[str], tmp_path: Path
) -> None:
    with (
        simulator(tmp_path) as lightsail,
        _daemon(tmp_path / "control.sock", _serving(tmp_path / "other.json")),
    ):
        done = command(tmp_path, lightsail.environment, "once", *flags)

    assert done.returncode == DONE
