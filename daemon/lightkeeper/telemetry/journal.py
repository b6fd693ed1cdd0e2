"""The log lines of the process itself: its start, its configuration, its end."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, assert_never

import structlog

from lightkeeper import __version__
from lightkeeper.core.election import (
    ElectionFact,
    ElectionFailed,
    Ended,
    LeaderSeen,
    LeadershipBegan,
    LeadershipEnded,
    LeaseReleased,
)
from lightkeeper.core.facts import LoginName, OutputName
from lightkeeper.core.failure import Failure, failed
from lightkeeper.core.moment import Moment
from lightkeeper.core.namespaces import Unlisted, none_chosen
from lightkeeper.core.reasons import Reason
from lightkeeper.core.upkeep import LEASE, STORE
from lightkeeper.telemetry import logs
from lightkeeper.telemetry.events import OWN_EVENTS


class Journal:
    """Writes them."""

    def __init__(
        self,
        stream: logs.Stream,
        withdrawal: Callable[[str], str] = "lightkeeper withdraw {}".format,
    ) -> None:
        """`withdrawal` gives the command that takes a login's entries out."""
        self._stream = stream
        self._withdrawal = withdrawal
        self._failures = dict[str, Failure]()
        self._blind = set[str]()
        self._unchosen = set[tuple[LoginName, OutputName]]()

    def configure(self, form: logs.Format, level: str) -> None:
        """Log in this form and from this level on."""
        logs.configure(form, level, self._stream)

    def daemon_started(
        self, logins: Sequence[str], state_dir: str, warnings: Iterable[object]
    ) -> None:
        """Which version, for what."""
        _log(
            "daemon_started",
            version=__version__,
            pid=os.getpid(),
            logins=list(logins[:20]),
            state_dir=state_dir,
        )
        self._warn(warnings)

    def daemon_ready(self, address: str) -> None:
        """Where it is served."""
        _log("daemon_ready", metrics=f"http://{address}/metrics" if address else "not served")

    def daemon_stopping(self) -> None:
        """The end begins."""
        _log("daemon_stopping")

    def config_reloaded(self, warnings: Iterable[object], *, needs_restart: Sequence[str]) -> None:
        """The new one is in force."""
        _log("config_reloaded")
        self._warn(warnings)
        for key in needs_restart:
            _log("restart_needed", key=key)

    def config_rejected(self, problems: Iterable[object]) -> None:
        """The old one runs on."""
        said = [str(problem) for problem in problems]
        _log("config_rejected", problems=said[:20], more=max(0, len(said) - 20))

    def daemon_surprised(self, doing: str, traceback: str, now: Moment) -> None:
        """Said when it begins, and each hour."""
        if self._is_due(f"daemon_surprised {doing}", Reason.INTERNAL_ERROR, now):
            _log("daemon_surprised", doing=doing, traceback=traceback)

    def listener_failed(self, listen: str, detail: str, now: Moment) -> None:
        """Said when it begins, and each hour."""
        if self._is_due("listener_failed", Reason.IO_ERROR, now):
            advice = "free the port, or set web.listen to another"
            _log("listener_failed", listen=listen, detail=detail, advice=advice)

    def control_failed(self, detail: str, now: Moment) -> None:
        """Said when it begins, and each hour."""
        if self._is_due("control_failed", Reason.IO_ERROR, now):
            _log("control_failed", detail=detail)

    def elected(self, fact: ElectionFact) -> None:
        """Who leads among replicas, and what keeps us from knowing it."""
        match fact:
            case LeadershipBegan(former=former, transitions=transitions):
                _log(fact.event, former=former, transitions=transitions)
            case LeadershipEnded(why=Ended.STOPPED):
                pass  # it is the daemon that ends, and says so
            case LeadershipEnded(why=why, holder=holder, detail=detail):
                _log(fact.event, why=why, holder=holder, detail=detail)
            case LeaderSeen(holder=holder):
                _log(fact.event, holder=holder)
            case LeaseReleased():
                _log(fact.event)
            case ElectionFailed(reason=reason, detail=detail):
                advice = LEASE[reason].advice if reason in LEASE else ""
                _log(fact.event, reason=reason, detail=detail, advice=advice)
            case _:
                assert_never(fact)

    def watch_blind(self, detail: str) -> None:
        """Said once for each cause."""
        if detail not in self._blind:
            self._blind.add(detail)
            _log("watch_blind", detail=detail)

    def namespaces_listed(self, now: Callable[[], Moment], failed: Unlisted | None) -> None:
        """Why they are not, said when it begins and each hour; and that they are again."""
        event = "namespaces_unknown"
        if failed is None:
            if self._failures.pop(event, None) is not None:
                _log("namespaces_known")
        elif self._is_due(event, failed.reason, now()):
            said = {"reason": failed.reason, "detail": failed.detail, "advice": failed.advice}
            _log(event, **said)

    def namespaces_chosen(self, unchosen: Collection[tuple[LoginName, OutputName]]) -> None:
        """Which outputs choose none, said when it begins; and which choose some again."""
        none, before = set(unchosen), self._unchosen
        self._unchosen = none
        for login, output in sorted(none - before):
            _log("namespace_missing", login=login, output=output, detail=none_chosen(output))
        for login, output in sorted(before - none):
            _log("namespace_chosen", login=login, output=output)

    def places_left(self, login: str, places: Sequence[str]) -> None:
        """What takes our entries out."""
        command = self._withdrawal(login)
        _log("places_left", login=login, places=list(places[:20]), command=command)

    def places_pruned(self, login: str, output: str, places: Sequence[str]) -> None:
        """What was taken out where an output serves no more."""
        named = list(places[:20])
        more = len(places) - len(named)
        _log("places_pruned", login=login, output=output, places=named, more=more)

    def state_not_read(self, reason: Reason, detail: str, now: Moment) -> None:
        """Said when it begins, and each hour."""
        if self._is_due("state_not_read", reason, now):
            advice = STORE[reason].advice if reason in STORE else ""
            _log("state_not_read", reason=reason, detail=detail, advice=advice)

    def renewal_not_begun(self, why: str) -> None:
        """To whoever asked by a signal, which has no answer."""
        _log("renewal_not_begun", why=why)

    def cluster_not_reached(self, detail: str, now: Moment) -> str:
        """Said when it begins, and each hour; the sentence of it."""
        event = "cluster_not_reached"
        if self._is_due(event, Reason.INVALID_INPUT, now):
            _log(event, detail=detail)
        return OWN_EVENTS[event].phrase.format(detail=detail)

    def state_unreadable(self, login: str, detail: str) -> None:
        """Its login starts anew."""
        _log("state_unreadable", login=login, detail=detail)

    @staticmethod
    def lines_lost(count: int) -> None:
        """In place of them; from any thread."""
        _log("lines_lost", count=count)

    def _is_due(self, failure: str, reason: Reason, now: Moment) -> bool:
        """Whether one more of a failure is to be said."""
        before = self._failures.get(failure)
        self._failures[failure] = failed(before, reason, "", now)
        return before is None or not before.is_said(reason, now.boot)

    def _warn(self, warnings: Iterable[object]) -> None:
        for warning in warnings:
            _log("config_warning", problem=str(warning))


def _log(event: str, **fields: Any) -> None:  # noqa: ANN401 - what a line tells is its own affair
    level = OWN_EVENTS[event].level
    write: Callable[..., object] = getattr(structlog.get_logger(), level)
    write(event, **fields)
