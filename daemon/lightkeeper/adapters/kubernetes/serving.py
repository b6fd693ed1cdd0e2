"""Which namespaces are served now: what is named, and what a watch finds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import assert_never

from lightkeeper.cluster import Cluster, Listed, NamespaceGone, NamespaceSeen
from lightkeeper.core.namespaces import Choice, Roster
from lightkeeper.ports import Failed


class Namespaces:
    """The namespaces of one cluster, as far as somebody asked for any."""

    def __init__(
        self, cluster: Cluster, changed: Callable[[], None], failed: Callable[[], None]
    ) -> None:
        self._cluster = cluster
        self._changed = changed
        self._failed = failed
        self._found: dict[str, Roster] = {}
        """By selector, once they were listed."""
        self._served: dict[Choice, tuple[str, ...]] = {}
        """By choice, of what is found: asked for often, and costly where there are thousands."""
        self._failures: dict[str, Failed] = {}
        self._wanted: frozenset[str] = frozenset()
        self._goes_on = True
        """Whether what is not listed yet will be."""
        self._tend = asyncio.Event()

    @property
    def failures(self) -> Collection[Failed]:
        """What keeps us from knowing them."""
        return self._failures.values()

    def want(self, choices: Collection[Choice]) -> None:
        """Watch for what these ask for, and for nothing else."""
        self._wanted = frozenset(one for choice in choices for one in choice.selectors)
        self._served.clear()
        self._tend.set()

    def is_listed(self, choice: Choice) -> bool:
        """Whether it is known which namespaces are meant."""
        return all(selector in self._found for selector in choice.selectors)

    def is_unlisted(self, choice: Choice) -> bool:
        """Whether it is still to be told which namespaces are meant."""
        return self._goes_on and not self.is_listed(choice)

    def served(self, choice: Choice, known: Collection[str]) -> tuple[str, ...]:
        """The namespaces that are meant; before the list those of `known` that may be."""
        if not self.is_listed(choice):
            return tuple(sorted({*choice.names, *filter(choice.may_mean, known)}))
        if choice not in self._served:
            every = self._found[""].names if choice.patterns else ()
            selected = self._found[choice.selector].names if choice.selector is not None else ()
            self._served[choice] = choice.of_these(every, selected)
        return self._served[choice]

    def is_gone(self, choice: Choice, namespace: str) -> bool:
        """Whether it is known that nothing is left of a namespace that was meant."""
        rosters = (self._found.get(selector) for selector in choice.selectors)
        return any(roster.is_gone(namespace) for roster in rosters if roster)

    async def list(self) -> None:
        """Learn once which there are, for whoever does not go on watching."""
        for selector in self._wanted:
            async for seen in self._cluster.watch_namespaces(selector):
                self._take(selector, seen)
                break
        self._goes_on = False

    async def run(self) -> None:
        """Watch until cancelled."""
        watches: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as tasks:
            while True:
                for selector in watches.keys() - self._wanted:
                    watches.pop(selector).cancel()
                    self._found.pop(selector, None)
                    self._served.clear()
                    self._failures.pop(selector, None)
                for selector in self._wanted - watches.keys():
                    watches[selector] = tasks.create_task(
                        self._watch(selector), name=f"namespaces:{selector}"
                    )
                await self._tend.wait()
                self._tend.clear()

    async def _watch(self, selector: str) -> None:
        async for seen in self._cluster.watch_namespaces(selector):
            if self._take(selector, seen):
                self._changed()

    def _take(self, selector: str, seen: Listed | NamespaceSeen | NamespaceGone | Failed) -> bool:
        """Know what was told; whether the namespaces are others now."""
        before = self._found.get(selector)
        roster = before or Roster(selector=selector)
        match seen:
            case Listed(namespaces=listed):
                found = Roster(
                    selector=selector,
                    names=frozenset(one.name for one in listed if not one.is_ending),
                    ending=frozenset(one.name for one in listed if one.is_ending),
                )
            case NamespaceSeen(name=name, is_ending=is_ending):
                found = roster.seen(name, is_ending=is_ending)
            case NamespaceGone(name=name):
                found = roster.lost(name)
            case Failed():
                self._failures[selector] = seen
                self._failed()
                return False
            case _:
                assert_never(seen)
        if self._failures.pop(selector, None) is not None:
            self._failed()
        self._found[selector] = found
        if before is not None and found.names == before.names:
            return False
        self._served.clear()
        return True
