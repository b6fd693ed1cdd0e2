"""The logins that are kept: which begin, which go on, which end, over starts and reloads."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from lightkeeper.attempt import Source
from lightkeeper.core.facts import LoginName, Place
from lightkeeper.core.policy import Policy
from lightkeeper.core.saved import Saved, begin, left_behind
from lightkeeper.core.state import LoginState
from lightkeeper.keeper import Keeper, World
from lightkeeper.ports import Output


class Kept(Struct, frozen=True, kw_only=True):
    """A configured login with its edge."""

    name: LoginName
    fingerprint: str
    """Of its source: the same one goes on without a call."""
    policy: Policy
    source: Source
    outputs: Sequence[Output]


class Left(Struct, frozen=True, kw_only=True):
    """Places that are served no more; our entries stay in them."""

    login: str
    places: tuple[tuple[str, str], ...]
    """Output and name of each."""


class Fleet:
    """Runs one keeper a login."""

    def __init__(self, world: World, saved: Mapping[LoginName, Saved]) -> None:
        self._world = world
        self._saved = dict(saved)
        self._keepers: dict[LoginName, tuple[str, Keeper]] = {}
        self._running: dict[LoginName, tuple[Keeper, asyncio.Task[None]]] = {}
        self._turns: dict[Keeper, int] = {}
        self._changed = asyncio.Event()

    @property
    def states(self) -> list[LoginState]:
        """What every login has come to, in order of configuration."""
        return [keeper.state for _, keeper in self._keepers.values()]

    def apply(self, logins: Iterable[Kept]) -> list[Left]:
        """Keep these logins from now on, and say what is served no more.

        A login whose source is the same goes on with what it holds; another source under the same
        name starts anew.
        """
        before = self._keepers
        self._keepers = {}
        left: list[Left] = []
        for kept in logins:
            fingerprint, keeper = before.get(kept.name, ("", None))
            if keeper is not None and fingerprint == kept.fingerprint:
                was = frozenset(keeper.state.places)
                keeper.adopt(kept.policy, kept.outputs)
                gone = was - keeper.state.places.keys()
                left += _left(kept.name, ((place.output, place.name) for place in gone))
            else:
                keeper = self._begin(kept)
                if saved := self._saved.pop(kept.name, None):
                    left += _left(kept.name, left_behind(saved, frozenset(keeper.state.places)))
            self._keepers[kept.name] = kept.fingerprint, keeper
        for name, (_, keeper) in before.items():
            if name not in self._keepers:
                places = ((place.output, place.name) for place in keeper.state.places)
                left += _left(name, places)
        for name, saved in self._saved.items():
            left += _left(name, saved.places)
        self._changed.set()
        return left

    def request_renewal(self, names: Iterable[LoginName]) -> None:
        """Renew these logins as soon as their floors allow; unknown names are passed over."""
        for name in names:
            if name in self._keepers:
                self._keepers[name][1].request_renewal()

    def touched(self, name: LoginName, place: Place) -> None:
        """Somebody wrote where `place` of `name` is."""
        if name in self._keepers:
            self._keepers[name][1].touched(place)

    def ring(self) -> None:
        """Let every login be asked for what it needs now."""
        for _, keeper in self._keepers.values():
            keeper.ring()

    def have_turned(self) -> bool:
        """Whether every running keeper has asked its plan since this was last asked."""
        turns = {keeper: keeper.turns for keeper, _ in self._running.values()}
        stuck = any(self._turns.get(keeper) == count for keeper, count in turns.items())
        self._turns = turns
        return not stuck

    async def run(self) -> None:
        """Keep the logins until cancelled; call `apply` before, and again for a reload."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._changed.wait()
                self._changed.clear()
                await self._settle(tasks)

    async def _settle(self, tasks: asyncio.TaskGroup) -> None:
        """Make the running keepers those of `_keepers`."""
        for name, (running, task) in tuple(self._running.items()):
            _, keeper = self._keepers.get(name, ("", None))
            if keeper is not running:
                task.cancel()
                await asyncio.wait([task])
                del self._running[name]
                if keeper is None:
                    await self._world.store.forget(name)
        while self._saved:
            name, _ = self._saved.popitem()
            await self._world.store.forget(name)
        for name, (_, keeper) in self._keepers.items():
            if name not in self._running:
                task = tasks.create_task(keeper.run(), name=f"keep:{name}")
                self._running[name] = keeper, task

    def _begin(self, kept: Kept) -> Keeper:
        state = begin(
            self._saved.get(kept.name),
            kept.name,
            kept.policy,
            fingerprint=kept.fingerprint,
            boot_id=self._world.boot_id,
            now=self._world.clock.now(),
        )
        return Keeper(
            state,
            fingerprint=kept.fingerprint,
            source=kept.source,
            outputs=kept.outputs,
            world=self._world,
        )


def _left(login: str, places: Iterable[tuple[str, str]]) -> list[Left]:
    listed = tuple(sorted(places))
    return [Left(login=login, places=listed)] if listed else []
