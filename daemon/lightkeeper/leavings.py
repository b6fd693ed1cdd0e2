"""Places that are served no more: whoever has left an entry of ours there is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Final

from lightkeeper.adapters.docker_file import FileWriters
from lightkeeper.config.model import Config
from lightkeeper.core.facts import LoginName, Place
from lightkeeper.core.state import unserved
from lightkeeper.fleet import Fleet
from lightkeeper.ports import Failed, Workers
from lightkeeper.reaching import Reach

_APART: Final = timedelta(seconds=20)
"""For finding out whether a place is a served file under another name."""


class Leavings:
    """What a reload, or a start with another configuration, leaves behind."""

    def __init__(
        self,
        fleet: Fleet,
        clusters: Reach,
        writers: FileWriters,
        workers: Workers,
        told: Callable[[LoginName, Sequence[str]], None],
        *,
        due: Callable[[], None],
    ) -> None:
        """`due` is called when something is to be told, and not by who adds it."""
        self._fleet = fleet
        self._clusters = clusters
        self._writers = writers
        self._workers = workers
        self._told = told
        self._due = due
        self._left: dict[LoginName, list[Place]] = {}

    def add(self, left: Mapping[LoginName, list[Place]]) -> None:
        """Have these places of each login told of."""
        for login, places in left.items():
            self._left[login] = [*self._left.get(login, ()), *places]

    def survey(self) -> None:
        """Have the places served that there are now, and told of what that shows to be left."""
        if left := self._fleet.survey():
            self.add(left)
            self._due()

    async def tell(self, config: Config) -> None:
        """Tell of those that neither another name serves nor pruning takes out by itself.

        Of a login that is still to be told which places it has, that is for a later time.
        """
        states = {one.login: one for one in self._fleet.states}
        waiting = {name for name, one in states.items() if one.unlisted}
        for login in self._left.keys() - waiting:
            here = states[login].places if login in states else ()
            left = unserved(self._left.pop(login), here)
            prunes = partial(self._clusters.prunes, config, login)
            apart = self._clusters.apart(config, login, left, here)
            stays = [place for place in apart if not prunes(place)]
            holding = await self._clusters.holding(config, login, stays)
            names = [place.name for place in holding]
            seek = partial(self._writers.apart, names, [place.name for place in here])
            told = await self._workers.run(f"left {login}", seek, _APART)
            if said := names if isinstance(told, Failed) else told:
                self._told(login, said)
