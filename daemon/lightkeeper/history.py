"""What happened to one login, and the state that it has come to. Knows neither plan nor steps.

Every fact goes this way: it moves the state and is told. A bug ends here, whoever met it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from lightkeeper.boundary import boundary
from lightkeeper.core import facts
from lightkeeper.core.facts import LoginFact, Place
from lightkeeper.core.fold import fold
from lightkeeper.core.moment import Moment
from lightkeeper.core.news import failure_of, is_news
from lightkeeper.core.state import LoginState
from lightkeeper.ports import World

Broke = Callable[[Moment], LoginFact]
"""What a bug is told as besides, so that what it broke is backed off from."""


class History:
    """Owns the state of one login, and is the only one that changes it."""

    def __init__(self, state: LoginState, world: World) -> None:
        self.state = state
        self.touched: list[Place] = []
        """Places of which something happened, for whoever plans to take."""
        self._clock = world.clock
        self._recorder = world.recorder

    def happened(self, fact: LoginFact) -> None:
        """Move the state by `fact`, and tell it."""
        news = is_news(self.state, fact)
        self.state = fold(self.state, fact)
        if (place := getattr(fact, "place", None)) is not None:
            self.touched.append(place)
        # Whoever cannot write down what happened does not undo it.
        with boundary(self._not_recorded):
            self._recorder.record(fact, news=news, failure=failure_of(self.state, fact))

    def bounded(self, doing: str, broke: Broke | None = None) -> AbstractContextManager[None]:
        """End a bug in the block there: it is told, and life goes on."""
        return boundary(partial(self._surprised, doing, broke))

    def _surprised(self, doing: str, broke: Broke | None, traceback: str) -> None:
        now = self._clock.now()
        try:
            self.happened(self._surprise(doing, traceback, now))
        finally:
            if broke is not None:
                self.happened(broke(now))

    def _not_recorded(self, traceback: str) -> None:
        surprise = self._surprise("record", traceback, self._clock.now())
        news = is_news(self.state, surprise)
        self.state = fold(self.state, surprise)
        if news:
            self._recorder.record(surprise, news=news)

    def _surprise(self, doing: str, traceback: str, now: Moment) -> facts.Surprised:
        return facts.Surprised(login=self.state.login, at=now, doing=doing, traceback=traceback)
