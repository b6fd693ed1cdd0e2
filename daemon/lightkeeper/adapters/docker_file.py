"""Delivers into Docker config files and `auth.json`: one writer a real file, whoever asks.

Every call runs on a worker of its place. Logins that share a file, by whatever paths, meet at the
file's queue: whoever writes takes along all that waits, and each is told its own outcome.
"""

from __future__ import annotations

import stat
from collections import deque
from collections.abc import Callable, Collection, Iterable
from datetime import timedelta
from functools import partial
from threading import Lock
from typing import Final, TypeVar, assert_never

from msgspec import Struct, field

from lightkeeper.core.credential import Credential, Digest, RegistryHost
from lightkeeper.core.docker_config import Document, MalformedDocument, parse, put, take_out
from lightkeeper.core.facts import LoginName, OutputName, Place
from lightkeeper.core.reasons import Reason
from lightkeeper.files import Files, Replaced
from lightkeeper.paths import FileFailure, NotYet, Paths, RealFile
from lightkeeper.ports import (
    Delivery,
    Failed,
    Foreign,
    Found,
    IfForeign,
    Pending,
    Put,
    Workers,
)

T = TypeVar("T")

_DEADLINE: Final = timedelta(seconds=10)
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO

HARD_LINK: Final = "hard_link"
"""The file had another name, which keeps the old content."""
WIDE_MODE: Final = "wide_mode"
"""Others than its owner may read the file."""
SECTIONS_LOST: Final = "sections_lost"
"""Settings beside the entries are gone since the last delivery, as after a `podman login`."""
EDIT_KEPT: Final = "edit_kept"
"""A crash caught somebody's edit in the middle: it is kept beside the file."""


class FileOptions(Struct, frozen=True, kw_only=True):
    """How an output wants its file written."""

    mode: int = 0o600
    """Of a new file."""
    in_place: bool = False


class _Job(Struct):
    delivery: Delivery
    outcome: Put | Foreign | Pending | Failed | None = None
    wrote: bool = False


class _Queue(Struct):
    """What waits for one real file."""

    writing: Lock = field(default_factory=Lock)
    waiting: deque[_Job] = field(default_factory=deque)
    owners: dict[RegistryHost, LoginName] = field(default_factory=dict)
    sections: frozenset[str] = frozenset()
    """What stood beside the entries when the file was last looked at."""


class FileWriters:
    """Every real file's one writer; shared by all file outputs of a daemon. For workers."""

    def __init__(self, files: Files, paths: Paths) -> None:
        self._files = files
        self._paths = paths
        self._queues: dict[tuple[int, int, str], _Queue] = {}

    def forget_all_but(self, logins: Collection[LoginName]) -> None:
        """Let go of the hosts that other logins owned in files."""
        for queue in tuple(self._queues.values()):
            for host, owner in tuple(queue.owners.items()):
                if owner not in logins:
                    queue.owners.pop(host, None)

    def read(
        self, path: str, held: Credential, spared: Collection[Digest] | None
    ) -> Found | Pending | Failed:
        """What the file holds for the registry of `held`; see the port."""
        return _outcome(partial(self._read, path, held, spared))

    def deliver(
        self, path: str, delivery: Delivery, options: FileOptions
    ) -> Put | Foreign | Pending | Failed:
        """Put the credential into the file, along with all that waits for the same one."""
        return _outcome(partial(self._deliver, path, _Job(delivery), options))

    def withdraw(
        self, path: str, hosts: Collection[RegistryHost], ours: Collection[Digest]
    ) -> bool | Pending | Failed:
        """Take our entries for `hosts` out of the file; whether there were any."""
        return _outcome(partial(self._withdraw, path, hosts, ours))

    def _read(self, path: str, held: Credential, spared: Collection[Digest] | None) -> Found:
        file = self._paths.find(path)
        document = parse(self._files.read(file) if file else None)
        left = file is not None and self._files.edits_kept(file) > 0
        return Found(
            digest=document.holds(held.registry),
            settled=not put(document, [held], spared).is_changed,
            notices=frozenset({EDIT_KEPT} if left else ()),
        )

    def _deliver(
        self, path: str, job: _Job, options: FileOptions
    ) -> Put | Foreign | Pending | Failed:
        file = self._paths.make(path)
        queue = self._queues.setdefault(file.key, _Queue())
        queue.waiting.append(job)
        with queue.writing:
            if job.outcome is None:
                # Emptied and not swapped for another: one that is added meanwhile is not lost.
                jobs = [queue.waiting.popleft() for _ in range(len(queue.waiting))]
                self._write_for(file, queue, jobs, options)
        return job.outcome or Failed(reason=Reason.INTERNAL_ERROR, detail="the writer failed")

    def _write_for(
        self, file: RealFile, queue: _Queue, jobs: list[_Job], options: FileOptions
    ) -> None:
        """Give each job its outcome."""
        admitted = [job for job in jobs if self._admit(queue, job)]
        notices = set[str]()

        def change(data: bytes | None) -> bytes | None:
            document = _merged(parse(data), admitted)
            notices.update(document.notices)
            sections = frozenset(each.key for each in (*document.before, *document.after))
            if queue.sections - sections:
                notices.add(SECTIONS_LOST)
            queue.sections = sections
            return document.data

        def write() -> Replaced:
            return self._files.replace(file, change, mode=options.mode, in_place=options.in_place)

        replaced = _outcome(write)
        for job in admitted:
            if isinstance(replaced, Replaced):
                told = notices | self._notices(file, replaced)
                done = Put(changed=job.wrote, notices=frozenset(told))
                job.outcome = job.outcome or done
            else:
                job.outcome = replaced

    def _admit(self, queue: _Queue, job: _Job) -> bool:
        """Whether no other login keeps the same registry in this file."""
        login, host = job.delivery.login, job.delivery.credential.registry
        owner = queue.owners.setdefault(host, login)
        if owner == login:
            return True
        detail = f"logins {owner} and {login} both have {host}; {owner} keeps this place"
        job.outcome = Failed(reason=Reason.CONFLICT, detail=detail)
        return False

    def _notices(self, file: RealFile, replaced: Replaced) -> set[str]:
        found = set()
        if self._files.edits_kept(file):
            found.add(EDIT_KEPT)
        if replaced.before is not None:
            if replaced.changed and replaced.before.nlink > 1:
                found.add(HARD_LINK)
            if replaced.before.mode & _OTHERS:
                found.add(WIDE_MODE)
        return found

    def _withdraw(
        self, path: str, hosts: Collection[RegistryHost], ours: Collection[Digest]
    ) -> bool:
        file = self._paths.find(path)
        if file is None:
            return False

        def change(data: bytes | None) -> bytes | None:
            document = parse(data)
            for host in hosts:
                document = take_out(document, host, ours)
            return document.data

        with self._queues.setdefault(file.key, _Queue()).writing:
            return self._files.replace(file, change).changed


