"""Starts what the scripts in this folder know to start, and says what is missing for it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
_PACKAGES = {
    "buildah": "buildah",
    "containerd": "containerd",
    "ctr": "containerd",
    "curl": "curl",
    "docker": "docker.io",
    "docker-registry": "docker-registry",
    "dockerd": "docker.io",
    "htpasswd": "apache2-utils",
    "ip": "iproute2",
    "iptables": "iptables",
    "newuidmap": "uidmap",
    "openssl": "openssl",
    "podman": "podman",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "runc": "runc",
    "setcap": "libcap2-bin",
    "skopeo": "skopeo",
    "systemd-analyze": "systemd",
    "systemd-nspawn": "systemd-container",
    "unshare": "util-linux",
}
_PATH = os.pathsep.join((os.environ["PATH"], "/usr/local/sbin", "/usr/sbin", "/sbin"))


def lacking(*tools: str, root: bool = False) -> str:
    """What keeps a test from running here, with the line that mends it; empty if nothing does."""
    missing = [tool for tool in tools if shutil.which(tool, path=_PATH) is None]
    if missing:
        packages = " ".join(sorted({_PACKAGES[tool] for tool in missing}))
        return f"missing: {', '.join(missing)}; apt-get install {packages}"
    if root and os.getuid() != 0:
        return "only root may start it"
    return "mount namespaces are not to be had here" if root and not _may_unshare() else ""


def _may_unshare() -> bool:
    """Root in a container may often not."""
    tried = ["unshare", "--mount", "--propagation", "private", "true"]
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0


def free_port() -> int:
    """A port of loopback that nobody listens at now."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def script(
    name: str,
    *arguments: str | Path,
    environment: Mapping[str, str] | None = None,
    timeout_seconds: float = 60,
) -> str:
    """Run one to its end; what it printed. Raises AssertionError with what it said if it failed.

    What it starts keeps its standard error, so that is a file: a pipe would never end.
    """
    command = [str(HERE / name), *map(str, arguments)]
    with (Path(arguments[1]) / f"{name}.stderr").open("w+") as said:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            timeout=timeout_seconds,
            check=False,
            env=os.environ | (environment or {}),
        )
        said.seek(0)
        assert done.returncode == 0, f"{' '.join(command)}: {said.read()}"
    return done.stdout.strip()


@contextmanager
def started(
    name: str, folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """One of the scripts' systems until the end, in a new folder; what its start printed."""
    folder.mkdir()
    try:
        yield script(name, "start", folder, *arguments, environment=environment)
    finally:
        # A registry after two minutes of pushes has more files than a busy disk lets go in one.
        script(name, "stop", folder, timeout_seconds=300)
