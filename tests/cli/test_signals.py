"""Ctrl-C and a reader that is gone end a command as they end every other tool: without a word."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from lightkeeper.cli.main import INTERRUPTED, TERMINATED, UNREAD
from tests.integration.process import clean_environment
from tests.real.starting import lacking

AWS = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "none"}


@contextmanager
def _running(
    folder: Path, *words: str, before: Sequence[str] = ()
) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*before, sys.executable, "-m", "lightkeeper", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(folder) | AWS,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def _listening(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.bind(str(path))
        daemon.listen()
        yield daemon


def _interrupted(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """How it ends on Ctrl-C: status, output, messages."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def test_renew_that_waits_for_the_daemon_ends_on_ctrl_c(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with (
        _listening(path) as daemon,
        _running(tmp_path, "renew", "--socket", str(path)) as asking,
    ):
        heard, _ = daemon.accept()
        with heard:
            assert heard.recv(1000).startswith(b'{"ask": "renew"')
            ended = _interrupted(asking)

    assert ended == (INTERRUPTED, "", "")


def test_once_that_waits_for_lightsail_ends_on_ctrl_c(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as lightsail:
        url = f"http://127.0.0.1:{lightsail.getsockname()[1]}"
        words = ("once", *_flags(tmp_path), "--endpoint-url", url)
        with _running(tmp_path, *words) as waiting:
            called, _ = lightsail.accept()
            with called:
                ended = _interrupted(waiting)

    assert ended == (INTERRUPTED, "", "")


@pytest.mark.skipif(lacking("unshare", root=True) != "", reason="it takes root and unshare")
def test_a_containers_first_process_ends_on_sigterm_though_no_daemon_runs_yet(
    tmp_path: Path,
) -> None:
    """The kernel keeps from it what it has no handler for: it would be waited for in vain."""
    with socket.create_server(("127.0.0.1", 0)) as lightsail:
        url = f"http://127.0.0.1:{lightsail.getsockname()[1]}"
        words = ("once", *_flags(tmp_path), "--endpoint-url", url)
        alone = ("unshare", "--fork", "--pid", "--kill-child")
        with _running(tmp_path, *words, before=alone) as parent:
            called, _ = lightsail.accept()
            with called:
                children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
                os.kill(int(children.read_text()), signal.SIGTERM)
                out, err = parent.communicate(timeout=30)

    assert (parent.returncode, out, err) == (TERMINATED, "", "")


def _flags(folder: Path) -> list[str]:
    """A login that keeps everything below a folder."""
    return [
        *("--region", "eu-central-1", "--docker-config", str(folder / "config.json")),
        *("--state-dir", str(folder / "state"), "--socket", str(folder / "control.sock")),
    ]


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("status", "--help"),
        ("schema",),
        ("status", ...),
        ("status", "--json", ...),
        ("check", ...),
        ("withdraw", ...),
        ("simulator", "--list-faults"),
    ],
)
def test_a_reader_that_is_gone_is_no_failure_to_tell(
    tmp_path: Path, words: tuple[object, ...]
) -> None:
    given = [str(word) for word in words if word is not ...]
    given += _flags(tmp_path) if ... in words else []
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as unread:
        done = subprocess.run(
            [sys.executable, "-m", "lightkeeper", *given],
            stdout=unread,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
            env=clean_environment(tmp_path),
        )

    assert (done.returncode, done.stderr) == (UNREAD, "")


def test_renew_whose_reader_is_gone_does_not_blame_the_daemon(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with (
        _listening(path) as daemon,
        _running(tmp_path, "renew", "--socket", str(path)) as asking,
    ):
        heard, _ = daemon.accept()
        with heard:
            assert asking.stdout is not None
            asking.stdout.close()
            heard.sendall(b'{"login": "prod", "waits_seconds": 0}\n')
            assert asking.stderr is not None
            said = asking.stderr.read()

    assert (asking.wait(), said) == (UNREAD, "")
