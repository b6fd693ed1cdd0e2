"""A real registry's htpasswd file: our users in it, everybody else's left alone."""

from __future__ import annotations

import asyncio
import re
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Iterable
from os import utime
from pathlib import Path
from typing import Final

from lightkeeper.simulator.settings import SetupError

_COMMAND: Final = "htpasswd"
_OURS: Final = re.compile(r"AWS_\d+:")
_BCRYPT_BYTES: Final = 72


def user_name(number: int) -> str:
    """The user of the credential with this number; one each, so that one can be removed."""
    return f"AWS_{number}"


def check_command() -> None:
    """Raise SetupError if the command that hashes is not installed."""
    if shutil.which(_COMMAND) is None:
        message = "htpasswd is not installed; on Debian: apt-get install apache2-utils"
        raise SetupError(message)


async def hashed_line(user: str, password: str) -> str:
    """The line of `user`, with bcrypt of cost 5, the only kind of hash that the registry reads.

    bcrypt looks at 72 bytes and the command refuses more than 255, so it gets the first 72. They
    come on its stdin: arguments can be read by everybody on the machine.
    """
    process = await asyncio.create_subprocess_exec(
        *(_COMMAND, "-niB", "-C", "5", user), stdin=PIPE, stdout=PIPE, stderr=DEVNULL
    )
    output, _ = await process.communicate(password.encode()[:_BCRYPT_BYTES])
    line = output.decode().strip()
    if process.returncode or not line.startswith(f"{user}:$2"):
        message = f"htpasswd ended with status {process.returncode} and made no bcrypt hash"
        raise SetupError(message)
    return line


def replace_our_lines(path: Path, ours: Iterable[str]) -> None:
    """Put `ours` in place of the lines that are ours, by rename.

    The registry reads the file anew when its modification time has grown, so it always grows, even
    within the tick of a file system's clock.
    """
    foreign: list[str] = []
    former_ns = 0
    temporary = path.with_name(f".{path.name}.simulator")
    temporary.touch()
    if path.exists():
        foreign = [line for line in path.read_text().splitlines() if not _OURS.match(line)]
        former_ns = path.stat().st_mtime_ns
        shutil.copymode(path, temporary)
    temporary.write_text("".join(f"{line}\n" for line in (*foreign, *ours)))
    written_ns = max(temporary.stat().st_mtime_ns, former_ns + 1)
    utime(temporary, ns=(written_ns, written_ns))
    temporary.replace(path)
