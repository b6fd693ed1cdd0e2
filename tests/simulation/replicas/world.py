"""The world of one seed: an API server, Lightsail, some machines, and replicas on them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any

from lightkeeper.cluster import Stale
from lightkeeper.core.election import Settings
from lightkeeper.core.facts import LoginName
from tests.fakes.cluster import Key
from tests.simulation.election import EPOCH, SETTINGS
from tests.simulation.election import World as Election
from tests.simulation.replicas.cluster import Annals
from tests.simulation.replicas.oracle import Judge
from tests.simulation.replicas.replica import Host, Parts, Replica
from tests.simulation.world import Lightsail

QUICK = Settings(
    duration=timedelta(seconds=9),
    renew_deadline=timedelta(seconds=8),
    retry=timedelta(seconds=6),
)
SHARED = "registries"
NAMESPACES = ("ci", "team-a", "team-b")


@dataclass
class Trap:
    """What befalls the leader when it comes to a point for the n-th time."""

    point: str
    """Part of what is sent or answered there."""
    left: int
    name: str
    spring: Callable[[Replica], object]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a seed is, before anything befalls it."""

    settings: Settings
    replicas: int
    logins: tuple[LoginName, ...]
    lifetime: float
    is_shared: bool
    """Whether all logins and strangers share one Secret in each namespace."""
    replaces_foreign: bool
    verify: bool
    ends_former: bool
    """Whether a new credential ends the one before."""
    is_wild: bool
    """Whether clocks differ by more than an election bears, so that two may lead at a time."""
    skew: float
    """Seconds by which wall clocks may be wrong."""
    is_one_host: bool

    @classmethod
    def of(cls, seed: int) -> Shape:
        """The shape of a seed."""
        draw = Random(f"shape {seed}")
        return cls(
            settings=draw.choice((SETTINGS, SETTINGS, SETTINGS, QUICK)),
            replicas=draw.choice((2, 2, 3)),
            logins=tuple(map(LoginName, ("alpha", "beta")[: draw.choice((1, 1, 2))])),
            lifetime=draw.choice((1800.0, 1800.0, 3600.0, 7200.0)),
            is_shared=draw.random() < 0.3,
            replaces_foreign=draw.random() < 0.85,
            verify=draw.random() < 0.8,
            ends_former=draw.random() < 0.1,
            is_wild=draw.random() < 0.25,
            skew=draw.choice((0.0, 0.5, 0.5, 2.0, 90.0)),
            is_one_host=draw.random() < 0.2,
        )

    def secret_of(self, login: LoginName) -> str:
        """The name of its Secrets."""
        return SHARED if self.is_shared else f"push-{login}"

    @property
    def fastest(self) -> float:
        """Rates of boot clocks lie between its inverse and it."""
        allowed = (self.settings.duration / self.settings.renew_deadline) ** 0.5
        return 2.5 if self.is_wild else 1 + (allowed - 1) * 0.5


class Town(Election):
    """All of one seed's world."""

    annals: Annals

    def __init__(self, seed: int, parts: Parts) -> None:
        self.seed = seed
        self.shape = Shape.of(seed)
        self.parts = parts
        self.met = Counter[str]()
        super().__init__(seed)
        for name in NAMESPACES:
            self.annals.namespace(name)
        clocks: Any = self  # it asks for the true time alone
        self.lightsails = {
            name: Lightsail(
                clocks,
                Random(f"lightsail {name} {seed}"),
                self.shape.lifetime,
                host=f"{name}.test",
                ends_former=self.shape.ends_former,
            )
            for name in self.shape.logins
        }
        self.replicas: list[Replica] = []
        self.trap: Trap | None = None
        self.former: dict[LoginName, list[str]] = {}
        """Entries of ours that were delivered somewhere, by login."""
        self.trace = hashlib.blake2b(digest_size=8)
        """Of all that replicas told."""
        self.lease_edited_until = 0.0
        self.steps: list[tuple[float, float]] = []
        """When a wall clock was set, and by how much."""
        self.judge = Judge(self)
        self.annals.on_kept = self.judge.kept
        self._one = self._host() if self.shape.is_one_host else None

    def api(self) -> Annals:
        self.annals = Annals(now=lambda: EPOCH + timedelta(seconds=self.now))
        return self.annals

    @property
    def true(self) -> float:
        """Seconds of real time."""
        return self.now

    def _host(self) -> Host:
        fastest = self.shape.fastest
        return Host(
            boot_id=f"boot-{self.random.getrandbits(32)}",
            offset=self.random.uniform(0, 1e6),
            rate=fastest ** self.random.uniform(-1, 1),
            skew=self.random.uniform(-1, 1) * self.shape.skew,
        )

    def begin(self) -> Replica:
        """Start another replica."""
        name = f"pod-{len(self.replicas) + 1}"
        host = self._one or self._host()
        replica = Replica(self, name, host=host, parts=self.parts)
        self.nodes.append(replica)
        self.replicas.append(replica)
        return replica

    @property
    def living(self) -> list[Replica]:
        """Those that have not ended."""
        return [one for one in self.replicas if not (one.is_dead or one.is_over)]

    @property
    def targets(self) -> dict[Key, list[LoginName]]:
        """Which logins have an entry where."""
        found: dict[Key, list[LoginName]] = {}
        for namespace in self.annals.namespaces:
            if namespace == "ci" or namespace.startswith("team-"):
                for login in self.shape.logins:
                    found.setdefault((namespace, self.shape.secret_of(login)), []).append(login)
        return found

    def answered(self, said: object) -> None:
        """The API server says so to a replica."""
        if isinstance(said, Stale):
            self.met["conflict"] += 1

    def lost(self, what: str) -> None:
        """It was done, and nobody is told."""
        if what.startswith(("patch", "write", "issue")):
            self.met[f"lost_answer_{what.partition(' ')[0]}"] += 1

    def point(self, replica: Replica, what: str) -> None:
        """A replica sends something, or is answered."""
        trap = self.trap
        if trap is None or trap.point not in what or not replica.is_running:
            return
        if replica.is_at_work:
            trap.left -= 1
            if trap.left <= 0:
                self.trap = None
                self.met[f"trap_{trap.name}"] += 1
                trap.spring(replica)

    @property
    def may_be_two(self) -> bool:
        """Whether two may lead for a while: clocks differ too much, or somebody took the Lease."""
        return self.shape.is_wild or self.now < self.lease_edited_until

    def stepped_since(self, at: float) -> float:
        """By how many seconds wall clocks were set from then on, and are wrong by still."""
        wrong = sum(abs(size) for when, size in self.steps if when >= at)
        return wrong + max((abs(one.host.stepped) for one in self.replicas), default=0.0)

    def _check(self) -> None:
        if not self.may_be_two:
            super()._check()
        self.judge.looked()

    def _violated(self, what: str) -> None:
        self.judge.blame(f"election: {what}")