class DockerFile:
    """One file output of one login."""

    def __init__(
        self,
        name: OutputName,
        path: str,
        *,
        replaces_foreign: bool,
        options: FileOptions,
        writers: FileWriters,
        workers: Workers,
    ) -> None:
        self.name = name
        self.replaces_foreign = replaces_foreign
        self._path = path
        self._options = options
        self._writers = writers
        self._workers = workers

    def places(self) -> Iterable[Place]:
        """The one file."""
        return (Place(output=self.name, name=self._path),)

    async def read(
        self, place: Place, held: Credential, spared: frozenset[Digest] | None
    ) -> Found | Pending | Failed:
        """What the file holds for the registry of `held`; see the port."""
        return await self._workers.run(
            place.name, partial(self._writers.read, self._path, held, spared), _DEADLINE
        )

    async def deliver(self, place: Place, delivery: Delivery) -> Put | Foreign | Pending | Failed:
        """Put the credential into the file and read it back."""
        work = partial(self._writers.deliver, self._path, delivery, self._options)
        return await self._workers.run(f"{delivery.login} {place.name}", work, _DEADLINE)


def _merged(document: Document, jobs: Iterable[_Job]) -> Document:
    """The document with what every job wants in it; a job that meets a foreign entry steps back."""
    wanted = []
    for job in jobs:
        delivery, host = job.delivery, job.delivery.credential.registry
        job.outcome = None
        if _steps_back(document, delivery):
            job.outcome = Foreign(digest=document.holds(host))
            continue
        job.wrote = job.wrote or _put(document, delivery).is_changed
        wanted.append(delivery)
    for delivery in wanted:
        document = _put(document, delivery)
        for former in delivery.former:
            document = take_out(document, former, delivery.ours)
    return document


def _steps_back(document: Document, delivery: Delivery) -> bool:
    """Whether the document holds what the delivery may not touch."""
    host, ours = delivery.credential.registry, delivery.ours
    match delivery.if_foreign:
        case IfForeign.ASK:
            return document.foreign(host, ours)
        case IfForeign.SPARE:
            return document.is_taken(host, ours)
        case IfForeign.REPLACE:
            return False
        case _:
            assert_never(delivery.if_foreign)


def _put(document: Document, delivery: Delivery) -> Document:
    spared = delivery.ours if delivery.if_foreign is IfForeign.SPARE else None
    return put(document, [delivery.credential], spared)


def _outcome(work: Callable[[], T]) -> T | Pending | Failed:
    """What `work` comes to; what can go wrong with a file, as a value."""
    try:
        return work()
    except NotYet as exc:
        return Pending(detail=f"{exc} is not there before its user logs in")
    except (FileFailure, MalformedDocument) as exc:
        return Failed(reason=exc.reason, detail=exc.detail)
