"""Daemons with one login and with many, led to a simulator on loopback."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring import until
from tests.integration.process import Simulated, clean_environment

_SECONDS_PER_LOGIN = 1.0
"""Patience; an issued login takes some 50 ms of processor time."""
_PATIENCE_SECONDS = 60.0
_PROMETHEUS = {
    "Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
    "Accept-Encoding": "gzip",
}
NOTES = 20
"""Facts that a login keeps to be told."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Where everything happens."""

    folder: Path

    def named(self, name: str) -> Scene:
        """A folder of its own within."""
        folder = self.folder / name
        folder.mkdir()
        return Scene(folder)

    def environment(self, lightsail: Simulated | None = None) -> dict[str, str]:
        """What every measured process gets: ours and the peers the same."""
        clean = clean_environment(self.folder)
        del clean["PYTHONWARNINGS"]
        if lightsail is not None:
            # awscli v1 knows no AWS_REGION.
            region = {"AWS_DEFAULT_REGION": lightsail.environment["AWS_REGION"]}
            clean |= lightsail.environment | region
        return clean


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """A running daemon."""

    pid: int
    socket: Path
    configuration: Path
    places: tuple[Path, ...]
    errors: Path
    """What it wrote to stderr."""
    address: str

    def get(self, path: str) -> str:
        """What the web listener answers."""
        with urllib.request.urlopen(f"{self.address}{path}", timeout=30) as answer:  # noqa: S310
            said: str = answer.read().decode()
            return said

    def scrape(self) -> int:
        """Ask for the metrics as Prometheus does; how many bytes came."""
        request = urllib.request.Request(f"{self.address}/metrics", headers=_PROMETHEUS)  # noqa: S310
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return len(answer.read())

    def metric(self, name: str) -> float:
        """The one series of that name."""
        for line in self.get("/metrics").splitlines():
            if line.startswith(f"{name} "):
                return float(line.rpartition(" ")[2])
        raise KeyError(name)

    def fill_rings(self) -> None:
        """Edit the files until each login has as many facts to tell as it keeps."""
        patience = _PATIENCE_SECONDS + _SECONDS_PER_LOGIN * len(self.places)
        for _ in range(NOTES):
            if self._fewest_facts() >= NOTES:
                return
            for place in self.places:
                place.write_text("{}")
            until("entries are back", lambda: all(map(_is_filled, self.places)), patience)
        message = f"a login has {self._fewest_facts()} facts, not {NOTES}"
        raise AssertionError(message)

    def _fewest_facts(self) -> int:
        return min(len(login["facts"]) for login in json.loads(self.get("/status"))["logins"])


@contextmanager
def keeping(
    scene: Scene, lightsail: Simulated, logins: int, *, options: Sequence[str] = ()
) -> Iterator[Keeping]:
    """A daemon that has put a credential into every place.

    `options` are the interpreter's. All logins are of one account; each is asked for under a path
    of its own, since two of the same source are refused, and has a file of its own, since they
    share a registry.
    """
    folder = scene.folder
    places = tuple(folder / f"place-{number}" / "config.json" for number in range(logins))
    for place in places:
        place.parent.mkdir()
    configuration = folder / "lightkeeper.yaml"
    configuration.write_text(_yaml(folder, lightsail, places))
    command = [sys.executable, *options, "-m", "lightkeeper", "run", "--config", str(configuration)]
    errors, output = folder / "errors", folder / "output"
    with errors.open("wb") as to_errors, output.open("wb") as to_output:
        process = subprocess.Popen(
            command, stdout=to_output, stderr=to_errors, env=scene.environment(lightsail)
        )
    try:
        patience = _PATIENCE_SECONDS + _SECONDS_PER_LOGIN * logins
        until(
            f"a credential in each place of {folder}",
            lambda: all(map(_is_filled, places)),
            patience,
        )
        yield Keeping(
            pid=process.pid,
            socket=folder / "control.sock",
            configuration=configuration,
            places=places,
            errors=errors,
            address=_address(output),
        )
    finally:
        process.terminate()
        process.wait(30)


def _yaml(folder: Path, lightsail: Simulated, places: Sequence[Path]) -> str:
    """JSON is YAML."""
    logins = [
        {
            "name": f"login-{number}",
            "region": lightsail.environment["AWS_REGION"],
            "endpoint_url": f"{lightsail.url}/{number}",
            "outputs": [{"type": "docker_config", "path": str(place)}],
        }
        for number, place in enumerate(places)
    ]
    return json.dumps(
        {
            "logins": logins,
            "web": {"listen": "127.0.0.1:0"},
            "state_dir": str(folder / "state"),
            "socket": str(folder / "control.sock"),
            "log": {"format": "json"},
        },
        indent=1,
    )


def _is_filled(place: Path) -> bool:
    try:
        return bool(json.loads(place.read_bytes()).get("auths"))
    except (FileNotFoundError, ValueError):
        return False


def _address(output: Path) -> str:
    for line in output.read_text().splitlines():
        event = json.loads(line)
        if event["event"] == "daemon_ready":
            return str(event["metrics"]).removesuffix("/metrics")
    message = "the daemon named no address"
    raise AssertionError(message)
