"""One replica: the daemon's own parts from the election down to the Secrets, put together.

As `daemon` and `edge` do it, but for what takes sockets, threads and signals.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from lightkeeper.adapters.kubernetes.manifest import SecretOptions
from lightkeeper.adapters.kubernetes.state_secret import StateSecret
from lightkeeper.adapters.kubernetes.targets import ServedSecret, Targets
from lightkeeper.attempt import Source
from lightkeeper.cluster import ClusterConfig
from lightkeeper.core.answer import Answer, Refusal, Verdict
from lightkeeper.core.credential import Credential, Secret
from lightkeeper.core.election import ElectionFact, LeadershipEnded, LeaseReleased
from lightkeeper.core.facts import ClockStepped, LoginFact, LoginName, OutputName
from lightkeeper.core.failure import Failure
from lightkeeper.core.moment import Moment
from lightkeeper.core.namespaces import Choice
from lightkeeper.core.policy import HEARTBEAT, Policy
from lightkeeper.core.reasons import Reason
from lightkeeper.core.saved import Saved
from lightkeeper.core.state import LoginState
from lightkeeper.electing import Electing
from lightkeeper.fleet import Fleet, Kept
from lightkeeper.keeping import Keeping
from lightkeeper.owning import Ranks
from lightkeeper.ports import Failed, World
from tests.simulation.election import EPOCH, Node
from tests.simulation.replicas.cluster import STATE, SimCluster
from tests.simulation.turned import Network
from tests.simulation.world import Lightsail

if TYPE_CHECKING:
    from tests.simulation.replicas.world import Town


DRAIN = timedelta(seconds=4)
"""For what is under way when it is asked to end, as in `daemon`."""


class Working(Keeping):
    """Tells its replica when the work of a leader is done, and when no more."""

    replica: Replica

    async def _keep(self) -> None:
        assert not self.replica.is_at_work
        self.replica.is_at_work = True
        try:
            await super()._keep()
        finally:
            self.replica.is_at_work = self.replica.is_told_to_end = False


@dataclass
class SimAlarm:
    """Bells at instants of the wall clock, and all of them at each heartbeat."""

    replica: Replica
    _rings: dict[LoginName, Callable[[], None]] = field(default_factory=dict)
    _timers: dict[LoginName, asyncio.TimerHandle] = field(default_factory=dict)
    _beat: asyncio.TimerHandle | None = None

    def set(self, name: LoginName, at: datetime | None, ring: Callable[[], None]) -> None:
        self._unset(name)
        self._rings[name] = ring
        if at is not None:
            wait = max(0.0, (at - self.replica.now().wall).total_seconds())
            self._timers[name] = self.replica.loop.call_later(wait, ring)
        if self._beat is None:
            self._schedule()

    def cancel(self, name: LoginName) -> None:
        self._unset(name)
        self._rings.pop(name, None)

    def _unset(self, name: LoginName) -> None:
        if timer := self._timers.pop(name, None):
            timer.cancel()

    def _schedule(self) -> None:
        self._beat = self.replica.loop.call_later(HEARTBEAT.total_seconds(), self._beats)

    def _beats(self) -> None:
        self._beat = None
        for ring in tuple(self._rings.values()):
            ring()
        if self._rings:
            self._schedule()


class Replica(Node):
    """A process that stands for the Lease, and keeps all logins while it leads."""

    def __init__(self, town: Town, name: str, *, host: Host, parts: Parts) -> None:
        super().__init__(
            town,
            name,
            settings=town.shape.settings,
            rate=host.rate,
            electing=parts.electing,
        )
        self.town = town
        self.host = host
        self.parts = parts
        self._offset = host.offset
        self.aws = Network(town.random)
        """Its way to Lightsail and to the registry."""
        self.born = town.now
        self.told_to_stop: float | None = None
        """When it was asked to end in good order, by its own loop's clock."""
        self.released_at: float | None = None
        self.ended_at = -1.0
        """When it noticed last that it leads no more, in true time."""
        self.is_denied_state = False
        """Whether it may not read what is kept."""
        self.asked_at = 0.0
        """When it asked last for what is kept, to begin with it."""
        self.woke_at = 0.0
        """When it went on last after it had stood still, in true time."""
        self.on_lost = town.lost
        self.on_point = partial(town.point, self)
        self.cluster = parts.cluster(town.annals, self)
        clusters: Any = self
        self.targets = parts.targets(clusters, Ranks())
        self.store = parts.store(self.cluster, *STATE)
        world = World(
            clock=self,
            alarm=SimAlarm(self),
            store=self.store,
            recorder=self,
            random=Random(f"life {town.seed} {name}"),
            boot_id=host.boot_id,
            leads=lambda: self.electing.is_leading,
        )
        self.fleet = parts.fleet(world, {})
        self.keeping = parts.keeping(
            self.fleet,
            self._load,
            self._begin,
            self.electing,
            lambda _: None,
            end=lambda: self.targets.serve(()),
        )
        self.keeping.replica = self

    # Its machine.

    def now(self) -> Moment:
        wall = EPOCH + timedelta(seconds=self._world.now + self.host.skew + self.host.stepped)
        return Moment(wall=wall, boot=timedelta(seconds=self._since_boot()))

    def go_on(self) -> None:
        if not self.is_running:
            self.woke_at = self.town.now
        super().go_on()

    def stop(self) -> None:
        if self.told_to_stop is None:
            self.told_to_stop = self.running()
            super().stop()
        else:  # a second signal ends it at once
            self.kill()

    def close(self) -> None:
        self.told_to_stop = None
        super().close()

    @property
    def must_drain(self) -> bool:
        """Whether it is to wait for what it sends: it is ending, and has not waited for long."""
        if self.told_to_stop is None or not self.electing.is_leading:
            return False
        return self.running() - self.told_to_stop < DRAIN.total_seconds() - 1e-3

    @property
    def is_late(self) -> bool:
        """Whether it has only just gone on, and need not have noticed how long it stood still."""
        return self.town.now <= max(self.woke_at, self.wakes_by, self.ended_at)

    # What it does.

    async def _live(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                keeping = tasks.create_task(self.keeping.run(), name="keeping")
                roaming = tasks.create_task(self._roam(), name="namespaces")
                try:
                    await asyncio.wait([keeping, roaming])
                finally:
                    roaming.cancel()
                    draining = self.loop.create_task(self.keeping.drain(), name="drain")
                    await asyncio.wait([draining], timeout=DRAIN.total_seconds())
                    for task in (draining, keeping):
                        task.cancel()
                    await asyncio.wait([draining, keeping, roaming])
        except asyncio.CancelledError:
            await self.keeping.release()
        except BaseExceptionGroup:
            self.surprises.append(traceback.format_exc())
        finally:
            self.is_over = True

    async def _roam(self) -> None:
        self.targets.hooks.changed = self.fleet.survey
        await self.targets.run()

    def reach(self, _: ClusterConfig) -> SimCluster:
        """The one cluster that there is."""
        return self.cluster

    def keep(self, _: object) -> None:
        """There is no other."""

    async def _load(self) -> Mapping[LoginName, Saved] | Failed:
        self.asked_at = self.town.now
        found = await self.store.load()
        return found if isinstance(found, Failed) else found[0]

    def _begin(self) -> str:
        places = self.fleet.places
        served = {
            name: frozenset(place.name.partition("/")[0] for place in places.get(name, ()))
            for name in self.town.lightsails
        }
        secrets = [self._secret(name, served[name]) for name in self.town.lightsails]
        self.fleet.apply(self._kept(secret) for secret in secrets)
        self.targets.serve(secrets)
        return ""

    def _secret(self, name: LoginName, known: frozenset[str]) -> ServedSecret:
        shape = self.town.shape
        return ServedSecret(
            login=name,
            name=OutputName("secrets"),
            where=ClusterConfig(),
            choice=Choice.of(("ci", "team-*"), None, ()),
            options=SecretOptions(name=shape.secret_of(name), is_shared=shape.is_shared),
            replaces_foreign=shape.replaces_foreign,
            known=known,
            is_pruned=False,
        )

    def _kept(self, secret: ServedSecret) -> Kept:
        lightsail = self.town.lightsails[secret.login]
        edge = self.parts.issuer(self, secret.login, lightsail)
        source = Source(
            issuer=edge, endpoint=f"https://{lightsail.host}/", verifier=edge, clock=self
        )
        return Kept(
            name=secret.login,
            fingerprint=secret.login,
            policy=Policy(renew_at=0.5, spread=0.1, verify=self.town.shape.verify),
            source=source,
            outputs=[self.targets.output(secret)],
        )

    def state_of(self, name: LoginName) -> LoginState:
        """What a login has come to."""
        return next(state for state in self.fleet.states if state.login == name)

    # What it tells.

    def record(
        self, fact: LoginFact | ClockStepped, *, news: bool, failure: Failure | None = None
    ) -> None:
        if isinstance(fact, ClockStepped) or self.is_dead:
            return
        try:
            self.town.judge.heard(self, fact)
        except Exception:  # noqa: BLE001 - the daemon would take the judge's bug for its own
            self.town.judge.blame(f"the judge broke: {traceback.format_exc()}")

    def _hear(self, fact: ElectionFact) -> None:
        super()._hear(fact)
        if isinstance(fact, LeadershipEnded):
            self.is_told_to_end, self.ended_at = self.is_at_work, self.town.now
        if isinstance(fact, LeaseReleased):
            self.released_at = self.town.now
        self.town.judge.elected(self, fact)


@dataclass(kw_only=True)
class Host:
    """The machine that replicas run on; its boot clock runs at its own rate."""

    boot_id: str
    offset: float
    rate: float
    skew: float
    """Seconds by which the wall clock is wrong from the first."""
    stepped: float = 0.0
    """Seconds by which somebody has set it besides."""


@dataclass
class SimIssuer:
    """Lightsail and the registry for one login, by way of a network."""

    replica: Replica
    login: LoginName
    lightsail: Lightsail

    async def issue(self, deadline: timedelta) -> Answer | Refusal:
        judge = self.replica.town.judge
        judge.calls(self.replica, self.login)
        try:
            async with asyncio.timeout(deadline.total_seconds()):
                said = await self.replica.ask(f"issue {self.login}", self._issue, self.replica.aws)
        except TimeoutError:
            said = Failed(reason=Reason.TIMEOUT, detail="no answer in time")
        finally:
            judge.called(self.replica, self.login)
        if isinstance(said, Failed):
            return Refusal(reason=said.reason, detail=said.detail)
        username, password, expires, issued = said
        return Answer(
            registry=self.lightsail.host,
            username=username,
            password=Secret(password),
            expires_at=EPOCH + timedelta(seconds=expires),
            date=(EPOCH + timedelta(seconds=issued)).replace(microsecond=0),
            received=self.replica.now(),
        )

    def _issue(self) -> tuple[str, str, float, float]:
        self.replica.town.met["call"] += 1
        return (*self.lightsail.issue(), self.replica.town.now)

    async def verify(self, credential: Credential, deadline: timedelta) -> Verdict:
        def judged() -> Verdict:
            is_accepted = self.lightsail.is_accepted(credential.digest)
            return Verdict.ACCEPTED if is_accepted else Verdict.REJECTED

        try:
            async with asyncio.timeout(deadline.total_seconds()):
                said = await self.replica.ask(f"verify {self.login}", judged, self.replica.aws)
        except TimeoutError:
            return Verdict.INCONCLUSIVE
        return Verdict.INCONCLUSIVE if isinstance(said, Failed) else said


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a replica is made of; a mutation puts in a worse one."""

    cluster: type[SimCluster] = SimCluster
    store: type[StateSecret] = StateSecret
    targets: type[Targets] = Targets
    fleet: type[Fleet] = Fleet
    keeping: type[Working] = Working
    electing: type[Electing] = Electing
    issuer: Callable[[Replica, LoginName, Lightsail], SimIssuer] = SimIssuer
