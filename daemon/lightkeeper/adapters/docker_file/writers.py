"""One writer a real file, whoever asks: for workers, since every call may block.

Logins that share a file, by whatever paths, meet at the file's queue: whoever writes takes along
all that waits, and each is told its own outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import partial
from threading import Lock
from typing import TypeAlias, TypeVar
from weakref import WeakValueDictionary

from msgspec import Struct, field

from lightkeeper.core.credential import Credential, Digest, RegistryHost
from lightkeeper.core.docker_config import Document, parse, take_out
from lightkeeper.core.facts import LoginName
from lightkeeper.core.file_failure import FileFailure
from lightkeeper.core.notices import Notice
from lightkeeper.core.reasons import Reason
from lightkeeper.files import Files, Replaced
from lightkeeper.merging import beside, delivered, foreign, found, seeded
from lightkeeper.owning import Owners, Ranks, Served
from lightkeeper.paths import NotYet, Paths, RealFile, outcome
from lightkeeper.ports import Delivery, Failed, Foreign, Found, Pending, Put, Stat

T = TypeVar("T")


class FileOptions(Struct, frozen=True, kw_only=True):
    """How an output wants its file written."""

    mode: int = 0o600
    """Of a new file."""
    in_place: bool = False
    seed: str | None = None
    """The path of what a new file begins with."""


class _Job(Struct):
    path: str
    delivery: Delivery
    outcome: Put | Foreign | Pending | Failed | None = None
    wrote: bool = False
    notices: set[Notice] = field(default_factory=set)


_Key: TypeAlias = tuple[int, int, str]
"""Of a real file."""

_Sight: TypeAlias = Stat | _Key
"""A file as it was seen at some time; where there was none, the key of its place."""


class _Queue(Struct, weakref=True):
    """What waits for one real file, and what is known of it; for as long as a path leads there."""

    key: _Key
    owners: Owners
    writing: Lock = field(default_factory=Lock)
    waiting: list[_Job] = field(default_factory=list)
    sections: tuple[str, ...] = ()
    """What stood beside the entries when the file was last looked at."""
    is_swept: bool = False
    """Whether nothing of ours is left beside it."""


class FileWriters:
    """Every real file's one writer; shared by all file outputs of a daemon."""

    def __init__(self, files: Files, paths: Paths, ranks: Ranks | None = None) -> None:
        self._files = files
        self._paths = paths
        self._queues = WeakValueDictionary[_Key, _Queue]()
        self._guard = Lock()
        """Of the two tables of queues; held for no call of the system."""
        self._ends: dict[str, _Queue] = {}
        """By path, where it led when it was last followed; missing where it led nowhere."""
        self._known: dict[str, _Sight] = {}
        """By path, what every login has looked at or is going to, and our own doing since."""
        self._ranks = ranks or Ranks()

    def rank(self, logins: Iterable[LoginName]) -> None:
        """Of logins that share a registry and a file, let the one that comes first here keep it."""
        self._ranks.order(logins)

    def forget_all_but(self, served: Collection[Served]) -> None:
        """Let go of whoever is served no more: of what they owned in files, of their paths."""
        paths = {path for _, path in served}
        with self._guard:
            for path in self._ends.keys() - paths:
                del self._ends[path]
            queues = list(self._queues.values())
        for path in self._known.keys() - paths:
            self._known.pop(path, None)
        for queue in queues:
            queue.owners.forget_all_but(served)

    def end_of(self, path: str) -> _Key | None:
        """Where the path led when it was last followed; for the loop, since it asks no disk."""
        queue = self._ends.get(path)
        return queue.key if queue else None

    def apart(self, paths: Iterable[str], served: Iterable[str]) -> list[str]:
        """Those paths that lead to other files than all the served ones."""
        keys = {self._key(path) for path in served} - {None}
        return [path for path in paths if self._key(path) not in keys]

    def claim(self, path: str, login: LoginName, host: RegistryHost) -> None:
        """Let the login whose credential was found there keep the registry, after a restart too."""
        if (queue := self._ends.get(path)) is not None:
            queue.owners.claim(host, (login, path))

    def sweep(self, path: str) -> None:
        """Remove what a crash left beside the file, unless that is done; what fails is left."""
        queue = self._ends.get(path)
        if queue is None or not queue.is_swept:
            _outcome(partial(self._sweep, path))

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

    def obstacle(self, path: str, options: FileOptions) -> Pending | Failed | None:
        """What would keep a delivery from the file, as far as a look tells that writes nothing."""
        return _outcome(partial(self._probe, path, options))

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
        if (end := self._find(path)) is None:
            return found(parse(None), held, spared)
        file, queue = end
        # In the middle of a write, what is to be undone would be seen, and temp files of ours.
        with queue.writing:
            seen = self._files.read(file)
            edits = self._files.has_kept_edits(file)
            self._known.setdefault(path, seen.stat or file.key)
        said = beside(seen.stat, mode=options.mode, has_kept_edits=edits)
        return found(parse(seen.data), held, spared, said)

    def _probe(self, path: str, options: FileOptions) -> None:
        data = None
        if (file := self._paths.find(path)) is None:
            self._files.probe_dir(self._paths.deepest(path))
        else:
            data = self._files.probe(file, in_place=options.in_place).data
        self._begun(data, (), options.seed)

    def _sweep(self, path: str) -> None:
        if (end := self._find(path)) is not None:
            file, queue = end
            with queue.writing:
                queue.is_swept = queue.is_swept or self._files.sweep(file)

    def _is_news(self, path: str) -> bool:
        if (end := self._find(path)) is None:
            return True
        file, queue = end
        # A delivery under way has moved the file, and not yet said so.
        with queue.writing:
            seen = self._files.read(file).stat or file.key
            known, self._known[path] = self._known.get(path), seen
        return known != seen

    def _key(self, path: str) -> _Key | None:
        file = _outcome(partial(self._paths.find, path))
        return file.key if isinstance(file, RealFile) else None

    def _find(self, path: str) -> tuple[RealFile, _Queue] | None:
        """Where the path leads; None while a directory on the way is missing."""
        file = self._paths.find(path)
        if file is None:
            with self._guard:
                self._ends.pop(path, None)
            return None
        return file, self._queue(path, file)

    def _queue(self, path: str, file: RealFile) -> _Queue:
        """The queue of the file that the path leads to now; what it led to before is let go of."""
        with self._guard:
            queue = self._queues.get(file.key)
            if queue is None:
                queue = self._queues[file.key] = _Queue(file.key, Owners(self._ranks))
            self._ends[path] = queue
            return queue

    def _deliver(self, job: _Job, options: FileOptions) -> Put | Foreign | Pending | Failed:
        file = self._paths.make(job.path)
        queue = self._queue(job.path, file)
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
        jobs.sort(key=lambda job: self._ranks.of(job.delivery.login))
        for job in jobs:
            asks = (job.delivery.login, job.path)
            job.outcome = queue.owners.admit(job.delivery.credential.registry, asks)
        admitted = [job for job in jobs if job.outcome is None]
        notices = set[Notice]()

        def change(data: bytes | None) -> bytes | None:
            document = _merged(self._begun(data, admitted, options.seed), admitted)
            sections = tuple(each.key for each in (*document.before, *document.after))
            if not set(sections).issuperset(queue.sections):
                notices.add(Notice.SECTIONS_LOST)
            queue.sections = sections
            return document.data

        def write() -> Replaced:
            queue.is_swept = False  # what could not be taken away goes with the next look
            done = self._files.replace(file, change, mode=options.mode, in_place=options.in_place)
            self._account_for(queue, jobs, done)
            return done

        replaced = _outcome(write)
        for job in admitted:
            if isinstance(replaced, Replaced):
                told = job.notices | notices | _notices(replaced, options)
                done = Put(changed=job.wrote, notices=frozenset(told))
                job.outcome = job.outcome or done
            else:
                job.outcome = replaced

    def _begun(self, data: bytes | None, jobs: Iterable[_Job], seed: str | None) -> Document:
        """What is there; where there is no file yet, what it is to begin with."""
        if data is not None or seed is None:
            return parse(data)
        try:
            file = self._paths.find(seed)
            begins = self._files.read(file).data if file else None
            return seeded(begins, (job.delivery.credential.registry for job in jobs))
        except FileFailure as exc:
            said = exc.detail.removeprefix(f"{seed}: ")
            raise FileFailure(exc.reason, f"its seed {seed}: {said}") from exc

    def _account_for(self, queue: _Queue, jobs: Iterable[_Job], done: Replaced) -> None:
        """Whoever knew the file as it was before knows it as it is, if that is our doing alone."""
        before, after = done.before or queue.key, done.after or queue.key
        for job in jobs:
            self._known.setdefault(job.path, before)
        if done.alone:
            for path, known in tuple(self._known.items()):
                if known == before:
                    self._known[path] = after
        while queue.owners.ousted:
            self._known.pop(queue.owners.ousted.pop(), None)

    def _withdraw(
        self,
        path: str,
        hosts: Collection[RegistryHost],
        ours: Collection[Digest],
        options: FileOptions,
    ) -> bool:
        if (end := self._find(path)) is None:
            return False
        file, queue = end

        def change(data: bytes | None) -> bytes | None:
            document = parse(data)
            for host in hosts:
                document = take_out(document, host, ours)
            return document.data

        with queue.writing:
            return self._files.replace(file, change, in_place=options.in_place).changed


def _merged(document: Document, jobs: Iterable[_Job]) -> Document:
    """The document with what every job wants in it; a job that meets a foreign entry steps back."""
    merged = document
    for job in jobs:
        job.outcome = foreign(document, job.delivery)
        if job.outcome is None:
            after = delivered(document, job.delivery)
            job.wrote = job.wrote or after.is_changed
            job.notices |= after.notices
            merged = after if merged is document else delivered(merged, job.delivery)
    return merged


def _notices(replaced: Replaced, options: FileOptions) -> set[Notice]:
    """What is to be said of a file that was written."""
    said = beside(replaced.before, mode=options.mode, has_kept_edits=replaced.has_kept_edits)
    if replaced.changed and replaced.before is not None and replaced.before.nlink > 1:
        said.add(Notice.HARD_LINK)
    return said


def _outcome(work: Callable[[], T]) -> T | Pending | Failed:
    """What `work` comes to; what can go wrong with a file, as a value."""
    try:
        return outcome(work)
    except NotYet as exc:
        return Pending(detail=f"{exc} is not there before its user logs in")
