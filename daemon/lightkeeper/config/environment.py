"""What the environment decides: the defaults that hang on it, and what a path means in it.

The environment comes as values; only `Host` can look, and only where it is asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from lightkeeper.config.tree import Text, Where

SYSTEM_STATE: Final = "/var/lib/lightkeeper"
SYSTEM_RUNTIME: Final = "/run/lightkeeper"
DEFAULT_FILE: Final = Path("/etc/lightkeeper/config.yaml")

_EXPANDED: Final = re.compile(r"^~(?=/|$)|\$(?:(\w+)|\{(\w+)\})", re.ASCII)


class Host(msgspec.Struct, frozen=True):
    """What is known of the machine and the user, and no variable says."""

    home: Path | None
    """None where it is unknown."""
    uid: int
    is_directory: Callable[[Path], bool]
    profile_region: Callable[[str | None], str | None]
    """The region that the AWS configuration says for a profile, None for AWS's own default; must
    not raise. Asked only for a login whose region nothing else says."""
    owns: Callable[[str], bool] = lambda _: False
    """Whether a path is there and belongs to this user."""


class Meant(msgspec.Struct, frozen=True):
    """Where the daemon of a configuration is."""

    socket: str
    state_dir: str | None = None
    """Who answers at the socket has to own it; None where the socket was named, and is enough."""


class Environment:
    """Variables and host."""

    def __init__(self, environ: Mapping[str, str], host: Host) -> None:
        self._environ = environ
        self._host = host

    def region(self, profile: str | None) -> Text | None:
        """The region where none is configured; botocore itself does not know AWS_REGION."""
        for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
            if self._has(name):
                return Text(Where(key=name), self._environ[name])
        region = self._host.profile_region(profile)
        return Text(Where(key="region of the AWS profile"), region) if region else None

    def output_path(self, kind: str) -> str:
        """Where the clients of an output's type look, as one would write it in the file."""
        if kind == "docker_config":
            in_home = "~/.docker/config.json"
            return "$DOCKER_CONFIG/config.json" if self._has("DOCKER_CONFIG") else in_home
        if self._has("REGISTRY_AUTH_FILE"):
            return "$REGISTRY_AUTH_FILE"
        if self._has("XDG_RUNTIME_DIR"):
            return "$XDG_RUNTIME_DIR/containers/auth.json"
        return f"/run/containers/{self._host.uid}/auth.json"

    def state_dir(self) -> str:
        """The state directory, as one would write it in the file."""
        if self._has("STATE_DIRECTORY"):
            return "$STATE_DIRECTORY"
        if self._host.uid and self._host.owns(SYSTEM_STATE):
            return SYSTEM_STATE  # the service's user, from a shell without systemd's variable
        if self._has("XDG_STATE_HOME"):
            return "$XDG_STATE_HOME/lightkeeper"
        if self._host.uid == 0:
            return SYSTEM_STATE
        return "~/.local/state/lightkeeper"

    def socket(self, otherwise: str) -> str:
        """The control socket, as one would write it in the file; by default in that directory."""
        if self._has("RUNTIME_DIRECTORY"):
            return "$RUNTIME_DIRECTORY/control.sock"
        if self._host.uid == 0 or self._host.owns(SYSTEM_RUNTIME):
            return f"{SYSTEM_RUNTIME}/control.sock"
        if self._has("XDG_RUNTIME_DIR"):
            return "$XDG_RUNTIME_DIR/lightkeeper/control.sock"
        return f"{otherwise}/control.sock"

    def path(self, text: str, file_name: str = "") -> str:
        """The absolute path that a text means; `ValueError` says why it means none.

        With a file's name a directory means that file in it.
        """
        path = _EXPANDED.sub(self._meaning, text)
        if not path.startswith("/"):
            msg = "is not an absolute path; expected one that begins with / or ~/"
            raise ValueError(msg)
        if not path.isprintable():
            msg = "holds a character that cannot be printed; expected a path without"
            raise ValueError(msg)
        real = Path("/", path.lstrip("/"))  # POSIX lets // mean something else; Linux does not
        if file_name and (path.endswith("/") or self._host.is_directory(real)):
            return str(real / file_name)
        return str(real)

    def _has(self, name: str) -> bool:
        return bool(self._environ.get(name))

    def _meaning(self, found: re.Match[str]) -> str:
        if found[0] == "~":
            if self._host.home is None:
                msg = "begins with ~, and this user has no home directory; expected a path with /"
                raise ValueError(msg)
            return str(self._host.home)
        name = found[1] or found[2]
        if not self._has(name):
            msg = f"holds ${name}, which is not set"
            raise ValueError(msg)
        return self._environ[name]


def config_file(
    flag: str | None, environ: Mapping[str, str], exists: Callable[[Path], bool]
) -> Path | None:
    """Which file is read: the one that is named, else the system's if it is there, else none."""
    if named := flag or environ.get("LIGHTKEEPER_CONFIG"):
        return Path(named)
    return DEFAULT_FILE if exists(DEFAULT_FILE) else None
