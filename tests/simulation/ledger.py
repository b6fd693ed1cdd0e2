"""The judge of counters: what people are told must be what the world did, one for one.

Every answer of Lightsail and every work on a file ends in one fact with the one reason that its
fault means; counters in the report and at the scrape are the sums of these, since the process
began. So they are monotone: nothing here ever takes one back.
"""

from __future__ import annotations

import errno
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from lightkeeper.core import facts
from lightkeeper.core.facts import Cause, LoginFact, LoginName, Place
from lightkeeper.core.reasons import Reason
from lightkeeper.core.report import LoginReport, Report
from lightkeeper.core.saved import Saved
from lightkeeper.ports import Failed
from lightkeeper.telemetry.series import Series
from tests.simulation.timeline import auth_of, digest_in, has_alias

if TYPE_CHECKING:
    from tests.simulation.machine import Machine

KNOWN = 8
"""How many of its credentials the daemon knows again."""

MEANT = {
    errno.ENOSPC: Reason.NO_SPACE,
    errno.EROFS: Reason.READ_ONLY,
    errno.EACCES: Reason.PERMISSION_DENIED,
    errno.EIO: Reason.IO_ERROR,
    errno.EINTR: Reason.IO_ERROR,
}
"""The one reason by which people are to be told of each failing call."""

Key = tuple[str, ...]
"""A counter's name without what all have in common, its output if it has one, and its word."""


class Ledger:
    """Keeps count of one process, login by login."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.began({})

    def began(self, saved: Mapping[LoginName, Saved]) -> None:
        """A process begins, with what was saved of each login."""
        self._counts: dict[LoginName, Counter[Key]] = {
            name: Counter() for name in self._machine.lightsails
        }
        self._known = {
            name: [known.digest for known in reversed(kept.known)] for name, kept in saved.items()
        }
        self._answers: dict[LoginName, Reason | None] = {}
        self._failures = Counter[tuple[str, Reason]]()
        self._wrote: dict[tuple[LoginName, str], bool] = {}
        self._drifts: dict[tuple[LoginName, str], facts.Drifted] = {}
        self._confirmed: dict[tuple[LoginName, str], float] = {}

    def answered(self, name: LoginName, meant: Reason | None) -> None:
        """Lightsail answered; the attempt must end as is meant, or well (None)."""
        self._answers[name] = meant

    def worked(self, path: str, result: object, errnos: Collection[int]) -> None:
        """Work on a file came to `result`, with these calls failing on its way."""
        if not isinstance(result, Failed):
            return
        self._failures[path, result.reason] += 1
        meant = {MEANT[number] for number in errnos}
        if result.reason is Reason.MALFORMED and self._is_malformed(path):
            return
        if result.reason not in meant:
            self._blame(f"{path} failed with {result.reason} where {sorted(meant)} was played")

    def hung(self, path: str) -> None:
        """Work on a file came to nothing within its time."""
        self._failures[path, Reason.TIMEOUT] += 1

    def wrote(self, name: LoginName, path: str, *, changed: bool) -> None:
        """A delivery of a login came to its end; whether it changed the file."""
        self._wrote[name, path] = changed

    def heard(self, fact: LoginFact) -> None:
        """The daemon tells something: it must be the end of what the world did."""
        match fact:
            case facts.AttemptStarted(login=name):
                if name in self._answers:
                    self._blame(f"nobody told how the last attempt of {name} ended")
            case facts.Renewed(login=name):
                self._ended(name, None)
                self._known.setdefault(name, []).append(fact.credential.digest)
                self._counts[name]["renewals", "success"] += 1
            case facts.RenewalFailed(login=name, reason=reason):
                self._renewal_failed(name, reason)
            case facts.Delivered():
                self._delivered(fact)
            case facts.DeliveryFailed():
                self._not_delivered(fact)
            case facts.StateNotSaved(login=name, reason=reason):
                self._failed(self._machine.state_file(name), reason)
            case facts.Drifted():
                self._drifted(fact)
            case facts.PlaceRead():
                self._read(fact)
            case _:
                pass

    def judge(self, login: LoginReport) -> None:
        """The report's counters are what was counted here."""
        self._compare(login.login, "the report", _reported(login))

    def judge_scrape(self, report: Report) -> None:
        """So are those that Prometheus scrapes."""
        for name, counts in _scraped(report).items():
            self._compare(name, "/metrics", counts)

    def judge_rest(self) -> None:
        """Where the daemon has nothing to do, all that failed has been told."""
        if self._machine.is_busy:
            return
        for name in self._answers:
            self._blame(f"nobody told how an attempt of {name} ended")
        for path, reason in +self._failures:
            self._blame(f"nobody told that {path} failed with {reason}")

    def _compare(self, name: LoginName, where: str, shown: Mapping[Key, int]) -> None:
        counted = self._counts[name]
        # What was not counted may be shown as zero, and need not be.
        if {key: n for key, n in shown.items() if n} != counted:
            both = ((key, shown.get(key, 0), counted[key]) for key in sorted({*shown, *counted}))
            told = ", ".join(f"{' '.join(key)} {n} not {was}" for key, n, was in both if n != was)
            self._blame(f"{where} of {name} has {told}")

    def _renewal_failed(self, name: LoginName, reason: Reason) -> None:
        if reason is not Reason.SUPERSEDED:
            self._ended(name, reason)
            self._counts[name]["renewals", "failure"] += 1
        elif self._machine.lightsails[name].is_accepted(self._machine.judge.held.get(name)):
            self._blame(f"{name} is superseded, though what it holds is accepted")
        self._counts[name]["renewal_failures", reason] += 1

    def _ended(self, name: LoginName, told: Reason | None) -> None:
        if name not in self._answers:
            self._blame(f"an attempt of {name} ended with {told}, and nobody had answered")
        elif (meant := self._answers.pop(name)) is not told:
            self._blame(f"an attempt of {name} ended with {told}, not {meant}")

    def _failed(self, path: str, reason: Reason) -> None:
        self._failures[path, reason] -= 1
        if self._failures[path, reason] < 0:
            self._blame(f"{path} is told to have failed with {reason}, which it did not")

    def _delivered(self, fact: facts.Delivered) -> None:
        name, place = fact.login, fact.place
        drift = self._drifts.pop((name, place.name), None)
        cause = drift.cause if drift and fact.changed else None
        if cause is Cause.REPLACED and fact.repaired is None:
            # What was there before any of ours is replaced, and that is no repair.
            cause = Cause.REPLACED if (name, place.name) in self._confirmed else None
        if self._wrote.pop((name, place.name), None) is not fact.changed:
            self._blame(f"{place.name} was told changed={fact.changed}, and was not")
        if fact.repaired is not cause:
            self._blame(f"{place.name} was told repaired={fact.repaired}, not {cause}")
        counts = self._counts[name]
        counts["deliveries", place.output, "changed" if fact.changed else "unchanged"] += 1
        if cause is not None:
            counts["output_repairs", place.output, cause] += 1
        self._confirmed[name, place.name] = self._machine.clocks.true

    def _read(self, fact: facts.PlaceRead) -> None:
        at = fact.login, fact.place.name
        if fact.settled:
            self._confirmed[at] = self._machine.clocks.true
        if at in self._drifts and (fact.settled or self._drifts[at].digest != fact.digest):
            del self._drifts[at]

    def _drifted(self, fact: facts.Drifted) -> None:
        name, place = fact.login, fact.place
        causes = self._causes(name, place)
        if fact.cause not in causes:
            self._blame(f"{place.name} is told {fact.cause}, and is {causes[0]}")
        edited = self._machine.judge.edits[place.name]
        is_first = fact.cause is Cause.REPLACED and (name, place.name) not in self._confirmed
        if not is_first and edited < self._confirmed.get((name, place.name), 0.0):
            self._blame(f"{place.name} is told {fact.cause}, and nobody touched it")
        self._drifts[name, place.name] = fact

    def _not_delivered(self, fact: facts.DeliveryFailed) -> None:
        name, place, reason = fact.login, fact.place, fact.reason
        self._counts[name]["delivery_failures", place.output, reason] += 1
        if reason is not Reason.CONFLICT:
            self._failed(place.name, reason)
            return
        # A conflict is no fault: a stranger's credential was found, and is to stay.
        drift = self._drifts.get((name, place.name))
        is_foreign = drift is not None and drift.cause is Cause.REPLACED
        if not (is_foreign and self._machine.report_foreign):
            self._blame(f"{place.name} is told in conflict, and is not")

    def _causes(self, name: LoginName, place: Place) -> list[Cause]:
        """What somebody else did to our entry, by what an outsider sees there."""
        host = self._machine.lightsails[name].host
        data = self._machine.disk.content(place.name)
        there = digest_in(auth_of(data, host))
        if there is None:
            return [Cause.REMOVED]
        # A stranger's entry beside ours may be found by a look, or by who was about to write.
        beside = [Cause.REPLACED] if has_alias(data, host) else []
        if there == self._machine.judge.held.get(name):
            return [Cause.ALTERED, *beside]
        if there in self._known.get(name, [])[-KNOWN:]:
            return [Cause.REVERTED, *beside]
        # What another login of ours wrote is no stranger's, as far back as it was told to this one.
        is_kin = any(there in known for known in self._known.values())
        return [Cause.REPLACED, Cause.REVERTED] if is_kin else [Cause.REPLACED]

    def _is_malformed(self, path: str) -> bool:
        try:
            json.loads(self._machine.disk.content(path) or b"{}")
        except ValueError:
            return True
        return False

    def _blame(self, what: str) -> None:
        self._machine.judge.blame(f"counted: {what}")


