from __future__ import annotations

import asyncio
import os
import shutil
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from lightkeeper.simulator import SetupError
from lightkeeper.simulator.htpasswd import (
    check_command,
    hashed_line,
    replace_our_lines,
    user_name,
)

needs_htpasswd = pytest.mark.skipif(
    shutil.which("htpasswd") is None, reason="htpasswd is not installed"
)


async def is_right(file: Path, user: str, password: str) -> bool:
    """Whether the htpasswd command itself finds the password right."""
    process = await asyncio.create_subprocess_exec(
        *("htpasswd", "-vi", str(file), user), stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    await process.communicate(password.encode()[:72])
    return process.returncode == 0


@needs_htpasswd
async def test_a_line_holds_a_bcrypt_hash_of_the_password(tmp_path: Path) -> None:
    file = tmp_path / "htpasswd"
    password = "simulated-" + "x" * 2000

    file.write_text(await hashed_line("AWS_1", password) + "\n")

    assert file.read_text().startswith("AWS_1:$2y$05$")
    assert await is_right(file, "AWS_1", password)
    assert not await is_right(file, "AWS_1", "wrong")


def test_our_lines_are_replaced_and_those_of_others_kept(tmp_path: Path) -> None:
    file = tmp_path / "htpasswd"
    file.write_text("alice:x\nAWS_1:old\nAWS:theirs\nbob:y\n")

    replace_our_lines(file, [f"{user_name(2)}:new", f"{user_name(13)}:new"])

    assert file.read_text() == "alice:x\nAWS:theirs\nbob:y\nAWS_2:new\nAWS_13:new\n"


def test_a_file_that_is_missing_is_made(tmp_path: Path) -> None:
    file = tmp_path / "htpasswd"

    replace_our_lines(file, ["AWS_1:x"])

    assert file.read_text() == "AWS_1:x\n"
    assert list(tmp_path.iterdir()) == [file]


def test_the_modification_time_grows_each_time(tmp_path: Path) -> None:
    file = tmp_path / "htpasswd"
    times = []
    for _ in range(20):
        replace_our_lines(file, [])
        times.append(file.stat().st_mtime_ns)

    assert times == sorted(set(times))


def test_the_modification_time_grows_even_where_it_was_in_the_future(tmp_path: Path) -> None:
    file = tmp_path / "htpasswd"
    replace_our_lines(file, [])
    future_ns = file.stat().st_mtime_ns + 10**12
    os.utime(file, ns=(future_ns, future_ns))

    replace_our_lines(file, [])

    assert file.stat().st_mtime_ns > future_ns


def test_the_file_mode_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "htpasswd"
    file.touch(mode=0o600)

    replace_our_lines(file, ["AWS_1:x"])

    assert file.stat().st_mode & 0o777 == 0o600


def test_a_missing_command_is_said_with_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(SetupError, match="apt-get install apache2-utils"):
        check_command()


async def test_a_command_that_fails_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "htpasswd"
    script.write_text("#!/bin/sh\nexit 3\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    with pytest.raises(SetupError, match="status 3"):
        await hashed_line("AWS_1", "x")
