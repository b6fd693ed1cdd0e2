"""The logins that are kept: which begin, which go on, which end, over starts and reloads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from lightkeeper.attempt import Source
from lightkeeper.boundary import boundary
from lightkeeper.core import facts
from lightkeeper.core.credential import Digest
from lightkeeper.core.facts import LoginName, OutputName, Place
from lightkeeper.core.failure import Failure, failed
from lightkeeper.core.policy import Policy
from lightkeeper.core.saved import Saved, begin, put_down
from lightkeeper.core.state import Known, LoginState, digests_of, unserved
from lightkeeper.history import History
from lightkeeper.keeper import Keeper
from lightkeeper.ports import Failed, Output, World


class Kept(Struct, frozen=True, kw_only=True):
    """A configured login with its edge."""

    name: LoginName
    fingerprint: str
    """Of its source: the same one goes on without a call."""
    policy: Policy
    source: Source
    outputs: Sequence[Output]


class Fleet:
    """Runs one keeper a login."""

    def __init__(self, world: World, saved: Mapping[LoginName, Saved]) -> None:
        self._world = world
        self._stored: dict[LoginName, Saved] = {}
        """What is kept of logins that do not run."""
        self._served: dict[LoginName, Collection[Place]] = {}
        """Where the entries of each login are, as it was last configured."""
        self._unsure: dict[LoginName, list[Place]] = {}
        """Those of these whose outputs are still to be told whether they serve them."""
        self._ended = set[LoginName]()
        """Logins whose credentials are to be forgotten."""
        self._unforgotten: dict[LoginName, Failure] = {}
        """Why some of them are not yet."""
        self._keepers: dict[LoginName, tuple[str, Keeper]] = {}
        self._running: dict[LoginName, tuple[Keeper, asyncio.Task[None]]] = {}
        self._turns: dict[Keeper, int] = {}
        self._changed = asyncio.Event()
        self._is_draining = False
        self.open(saved)

    def open(self, saved: Mapping[LoginName, Saved]) -> None:
        """Begin with what is saved; `apply` and `run` come next."""
        self._stored = dict(saved)
        self._served = {name: _saved_places(one) for name, one in saved.items()}

    def close(self) -> None:
        """Keep nothing any more, once `run` has ended; what is saved stays."""
        self._stored, self._served, self._keepers = {}, {}, {}
        self._unsure = {}
        self._running, self._turns, self._ended = {}, {}, set()

    @property
    def places(self) -> dict[LoginName, tuple[Place, ...]]:
        """Where each login delivers to, or delivered to when it was saved."""
        kept = {name: _saved_places(one) for name, one in self._stored.items()}
        return kept | {state.login: tuple(state.places) for state in self.states}

    @property
    def left(self) -> dict[LoginName, tuple[Place, ...]]:
        """Where each login delivers to no more, and an entry of its may be."""
        stored = {name: one.left for name, one in self._stored.items()}
        left = stored | {state.login: state.left for state in self.states}
        return {name: tuple(one.place for one in each) for name, each in left.items()}

    @property
    def states(self) -> list[LoginState]:
        """What every login has come to, in order of configuration."""
        return [keeper.state for _, keeper in self._keepers.values()]

    def apply(self, logins: Iterable[Kept]) -> dict[LoginName, list[Place]]:
        """Keep these logins from now on, and say which places each serves no more.

        Of an output that is still to be told which places it has, `survey` says it later.
        A login whose source is the same goes on with what it holds. Another source under the same
        name starts anew, and so does a login that comes back; both know what was written before.
        Whatever this raises, nothing has changed.
        """
        wanted = {kept.name: kept for kept in logins}
        stored = self._stored | {
            name: self._put_down(fingerprint, keeper)
            for name, (fingerprint, keeper) in self._keepers.items()
            if name not in wanted or wanted[name].fingerprint != fingerprint
        }
        running = (keeper.state.known for _, keeper in self._keepers.values())
        kin = digests_of((*running, *(one.known for one in stored.values())))
        keepers: dict[LoginName, tuple[str, Keeper]] = {}
        adoptions: list[Callable[[], None]] = []
        for name, kept in wanted.items():
            if name in self._keepers and name not in stored:
                _, keeper = self._keepers[name]
                adoptions.append(keeper.adopting(kept.policy, kept.source, kept.outputs, kin))
            else:
                keeper = self._begin(kept, stored.pop(name, None), kin)
            keepers[name] = kept.fingerprint, keeper
        for adopt in adoptions:
            adopt()
        self._keepers = keepers
        self._stored = {name: replace(one, credential=None) for name, one in stored.items()}
        return self._moved()

    def _moved(self) -> dict[LoginName, list[Place]]:
        """What the change of keepers leaves behind; it is put in force by `run`."""
        before = self._served
        self._served = {name: keeper.state.places for name, (_, keeper) in self._keepers.items()}
        self._unsure = {
            state.login: [
                place
                for place in before.get(state.login, ())
                if place.output in state.unlisted and place in state.places
            ]
            for state in self.states
        }
        self._ended |= before.keys()
        self._changed.set()
        return {
            name: sorted(gone, key=lambda place: place.name)
            for name, places in before.items()
            if (gone := unserved(places, self._served.get(name, ()))) and self._has_held(name)
        }

    def _has_held(self, name: LoginName) -> bool:
        """Whether there ever was a credential of the login that could be delivered."""
        if name in self._keepers:
            return bool(self._keepers[name][1].state.known)
        return bool(self._stored[name].known)

    def request_renewal(self, names: Iterable[LoginName]) -> None:
        """Renew these logins as soon as their floors allow; unknown names are passed over."""
        for name in names:
            if name in self._keepers:
                self._keepers[name][1].request_renewal()

    def touched(self, name: LoginName, place: Place) -> None:
        """Somebody wrote where `place` of `name` is."""
        if name in self._keepers:
            self._keepers[name][1].touched(place)

    @property
    def files(self) -> set[str]:
        """The paths of all files that are delivered to."""
        every = (place for state in self.states for place in state.places)
        return {place.name for place in every if place.is_file}

    def touched_at(self, path: str) -> None:
        """Somebody wrote there, whichever logins deliver to it."""
        for state in self.states:
            for place in state.places:
                if place.name == path:
                    self.touched(state.login, place)

    def cleared(self, name: LoginName, place: Place) -> None:
        """An entry of `name` was taken out of a place that it serves no more."""
        if name in self._keepers:
            self._keepers[name][1].cleared(place)

    def known(self, name: LoginName, place: str) -> tuple[Known, ...]:
        """The credentials of `name` that may be in a place, though it be served no more."""
        if name not in self._keepers:
            return ()
        state = self._keepers[name][1].state
        left = (known for one in state.left if one.name == place for known in one.known)
        return (*state.known, *left)

    def survey(self) -> dict[LoginName, list[Place]]:
        """Let every login serve the places that its outputs have now.

        And say which it serves no more since it was last configured, of outputs that are told now
        which places they have. What a place loses after that is no change of the configuration.
        """
        gone: dict[LoginName, list[Place]] = {}
        for name, (_, keeper) in self._keepers.items():
            keeper.survey()
            state = keeper.state
            self._served[name] = state.places
            if unsure := self._unsure.get(name):
                left = {one.place for one in state.left}
                if found := [place for place in unsure if place in left]:
                    gone[name] = found
                self._unsure[name] = [one for one in unsure if one.output in state.unlisted]
        return gone

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

    def forget_again(self) -> None:
        """Try again to forget what could not be forgotten."""
        if self._ended:
            self._changed.set()

    def drain(self) -> None:
        """Begin nothing more, ever: `run` ends when what is under way has, but for questions."""
        self._is_draining = True
        self._changed.set()
        for _, keeper in self._keepers.values():
            keeper.drain()

    async def run(self) -> None:
        """Keep the logins until cancelled or drained.

        Call `apply` before, and again for a reload.
        """
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._changed.wait()
                if self._is_draining:
                    return
                self._changed.clear()
                await self._settle(tasks)

    async def _settle(self, tasks: asyncio.TaskGroup) -> None:
        """Make the running keepers those of `_keepers`, and forget the logins that are gone."""
        for name, (running, task) in tuple(self._running.items()):
            _, keeper = self._keepers.get(name, ("", None))
            if keeper is not running:
                task.cancel()
                await asyncio.wait([task])
                del self._running[name]
        for name, (_, keeper) in self._keepers.items():
            if name not in self._running:
                task = tasks.create_task(keeper.run(), name=f"keep:{name}")
                self._running[name] = keeper, task
        ended, self._ended = self._ended, set()
        for name in ended & self._keepers.keys():
            self._unforgotten.pop(name, None)
        await asyncio.gather(*map(self._forget, sorted(ended - self._keepers.keys())))

    async def _forget(self, name: LoginName) -> None:
        with boundary(partial(self._surprised, name)):
            failure = await self._world.store.forget(name)
            if failure is None:
                self._unforgotten.pop(name, None)
            else:
                self._ended.add(name)
                self._tell_unforgotten(name, failure)

    def _tell_unforgotten(self, name: LoginName, failure: Failed) -> None:
        """Say that a password stays, and again each hour for as long as it does."""
        now, reason, detail = self._world.clock.now(), failure.reason, failure.detail
        before = self._unforgotten.get(name)
        lasting = self._unforgotten[name] = failed(before, reason, detail, now)
        fact = facts.StateNotSaved(login=name, at=now, reason=reason, detail=detail)
        news = before is None or not before.is_said(reason, now.boot)
        self._world.recorder.record(fact, news=news, failure=lasting)

    def _surprised(self, name: LoginName, traceback: str) -> None:
        now = self._world.clock.now()
        surprised = facts.Surprised(login=name, at=now, doing="forget", traceback=traceback)
        self._world.recorder.record(surprised, news=True)

    def _put_down(self, fingerprint: str, keeper: Keeper) -> Saved:
        now, boot_id = self._world.clock.now(), self._world.boot_id
        return put_down(keeper.state, fingerprint=fingerprint, boot_id=boot_id, now=now)

    def _begin(self, kept: Kept, saved: Saved | None, kin: frozenset[Digest]) -> Keeper:
        state = begin(
            saved,
            kept.name,
            kept.policy,
            fingerprint=kept.fingerprint,
            boot_id=self._world.boot_id,
            now=self._world.clock.now(),
        )
        return Keeper(
            History(state.under(kept.policy, kin), self._world),
            fingerprint=kept.fingerprint,
            source=kept.source,
            outputs=kept.outputs,
            world=self._world,
        )


def _saved_places(saved: Saved) -> tuple[Place, ...]:
    return tuple(Place(OutputName(output), place) for output, place in saved.places)
