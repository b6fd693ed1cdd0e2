"""Delivers into Docker config files and `auth.json`: one writer a real file, whoever asks.

Every call runs on a worker of its place. Logins that share a file, by whatever paths, meet at the
file's queue: whoever writes takes along all that waits, and each is told its own outcome.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Collection, Iterable
from datetime import timedelta
from functools import partial
from threading import Lock
from typing import Final, TypeAlias, TypeVar, assert_never

from msgspec import Struct, field

from lightkeeper.core.credential import Credential, Digest, RegistryHost
from lightkeeper.core.docker_config import Document, MalformedDocument, parse, put, take_out
from lightkeeper.core.facts import LoginName, OutputName, Place
from lightkeeper.core.notices import NOTICES, Notice
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
    Stat,
    Workers,
)

T = TypeVar("T")

_DEADLINE: Final = timedelta(seconds=10)
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class FileOptions(Struct, frozen=True, kw_only=True):
    """How an output wants its file written."""

    mode: int = 0o600
    """Of a new file."""
    in_place: bool = False


class _Job(Struct):
    path: str
    delivery: Delivery
    outcome: Put | Foreign | Pending | Failed | None = None
    wrote: bool = False
    notices: set[Notice] = field(default_factory=set)


_Sight: TypeAlias = Stat | tuple[int, int, str]
"""A file as it was seen at some time; where there was none, the key of its place."""


Served: TypeAlias = tuple[LoginName, str]
"""A login and the path of one of its outputs."""


class _Queue(Struct):
    """What waits for one real file."""

    writing: Lock = field(default_factory=Lock)
    waiting: list[_Job] = field(default_factory=list)
    owners: dict[RegistryHost, Served] = field(default_factory=dict)
    sections: frozenset[str] = frozenset()
    """What stood beside the entries when the file was last looked at."""


class FileWriters:
    """Every real file's one writer; shared by all file outputs of a daemon. For workers."""

    def __init__(self, files: Files, paths: Paths) -> None:
        self._files = files
        self._paths = paths
        self._queues: dict[tuple[int, int, str], _Queue] = {}
        self._known: dict[str, _Sight] = {}
        """By path, what every login has looked at or is going to, and our own doing since."""

    def forget_all_but(self, served: Collection[Served]) -> None:
        """Let go of the hosts that whoever is served no more owned in files."""
        for queue in tuple(self._queues.values()):
            for host, owner in tuple(queue.owners.items()):
                if owner not in served:
                    queue.owners.pop(host, None)

    def read(
        self,
        path: str,
        held: Credential,
        spared: Collection[Digest] | None,
        options: FileOptions | None = None,
    ) -> Found | Pending | Failed:
        """What the file holds for the registry of `held`; see the port."""
        return _outcome(partial(self._read, path, held, spared, options or FileOptions()))

    def deliver(
        self, path: str, delivery: Delivery, options: FileOptions
    ) -> Put | Foreign | Pending | Failed:
        """Put the credential into the file, along with all that waits for the same one."""
        return _outcome(partial(self._deliver, _Job(path, delivery), options))

    def is_news(self, path: str) -> bool:
        """Whether somebody else may have changed the file since this was asked last.

        The watch hears of our own deliveries as well: they are no news to any login.
        """
        return _outcome(partial(self._is_news, path)) is not False

    def withdraw(
        self,
        path: str,
        hosts: Collection[RegistryHost],
        ours: Collection[Digest],
        options: FileOptions | None = None,
    ) -> bool | Pending | Failed:
        """Take our entries for `hosts` out of the file; whether there were any."""
        return _outcome(partial(self._withdraw, path, hosts, ours, options or FileOptions()))

    def _read(
        self,
        path: str,
        held: Credential,
        spared: Collection[Digest] | None,
        options: FileOptions,
    ) -> Found:
        file = self._paths.find(path)
        seen = self._files.read(file) if file else None
        if file and seen:
            self._known.setdefault(path, seen.stat or file.key)
        document = parse(seen.data if seen else None)
        after = put(document, [held], spared)
        notices = {notice for notice in after.notices if NOTICES[notice].lasts}
        if file and seen:
            notices |= self._beside(file, seen.stat, options)
        return Found(
            digest=document.holds(held.registry),
            settled=not after.is_changed,
            notices=frozenset(notices),
        )

    def _is_news(self, path: str) -> bool:
        file = self._paths.find(path)
        if file is None:
            return True
        # A delivery under way has moved the file, and not yet said so.
        with self._queues.setdefault(file.key, _Queue()).writing:
            seen = self._files.read(file).stat or file.key
            known, self._known[path] = self._known.get(path), seen
        return known != seen

    def _deliver(self, job: _Job, options: FileOptions) -> Put | Foreign | Pending | Failed:
        file = self._paths.make(job.path)
        queue = self._queues.setdefault(file.key, _Queue())
        queue.waiting.append(job)
        with queue.writing:
            if job.outcome is None:
                # Emptied and not swapped for another: one that is added meanwhile is not lost.
                jobs = [queue.waiting.pop(0) for _ in range(len(queue.waiting))]
                self._write_for(file, queue, jobs, options)
        return job.outcome or Failed(reason=Reason.INTERNAL_ERROR, detail="the writer failed")

    def _write_for(
        self, file: RealFile, queue: _Queue, jobs: list[_Job], options: FileOptions
    ) -> None:
        """Give each job its outcome."""
        admitted = [job for job in jobs if self._admit(queue, job)]
        notices = set[Notice]()

        def change(data: bytes | None) -> bytes | None:
            document = _merged(parse(data), admitted)
            sections = frozenset(each.key for each in (*document.before, *document.after))
            if queue.sections - sections:
                notices.add(Notice.SECTIONS_LOST)
            queue.sections = sections
            return document.data

        def write() -> Replaced:
            done = self._files.replace(file, change, mode=options.mode, in_place=options.in_place)
            self._account_for(file, jobs, done)
            return done

        replaced = _outcome(write)
        for job in admitted:
            if isinstance(replaced, Replaced):
                told = job.notices | notices | self._notices(file, replaced, options)
                done = Put(changed=job.wrote, notices=frozenset(told))
                job.outcome = job.outcome or done
            else:
                job.outcome = replaced

    def _account_for(self, file: RealFile, jobs: Iterable[_Job], done: Replaced) -> None:
        """Whoever knew the file as it was before knows it as it is, if that is our doing alone."""
        before, after = done.before or file.key, done.after or file.key
        for job in jobs:
            self._known.setdefault(job.path, before)
        if done.alone:
            for path, known in tuple(self._known.items()):
                if known == before:
                    self._known[path] = after

    def _admit(self, queue: _Queue, job: _Job) -> bool:
        """Whether no other login keeps the same registry in this file."""
        login, host = job.delivery.login, job.delivery.credential.registry
        owner, _ = queue.owners.setdefault(host, (login, job.path))
        if owner == login:
            return True
        detail = f"logins {owner} and {login} both have {host}; {owner} keeps this place"
        job.outcome = Failed(reason=Reason.CONFLICT, detail=detail)
        return False

    def _notices(self, file: RealFile, replaced: Replaced, options: FileOptions) -> set[Notice]:
        found = self._beside(file, replaced.before, options)
        if replaced.changed and replaced.before is not None and replaced.before.nlink > 1:
            found.add(Notice.HARD_LINK)
        return found

    def _beside(self, file: RealFile, seen: Stat | None, options: FileOptions) -> set[Notice]:
        """What is to be said of the file whatever it holds."""
        found = set()
        if self._files.edits_kept(file):
            found.add(Notice.EDIT_KEPT)
        if seen is not None and seen.mode & _OTHERS & ~options.mode:
            found.add(Notice.WIDE_MODE)
        return found

    def _withdraw(
        self,
        path: str,
        hosts: Collection[RegistryHost],
        ours: Collection[Digest],
        options: FileOptions,
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
            return self._files.replace(file, change, in_place=options.in_place).changed


class DockerFile:
    """One file output of one login."""

    def __init__(
        self,
        login: LoginName,
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
        self._login = login
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
            f"{self._login} {place.name}",
            partial(self._writers.read, self._path, held, spared, self._options),
            _DEADLINE,
        )

    async def deliver(self, place: Place, delivery: Delivery) -> Put | Foreign | Pending | Failed:
        """Put the credential into the file and read it back."""
        work = partial(self._writers.deliver, self._path, delivery, self._options)
        return await self._workers.run(f"{self._login} {place.name}", work, _DEADLINE)


def _merged(document: Document, jobs: Iterable[_Job]) -> Document:
    """The document with what every job wants in it; a job that meets a foreign entry steps back."""
    wanted = []
    for job in jobs:
        delivery, host = job.delivery, job.delivery.credential.registry
        job.outcome = None
        if _steps_back(document, delivery):
            job.outcome = Foreign(digest=document.holds(host))
            continue
        after = _put(document, delivery)
        job.wrote = job.wrote or after.is_changed
        job.notices |= after.notices
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
