"""One seed's machine: its disks, its clocks, and the daemon that lives on it, life after life."""

from __future__ import annotations

import asyncio
import errno
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from operator import attrgetter
from random import Random
from typing import TypeVar

from lightkeeper.adapters.docker_file import DockerFile, FileOptions, FileWriters
from lightkeeper.adapters.state_dir import StateDir
from lightkeeper.attempt import Source
from lightkeeper.core import facts
from lightkeeper.core.facts import LoginFact, LoginName, OutputName
from lightkeeper.core.file_failure import FileFailure
from lightkeeper.core.moment import Moment
from lightkeeper.core.policy import Policy
from lightkeeper.core.report import Report, report
from lightkeeper.core.saved import Saved
from lightkeeper.core.state import LoginState
from lightkeeper.desk import Desk
from lightkeeper.ear import Ear
from lightkeeper.files import Files
from lightkeeper.fleet import Fleet, Kept
from lightkeeper.paths import Paths
from lightkeeper.ports import Clock, World
from tests.fakes.disk import UID, Disk, Inode, failing
from tests.simulation.alarm import SimAlarm
from tests.simulation.edge import InlineWorkers, SimRecorder
from tests.simulation.loop import SimLoop
from tests.simulation.oracle import Judge
from tests.simulation.world import (
    Clocks,
    Killed,
    Life,
    Lightsail,
    SimIssuer,
    SimVerifier,
)

T = TypeVar("T")

STATE = "/state"
RESTART_SECONDS = 5.0
"""After how long a daemon that ended is started again."""
SHARED = "/home/ci/.docker/config.json"
OWN = "/srv/{}/config.json"
RETRY_PACE = 300.0
"""How often what fails is tried again in simulation, where the end of its cause stirs."""

_WRITES = frozenset({"create", "write", "rename", "rename_new", "exchange", "mkdir", "unlink"})
_ERRNOS = {
    "ENOSPC": (errno.ENOSPC, frozenset({"create", "write"})),
    "EROFS": (errno.EROFS, _WRITES | {"open", "chmod"}),
    "EIO": (errno.EIO, frozenset({"read", "write", "fsync"})),
    "EACCES": (errno.EACCES, frozenset({"open_dir", "create", "rename"})),
}
_FLAKY = (errno.EIO, errno.ENOSPC, errno.EACCES, errno.EINTR)


