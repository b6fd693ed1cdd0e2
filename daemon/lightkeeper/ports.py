"""The Protocols of the edge: what the keeper asks of the world, in the core's own values.

An adapter implements one of these over one outside system; a test implements it as a small class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from lightkeeper.core.answer import Answer, Refusal, Verdict
from lightkeeper.core.credential import Credential, Digest, RegistryHost
from lightkeeper.core.facts import ClockStepped, LoginFact, LoginName, OutputName, Place
from lightkeeper.core.moment import Moment
from lightkeeper.core.reasons import Reason
from lightkeeper.core.saved import Saved

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a place holds for our registry."""

    digest: Digest | None
    settled: bool
    """Whether delivering what is held would change nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """A place holds the credential: it was read back."""

    changed: bool
    notices: frozenset[str]
    """What is to be said once about the place, as stable words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """Nothing was written: the place holds a credential for our registry that is not ours."""

    digest: Digest | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """The place cannot be there yet."""

    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """What was asked for did not happen; all is as it was."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A login's credential on its way into a place."""

    login: LoginName
    credential: Credential
    ours: frozenset[Digest]
    """What this login wrote before, and may write over."""
    former: frozenset[RegistryHost]
    """Registries of this login whose entries are to go."""
    replace_foreign: bool


class Clock(Protocol):
    """Reads this machine's clocks."""

    def now(self) -> Moment:
        """Wall clock and boot clock, read together."""
        ...

    def monotonic(self) -> timedelta:
        """The clock that stands still while the machine sleeps."""
        ...


class Alarm(Protocol):
    """Rings bells: at the instant that was set, and all of them at each heartbeat."""

    def set(self, name: LoginName, at: datetime | None, ring: Callable[[], None]) -> None:
        """Ring at `at` by the wall clock, in place of what was set before under `name`."""
        ...

    def cancel(self, name: LoginName) -> None:
        """Ring no more under `name`."""
        ...


class Issuer(Protocol):
    """Hands out credentials for one login."""

    async def issue(self, deadline: timedelta) -> Answer | Refusal:
        """Ask once, within `deadline`; every failure that can be named is a `Refusal`."""
        ...


class Verifier(Protocol):
    """Asks a registry."""

    async def verify(self, credential: Credential, deadline: timedelta) -> Verdict:
        """Whether the registry takes `credential`; never raises for what a network does."""
        ...


class Output(Protocol):
    """One configured kind of destination of a login, with its places."""

    name: OutputName
    replaces_foreign: bool

    def places(self) -> Iterable[Place]:
        """Where it delivers to."""
        ...

    async def read(self, place: Place, held: Credential) -> Found | Pending | Failed:
        """What `place` holds for the registry of `held`."""
        ...

    async def deliver(self, place: Place, delivery: Delivery) -> Put | Foreign | Pending | Failed:
        """Put the credential into `place` and read it back."""
        ...


class Store(Protocol):
    """Keeps what outlives the process."""

    async def save(self, saved: Saved) -> Failed | None:
        """Keep `saved` in place of what was kept for its login."""
        ...

    async def forget(self, login: LoginName) -> Failed | None:
        """Keep nothing of `login`."""
        ...


class Workers(Protocol):
    """Runs what blocks, so that a hung file system holds up nobody else."""

    async def run(self, name: str, work: Callable[[], T], deadline: timedelta) -> T | Failed:
        """The result of `work`; `timeout` if it takes longer, or the last one of `name` hangs.

        Work that is not done at its deadline is left behind, and gets no second worker.
        """
        ...


class Recorder(Protocol):
    """Tells people and Prometheus."""

    def record(self, fact: LoginFact | ClockStepped, *, news: bool) -> None:
        """Count `fact`, and write a line of it if it is news."""
        ...
