"""The Protocols of the edge: what the keeper asks of the world, in the core's own values.

An adapter implements one of these over one outside system; a test implements it as a small class.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from enum import Enum, auto, unique
from random import Random
from typing import NamedTuple, Protocol, TypeVar

from msgspec import Struct

from lightkeeper.core.answer import Answer, Refusal, Verdict
from lightkeeper.core.credential import Credential, Digest, RegistryHost
from lightkeeper.core.facts import ClockStepped, LoginFact, LoginName, OutputName, Place
from lightkeeper.core.failure import Failure
from lightkeeper.core.moment import Moment
from lightkeeper.core.notices import Notice
from lightkeeper.core.reasons import Reason
from lightkeeper.core.saved import Saved
from lightkeeper.core.state import Known

T = TypeVar("T")


class Found(Struct, frozen=True, kw_only=True):
    """What a place holds for our registry."""

    digest: Digest | None
    settled: bool
    """Whether delivering what is held would change nothing."""
    notices: frozenset[Notice] = frozenset()
    """What each look at the place finds again."""
    by: str = ""
    """Who else wrote there last, where that is kept: a field manager of Kubernetes'."""
    is_marked: bool = False
    """Whether the place itself tells that it is ours and no later than what is held."""
    obstacle: Failed | None = None
    """What would keep the next write from it, as far as it shows without one being tried."""


class Put(Struct, frozen=True, kw_only=True):
    """A place holds the credential: it was read back."""

    changed: bool
    notices: frozenset[Notice]
    """What is to be said about the place, and about what was mended there."""


class Foreign(Struct, frozen=True, kw_only=True):
    """Nothing was written: the place holds a credential for our registry that is not ours."""

    digest: Digest | None
    by: str = ""
    """As in `Found`."""


class Pending(Struct, frozen=True, kw_only=True):
    """The place cannot be there yet."""

    detail: str


class Failed(Struct, frozen=True, kw_only=True):
    """What was asked for did not happen; all is as it was."""

    reason: Reason
    detail: str


@unique
class IfForeign(Enum):
    """What a delivery does about credentials for our registry that we did not write."""

    ASK = auto()
    """It writes nothing and tells, so that the registry can be asked first."""
    REPLACE = auto()
    SPARE = auto()
    """They stay. Ours is renewed beside them, and never put in their place."""


async def _nothing_newer() -> frozenset[Digest]:
    return frozenset()


class Delivery(Struct, frozen=True, kw_only=True):
    """A login's credential on its way into a place."""

    login: LoginName
    credential: Credential
    ours: frozenset[Digest]
    """What this login wrote before, and may write over."""
    kin: frozenset[Digest]
    """What other logins wrote: it may be written over, and is not taken out elsewhere."""
    former: frozenset[RegistryHost]
    """Registries of this login whose entries are to go."""
    if_foreign: IfForeign
    newer: Callable[[], Awaitable[frozenset[Digest] | Failed]] = _nothing_newer
    """What expires later, as whoever shares our store with us put it down.

    To be asked once it is known what would be replaced: whoever put that there had saved it.
    """


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
    wants: str
    """What it writes into each place beside the credential: another text where that is another."""

    @property
    def poll(self) -> timedelta:
        """How often each place is read, even if nobody says that it changed."""
        ...

    @property
    def prove(self) -> Callable[[Place, Delivery], Awaitable[Failed | None]] | None:
        """What would keep a delivery from a place that needs none now, told by a dry run.

        None where there is no dry run of a write.
        """
        ...

    @property
    def is_unlisted(self) -> bool:
        """Whether it is still to be told which places it has."""
        ...

    def places(self) -> Iterable[Place]:
        """Where it delivers to."""
        ...

    def may_stay(self, place: Place) -> bool:
        """Whether an entry of ours may be where a place was that it serves no more."""
        ...

    async def read(
        self, place: Place, held: Credential, spared: frozenset[Digest] | None
    ) -> Found | Pending | Failed:
        """What `place` holds for the registry of `held`.

        With `spared`, our digests, what stands beside our entry and holds none of them is to stay,
        and leaves it settled.
        """
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

    async def known(self, login: LoginName) -> tuple[Known, ...] | Failed:
        """What others who share the store put down as the login's credentials; none if nobody."""
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

    def record(
        self, fact: LoginFact | ClockStepped, *, news: bool, failure: Failure | None = None
    ) -> None:
        """Count `fact`, and write a line of it if it is news.

        `failure` is what the state has of the failure that it is one more occurrence of.
        """
        ...