def same(clocks: Clocks) -> Clock:
    """The clock as it is."""
    return clocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a daemon and its world are made of; a mutation puts in a worse one."""

    disk: Callable[[], Disk] = Disk
    clock: Callable[[Clocks], Clock] = same
    issuer: type[SimIssuer] = SimIssuer
    fleet: type[Fleet] = Fleet


@dataclass
class Machine:
    """All of one seed's world."""

    seed: int
    beating_until: float
    """Seconds of the loop for which no heartbeat is left out."""
    parts: Parts
    met: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.loop = SimLoop()
        self.clocks = Clocks(self.loop)
        draw = Random(f"shape {self.seed}")
        lifetime = draw.choice((43200.0,) * 39 + (14400.0,))
        ends_former = draw.random() < 0.25
        self.verify = draw.random() < 0.85
        self.report_foreign = draw.random() < 0.15
        names = ["alpha", "beta"][: draw.choice((1, 1, 1, 2))]
        self.has_own_places = len(names) > 1 or draw.random() < 0.3
        self.lightsails = {
            LoginName(name): Lightsail(
                self.clocks,
                Random(f"lightsail {name} {self.seed}"),
                lifetime,
                host=f"{name}.test",
                ends_former=ends_former,
                met=self.met,
            )
            for name in names
        }
        self.chaos = Random(f"chaos {self.seed}")
        self.paths = sorted({path for name in self.lightsails for path in self.paths_of(name)})
        self.disk, self.state_disk = self.parts.disk(), self.parts.disk()
        self.state_disk.add_dir(STATE)
        for path in self.paths:
            self.disk.add_dir(path.rpartition("/")[0])
        self.disk_fault = self.state_fault = ""
        self.errnos: list[int] = []
        """With which of our faults calls of the present work on a file failed."""
        self.at_work = 0
        """How many works on files are under way."""
        self.before_swap: Callable[[], None] | None = None
        """What somebody else does in the middle of our writing."""
        self.renew_at = 0.5
        self.life: Life | None = None
        self.lives = 0
        self.alarm: SimAlarm | None = None
        self.main: asyncio.Task[None] | None = None
        self.fleet: Fleet | None = None
        self.desk: Desk | None = None
        self.traces = {name: hashlib.blake2b(digest_size=8) for name in self.lightsails}
        self.judge = Judge(self)
        self.disk.changed = self.judge.changed
        for name, lightsail in self.lightsails.items():
            lightsail.on_early_end = partial(self.ended_early, name)
            lightsail.on_call = partial(self.judge.calls.called, name)
            lightsail.on_overlap = partial(self.judge.calls.overlapped, name)
            lightsail.on_answer = partial(self.judge.ledger.answered, name)
            lightsail.on_verdict = self.judge.readiness.verdict

    def paths_of(self, name: LoginName) -> tuple[str, ...]:
        """The places of a login."""
        return (SHARED, OWN.format(name)) if self.has_own_places else (SHARED,)

    def start(self) -> None:
        """Begin a life of the daemon."""
        self.lives += 1
        life = self.life = Life()
        self.disk.before = partial(self._before, life, "disk")
        self.state_disk.before = partial(self._before, life, "state")
        self.disk.close_all()
        self.state_disk.close_all()
        workers = InlineWorkers(life, self)
        names = Random(f"names {self.seed} {self.lives}")
        state_files = Files(self.state_disk, uid=UID, random=names)
        state_paths = Paths(self.state_disk, uid=UID)
        store = StateDir(
            STATE, fs=self.state_disk, files=state_files, paths=state_paths, workers=workers
        )
        files = Files(self.disk, uid=UID, random=names)
        self.writers = FileWriters(files, Paths(self.disk, uid=UID))
        self.workers = workers
        self.alarm = SimAlarm(
            self.clocks,
            self.beating_until,
            next_beat=self._next_beat,
            on_beat=self.judge.readiness.judge_progress,
        )
        self.main = self.loop.create_task(self._live(life, store), name="daemon")
        self.stir()

    async def _live(self, life: Life, store: StateDir) -> None:
        assert self.alarm is not None
        saved = await self._loaded(store)
        self.judge.began(saved)
        clock = self.parts.clock(self.clocks)
        ear = Ear(SimRecorder(self, life))
        world = World(
            clock=clock,
            alarm=self.alarm,
            store=store,
            recorder=ear,
            random=Random(f"life {self.seed} {self.lives}"),
            boot_id=self.clocks.boot_id,
        )
        self.fleet = self.parts.fleet(world, saved)
        self.desk = Desk(self.fleet, ear, clock, self.view_of)
        self.fleet.apply(self.kept(life))
        await self.fleet.run()

    async def _loaded(self, store: StateDir) -> dict[LoginName, Saved]:
        """What was saved; where nothing can be read, the daemon ends and is started again."""
        while True:
            self.errnos.clear()
            store.sweep()
            try:
                saved, unreadable = store.load()
            except FileFailure as exc:
                self.judge.secrecy.shown("a failed start", exc.detail.encode())
                self.met["start_failed"] += 1
                up = self.judge.wrong("machine", "no state")
                await asyncio.sleep(RESTART_SECONDS)
                up()
            else:
                self._judge_load()
                for one in unreadable:
                    self.judge.secrecy.shown("state_unreadable", one.detail.encode())
                    self.met["state_unreadable"] += 1
                    self.judge.forgot(one.login)
                return saved

    def _judge_load(self) -> None:
        """All that is there was read, and what a crash left was swept away."""
        for name in self.lightsails:
            if self.saved_state(name) is not None:
                path = self.state_file(name)
                self.judge.residue.worked(self.state_disk, path, flawless=not self.errnos)

    def watched(self, work: Callable[[], T], path: str, login: str) -> T:
        """What work on a file comes to; `login` if it is a delivery of one. The judge looks on."""
        judge, disk = self.judge, self.state_disk if path.startswith(STATE) else self.disk
        before = judge.changes
        self.errnos.clear()
        result = work()
        judge.residue.worked(disk, path, flawless=not self.errnos)
        judge.ledger.worked(path, result, self.errnos)
        if login:
            judge.ledger.wrote(LoginName(login), path, changed=judge.changes > before)
        return result

    @property
    def is_busy(self) -> bool:
        """Whether the daemon waits for a file, for Lightsail or for the registry."""
        lightsails = self.lightsails.values()
        return self.at_work > 0 or any(one.in_flight or one.asked for one in lightsails)

    @property
    def beat_at(self) -> float:
        """When the last heartbeat was, in seconds of the loop."""
        return self.alarm.beat_at if self.alarm is not None else 0.0

    def daemon_now(self) -> Moment:
        """What the daemon's clocks show."""
        return self.parts.clock(self.clocks).now()

    def state_of(self, name: LoginName) -> LoginState:
        """What a login has come to."""
        assert self.fleet is not None
        return next(state for state in self.fleet.states if state.login == name)

    def view(self) -> Report:
        """The report behind all that is served."""
        states = self.fleet.states if self.fleet is not None else []
        return self.view_of(*states)

    def view_of(self, *states: LoginState) -> Report:
        """The report on these."""
        return report([(state, "eu-west-1") for state in states], self.daemon_now())

    def inode(self, path: str) -> Inode:
        """What is at a path of the disk."""
        directory, _, name = path.rpartition("/")
        return self.disk.add_dir(directory).names[name]

    def state_file(self, name: str) -> str:
        """Where a login's state is kept."""
        return f"{STATE}/{name}.json"

    def saved_state(self, name: LoginName) -> bytes | None:
        """What the state directory holds of a login."""
        return self.state_disk.content(self.state_file(name))

    def kept(self, life: Life) -> list[Kept]:
        """What is configured now."""
        return [self._kept_login(name, life) for name in self.lightsails]

    def _kept_login(self, name: LoginName, life: Life) -> Kept:
        lightsail = self.lightsails[name]
        random = Random(f"net {self.seed} {name} {self.lives}")
        source = Source(
            issuer=self.parts.issuer(lightsail, life, random),
            endpoint=f"https://{lightsail.host}/",
            verifier=SimVerifier(lightsail, life, self.met),
            clock=self.parts.clock(self.clocks),
        )
        outputs = [
            DockerFile(
                name,
                OutputName(path),
                path,
                replaces_foreign=not self.report_foreign,
                options=FileOptions(),
                writers=self.writers,
                workers=self.workers,
            )
            for path in self.paths_of(name)
        ]
        policy = Policy(renew_at=self.renew_at, spread=0.1, verify=self.verify)
        return Kept(name=name, fingerprint=name, policy=policy, source=source, outputs=outputs)

    def ended_early(self, name: LoginName) -> None:
        """Somebody ended what a login has."""
        self.judge.ended_early(name)
        self.stir()

    def reload(self) -> None:
        """Another configuration, if a daemon is there to read it."""
        if self.fleet is not None and self.life is not None and not self.life.is_over:
            self.renew_at = self.chaos.choice((0.4, 0.5, 0.6))
            self.fleet.apply(self.kept(self.life))

    def end(self, *, kill: bool) -> Life | None:
        """End the daemon's life; at once if it is a kill."""
        life, main, alarm = self.life, self.main, self.alarm
        if life is None or main is None or alarm is None:
            return None
        life.is_over = life.is_over or kill
        alarm.close()
        main.cancel()
        self.life = self.alarm = self.fleet = self.desk = None
        return life

    def touched(self, path: str) -> None:
        """What inotify says."""
        if self.fleet is not None and self.life is not None and not self.life.is_over:
            for state in self.fleet.states:
                for place in state.places:
                    if place.name == path:
                        self.fleet.touched(state.login, place)

    def stir(self, seconds: float = 20.0) -> None:
        """The world has changed: heartbeats matter for a while."""
        if self.alarm is not None:
            self.alarm.stir(seconds)

    def _before(self, life: Life, which: str, call: str) -> None:
        life.point()
        fault = self.disk_fault if which == "disk" else self.state_fault
        if fault:
            self._fail(fault, call)
        if self.before_swap is None or which != "disk":
            return
        if call in ("create", "exchange", "rename_new"):
            self.before_swap()

    def _fail(self, fault: str, call: str) -> None:
        if fault == "flaky":
            if self.chaos.random() < 0.25:
                self.met["errno_flaky"] += 1
                raise self._failing(self.chaos.choice(_FLAKY))
        elif fault in _ERRNOS and call in _ERRNOS[fault][1]:
            self.met[f"errno_{fault}"] += 1
            raise self._failing(_ERRNOS[fault][0])

    def _failing(self, number: int) -> OSError:
        self.errnos.append(number)
        return failing(number)

    def _next_beat(self) -> float | None:
        """In how many seconds a heartbeat could find something to do, although nothing stirs."""
        if self.fleet is None:
            return None
        waits = [wait for state in self.fleet.states for wait in self._waits(state)]
        return min(waits, default=None)

    def _waits(self, state: LoginState) -> Iterator[float]:
        if state.unsaved is not None or any(
            place.busy or not (place.holds(state.held) or place.is_in_conflict(state.held))
            for place in state.places.values()
        ):
            yield RETRY_PACE
        held, check = state.held, state.next_check
        if held is None or check is None or not self.verify:
            return
        if not self.lightsails[state.login].is_accepted(held.digest):
            yield max(0.0, (check - self.clocks.now().boot).total_seconds())

    def heard(self, fact: LoginFact, *, news: bool) -> None:
        """The daemon tells something."""
        kind, word_of = _told_as(type(fact))
        self.met[kind] += 1
        self.traces[fact.login].update(f"{kind} {fact.at.boot} {word_of(fact)} {news}".encode())
        self.judge.heard(fact)
        # The end of a fault of the disk stirs by itself; all else is tried again at a heartbeat.
        if isinstance(fact, facts.DeliveryFailed) and self.disk_fault in ("", "flaky"):
            self.stir(31)

    def raise_surprises(self) -> None:
        """A daemon that ended of its own accord is a bug, unless it was killed."""
        main = self.main
        if main is None or not main.done() or main.cancelled():
            return
        exc = main.exception()
        if exc is not None and not is_killed(exc):
            raise exc


@cache
def _told_as(kind: type[LoginFact]) -> tuple[str, Callable[[LoginFact], str]]:
    """The name of a kind of fact, and what gets its word."""
    for word in ("reason", "cause", "why"):
        if word in kind.__struct_fields__:
            return kind.__name__, attrgetter(word)
    return kind.__name__, lambda _: ""


def is_killed(exc: BaseException | None) -> bool:
    """Whether an exception comes of a kill alone."""
    if isinstance(exc, BaseExceptionGroup):
        return all(is_killed(inner) for inner in exc.exceptions)
    return isinstance(exc, Killed | asyncio.CancelledError)
