"""The programs that push images: made ready once, then asked to push one tag after another."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.real.images import TAG, write_image

_DEADLINE_SECONDS = 60
_LOADED = "localhost/pushed:1"
"""What podman and docker call the image in their own storage."""
_TAG_AND_PUSH = 'docker -H "$1" tag "$2" "$3" && exec docker -H "$1" push -q "$3"'


@dataclass(frozen=True, kw_only=True)
class Push:
    """One, as it went."""

    client: str
    began: datetime
    ended: datetime
    refusal: str
    """What the client said if it failed; empty if the image is in the registry."""


@dataclass(frozen=True, kw_only=True)
class Around:
    """What every client gets: where it works, where it pushes, whose login it uses."""

    folder: Path
    registry: str
    docker_config: Path
    """The folder of the Docker config file. Nothing else here knows a login."""

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run one with a PATH, an empty home and the Docker config, and nothing else."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_DEADLINE_SECONDS,
            check=False,
            env=environment | {"DOCKER_CONFIG": str(self.docker_config)},
        )

    def target(self, client: str, tag: str) -> str:
        """The image's name in the registry; each client has a repository of its own."""
        return f"{self.registry}/test/{client}:{tag}"


@dataclass(frozen=True, kw_only=True)
class Client:
    """One that pushes, with the image at hand."""

    name: str
    around: Around
    command: Callable[[str], Sequence[str]]
    """From the image's name in the registry to what pushes it there."""

    def push(self, tag: str) -> Push:
        """Push once; a failure is a value."""
        command = self.command(self.around.target(self.name, tag))
        began = datetime.now(UTC)
        done = self.around.run(*command)
        refusal = "" if done.returncode == 0 else done.stderr.strip() or f"status {done.returncode}"
        return Push(client=self.name, began=began, ended=datetime.now(UTC), refusal=refusal)


def clients(around: Around, engine: str) -> list[Client]:
    """Skopeo, podman and docker, the last through the engine at that address."""
    image, archive = around.folder / "image", around.folder / "image.tar"
    root, run = (str(around.folder / "podman" / part) for part in ("root", "run"))
    podman = ("podman", "--root", root, "--runroot", run, "--storage-driver", "vfs")
    write_image(image)
    source = f"oci:{image}:{TAG}"
    _prepare(around, "skopeo", "copy", "-q", source, f"docker-archive:{archive}:{_LOADED}")
    _prepare(around, *podman, "load", "-q", "-i", str(archive))
    _prepare(around, "docker", "-H", engine, "load", "-q", "-i", str(archive))

    def with_skopeo(target: str) -> Sequence[str]:
        return ("skopeo", "copy", "-q", "--dest-tls-verify=false", source, f"docker://{target}")

    def with_podman(target: str) -> Sequence[str]:
        return (*podman, "push", "-q", "--tls-verify=false", _LOADED, target)

    def with_docker(target: str) -> Sequence[str]:
        return ("sh", "-c", _TAG_AND_PUSH, "sh", engine, _LOADED, target)

    commands = {"skopeo": with_skopeo, "podman": with_podman, "docker": with_docker}
    return [Client(name=name, around=around, command=way) for name, way in commands.items()]


def _prepare(around: Around, *command: str) -> None:
    done = around.run(*command)
    assert done.returncode == 0, f"{command}: {done.stderr}"
