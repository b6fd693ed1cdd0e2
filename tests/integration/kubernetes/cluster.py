"""What these tests share: an API server, Lightsail, a daemon's account, and what is in Secrets."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from tests.integration.process import Daemon, Simulated, command, daemon, simulator
from tests.real.cluster import Account, ApiServer

NAME: Final = "lightsail-push"
KEY: Final = ".dockerconfigjson"
EXPIRY: Final = "lightkeeper.io/expires-at"
WITHIN_SECONDS: Final = 10.0
"""After which a new namespace has its Secret."""


@dataclass
class Cluster:
    """An API server, Lightsail, and a namespace of the daemon's own."""

    api: ApiServer
    lightsail: Simulated
    folder: Path
    home: str
    account: Account
    _serial: Iterator[int] = field(default_factory=itertools.count)

    def configure(self, name: str, text: str) -> Path:
        file = self.folder / f"{name}.yaml"
        file.write_text(text)
        return file

    def apply_rights(self, file: Path) -> None:
        """What `check --rbac` prints, for our account."""
        done = command(
            self.folder, self.lightsail.environment, "check", "--rbac", "--config", str(file)
        )
        assert done.returncode == 0, done.stderr
        self.api.kubectl("apply", "-f", "-", stdin=done.stdout)

    def kubeconfig(self, url: str = "") -> Path:
        """Our account's; by way of a proxy if told so."""
        path = self.folder / f"kubeconfig-{next(self._serial)}"
        return self.api.write_kubeconfig(path, token=self.api.token(self.account), url=url)

    def environment(self, kubeconfig: Path) -> dict[str, str]:
        return {**self.lightsail.environment, "KUBECONFIG": str(kubeconfig)}

    @contextmanager
    def running(
        self, file: Path, kubeconfig: Path, name: str = "d", more: Mapping[str, str] | None = None
    ) -> Iterator[Daemon]:
        """A daemon that is configured by `file` alone."""
        environment = self.environment(kubeconfig) | dict(more or {})
        arguments = ("--config", str(file), "--listen", "127.0.0.1:0")
        with daemon(self.folder / name, environment, *arguments, from_file=True) as started:
            yield started

    def secret(self, namespace: str, name: str = NAME) -> dict[str, Any] | None:
        path = f"/api/v1/namespaces/{namespace}/secrets/{name}"
        answer = self.api.ask("GET", path)
        return answer.body if answer.status == 200 else None

    def auths(self, namespace: str, name: str = NAME) -> dict[str, Any]:
        """What stands in a Secret, by registry; nothing where there is none."""
        secret = self.secret(namespace, name)
        if secret is None or KEY not in secret.get("data", {}):
            return {}
        auths: dict[str, Any] = json.loads(base64.b64decode(secret["data"][KEY])).get("auths", {})
        return auths

    def holds(self, namespace: str, name: str = NAME) -> bool:
        """Whether a client would find our login there."""
        return self.lightsail.registry in self.auths(namespace, name)

    def is_good(self, namespace: str, name: str = NAME) -> bool:
        """Whether the registry takes what a client would find there."""
        entry = self.auths(namespace, name).get(self.lightsail.registry)
        return entry is not None and self.lightsail.accepts(entry["auth"])

    def expiry(self, namespace: str, name: str = NAME) -> str:
        """Of what is there, as its annotation tells it."""
        secret = self.secret(namespace, name)
        return "" if secret is None else marks(secret).get(EXPIRY, "")


@contextmanager
def prepared(api: ApiServer, folder: Path) -> Iterator[Cluster]:
    """All of it, until the end."""
    home = api.namespace()
    account = api.account(home, "lightkeeper")
    with simulator(folder) as lightsail:
        yield Cluster(api, lightsail, folder, home, account)


def marks(secret: Mapping[str, Any]) -> dict[str, str]:
    """Its annotations."""
    found: dict[str, str] = secret["metadata"].get("annotations") or {}
    return found


def login(outputs: str, more: str = "") -> str:
    return f"logins:\n  - name: prod\n    region: eu-central-1\n    outputs:\n{outputs}{more}"


def pair(cluster: Cluster) -> tuple[Path, str]:
    """The configuration of two replicas, and the namespace that they serve."""
    here = cluster.api.namespace()
    output = f"      - {{type: kubernetes_secret, namespaces: [{here}]}}\n"
    more = (
        f"state: {{secret: {cluster.home}/state}}\n"
        f"leader_election: {{lease: {cluster.home}/leader, duration: 6s, renew_deadline: 4s,"
        " retry: 1s}\n"
    )
    file = cluster.configure("pair", login(output, more))
    cluster.apply_rights(file)
    return file, here


def role(daemon: Daemon) -> str:
    told: str = json.loads(daemon.get("/readyz")[1])["role"]
    return told


def within(seconds: float, what: str, is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"not in {seconds} s: {what}"
        time.sleep(0.1)


def faked_time(how: str) -> dict[str, str]:
    """The environment of a process whose clocks differ from this machine's.

    `+3h`: its wall clock alone is ahead; `+0 x10`: all its clocks run ten times as fast, so that a
    minute's wait is over in six seconds.
    """
    program = shutil.which("faketime")
    if program is None:
        pytest.skip("needs faketime, for a process with clocks of its own")
    printed = subprocess.run(
        [program, "-f", how, "env"], capture_output=True, text=True, timeout=30, check=True
    )
    lines = dict(line.partition("=")[::2] for line in printed.stdout.splitlines())
    made = {"LD_PRELOAD": lines["LD_PRELOAD"].strip(":"), "FAKETIME": how}
    return made if " x" in how else {**made, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
