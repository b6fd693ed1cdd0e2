"""One of each fact, and how facts are told."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from lightkeeper.core import facts
from lightkeeper.core.answer import Verdict
from lightkeeper.core.facts import ClockStepped
from lightkeeper.core.fold import fold
from lightkeeper.core.news import failure_of
from lightkeeper.ports import Recorder
from lightkeeper.telemetry.events import Fact
from tests.core import making

STEP: Final = facts.ClockStepped(
    at=making.at(), stepped=-making.HOUR, suspended=timedelta(milliseconds=1500)
)

EXAMPLES: dict[type[Fact], Fact] = {
    type(fact): fact
    for fact in (
        making.started(),
        making.renewed(),
        making.failed(),
        making.requested(),
        making.verifying(),
        making.verified(verdict=Verdict.REJECTED),
        making.looking(),
        making.seen(),
        making.touched(),
        making.pending(),
        making.drifted(by="kubectl-edit"),
        making.delivering(),
        making.delivered(),
        making.not_delivered(),
        making.round_ended(),
        making.not_saved(),
        making.saved(),
        making.surprised(),
        STEP,
    )
}


def tell(recorder: Recorder, *happened: Fact, news: bool = True) -> None:
    """Record these facts as they happen to a login, one after the other."""
    state = making.holding(making.HERE, making.THERE)
    for fact in happened:
        failure = None
        if not isinstance(fact, ClockStepped):
            state = fold(state, fact)
            failure = failure_of(state, fact)
        recorder.record(fact, news=news, failure=failure)
