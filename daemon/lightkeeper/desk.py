"""Answers what commands ask of a running daemon, over the control socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable

from lightkeeper.core import facts
from lightkeeper.core.facts import LoginName
from lightkeeper.core.moment import Moment
from lightkeeper.core.plan import is_settled, next_renewal
from lightkeeper.core.reasons import RENEWAL
from lightkeeper.core.report import Report
from lightkeeper.core.status import as_document
from lightkeeper.ear import Ear
from lightkeeper.fleet import Fleet
from lightkeeper.ports import Clock
from lightkeeper.serve.control import Line, Request


class Desk:
    """Where a request is answered; one line of the answer at a time."""

    def __init__(self, fleet: Fleet, ear: Ear, clock: Clock, view: Callable[[], Report]) -> None:
        self._fleet = fleet
        self._ear = ear
        self._clock = clock
        self._view = view

    async def answer(self, request: Request) -> AsyncIterator[Line]:
        """The lines for `request`; one with `error` if it cannot be answered."""
        match request.get("ask"):
            case "status":
                yield as_document(self._view())
            case "renew":
                async for line in self._renew(request.get("logins")):
                    yield line
            case "settle":
                await self._settle()
                yield as_document(self._view())
            case _:
                yield {"error": "the daemon does not know this request; are both of one version?"}

    async def _renew(self, wanted: object) -> AsyncIterator[Line]:
        """Ask for renewals, tell how long each has to wait, and what comes of it."""
        states = {state.login: state for state in self._fleet.states}
        names = _names(wanted) or list(states)
        unknown = [name for name in names if name not in states]
        if unknown:
            known = ", ".join(states)
            yield {"error": f"there is no login {unknown[0][:80]!r} here; there are: {known}"}
            return
        with self._ear.listening() as heard:
            self._fleet.request_renewal(names)
            for name in names:
                yield _waits(self._fleet, name, self._clock.now())
            open_ = set(names)
            while open_:
                fact = await heard.get()
                if isinstance(fact, facts.Renewed | facts.RenewalFailed) and fact.login in open_:
                    open_.discard(fact.login)
                    yield _came(fact)

    async def _settle(self) -> None:
        """Wait until nothing is under way."""
        with self._ear.listening() as heard:
            self._fleet.ring()
            while not self._is_settled():
                await heard.get()

    def _is_settled(self) -> bool:
        now = self._clock.now()
        return all(is_settled(state, now) for state in self._fleet.states)


def _names(wanted: object) -> list[LoginName]:
    listed: Iterable[object] = wanted if isinstance(wanted, list) else ()
    return [LoginName(name) for name in listed if isinstance(name, str)]


def _waits(fleet: Fleet, name: LoginName, now: Moment) -> Line:
    state = next(state for state in fleet.states if state.login == name)
    _, at = next_renewal(state, now)
    return {"login": name, "waits_seconds": max(0.0, (at - now.boot).total_seconds())}


def _came(fact: facts.Renewed | facts.RenewalFailed) -> Line:
    if isinstance(fact, facts.Renewed):
        expires = fact.credential.expires_at
        return {"login": fact.login, "expires": f"{expires:%Y-%m-%dT%H:%M:%SZ}"}
    return {
        "login": fact.login,
        "reason": fact.reason,
        "detail": fact.detail,
        "advice": RENEWAL[fact.reason].advice,
    }
