"""Real pushes with a delivered login: `python -m tests.real.pushes --seconds 120`.

A real registry takes the credentials of a simulated Lightsail, which live 20 s. A daemon keeps the
newest in a Docker config; skopeo, podman and docker push with that file while somebody else edits
it. In a second run a new credential ends the one before it at once.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from tests.integration.process import Daemon, daemon, eventually, simulator
from tests.real.clients import Around, Client, Push, clients
from tests.real.edits import Editor
from tests.real.starting import free_port, lacking, started

TOOLS = ("docker-registry", "htpasswd", "curl", "skopeo", "podman", "docker", "dockerd")
LIFETIME_SECONDS = 20


@dataclass(frozen=True, kw_only=True)
class Handover:
    """From before a credential was asked for until it was in the file."""

    began: datetime
    ended: datetime

    @property
    def seconds(self) -> float:
        return (self.ended - self.began).total_seconds()

    def touches(self, push: Push) -> bool:
        return push.began <= self.ended and push.ended >= self.began


@dataclass(frozen=True, kw_only=True)
class Run:
    """What came of one."""

    ends_predecessor: bool
    pushes: Sequence[Push]
    handovers: Sequence[Handover]
    """One for each renewal after the first."""
    edits: int
    foreign_lost: int
    repairs: int
    """How often the other writer put back a file without our newest entry."""

    @property
    def failed(self) -> list[Push]:
        return [push for push in self.pushes if push.refusal]

    @property
    def unexcused(self) -> list[Push]:
        """Failures that no renewal explains; where the former credential lives on, all of them.

        Where it ends at once, a push may fail that was under way while one took the other's place.
        """
        if not self.ends_predecessor:
            return self.failed
        return [one for one in self.failed if not any(h.touches(one) for h in self.handovers)]

    def lines(self) -> Iterator[str]:
        """The figures."""
        how = "ends the former at once" if self.ends_predecessor else "leaves the former valid"
        yield f"Credentials of {LIFETIME_SECONDS} s, a new one {how}:"
        for client in sorted({push.client for push in self.pushes}):
            count = sum(push.client == client for push in self.pushes)
            failed = sum(push.client == client for push in self.failed)
            yield f"  {client:8} {count:5} pushes, {failed} failed"
        slowest = max((one.seconds for one in self.handovers), default=0.0)
        yield f"  {len(self.handovers)} renewals, the slowest handover took {slowest:.2f} s"
        yield f"  {len(self.unexcused)} failures outside a handover"
        yield f"  {self.edits} edits of somebody else, {self.foreign_lost} of their entries lost"
        yield f"  {self.repairs} repairs of our entry after such an edit"
        for push in self.unexcused:
            yield f"  {push.began:%H:%M:%S.%f} {push.client}: {push.refusal.splitlines()[-1]}"


def run(engine: str, *, seconds: float, ends_predecessor: bool) -> Run:
    """Push for so long, then until each client's push under way has ended."""
    with tempfile.TemporaryDirectory(prefix="pushes-") as name:  # podman wants a short path
        folder = Path(name)
        place = folder / "host" / "config.json"
        with (
            started("registry", folder / "registry", str(free_port())) as registry,
            _delivering(folder, registry, ends_predecessor=ends_predecessor) as keeping,
        ):
            around = Around(folder=folder, registry=registry, docker_config=place.parent)
            editor = Editor(place)
            pushes = _push_all(clients(around, engine), editor, seconds)
            eventually("each is delivered", lambda: _is_delivered(keeping), keeping.raw)
    return Run(
        ends_predecessor=ends_predecessor,
        pushes=pushes,
        handovers=_handovers(keeping),
        edits=editor.edits,
        foreign_lost=editor.lost,
        repairs=len(keeping.events("place_drifted")),
    )


@contextmanager
def _delivering(folder: Path, registry: str, *, ends_predecessor: bool) -> Iterator[Daemon]:
    """A daemon that has delivered its first credential for that registry."""
    users = ("--registry", registry, "--htpasswd", str(folder / "registry" / "htpasswd"))
    policy = ("--ends-predecessor",) if ends_predecessor else ()
    place = str(folder / "host" / "config.json")
    with (
        simulator(folder, *users, "--lifetime", str(LIFETIME_SECONDS), *policy) as lightsail,
        daemon(folder / "host", lightsail.environment, "--docker-config", place) as keeping,
    ):
        keeping.wait_for("credential_delivered")
        yield keeping


def _push_all(pushing: Sequence[Client], editor: Editor, seconds: float) -> list[Push]:
    """All clients beside one another, each one push after the other, and the editor beside them."""
    stop = threading.Event()

    def push_on(client: Client) -> list[Push]:
        done: list[Push] = []
        while not stop.is_set():
            done.append(client.push(str(len(done) + 1)))
        return done

    with ThreadPoolExecutor() as workers, _set_at_end(stop):
        editing = workers.submit(editor.run, stop)
        running = [workers.submit(push_on, client) for client in pushing]
        stop.wait(seconds)
        stop.set()
        editing.result()
        return [push for one in running for push in one.result()]


@contextmanager
def _set_at_end(stop: threading.Event) -> Iterator[None]:
    """So that no worker runs on when something fails."""
    try:
        yield
    finally:
        stop.set()


def _is_delivered(keeping: Daemon) -> bool:
    count = len(keeping.events("credential_renewed"))
    return len(keeping.events("credential_delivered")) == count


def _handovers(keeping: Daemon) -> list[Handover]:
    """From what the daemon said: each renewal but the first, with the delivery that followed."""
    renewed = keeping.events("credential_renewed")[1:]
    delivered = keeping.events("credential_delivered")[1:]
    return [
        Handover(
            began=_instant(renewal["timestamp"]) - timedelta(seconds=renewal["took_seconds"]),
            ended=_instant(delivery["timestamp"]),
        )
        for renewal, delivery in zip(renewed, delivered, strict=True)
    ]


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


@contextmanager
def docker_engine() -> Iterator[str]:
    """One of its own; its address, which has to be short."""
    with (
        tempfile.TemporaryDirectory(prefix="engine-") as folder,
        started("docker-box", Path(folder) / "box") as address,
    ):
        yield address


def main() -> int:
    """Print the figures of both runs; 1 if they are not what is promised."""
    parser = argparse.ArgumentParser(prog="python -m tests.real.pushes")
    parser.add_argument("--seconds", type=float, default=120, help="of each run (%(default)s)")
    options = parser.parse_args()
    if why := lacking(*TOOLS, root=True):
        print(why)
        return 1
    is_kept = True
    with docker_engine() as engine:
        for ends_predecessor in (False, True):
            done = run(engine, seconds=options.seconds, ends_predecessor=ends_predecessor)
            print(*done.lines(), sep="\n", flush=True)
            is_kept &= bool(done.pushes) and not done.unexcused and not done.foreign_lost
    return 0 if is_kept else 1


if __name__ == "__main__":
    sys.exit(main())
