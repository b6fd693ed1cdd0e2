"""Ten thousand Secrets from one login, against lightkube alone asking a real API server the same.

A round of Lightkeeper's is measured by its own log, from the credential that sets it going to the
line that says it is over: neither its start nor the call to Lightsail is in it. Its first round
looks at each Secret, finds none, and makes it; a renewal applies each to the version that is known.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from benchmarks.measuring import Row, Spread, cpu_seconds, resident_kib, until
from benchmarks.peers import ROOT
from benchmarks.scene import Scene
from benchmarks.turns import Player, turn
from tests.integration.process import Simulated
from tests.real.cluster import ApiServer, serving

_PATIENCE_SECONDS = 90.0
"""For a round to begin: the floor between two attempts, and a busy machine."""
_LONGEST_SECONDS = 3600.0
_HEARTBEAT_SECONDS = 15.0
_SERVERS = ("kube-apiserver", "etcd")
_FEW = 100
_KIB_PER_MIB = 1024


@dataclass(slots=True, kw_only=True)
class Delivering:
    """A running daemon with Secrets to deliver."""

    pid: int
    secret: str
    """What they are called."""
    output: Path
    count: int
    seen: dict[str, Any] | None = None
    """The first of them, as it was written last."""

    def renew(self) -> None:
        """Have a new credential as soon as the floor between attempts allows."""
        os.kill(self.pid, signal.SIGUSR1)

    def at_rest(self, rounds: int) -> int:
        """What is resident, in KiB, a heartbeat after so many rounds."""
        is_over = f"{rounds} rounds"
        until(is_over, lambda: len(self.instants("credential_delivered")) >= rounds, 600)
        time.sleep(_HEARTBEAT_SECONDS)
        return resident_kib(self.pid)

    def instants(self, event: str) -> list[float]:
        """When it said this, by the monotonic clock."""
        offset = time.monotonic() - time.time()
        return [
            datetime.fromisoformat(said["timestamp"]).timestamp() + offset
            for said in map(json.loads, self.output.read_text().splitlines())
            if said["event"] == event and self._is_whole(said)
        ]

    def _is_whole(self, event: dict[str, Any]) -> bool:
        """Whether it tells no round in which anything failed, or was not to be done."""
        if event.get("changed", self.count) != self.count or event.get("failing"):
            message = f"a round that is none: {event}"
            raise AssertionError(message)
        return True


@dataclass(frozen=True, slots=True)
class Bare:
    """A running process of lightkube alone."""

    process: subprocess.Popen[str]

    def begin(self, word: str, namespaces: Sequence[str], **more: object) -> None:
        """Have it do a round."""
        assert self.process.stdin is not None  # noqa: S101 - it was started with pipes
        self.process.stdin.write(json.dumps({"round": word, "namespaces": namespaces, **more}))
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def is_done(self) -> bool:
        """Whether the round is over."""
        assert self.process.stdout is not None  # noqa: S101 - it was started with pipes
        return bool(select.select([self.process.stdout], [], [], 0)[0])

    def interval(self) -> tuple[float, float]:
        """From when to when the round was; once it is over."""
        assert self.process.stdout is not None  # noqa: S101 - it was started with pipes
        said = json.loads(self.process.stdout.readline())
        return said["begin"], said["end"]


def secrets(scene: Scene, lightsail: Simulated, count: int) -> list[Row]:
    """So many Secrets made and renewed, in turn with lightkube alone; then made once more.

    The second time lightkube does not look whether there is one: what looking costs is told.
    """
    namespaces = [f"build-{number}" for number in range(count)]
    with serving(scene.folder / "kube") as api, _bare(scene, api) as bare:
        bare.begin("make", namespaces)
        bare.interval()

        def round_of(daemon: Delivering, word: str, number: int) -> tuple[float, float]:
            def begin() -> None:
                daemon.seen = _written(api, namespaces[0], daemon)
                its = f"its-{daemon.secret}"
                bare.begin(word, namespaces, name=its, secret=daemon.seen)

            return _in_turn(daemon, number, bare, begin)

        few = namespaces[:_FEW]
        with _delivering(scene.named("few"), lightsail, api, few, "few") as daemon:
            resident_few = daemon.at_rest(1)
        with _delivering(scene.named("a"), lightsail, api, namespaces, "a") as daemon:
            made = round_of(daemon, "look and apply", 0)
            daemon.renew()
            serving_pids = [int((api.folder / f"{one}.pid").read_text()) for one in _SERVERS]
            before = [cpu_seconds(pid) for pid in (daemon.pid, *serving_pids)]
            renewed = round_of(daemon, "apply", 1)
            resident = daemon.at_rest(2)
            used = [
                cpu_seconds(pid) - was
                for pid, was in zip((daemon.pid, *serving_pids), before, strict=True)
            ]
        with _delivering(scene.named("b"), lightsail, api, namespaces, "b") as daemon:
            unseen = round_of(daemon, "apply", 0)
    rows = [
        _row(f"{count} Secrets made: rate, against lightkube's get and apply", count, made),
        _row(f"{count} Secrets renewed: rate, against lightkube's apply", count, renewed),
        _row(f"{count} Secrets made: rate, against lightkube's apply alone", count, unseen),
    ]
    each = 1000 / count
    return [
        *rows[:2],
        replace(rows[2], is_reported_only=True),
        _told(f"{count} Secrets renewed: the daemon's processor time, ms each", used[0] * each),
        # Of both rounds, ours and the peer's, since the two were at it in turn.
        *(
            _told(f"{count} Secrets renewed: {name}'s processor time, ms each", one * each / 2)
            for name, one in zip(_SERVERS, used[1:], strict=True)
        ),
        Row(
            what=f"{count} Secrets: resident, KiB for each above {_FEW}",
            ours=f"{resident / _KIB_PER_MIB:.1f} MiB",
            peer=f"{resident_few / _KIB_PER_MIB:.1f} MiB",
            measured=Spread(((resident - resident_few) / (count - _FEW),)),
            bound=2,
        ),
    ]


def _told(what: str, value: float) -> Row:
    return Row(
        what=what,
        ours="",
        peer="",
        measured=Spread((value,)),
        bound=0,
        is_reported_only=True,
    )


def _in_turn(
    daemon: Delivering, number: int, bare: Bare, begin: Callable[[], None]
) -> tuple[float, float]:
    """How long each of them was at work for its round; the daemon's is its `number`th."""
    ours, peer = Player(daemon.pid), Player(bare.process.pid)
    until(
        f"round {number} begins",
        lambda: len(daemon.instants("credential_renewed")) > number,
        _PATIENCE_SECONDS,
    )
    begin()
    ends = time.monotonic() + _LONGEST_SECONDS
    while len(daemon.instants("credential_delivered")) <= number and not bare.is_done():
        if time.monotonic() > ends:
            message = f"round {number} has no end"
            raise TimeoutError(message)
        turn(ours, peer)
    until(
        f"round {number} ends",
        lambda: len(daemon.instants("credential_delivered")) > number,
        _LONGEST_SECONDS,
    )
    mine = (daemon.instants(one)[number] for one in ("credential_renewed", "credential_delivered"))
    return ours.seconds(*mine), peer.seconds(*bare.interval())


