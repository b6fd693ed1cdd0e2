"""The judge of liveness: a place is without a login only while nothing could be done about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightkeeper.core.facts import LoginName
from tests.simulation.timeline import Shown, longest_calm
from tests.simulation.world import Issued

if TYPE_CHECKING:
    from tests.simulation.machine import Machine

CALL = 40.0
"""Seconds that one attempt with all that follows it may take."""
WAIT = 300.0
"""The longest wait between two attempts, or two repairs, in seconds."""
WAITS = {"access_denied": 1800.0, "clock_skew": 300.0}
"""Longest waits of reasons that have others."""
EARLY_END = 3600.0 + 1100.0
"""Until an early end is seen and renewed once more, in seconds."""
LOGOUT = 60.0 + 15.0 + 1.0 + 1.0
"""Until what no watch told is put back, in seconds: poll, heartbeat, wait, and the work itself."""


class Validity:
    """Looks back on what every place showed."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.lost_seconds = 0.0
        """Without an accepted login although the oracle had one."""
        self.invalid_seconds = 0.0
        """Without an accepted login at all."""

    def finish(self) -> None:
        """Judge what can only be judged at the end."""
        for name in self._machine.lightsails:
            for path in self._machine.paths_of(name):
                self._judge_validity(name, path)

    def _judge_validity(self, name: LoginName, path: str) -> None:
        """A place is without an accepted login only while nothing could be done about it."""
        lightsail = self._machine.lightsails[name]
        timeline = self._machine.judge.shown[path, lightsail.host]
        end_of_time = self._machine.clocks.true
        first = Shown(0.0, None, "", is_foreign=False)
        for at, follower in zip([first, *timeline], [*timeline, None], strict=True):
            until = follower.since if follower else end_of_time
            issued = lightsail.issued.get(at.digest) if at.digest else None
            begin = at.since if issued is None else max(at.since, issued.expires)
            if begin >= until:
                continue
            # Whoever logs out may leave somebody else's credential under another key of the host.
            edit = "foreign" if at.is_foreign else at.by_edit
            if at.is_foreign and self._machine.report_foreign:
                continue  # as it is configured: somebody else's credential stays
            self.invalid_seconds += until - begin
            if issued is not None and not self._is_seen_to_end(issued):
                begin = max(at.since, issued.born_to_expire - lightsail.lifetime * 0.35)
                if begin >= until:
                    continue
            self._judge_interval(name, path, begin, until, edit)

    def _is_seen_to_end(self, issued: Issued) -> bool:
        """Whether it was ended early, and the registry is asked; else its expiry was known."""
        return self._machine.verify and issued.expires < issued.born_to_expire

    def _judge_interval(
        self, name: LoginName, path: str, begin: float, until: float, edit: str
    ) -> None:
        judge = self._machine.judge
        is_early = any(begin - 2 * EARLY_END <= end <= until for end in judge.early_ends[name])
        # While the registry is down nobody can know that it refuses what was ended early.
        unknowable = ("registry",) if is_early else ()
        what = ("machine", f"api {name}", "disk", f"file {path}", "clock", *unknowable)
        spans = [
            span
            for one in what
            for span in judge.spans[one]
            if span.end > begin - WAITS["access_denied"] and span.begin < until
        ]
        grace = CALL + max([WAIT] + [WAITS.get(span.detail, 0.0) for span in spans])
        if is_early:
            grace = max(grace, CALL + EARLY_END)
        if edit == "logout" and not spans:
            grace = LOGOUT
        calm = longest_calm(spans, begin, until)
        if calm > grace:
            self.lost_seconds += calm - grace
            judge.blame(
                f"an accepted login: {name} at {path} had none from {begin:.1f} to {until:.1f},"
                f" {calm:.0f} s of it calm, {grace:.0f} allowed ({edit or 'expired'})"
            )