class World(Struct, frozen=True, kw_only=True):
    """What all keepers share of the edge."""

    clock: Clock
    alarm: Alarm
    store: Store
    recorder: Recorder
    random: Random
    boot_id: str
    """Of the machine's start in which the boot clock is read."""
    leads: Callable[[], bool] = lambda: True
    """Whether it is for us to keep the logins at this instant; once it is not, we are about to be
    told to end."""


class Stat(NamedTuple):
    """What tells one state of a file from another."""

    dev: int
    ino: int
    mode: int
    nlink: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    ctime_ns: int


class Fs(Protocol):
    """The system calls on files, one to one; every failure is an `OSError` with its errno.

    No call follows a link in the last component of what it is given.
    """

    def lstat(self, path: str) -> Stat:
        """What stands at a path."""
        ...

    def readlink(self, path: str) -> str:
        """Where a link leads."""
        ...

    def check_writable(self, directory: int, name: str) -> None:
        """Fail as a write to what stands under a name would; `.` is the directory itself."""
        ...

    def mkdir(self, path: str, mode: int) -> None:
        """Make a directory."""
        ...

    def open_dir(self, path: str) -> int:
        """A descriptor of a directory, that stays with it wherever it is moved."""
        ...

    def names(self, directory: int) -> list[str]:
        """The names in a directory."""
        ...

    def stat(self, directory: int, name: str) -> Stat:
        """What stands under a name."""
        ...

    def read(self, directory: int, name: str, limit: int) -> tuple[bytes, Stat]:
        """The first `limit` bytes of a regular file, and its state when it was opened.

        What is no regular file is not opened for long: its content comes back empty.
        """
        ...

    def create(self, directory: int, name: str) -> int:
        """A new file that only we may read, opened for writing; EEXIST if the name is taken."""
        ...

    def open(self, directory: int, name: str) -> int:
        """A file that is there, opened for writing over it."""
        ...

    def fstat(self, file: int) -> Stat:
        """The state of an open file."""
        ...

    def write(self, file: int, data: bytes) -> None:
        """All of `data`, from the start of the file."""
        ...

    def truncate(self, file: int, size: int) -> None:
        """Cut a file off."""
        ...

    def chmod(self, file: int, mode: int) -> None:
        """Change who may read it."""
        ...

    def chgrp(self, file: int, gid: int) -> None:
        """Give it to a group."""
        ...

    def copy_attributes(self, file: int, directory: int, name: str) -> None:
        """Take over another file's ACL and user attributes as far as the file system lets us."""
        ...

    def fsync(self, file: int) -> None:
        """Wait until a file's content, or a directory's names, are on the disk."""
        ...

    def close(self, file: int) -> None:
        """Let go of a descriptor."""
        ...

    def rename(self, directory: int, old: str, new: str) -> None:
        """Move a name over another."""
        ...

    def rename_new(self, directory: int, old: str, new: str) -> None:
        """Move a name to one that must be free: EEXIST if not."""
        ...

    def exchange(self, directory: int, one: str, other: str) -> None:
        """Swap two names in one step; ENOSYS, EINVAL or EOPNOTSUPP where that is not to be had."""
        ...

    def unlink(self, directory: int, name: str) -> None:
        """Take a name away."""
        ...
