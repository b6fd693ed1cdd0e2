"""Takes Secrets of ours out of namespaces that an output serves no more, until they are gone."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection
from enum import Enum
from typing import Literal, Protocol

from lightkeeper.adapters.kubernetes.manifest import SecretOptions, holds_any, is_of
from lightkeeper.adapters.kubernetes.output import SecretWriters, Served, withdraw
from lightkeeper.cluster import Stale
from lightkeeper.core.facts import LoginName
from lightkeeper.core.state import Known
from lightkeeper.ports import Failed


class End(Enum):
    """What became of a place that is served no more."""

    PRUNED = "we took out what was ours"
    GONE = "nothing of ours is there"
    STAYS = "what is ours is there until it can be taken out"


class Site(Served, Protocol):
    """What an output serves now, among the others of its login."""

    def is_served(self, namespace: str) -> bool:
        """Whether it, or another output of its login with the same Secret, serves that one."""
        ...


class Pruning:
    """One output's Secrets that are where it serves no more."""

    def __init__(
        self,
        login: LoginName,
        options: SecretOptions,
        *,
        writers: SecretWriters,
        site: Site,
        before: Collection[str],
        left: Collection[str],
    ) -> None:
        """`before` are the namespaces that it served until now, `left` those of earlier."""
        self.login = login
        self._options = options
        self._writers = writers
        self._site = site
        self._served = frozenset(before)
        self._due = set(left)
        """These are left, and are to be tried."""
        self._tried: set[str] = set()
        """These are left, and were tried in vain."""
        self._told: set[str] = set()
        """Of which of them it is told."""
        self._is_at_work = False

    def succeed(self, former: Pruning) -> None:
        """Go on with what is due since before a reload, if it is the same Secret that is meant."""
        if (former.login, former._options.name, former._writers) == (
            self.login,
            self._options.name,
            self._writers,
        ):
            self._due |= former._due | former._tried
            self._told |= former._told

    def look(self) -> None:
        """Compare what is served with what was."""
        now = frozenset(self._site.namespaces())
        self._due = (self._due | (self._served - now)) - now
        self._tried -= now
        self._told &= self._due | self._tried
        self._served = now

    def retry(self) -> None:
        """Let what was tried in vain be tried again."""
        self._due |= self._tried
        self._tried.clear()

    @property
    def is_due(self) -> bool:
        """Whether `run` has anything to do.

        Until it is known which namespaces are meant, one of those that were left may be again.
        """
        return bool(self._due) and not self._is_at_work and not self._site.is_unlisted()

    async def run(
        self, is_ours: Callable[[], bool], known: Callable[[str], Collection[Known]]
    ) -> AsyncGenerator[tuple[str, End], None]:
        """Try each that is due; each place that is done, or that is found to stay and is not told.

        `is_ours` says whether it is for us to do, and is asked before each write; `known` is what
        a login ever had in a place.
        """
        self._is_at_work = True
        try:
            for namespace in sorted(self._due):
                place = f"{namespace}/{self._options.name}"
                outcome = await self._prune(namespace, place, is_ours, known)
                is_left = namespace in self._due  # it may be served again
                self._due.discard(namespace)
                if is_left and (outcome is None or isinstance(outcome, Failed)):
                    self._tried.add(namespace)
                    if outcome is not None and namespace not in self._told:
                        self._told.add(namespace)
                        yield place, End.STAYS
                elif isinstance(outcome, End):
                    self._told.discard(namespace)
                    yield place, outcome
        finally:
            self._is_at_work = False

    async def _prune(
        self,
        namespace: str,
        place: str,
        is_ours: Callable[[], bool],
        known: Callable[[str], Collection[Known]],
    ) -> End | Literal[False] | Failed | None:
        """How ours went; False for what is not ours, and None for a time that is not right."""
        cluster, options = self._writers.cluster, self._options
        async with self._writers.writing(place):
            if not self._is_right(namespace, is_ours):
                return None
            if self._site.is_gone(namespace):
                return End.GONE  # with all that is in it
            ever = known(place)
            if options.is_shared:
                hosts, digests = {one.registry for one in ever}, {one.digest for one in ever}
                taken = await withdraw(cluster, place, self.login, hosts, digests)
                return End.PRUNED if taken is True else taken
            seen = await cluster.read_secret(namespace, options.name)
            if seen is None or isinstance(seen, Failed):
                return seen or End.GONE
            # Another Lightkeeper may have a login of this name, and serve the namespace now.
            if not (is_of(seen, self.login) and holds_any(seen, ever)):
                return False
            if not self._is_right(namespace, is_ours):
                return None
            deleted = await cluster.delete_secret(namespace, options.name, seen.uid, seen.version)
            # Of one that somebody wrote meanwhile the next look knows whether it is served again.
            return None if isinstance(deleted, Stale) else deleted or End.PRUNED

    def _is_right(self, namespace: str, is_ours: Callable[[], bool]) -> bool:
        if self._site.is_served(namespace):
            self._due.discard(namespace)
        return namespace in self._due and is_ours()
