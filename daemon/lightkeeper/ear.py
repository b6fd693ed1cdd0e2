"""Lets somebody wait until something is so: a command that waits for the end of something."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from lightkeeper.core.facts import ClockStepped, LoginFact
from lightkeeper.core.failure import Failure
from lightkeeper.ports import Recorder

Fact = LoginFact | ClockStepped


class Ear:
    """A Recorder that hands each fact on, and has whoever waits look again."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._stirred = asyncio.Event()

    def record(self, fact: Fact, *, news: bool, failure: Failure | None = None) -> None:
        """Hand `fact` on."""
        try:
            self._recorder.record(fact, news=news, failure=failure)
        finally:
            self.stir()

    def stir(self) -> None:
        """Something has changed, though no fact tells it."""
        self._stirred.set()
        self._stirred.clear()

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until `is_so`; asked now, and again after whatever happens."""
        while not is_so():
            await self._stirred.wait()
