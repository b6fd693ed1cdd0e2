"""The daemon as people run it: a process of its own, led to a simulator on loopback."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PATIENCE_SECONDS = 30.0


def eventually(
    what: str,
    is_so: Callable[[], object],
    said: Sequence[str] = (),
    *,
    patience_seconds: float = PATIENCE_SECONDS,
) -> None:
    """Wait until something is so; asked anew often, for as long as a loaded machine may need."""
    end = time.monotonic() + patience_seconds
    pause = threading.Event()
    while not is_so():
        assert time.monotonic() < end, f"not in time: {what}\n{''.join(said)}"
        pause.wait(0.02)


def clean_environment(folder: Path) -> dict[str, str]:
    """The environment of a user who has nothing: no AWS settings, no proxies."""
    kept = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"}
    kept["XDG_STATE_HOME"] = str(folder / ".state")  # root's own would be the machine's
    return kept | {"AWS_EC2_METADATA_DISABLED": "true", "PYTHONWARNINGS": "error"}


@dataclass
class Simulated:
    """A simulator process."""

    url: str
    registry: str
    environment: dict[str, str]

    def order(self, route: str, body: Mapping[str, object] | None = None) -> object:
        """Ask the control route; with a body it is a POST."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{self.url}/_simulator/{route}",
            data=data,
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            answered: object = json.load(answer)
            return answered

    def calls(self) -> int:
        """How often Lightsail was asked."""
        requests = self.order("requests")
        assert isinstance(requests, list)
        return sum(one["endpoint"] == "lightsail" for one in requests)

    def accepts(self, auth: str) -> bool:
        """Whether the registry takes an entry's `auth`."""
        request = urllib.request.Request(f"http://{self.registry}/v2/")
        request.add_header("Authorization", f"Basic {auth}")
        try:
            with urllib.request.urlopen(request, timeout=10):  # noqa: S310
                return True
        except urllib.error.HTTPError:
            return False


@contextmanager
def simulator(folder: Path, *arguments: str) -> Iterator[Simulated]:
    """Run one until the end."""
    command = [sys.executable, "-m", "lightkeeper", "simulator", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=clean_environment(folder)
    ) as process:
        try:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line)
                if line.startswith("Ends on"):
                    break
            said = "".join(lines)
            url = re.search(r"endpoint: (\S+)", said)
            registry = re.search(r"Registry: +(\S+)", said)
            assert url, said
            assert registry, said
            variables = dict(re.findall(r"^  (\w+)=(.*)$", said, re.MULTILINE))
            yield Simulated(url[1], registry[1], variables)
        finally:
            process.terminate()


@dataclass
class Daemon:
    """A running daemon and what it said."""

    process: subprocess.Popen[str]
    folder: Path
    lines: list[dict[str, Any]] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return self.folder / "config.json"

    def read(self) -> None:
        """Collect what it says, to the end."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.raw.append(line)
            if line.startswith("{"):
                self.lines.append(json.loads(line))

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in tuple(self.lines) if line["event"] == name]

    def wait_for(self, name: str, count: int = 1) -> dict[str, Any]:
        """The latest event of that name, once there are so many."""
        eventually(
            f"{count} x {name}",
            lambda: len(self.events(name)) >= count or self.process.poll() is not None,
            self.raw,
        )
        assert len(self.events(name)) >= count, "".join(self.raw)
        return self.events(name)[-1]

    def auth(self, registry: str) -> str | None:
        """The entry that a client would find."""
        try:
            entry = json.loads(self.config.read_text())["auths"].get(registry)
        except (FileNotFoundError, KeyError):
            return None
        return entry["auth"] if entry else None

    def password(self, registry: str) -> str:
        auth = self.auth(registry)
        assert auth is not None
        return base64.b64decode(auth).decode().partition(":")[2]

    def get(self, path: str) -> tuple[int, str]:
        """What the web listener answers."""
        url = self.wait_for("daemon_ready")["metrics"].removesuffix("/metrics")
        try:
            with urllib.request.urlopen(f"{url}{path}", timeout=10) as answer:  # noqa: S310
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as exc:
            return exc.code, exc.read().decode()

    def metric(self, series: str) -> float:
        """The value of one series, written as Prometheus does."""
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith(series + " "):
                return float(line.rpartition(" ")[2])
        raise AssertionError(series)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


@contextmanager
def daemon(
    folder: Path,
    environment: Mapping[str, str],
    *arguments: str,
    wrapper: tuple[str, ...] = (),
    from_file: bool = False,
) -> Iterator[Daemon]:
    """Run `lightkeeper run` until the end, with everything below `folder`.

    With `from_file` the configuration says where state and listener are.
    """
    folder.mkdir(exist_ok=True)
    where = ("--state-dir", str(folder / "state"), "--listen", "127.0.0.1:0")
    command = [
        *(*wrapper, sys.executable, "-m", "lightkeeper", "run"),
        *("--socket", str(folder / "control.sock"), "--log-format", "json"),
        *(() if from_file else where),
        *arguments,
    ]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**clean_environment(folder), **environment},
    ) as process:
        running = Daemon(process, folder)
        reader = threading.Thread(target=running.read)
        reader.start()
        try:
            yield running
        finally:
            process.terminate()
            try:
                process.wait(10)
            finally:
                process.kill()
                reader.join()


def command(
    folder: Path, environment: Mapping[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run another command of `lightkeeper` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "lightkeeper", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**clean_environment(folder), **environment},
    )
