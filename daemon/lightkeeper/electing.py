"""Leads while a Lease says so: one candidate of those that share it. Knows no work that is led.

Nobody leads longer than `renew_deadline` after the last write that the API server acknowledged,
whatever a call or the work does: the end of a term is watched by a task that calls nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from random import Random
from typing import Final, Protocol, TypeVar

from msgspec import Struct

from lightkeeper.boundary import boundary
from lightkeeper.cluster import LeaseSeen, Stale
from lightkeeper.core import election
from lightkeeper.core.election import ElectionFact, Ended, Observed, Record, Settings
from lightkeeper.core.failure import Failure, failed
from lightkeeper.core.reasons import Reason
from lightkeeper.pace import pause
from lightkeeper.ports import Clock, Failed

T = TypeVar("T")

_RELEASES: Final = 3
"""How often a release is tried that others' writes come in between of."""
_BUG: Final = "a bug in Lightkeeper; its traceback is in the log"


class Leases(Protocol):
    """What a `Cluster` does with Leases."""

    async def read_lease(self, namespace: str, name: str) -> LeaseSeen | Failed | None:
        """The Lease; None if there is none."""
        ...

    async def write_lease(
        self, namespace: str, name: str, lease: LeaseSeen
    ) -> LeaseSeen | Stale | Failed:
        """Create the Lease if `lease` has no version, else replace that version of it."""
        ...


class Candidacy(Struct, frozen=True, kw_only=True):
    """Who stands for which Lease."""

    namespace: str
    name: str
    identity: str
    """Of this process and of no other, ever: see `unique_identity`."""
    settings: Settings


def unique_identity(host: str, random: Random) -> str:
    """An identity that tells people where it runs, and differs from that of any other process."""
    return f"{host}_{random.getrandbits(64):016x}"


