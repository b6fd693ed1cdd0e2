"""One login's life: on each bell ask the plan, start what it says, fold what comes of it.

The loop itself awaits nothing but the bell. Work runs in child tasks; each ends in facts. What
nobody foresaw ends at a boundary, is told and backed off from, and delays no other login.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from lightkeeper.attempt import Source
from lightkeeper.core import facts
from lightkeeper.core.credential import Digest
from lightkeeper.core.facts import OutputName, Place
from lightkeeper.core.moment import Moment
from lightkeeper.core.plan import Agenda
from lightkeeper.core.policy import Policy
from lightkeeper.core.state import LoginState
from lightkeeper.core.step import Deliver, Look, Renew, Save, Step, Verify
from lightkeeper.history import History
from lightkeeper.look import may_stay, places_of, unlisted
from lightkeeper.ports import Output, World
from lightkeeper.steps import Steps, Work

_AT_ONCE: Final = 8
"""Places of one output that are worked on at the same time."""
_ANSWER_SECONDS: Final = 0.5
"""For Lightsail's at the end: lost, it costs the next process a call. It takes some 0.3 s."""
_FEW: Final = 8
"""Places of a login that are all planned anew at each turn."""


class Keeper:
    """Keeps one login."""

    def __init__(
        self,
        history: History,
        *,
        fingerprint: str,
        source: Source,
        outputs: Sequence[Output],
        world: World,
    ) -> None:
        self.turns = 0
        self._history = history
        self._world = world
        self._steps = Steps(
            history, fingerprint=fingerprint, source=source, outputs=outputs, world=world
        )
        self._agenda: Agenda | None = None
        """What was planned; forgotten where to plan all anew costs less than to remember it."""
        self._bell = asyncio.Event()
        self._busy: Counter[OutputName] = Counter()
        self._asking: dict[asyncio.Task[None], Step] = {}
        """What is asked at the moment: it is not waited for at the end, or not for long."""
        self._is_draining = False
        self.adopting(self.state.policy, source, outputs, self.state.kin)()

    @property
    def state(self) -> LoginState:
        """What the login has come to."""
        return self._history.state

    def adopting(
        self,
        policy: Policy,
        source: Source,
        outputs: Sequence[Output],
        kin: frozenset[Digest],
    ) -> Callable[[], None]:
        """What puts these in force, at once or not at all; what is held stays, without a call.

        Whatever can fail has been done when it is handed out.
        """
        state = _serving(self.state.under(policy, kin).unproven(), outputs)

        def adopt() -> None:
            self._history.state = state
            self._agenda = None
            self._steps.adopt(source, outputs)
            self._bell.set()

        return adopt

    def survey(self) -> None:
        """Serve the places that the outputs have now."""
        with self._history.bounded("survey"):
            self._history.state = _serving(self.state, tuple(self._steps.outputs))
            self._agenda = None
        self._bell.set()

    def cleared(self, place: Place) -> None:
        """Our entry was taken out of a place that is served no more."""
        self._history.state = self.state.without_left(place)

    def ring(self) -> None:
        """Ask the plan again."""
        self._bell.set()

    def request_renewal(self) -> None:
        """Renew as soon as the floor allows."""
        with self._history.bounded("request"):
            now = self._world.clock.now()
            self._history.happened(facts.RenewalRequested(login=self.state.login, at=now))
        self._bell.set()

    def touched(self, place: Place) -> None:
        """Somebody wrote where `place` is: look there."""
        with self._history.bounded("touch"):
            now = self._world.clock.now()
            self._history.happened(facts.PlaceTouched(login=self.state.login, at=now, place=place))
        self._bell.set()

    def drain(self) -> None:
        """Begin no more steps: `run` ends as soon as those under way have, but for questions."""
        self._is_draining = True
        self._bell.set()

    async def run(self) -> None:
        """Keep the login until cancelled or drained."""
        with self._history.bounded("run"):  # heartbeats ring for a first plan that breaks, too
            self._world.alarm.set(self.state.login, None, self._bell.set)
        try:
            async with asyncio.TaskGroup() as tasks:
                while await self._rings():
                    with self._history.bounded("plan"):
                        self._turn(tasks)
                self._give_up(Look, Verify)
                if calls := [task for task, one in self._asking.items() if isinstance(one, Renew)]:
                    await asyncio.wait(calls, timeout=_ANSWER_SECONDS)
                self._give_up(Renew)
        finally:
            self._world.alarm.cancel(self.state.login)

    def _give_up(self, *kinds: type[Step]) -> None:
        """Ask no longer; what an answer came to is saved if that is under way."""
        for task, step in self._asking.items():
            if isinstance(step, kinds) and (isinstance(step, Look) or not self._steps.is_saving):
                task.cancel()

    async def _rings(self) -> bool:
        """Wait for the bell; whether it rings for another turn."""
        await self._bell.wait()
        self._bell.clear()
        return not self._is_draining

    def _turn(self, tasks: asyncio.TaskGroup) -> None:
        self.turns += 1
        now = self._world.clock.now()
        touched, self._history.touched = self._history.touched, []
        agenda = self._agenda or Agenda(_AT_ONCE)
        planned = agenda.plan(self.state, now, touched)
        self._agenda = agenda if len(self.state.places) > _FEW else None
        self._world.alarm.set(self.state.login, planned.wake, self._bell.set)
        if planned.is_round_over:
            with self._history.bounded("round"):
                self._history.happened(self.state.round_ended(now))
        for step in planned.start:
            if self._has_room(step):
                self._start(step, now, tasks)

    def _has_room(self, step: Step) -> bool:
        """Whether `step` may start now.

        Else the bell that is rung at the end of what is under way brings it up again.
        """
        match step:
            case Look(place=place) | Deliver(place=place):
                return self._busy[place.output] < _AT_ONCE
            case Save():
                return not self._steps.is_saving
            case _:
                return True

    def _start(self, step: Step, now: Moment, tasks: asyncio.TaskGroup) -> None:
        work = self._steps.work(step, now)
        with self._history.bounded(work.word, work.broke):
            if work.begins is not None:
                self._history.happened(work.begins)
            if isinstance(step, Look | Deliver):
                self._busy[step.place.output] += 1
            name = f"{work.word}:{self.state.login}"
            task = tasks.create_task(self._work(step, work), name=name)
            if isinstance(step, Look | Verify | Renew):
                self._asking[task] = step
                task.add_done_callback(self._asking.pop)

    async def _work(self, step: Step, work: Work) -> None:
        try:
            with self._history.bounded(work.word, work.broke):
                for fact in await work.do():
                    self._history.happened(fact)
        finally:
            if isinstance(step, Look | Deliver):
                self._busy[step.place.output] -= 1
        self._bell.set()


def _serving(state: LoginState, outputs: Sequence[Output]) -> LoginState:
    """The same login with the places that these outputs have now."""
    return state.with_places(places_of(outputs), may_stay(outputs), unlisted(outputs))