def _row(what: str, count: int, seconds: tuple[float, float]) -> Row:
    ours, peer = seconds
    return Row(
        what=what,
        ours=f"{count / ours:.0f}/s",
        peer=f"{count / peer:.0f}/s",
        measured=Spread((peer / ours,)),
        bound=0.85,
        is_least=True,
    )


def _written(api: ApiServer, namespace: str, daemon: Delivering) -> dict[str, Any]:
    """One of ours for the peer to write the same, once it is another than before."""
    path = f"/api/v1/namespaces/{namespace}/secrets/{daemon.secret}"
    known = daemon.seen and daemon.seen["data"]

    def is_new() -> bool:
        answer = api.ask("GET", path)
        return answer.status == HTTPStatus.OK and answer.body["data"] != known

    until(f"another {path}", is_new, _PATIENCE_SECONDS)
    return api.done("GET", path)


@contextmanager
def _bare(scene: Scene, api: ApiServer) -> Iterator[Bare]:
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.bare", str(api.kubeconfig)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=scene.environment(),
    ) as process:
        try:
            yield Bare(process)
        finally:
            process.terminate()


@contextmanager
def _delivering(
    scene: Scene, lightsail: Simulated, api: ApiServer, namespaces: Sequence[str], secret: str
) -> Iterator[Delivering]:
    """A daemon that is asked for this Secret in these namespaces, and just begins."""
    folder = scene.folder
    configuration, output = folder / "lightkeeper.yaml", folder / "output"
    configuration.write_text(_yaml(folder, lightsail, api, namespaces, secret))
    command = [sys.executable, "-m", "lightkeeper", "run", "--config", str(configuration)]
    with (folder / "errors").open("wb") as errors, output.open("wb") as said:
        process = subprocess.Popen(
            command, stdout=said, stderr=errors, env=scene.environment(lightsail)
        )
    try:
        yield Delivering(pid=process.pid, secret=secret, output=output, count=len(namespaces))
    finally:
        process.terminate()
        process.wait(30)


def _yaml(
    folder: Path, lightsail: Simulated, api: ApiServer, namespaces: Sequence[str], secret: str
) -> str:
    """JSON is YAML. The namespaces are named: the first round is to begin with all of them."""
    output = {
        "type": "kubernetes_secret",
        "secret": secret,
        "namespaces": namespaces,
        "cluster": {"kubeconfig": str(api.kubeconfig), "qps": "none"},
    }
    login = {
        "name": "prod",
        "region": lightsail.environment["AWS_REGION"],
        "endpoint_url": lightsail.url,
        "outputs": [output],
    }
    return json.dumps(
        {
            "logins": [login],
            "web": {"listen": "127.0.0.1:0"},
            "state_dir": str(folder / "state"),
            "socket": str(folder / "control.sock"),
            "log": {"format": "json"},
        }
    )
