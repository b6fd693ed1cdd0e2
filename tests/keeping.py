"""A keeper whose world is the test."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from lightkeeper.core.saved import take_up
from lightkeeper.core.state import LoginState
from lightkeeper.history import History
from lightkeeper.keeper import Keeper
from tests.core.making import LOGIN, POLICY, a_clock
from tests.fakes.edge import Edge, FakeIssuer, FakeOutput, running


@dataclass
class Scene:
    """A keeper with its fakes."""

    edge: Edge = field(default_factory=Edge)
    output: FakeOutput = field(default_factory=FakeOutput)
    issuer: FakeIssuer = field(init=False)
    kind: type[History] = History
    history: History = field(init=False)
    """Of the last keeper."""

    def __post_init__(self) -> None:
        self.issuer = self.edge.issuer()
        self.issuer.knows = self.is_attempt_saved

    def is_attempt_saved(self) -> bool:
        saved = self.edge.store.kept.get(LOGIN)
        now = self.edge.clock.now().boot
        return saved is not None and saved.last_attempt == now

    def keeper(self, state: LoginState | None = None) -> Keeper:
        world = self.edge.world()
        unknown = LoginState(login=LOGIN, policy=POLICY, clock=a_clock())
        self.history = self.kind(state or unknown, world)
        return Keeper(
            self.history,
            fingerprint="f",
            source=self.edge.source(self.issuer),
            outputs=[self.output],
            world=world,
        )

    def restarted(self) -> Keeper:
        """The keeper of the next process, with what the store kept."""
        now = self.edge.clock.now()
        state = take_up(self.edge.store.kept[LOGIN], POLICY, boot_id="boot", now=now)
        return self.keeper(state)

    def keeping(self) -> AbstractAsyncContextManager[None]:
        return running(self.keeper())
