"""What befalls a town: drawn from its seed while it lives, until all is mended."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from random import Random

from tests.simulation.replicas.foreign import Foreigner
from tests.simulation.replicas.replica import Replica
from tests.simulation.replicas.world import NAMESPACES, Town, Trap
from tests.simulation.turned import Network

POINTS = (
    "sent issue",
    "answered issue",
    "answered issue",
    "sent patch secrets lk/",
    "answered patch secrets lk/",
    "answered get secrets lk/",
    "sent patch secrets",
    "answered patch secrets",
    "answered get secrets",
    "answered get secrets",
    "answered verify",
    "sent write",
    "answered write",
)
"""Where a leader is interrupted: before, between and after what it reads and writes."""
SPRINGS = ("stopped", "suspended", "kill", "stop", "cut", "late")
ARMED = 200.0
"""Seconds for which a trap is left alone."""
HALTS = ("stopped", "suspended", "late")


class Fate:
    """Lets things happen to a town."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self._random: Random = town.random
        self._foreigner = Foreigner(town)
        self._serial = 0
        self._armed = 0.0
        self._kinds: list[tuple[float, Callable[[], object]]] = [
            (2, self.kill),
            (2, self.stop),
            (4, self.halt),
            (5, self.trap),
            (7, self.write),
            (6, self.doubt),
            (1, self.deny),
            (3, self.cut),
            (3, self.spoil),
            (2, self.cut_aws),
            (2, self.spoil_aws),
            (1, self.server_restarts),
            (1, self.set_clock),
            (2, self.namespace),
            (5, self._foreigner.edit_target),
            (1.5, self._foreigner.edit_state),
            (1.5, self._foreigner.edit_lease),
            (0.5, self.early_end),
        ]

    def befall(self) -> None:
        """Let one thing happen."""
        weights = [weight for weight, _ in self._kinds]
        _, what = self._random.choices(self._kinds, weights)[0]
        self._town.met[f"fate_{what.__name__}"] += 1
        what()

    def mend(self) -> None:
        """Let all be well from now on."""
        town = self._town
        town.trap = None
        for one in town.replicas:
            one.go_on()
            one.host.stepped = 0.0
            one.is_denied_state = False
            self._heal(one, "network")
            self._heal(one, "aws")
        for name in [one.name for one in town.annals.namespaces.values() if one.is_ending]:
            town.annals.finish_namespace(name)
        while len(town.living) < town.shape.replicas:
            town.begin()

    # Processes.

    def _one(self) -> Replica:
        """Some replica, the leader more often than not."""
        living = self._town.living or [self._town.begin()]
        leaders = [one for one in living if one.is_at_work]
        if leaders and self._random.random() < 0.7:
            return self._random.choice(leaders)
        return self._random.choice(living)

    def kill(self) -> None:
        self._kill(self._one())

    def _kill(self, one: Replica) -> None:
        one.kill()
        self._town.judge.terms.trouble(one.name, "killed", math.inf)
        self._follow()

    def stop(self) -> None:
        self._stop(self._one())

    def _stop(self, one: Replica) -> None:
        one.go_on()
        one.stop()
        self._town.judge.terms.trouble(one.name, "stopped", math.inf)
        self._follow()

    def _follow(self) -> None:
        """Another pod begins in place of one that ended, at once or when it has its machine."""
        if not self._town.living or self._random.random() < 0.3:
            self._town.begin()
        else:
            self._town.after(self._random.uniform(0.5, 60), self._town.begin)

    def halt(self) -> None:
        one = self._one()
        if one.is_running:
            self._halt(one, self._random.choice(("stopped", "suspended")))

    def _halt(self, one: Replica, how: str, seconds: float = 0.0) -> None:
        if not seconds:
            seconds = self._long() if self._random.random() < 0.7 else self._between(0.1, 60)
        retry = self._town.shape.settings.retry.total_seconds()
        until = self._town.now + seconds + retry * self._town.shape.fastest
        self._town.judge.terms.trouble(one.name, how, until)
        one.halt(how)
        self._town.after(seconds, one.go_on)

    def _long(self) -> float:
        """Seconds: past any lease, and for another leader's renewal as often as not."""
        return self._random.uniform(30, 0.7 * self._town.shape.lifetime)

    def _late(self, one: Replica) -> None:
        """What it sends just now arrives when another one leads."""
        held = one.network.held = self._long()
        if self._random.random() < 0.4:
            self._kill(one)
        else:
            how = self._random.choice(("stopped", "suspended", "suspended"))
            self._halt(one, how, held + self._random.uniform(0.1, 60))

    def write(self) -> None:
        """A write that something brings about is interrupted."""
        if (key := self._foreigner.edit_target()) is None:
            return
        point = self._random.choice(("sent patch", "answered get", "answered patch"))
        self._spring(f"{point} secrets {key[0]}/{key[1]}", self._random.choice(HALTS))

    def doubt(self) -> None:
        """A leader is interrupted while it asks whether it may replace what it found."""
        key = self._foreigner.edit_target("login_elsewhere")
        if key is None:
            return
        how = self._random.choice(("stopped", "suspended", "suspended", "suspended"))
        if self._random.random() < 0.4:
            self._spring("answered get secrets lk/", how, 1)
            return
        # It looks, asks the registry, and reads again what it is about to replace.
        self._spring(f"answered get secrets {key[0]}/{key[1]}", how, 2)
        if self._random.random() < 0.5:
            self._deny(self._town.shape.lifetime)

    def deny(self) -> None:
        """A replica may not read what is kept."""
        self._deny(self._between(5, 600))

    def _deny(self, seconds: float) -> None:
        one = self._one()
        one.is_denied_state = True

        def allow() -> None:
            one.is_denied_state = False

        self._town.after(seconds, allow)

    def trap(self) -> None:
        """Something befalls a leader between what it reads and what it writes."""
        self._spring(self._random.choice(POINTS), self._random.choice(SPRINGS))

    def _spring(self, point: str, name: str, left: int = 0) -> None:
        if self._town.trap is not None and self._town.now < self._armed + ARMED:
            return
        self._armed = self._town.now
        springs: dict[str, Callable[[Replica], object]] = {
            "kill": self._kill,
            "stop": self._stop,
            "cut": self._cut,
            "late": self._late,
        }
        spring = springs.get(name) or partial(self._halt, how=name)
        self._town.trap = Trap(point, left or self._random.choice((1, 1, 1, 2, 2, 3)), name, spring)

    # Networks.

    def _between(self, low: float, high: float) -> float:
        """Seconds, as likely short as long."""
        return math.exp(self._random.uniform(math.log(low), math.log(high)))

    def cut(self) -> None:
        self._cut(self._one())

    def _cut(self, one: Replica) -> None:
        network = Network(self._random, is_down=True, is_silent=self._random.random() < 0.5)
        self._lay(one, network, self._between(1, 300))

    def spoil(self) -> None:
        for one in self._some():
            network = Network(
                self._random,
                slowest=self._random.choice((0.05, 1, 6, 15)),
                loss=self._random.choice((0, 0.1, 0.4)),
                throttled=self._random.choice((0, 0.3)),
                broken=self._random.choice((0, 0.3)),
                cut=self._random.choice((0, 0.2, 0.5)),
                delayed=self._random.choice((0, 0.05, 0.3)),
            )
            self._lay(one, network, self._between(10, 400))

    def _some(self) -> list[Replica]:
        """One replica or all of them: what is on the way is near one end or the other."""
        return self._town.living if self._random.random() < 0.3 else [self._one()]

    def _lay(self, one: Replica, network: Network, seconds: float) -> None:
        one.network = network
        settings = self._town.shape.settings
        # What was lost shows at the end of a call's time.
        until = self._town.now + seconds + settings.call_timeout.total_seconds() * 2
        self._town.judge.terms.trouble(one.name, "network", until)
        self._town.after(seconds, partial(self._heal_if, one, network))

    def _heal_if(self, one: Replica, network: Network) -> None:
        if one.network is network:
            self._heal(one, "network")

    def _heal(self, one: Replica, which: str) -> None:
        setattr(one, which, Network(self._random))

    def cut_aws(self) -> None:
        for one in self._some():
            one.aws = Network(self._random, is_down=True, is_silent=self._random.random() < 0.5)
            self._town.after(self._between(5, 1200), partial(self._heal, one, "aws"))

    def spoil_aws(self) -> None:
        for one in self._some():
            one.aws = Network(
                self._random,
                slowest=self._random.choice((1, 10, 40)),
                loss=self._random.choice((0, 0.2)),
                throttled=self._random.choice((0, 0.5)),
                broken=self._random.choice((0, 0.3)),
                cut=self._random.choice((0, 0.3)),
            )
            self._town.after(self._between(20, 1200), partial(self._heal, one, "aws"))

    def server_restarts(self) -> None:
        """The API server is away for a while, and has forgotten what watches go on from."""
        seconds = self._between(1, 90)
        for one in self._town.living:
            self._lay(one, Network(self._random, is_down=True), seconds)
        self._town.after(seconds, self._town.annals.end_watches)

    # Machines, namespaces, Lightsail.

    def set_clock(self) -> None:
        host = self._one().host
        size = self._between(1, 250) * self._random.choice((-1, 1))
        self._town.steps.append((self._town.now, size))
        host.stepped = size

        def back() -> None:
            self._town.steps.append((self._town.now, size))
            host.stepped = 0.0

        self._town.after(self._between(10, 1200), back)

    def namespace(self) -> None:
        """One comes or goes."""
        annals = self._town.annals
        made = [name for name in annals.namespaces if name not in (*NAMESPACES, "lk")]
        if made and self._random.random() < 0.5:
            self._end_namespace(self._random.choice(made))
        elif self._random.random() < 0.7:
            self._serial += 1
            annals.namespace(f"team-{self._serial}")
        elif "team-b" in annals.namespaces:
            self._end_namespace("team-b")
            self._town.after(60, partial(self._make, "team-b"))

    def _make(self, name: str) -> None:
        if name not in self._town.annals.namespaces:
            self._town.annals.namespace(name)

    def _end_namespace(self, name: str) -> None:
        annals = self._town.annals
        annals.end_namespace(name)

        def gone() -> None:
            if name in annals.namespaces and annals.namespaces[name].is_ending:
                annals.finish_namespace(name)

        self._town.after(self._between(0.5, 50), gone)

    def early_end(self) -> None:
        for lightsail in self._town.lightsails.values():
            lightsail.end_early()