def _reported(login: LoginReport) -> dict[Key, int]:
    failures = login.renewal_failures
    counts: dict[Key, int] = {("renewal_failures", reason): n for reason, n in failures.items()}
    counts["renewals", "success"] = login.renewals
    # That a login is superseded is the end of no attempt.
    ended = {reason: n for reason, n in failures.items() if reason is not Reason.SUPERSEDED}
    counts["renewals", "failure"] = sum(ended.values())
    for output in login.outputs:
        was, name = output.counts, output.name
        counts["deliveries", name, "changed"] = was.changed
        counts["deliveries", name, "unchanged"] = was.unchanged
        counts.update({("delivery_failures", name, word): n for word, n in was.failures.items()})
        counts.update({("output_repairs", name, word): n for word, n in was.repairs.items()})
    return counts


def _scraped(report: Report) -> dict[LoginName, Counter[Key]]:
    counts = {login.login: Counter[Key]() for login in report.logins}
    for name, labels, value in _counters(report):
        login, *key = labels.values()
        counts[LoginName(login)][name, *key] = int(value)
    return counts


def _counters(report: Report) -> Iterator[tuple[str, dict[str, str], float]]:
    names = {"renewals", "renewal_failures", "deliveries", "delivery_failures", "output_repairs"}
    for family in Series(report).collect():
        name = family.name.removeprefix("lightkeeper_")
        if name in names:
            for sample in family.samples:
                yield name, sample.labels, sample.value
