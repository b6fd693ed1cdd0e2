"""One file output of one login; every call of it runs on a worker of its place."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import timedelta
from functools import partial
from typing import Final

from lightkeeper.adapters.docker_file.writers import FileOptions, FileWriters
from lightkeeper.core import policy
from lightkeeper.core.credential import Credential, Digest
from lightkeeper.core.facts import LoginName, OutputName, Place
from lightkeeper.ports import Delivery, Failed, Foreign, Found, Pending, Put, Workers

_DEADLINE: Final = timedelta(seconds=10)


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
        self.wants = ""
        self.poll = policy.POLL
        self.prove = None
        self.is_unlisted = False
        self._path = path
        self._login = login
        self._options = options
        self._writers = writers
        self._workers = workers

    def places(self) -> Iterable[Place]:
        """The one file."""
        return (Place(output=self.name, name=self._path),)

    def may_stay(self, place: Place) -> bool:  # noqa: ARG002 - as the port says
        """A file stays, whoever serves it."""
        return True

    async def read(
        self, place: Place, held: Credential, spared: frozenset[Digest] | None
    ) -> Found | Pending | Failed:
        """What the file holds for the registry of `held`; see the port."""
        work = partial(self._swept_read, held, spared)
        return await self._workers.run(f"{self._login} {place.name}", work, _DEADLINE)

    async def deliver(self, place: Place, delivery: Delivery) -> Put | Foreign | Pending | Failed:
        """Put the credential into the file and read it back."""
        work = partial(self._writers.deliver, self._path, delivery, self._options)
        return await self._workers.run(f"{self._login} {place.name}", work, _DEADLINE)

    def _swept_read(
        self, held: Credential, spared: Collection[Digest] | None
    ) -> Found | Pending | Failed:
        # Whoever keeps a place tidies up; a command that only looks changes nothing.
        self._writers.sweep(self._path)
        seen = self._writers.read(self._path, held, spared, self._options)
        if isinstance(seen, Found) and seen.digest == held.digest:
            self._writers.claim(self._path, self._login, held.registry)
        return seen
