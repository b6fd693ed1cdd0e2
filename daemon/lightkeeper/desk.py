"""Answers what commands ask of a running daemon, over the control socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Final

from lightkeeper.core import policy
from lightkeeper.core.facts import LoginName
from lightkeeper.core.failure import Failure
from lightkeeper.core.moment import Moment, iso
from lightkeeper.core.plan import is_backing_off, is_delivering, is_settled, next_renewal
from lightkeeper.core.reasons import DELIVERY, RENEWAL, Failing, Reason
from lightkeeper.core.report import Report, advice
from lightkeeper.core.state import LoginState, failed_attempts
from lightkeeper.core.status import as_document
from lightkeeper.core.upkeep import STORE
from lightkeeper.ear import Ear
from lightkeeper.fleet import Fleet
from lightkeeper.ports import Clock
from lightkeeper.serve.control import Line, Request

_NAMED: Final = 20
"""Failing places in one line."""
_QUICK: Final = 200
"""Places of a login that are told within the loop; of more beside it."""


class Desk:
    """Where a request is answered; one line of the answer at a time."""

    def __init__(
        self,
        fleet: Fleet,
        ear: Ear,
        clock: Clock,
        view: Callable[[LoginState], Report],
        aside: Callable[[], str] = lambda: "",
        *,
        patience: timedelta = policy.SETTLE,
    ) -> None:
        """`aside` tells why no login is kept here; it is empty if they are."""
        self._fleet = fleet
        self._ear = ear
        self._clock = clock
        self._view = view
        self._aside = aside
        self._patience = patience

    async def answer(self, request: Request) -> AsyncIterator[Line]:
        """The lines for `request`; one with `error` if it cannot be answered."""
        match request.get("ask"):
            case "status":
                async for document in self._documents():
                    yield document
            case "renew":
                async for line in self._renew(request.get("logins")):
                    yield line
            case "settle":
                await settle(self._fleet, self._ear, self._clock, self._patience)
                async for document in self._documents():
                    yield document
            case _:
                yield {"error": "the daemon does not know this request; are both of one version?"}

    async def _documents(self) -> AsyncIterator[Line]:
        """The status document of each login, in a line of its own: others have turns in between.

        An error where none is kept.
        """
        if aside := self._aside():
            yield {"error": aside}
            return
        for state in self._fleet.states:
            if len(state.places) <= _QUICK:
                yield self._document(state)
            else:  # ten thousand take a tenth of a second
                yield await asyncio.to_thread(self._document, state)

    def _document(self, state: LoginState) -> Line:
        return as_document(self._view(state))

    async def _renew(self, wanted: object) -> AsyncIterator[Line]:
        """Ask for renewals, tell how long each has to wait, and what comes of it."""
        if aside := self._aside():
            yield {"error": aside}
            return
        states = self._states()
        names = _names(wanted)
        if names is None:
            yield {"error": "these are no names of logins; are command and daemon of one version?"}
            return
        names = names or list(states)
        unknown = [name for name in names if name not in states]
        if unknown:
            known = ", ".join(states)
            yield {"error": f"there is no login {unknown[0][:80]!r} here; there are: {known}"}
            return
        before = {name: states[name] for name in names}
        self._fleet.request_renewal(names)
        states, now = self._states(), self._clock.now()
        for line in [_waits(states[name], now) for name in before]:
            yield line
        async for line in self._outcomes(before):
            yield line

    async def _outcomes(self, before: dict[LoginName, LoginState]) -> AsyncIterator[Line]:
        """What comes of the next attempt of each; an error of those that nothing came of."""
        ends = self._clock.monotonic() + self._patience
        gone: list[LoginName] = []
        while before and (ended := await self._ended(before, ends)):
            for name, came in ended.items():
                del before[name]
                if came is not None:
                    yield came
                else:
                    gone.append(name)
        if before and (aside := self._aside()):
            yield {"error": aside}
            return
        lost = [f"{name} was taken out of the configuration" for name in gone]
        waited = f"{self._patience.total_seconds():.0f} s"
        lost += [f"{name} has waited for {waited}; look at its status" for name in before]
        if lost:
            yield {"error": "; ".join(lost)}

    async def _ended(
        self, before: dict[LoginName, LoginState], ends: timedelta
    ) -> dict[LoginName, Line | None]:
        """What came of some of them, None if they are gone.

        Empty if nothing did in time, or if they are not kept here any more.

        Told by the state and not by a fact: that can be overlooked.
        """
        ended: dict[LoginName, Line | None] = {}

        def has_some() -> bool:
            if self._aside():
                return True
            states = self._states()
            for name, was in before.items():
                state = states.get(name)
                came = _came(was, state) if state else None
                if state is None or came is not None:
                    ended[name] = came
                elif _began_anew(was, state):
                    before[name] = state
            return bool(ended)

        left = max(timedelta(0), ends - self._clock.monotonic())
        with suppress(TimeoutError):
            async with asyncio.timeout(left.total_seconds()):
                await self._ear.until(has_some)
        return ended

    def _states(self) -> dict[LoginName, LoginState]:
        return {state.login: state for state in self._fleet.states}


async def settle(fleet: Fleet, ear: Ear, clock: Clock, patience: timedelta = policy.SETTLE) -> None:
    """Wait until nothing is under way, as long as whoever asks can wait.

    Somebody asks: after a failure the floor alone is waited for. What is not done by the end of
    `patience` shows in the report.
    """

    def is_so() -> bool:
        now = clock.now()
        return all(is_settled(state, now) for state in fleet.states)

    now = clock.now()
    fleet.request_renewal([state.login for state in fleet.states if is_backing_off(state, now)])
    fleet.ring()
    with suppress(TimeoutError):
        async with asyncio.timeout(patience.total_seconds()):
            await ear.until(is_so)


def _names(wanted: object) -> list[LoginName] | None:
    """The names that are wanted, none for every login; None if these are none."""
    listed = [] if wanted is None else wanted
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        return None
    return [LoginName(name) for name in listed]


def _waits(state: LoginState, now: Moment) -> Line:
    _, at = next_renewal(state, now)
    return {"login": state.login, "waits_seconds": max(0.0, (at - now.boot).total_seconds())}


def _began_anew(before: LoginState, after: LoginState) -> bool:
    """Whether it counts from nothing again: its source is another."""
    failures = failed_attempts(after.renewal_failures) - failed_attempts(before.renewal_failures)
    return after.renewals < before.renewals or failures < 0


def _came(before: LoginState, after: LoginState) -> Line | None:
    """What came of an attempt in between; None if none has ended, or it is being delivered."""
    if after.renewals > before.renewals and after.held is not None:
        if is_delivering(after):
            return None
        failing = [
            {"place": place.place.name, **_told(place.failure, DELIVERY)}
            for place in after.places.values()
            if place.failure is not None
        ]
        expires = iso(after.held.expires_at)
        unsaved = {"unsaved": _told(after.unsaved, STORE)} if after.unsaved else {}
        return {"login": after.login, "expires": expires, "failing": failing[:_NAMED], **unsaved}
    failures = failed_attempts(after.renewal_failures)
    if failures > failed_attempts(before.renewal_failures) and after.failure is not None:
        return {"login": after.login, **_told(after.failure, RENEWAL)}
    return None


def _told(failure: Failure, table: Mapping[Reason, Failing]) -> Line:
    told = advice(failure, table)
    return {"reason": failure.reason, "detail": failure.detail, "advice": told}
