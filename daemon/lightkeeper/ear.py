"""Lets somebody listen to what happens: a command that waits for the end of something."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from lightkeeper.core.facts import ClockStepped, LoginFact
from lightkeeper.ports import Recorder

Fact = LoginFact | ClockStepped

_LONGEST: Final = 1000
"""Facts that wait for a listener; of more, the oldest are gone."""


class Ear:
    """A Recorder that hands each fact on, to another one and to whoever listens."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._listeners: set[asyncio.Queue[Fact]] = set()

    def record(self, fact: Fact, *, news: bool) -> None:
        """Hand `fact` on."""
        self._recorder.record(fact, news=news)
        for listener in self._listeners:
            if listener.full():
                listener.get_nowait()
            listener.put_nowait(fact)

    @contextmanager
    def listening(self) -> Iterator[asyncio.Queue[Fact]]:
        """Everything that happens from now on, in order."""
        heard: asyncio.Queue[Fact] = asyncio.Queue(_LONGEST)
        self._listeners.add(heard)
        try:
            yield heard
        finally:
            self._listeners.discard(heard)