class Electing:
    """One candidate; it leads while `run` runs `lead`."""

    def __init__(
        self,
        leases: Leases,
        candidacy: Candidacy,
        *,
        clock: Clock,
        random: Random,
        told: Callable[[ElectionFact], object],
        surprised: Callable[[str], object],
    ) -> None:
        """`told` gets each fact, `surprised` the traceback of a bug that cost a try."""
        self.failure: Failure | None = None
        """What keeps us from reading or writing the Lease, since when."""
        self._leases = leases
        self._candidacy = candidacy
        self._settings = candidacy.settings
        self._clock = clock
        self._random = random
        self._told = told
        self._surprised = surprised
        self._seen: Observed | None = None
        self._version = ""
        """Of the Lease, as last seen."""
        self._until: timedelta | None = None
        """The end of our term by the boot clock, which no step moves and no suspend holds up."""
        self._may_hold = False
        """Whether the Lease may name us, for all we know."""
        self._leader = ""
        """Whom people were last told of."""
        self._heard: timedelta | None = None
        """When a sign of a holder was last seen, by the boot clock."""

    @property
    def is_leading(self) -> bool:
        """Whether we lead now; asked before a write, it is true after a pause or a suspend too."""
        return self._until is not None and self._clock.now().boot < self._until

    @property
    def holder(self) -> str:
        """Whom the Lease names, as last seen; empty if nobody."""
        return self._seen.record.holder if self._seen else ""

    @property
    def lease(self) -> str:
        """Which Lease it is, as namespace/name."""
        return f"{self._candidacy.namespace}/{self._candidacy.name}"

    @property
    def leader(self) -> str:
        """Who leads, as far as is known here; empty if nobody is known to."""
        is_known = self.is_leading or (self._is_others and not self.unled)
        return self.holder if is_known else ""

    @property
    def unled(self) -> str:
        """Why nobody is known to lead, and what to do; empty if somebody is, or was just now."""
        if self.is_leading:
            return ""
        boot, settings = self._boot(), self._settings
        return election.unled(self.lease, self._heard, self.failure, boot, settings)

    @property
    def _is_others(self) -> bool:
        return self.holder not in ("", self._candidacy.identity)

    @property
    def transitions(self) -> int:
        """How often the holder has changed since the Lease was made, as last seen."""
        return self._seen.record.transitions if self._seen else 0

    async def run(self, lead: Callable[[], Coroutine[object, object, None]]) -> None:
        """Be a candidate, and run `lead` while leading; until cancelled, or `lead` ends by itself.

        When the lease is lost `lead` is cancelled at once, and the candidacy goes on when it has
        ended. Nothing is released: that is `release`, once the last write is done.
        """
        is_over = False
        while not is_over:
            await self._stand()
            is_over = await self._lead(lead)

    async def release(self) -> None:
        """Let go of the lease if it may be ours; for when `run` has ended and no write is out.

        Takes no longer than one call may. What fails is told: then others wait for its end.
        """
        self._until = None
        if self._may_hold:
            # In a task of its own: in one that is being cancelled, `asyncio.timeout` of Python
            # before 3.11.3 lets a cancellation out where it says that it would tell of a timeout.
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._let_go(), name="release lease")

    # Becoming the leader.

    async def _stand(self) -> None:
        """Try until we lead."""
        while True:
            begun, former = self._boot(), self.holder
            await self._try()
            if self.is_leading:
                self._began(former)
                return
            await self._pause(self._next_look(begun))

    def _next_look(self, begun: timedelta) -> timedelta:
        u = self._random.random()
        return election.next_look(begun, self._seen, self._boot(), self._settings, u)

    # Being the leader.

    async def _lead(self, lead: Callable[[], Coroutine[object, object, None]]) -> bool:
        """Run `lead` until our term ends; whether it has ended by itself."""
        since, why = self._boot(), Ended.STOPPED
        try:
            async with asyncio.TaskGroup() as tasks:
                work = tasks.create_task(lead(), name="lead")
                renewing = tasks.create_task(self._renew(), name="renew lease")
                ending = tasks.create_task(self._until_end(), name="lose lease")
                each = (work, renewing, ending)
                await asyncio.wait(each, return_when=asyncio.FIRST_COMPLETED)
                is_over = work.done()
                if not is_over:
                    why = Ended.TAKEN if self._is_others else Ended.NOT_RENEWED
                self._ended(why, since)
                for task in each:
                    task.cancel()
        finally:
            self._ended(why, since)
        return is_over

    async def _renew(self) -> None:
        """Renew until our term is over, or somebody else is seen to hold the lease."""
        begun = self._boot()
        while not self._is_others:
            await self._pause(election.next_try(begun, self._settings))
            if not self.is_leading:
                return
            begun = self._boot()
            await self._try()

    async def _until_end(self) -> None:
        """Wait for the end of our term, which each renewal puts off; whatever a call does.

        Timers stand still in a suspend and our term does not: so it is looked at now and then.
        """
        while self._until is not None and self.is_leading:
            await self._pause(min(self._until, self._boot() + self._settings.retry))

    def _began(self, former: str) -> None:
        identity = self._candidacy.identity
        self._leader = identity
        self._tell(
            election.LeadershipBegan(
                at=self._clock.now(),
                identity=identity,
                former="" if former == identity else former,
                transitions=self.transitions,
            )
        )

    def _ended(self, why: Ended, since: timedelta) -> None:
        """Lead no more; told once."""
        if self._until is None:
            return
        self._until = None
        now = self._clock.now()
        self._tell(
            election.LeadershipEnded(
                at=now,
                identity=self._candidacy.identity,
                why=why,
                holder=self.holder,
                detail=self.failure.detail if self.failure else "",
                lasted=now.boot - since,
            )
        )

    # One try, and what it says.

    async def _try(self) -> None:
        """Take or renew the lease if it is free or ours; what comes of it is in our state."""
        is_done = False
        with boundary(self._surprised):
            await self._take_or_renew()
            is_done = True
        if not is_done:
            self._fail(Failed(reason=Reason.INTERNAL_ERROR, detail=_BUG))

    async def _take_or_renew(self) -> None:
        identity = self._candidacy.identity
        known = self._seen
        if known is not None and election.needs_no_look(known, identity, self._boot()):
            said = await self._claim(known.record)
            if isinstance(said, LeaseSeen):
                return
        seen = await self._look()
        if isinstance(seen, Failed):
            self._fail(seen)
        elif seen is None:
            self._settle(await self._claim(None))
        elif election.is_free(seen, identity, self._boot()):
            self._settle(await self._claim(seen.record))
        else:
            self.failure = None

    def _settle(self, said: LeaseSeen | Stale | Failed) -> None:
        """What the last write of a try says; that somebody else was quicker is no failure."""
        if isinstance(said, Failed):
            self._fail(said)
        else:
            self.failure = None

    async def _claim(self, before: Record | None) -> LeaseSeen | Stale | Failed:
        """Write that the lease is ours, in place of `before` as it was last seen."""
        sent = self._clock.now()
        record = election.claim(before, self._candidacy.identity, self._settings, sent.wall)
        said = await self._write(record, "" if before is None else self._version)
        if isinstance(said, LeaseSeen):
            self.failure = None
            self._learn(said, sent.boot)
            self._until = election.term(self._until, sent.boot, self._boot(), self._settings)
        return said

    async def _look(self) -> Observed | Failed | None:
        one = self._candidacy
        lease = await self._in_time(self._leases.read_lease(one.namespace, one.name))
        if isinstance(lease, Failed):
            return lease
        if lease is None:
            self._seen = None
            return None
        # Counted from after the answer: whoever wrote this counts from before it was sent.
        seen = self._learn(lease, self._boot())
        self._see_leader(seen.record)
        return seen

    async def _write(self, record: Record, version: str) -> LeaseSeen | Stale | Failed:
        self._may_hold = True  # until an answer says otherwise
        lease = LeaseSeen(
            version=version,
            holder=record.holder,
            duration_seconds=record.duration_seconds,
            acquired_at=record.acquired_at,
            renewed_at=record.renewed_at,
            transitions=record.transitions,
        )
        one = self._candidacy
        return await self._in_time(self._leases.write_lease(one.namespace, one.name, lease))

    def _learn(self, lease: LeaseSeen, boot: timedelta) -> Observed:
        record = Record(
            holder=lease.holder,
            duration_seconds=lease.duration_seconds,
            acquired_at=lease.acquired_at,
            renewed_at=lease.renewed_at,
            transitions=lease.transitions,
        )
        self._version = lease.version
        self._seen = election.observed(self._seen, record, boot)
        if record.holder:
            self._heard = self._seen.since
        return self._seen

    def _see_leader(self, record: Record) -> None:
        if not self._is_others:
            return
        self._may_hold = False  # a write of ours that is still out is of an older version
        if record.holder != self._leader:
            self._leader = record.holder
            self._tell(
                election.LeaderSeen(
                    at=self._clock.now(), holder=record.holder, transitions=record.transitions
                )
            )

    async def _let_go(self) -> None:
        with boundary(self._surprised):
            said = await self._in_time(self._release())
            if isinstance(said, Failed):
                self._fail(said)

    async def _release(self) -> Failed | None:
        """None if the lease is not ours any more."""
        for _ in range(_RELEASES):
            seen = await self._look()
            if seen is None or isinstance(seen, Failed):
                return seen
            if seen.record.holder != self._candidacy.identity:
                return None
            now = self._clock.now()
            said = await self._write(election.released(seen.record, now.wall), self._version)
            if isinstance(said, Failed):
                return said
            if isinstance(said, LeaseSeen):
                self._may_hold = False
                self._learn(said, now.boot)
                self._tell(election.LeaseReleased(at=now, identity=self._candidacy.identity))
                return None
        return Failed(reason=Reason.CONTENDED, detail="others wrote in between of each try")

    # The edge.

    async def _in_time(self, call: Awaitable[T]) -> T | Failed:
        limit = self._settings.call_timeout.total_seconds()
        try:
            async with asyncio.timeout(limit):
                return await call
        except TimeoutError:
            return Failed(reason=Reason.TIMEOUT, detail=f"no answer within {limit:g} s")

    async def _pause(self, until: timedelta) -> None:
        await pause(until - self._boot())

    def _boot(self) -> timedelta:
        return self._clock.now().boot

    def _fail(self, failure: Failed) -> None:
        now, before = self._clock.now(), self.failure
        self.failure = failed(before, failure.reason, failure.detail, now)
        if before is None or not before.is_said(failure.reason, now.boot):
            reason, detail = failure.reason, failure.detail
            self._tell(election.ElectionFailed(at=now, reason=reason, detail=detail))

    def _tell(self, fact: ElectionFact) -> None:
        with boundary(self._surprised):
            self._told(fact)
