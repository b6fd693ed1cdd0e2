"""The judge of one seed: it sees what an outside reader sees, and knows the true time.

Safety is judged at each change of a file, each call and each fact; liveness when the seed is over.
"""

from __future__ import annotations

import asyncio
import json
import stat
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lightkeeper.core import facts
from lightkeeper.core.credential import Digest
from lightkeeper.core.facts import LoginFact, LoginName
from lightkeeper.core.report import report
from lightkeeper.core.saved import Saved
from tests.simulation.calls import Calls
from tests.simulation.ledger import KNOWN, Ledger
from tests.simulation.readiness import Readiness
from tests.simulation.residue import Residue
from tests.simulation.secrecy import Secrecy
from tests.simulation.timeline import Shown, Span, auth_of, digest_in
from tests.simulation.validity import Validity

if TYPE_CHECKING:
    from tests.simulation.machine import Machine

ENOUGH = 200
"""Violations after which a seed is given up."""
SCRAPED = 4
"""At one inspection of so many metrics are rendered, which costs most."""
EXIT = 5.0
"""The time for an orderly end, in seconds."""
_LOOKED_AT = frozenset({facts.RenewalFailed, facts.Drifted, facts.DeliveryFailed, facts.Surprised})
"""Facts after which the report is looked at; what goes well shows there or at an inspection."""
_QUIET = frozenset(
    {facts.LookStarted, facts.DeliveryStarted, facts.VerificationStarted, facts.RoundEnded}
)
"""Facts of which nothing but their line is judged."""


@dataclass
class Judge:
    """Watches one machine."""

    machine: Machine
    violations: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.spans: dict[str, list[Span]] = defaultdict(list)
        self.shown: dict[tuple[str, str], list[Shown]] = defaultdict(list)
        self.foreign: dict[str, Any] = {}
        self.early_ends: dict[LoginName, list[float]] = defaultdict(list)
        self.cuts: list[float] = []
        """When the power was cut, in true seconds."""
        self.auths: dict[str, list[str]] = defaultdict(list)
        self.known: dict[LoginName, list[Digest]] = defaultdict(list)
        self.delivered: dict[tuple[str, str], Digest] = {}
        self.saved: dict[LoginName, bytes | None] = {}
        self.held: dict[LoginName, Digest | None] = {}
        """What the daemon took up when it began, or has told since."""
        self.edits: dict[str, float] = defaultdict(lambda: float("-inf"))
        """When somebody else wrote a place last, in true seconds."""
        self.steps: list[float] = []
        """When the wall clock was set, in true seconds."""
        self.inspections = 0
        self.changes = 0
        """How often we changed what a reader of a place could see."""
        self.calls, self.validity = Calls(self.machine), Validity(self.machine)
        self.residue, self.secrecy = Residue(self.machine), Secrecy(self.machine)
        self.ledger, self.readiness = Ledger(self.machine), Readiness(self.machine)

    @property
    def hosts(self) -> list[str]:
        return [lightsail.host for lightsail in self.machine.lightsails.values()]

    def wrong(self, what: str, detail: str) -> Callable[[], None]:
        """Something is wrong from now on, until the answer is called."""
        span = Span(self.machine.clocks.true, detail)
        self.spans[what].append(span)

        def end() -> None:
            span.end = self.machine.clocks.true

        return end

    def clock_set(self) -> None:
        """The wall clock was set; while it is far off, Lightsail refuses our signatures."""
        clocks = self.machine.clocks
        self.steps.append(clocks.true)
        open_spans = [span for span in self.spans["clock"] if span.end == float("inf")]
        if abs(clocks.stepped) > 290 and not open_spans:
            self.wrong("clock", "clock_skew")
        elif abs(clocks.stepped) <= 290:
            for span in open_spans:
                span.end = clocks.true

    def power_cut(self, cut: Callable[[], None]) -> None:
        """What was told to be there must be there after the cut, or something newer."""
        machine = self.machine
        before = {path: machine.disk.content(path) for path in machine.paths}
        states = {name: machine.saved_state(name) for name in machine.lightsails}
        cut()
        self.cuts.append(machine.clocks.true)
        for (path, host), digest in self.delivered.items():
            after = digest_in(auth_of(machine.disk.content(path), host))
            if after not in (digest, digest_in(auth_of(before[path], host))):
                self.blame(f"acknowledged and lost: {path} holds {after}, not {digest}")
        for name, state in self.saved.items():
            if machine.saved_state(name) not in (state, states[name]):
                self.blame(f"acknowledged and lost: the state of {name}")
        for path in machine.paths:
            self._see(path, "")

    def began(self, saved: Mapping[LoginName, Saved]) -> None:
        """A life of the daemon begins with what was saved."""
        for name in self.machine.lightsails:
            kept = saved[name].credential if name in saved else None
            self.held[name] = kept.credential().digest if kept else None
            if name in saved:
                self._remembers(name, {one.digest for one in saved[name].known})
        self.ledger.began(saved)
        self.readiness.began()

    def _remembers(self, name: LoginName, digests: Collection[Digest]) -> None:
        """The daemon knows these as its own; what it could not save before it died is a stranger's.

        Where somebody else's credential is to stay, that stays.
        """
        lost = [one for one in self.known[name][-KNOWN:] if one not in digests]
        self.known[name] = [one for one in self.known[name] if one not in lost]
        for path in self.machine.paths_of(name):
            timeline = self.shown[path, self.machine.lightsails[name].host]
            if timeline and (last := timeline[-1]).digest in lost:
                now = self.machine.clocks.true
                timeline.append(Shown(now, last.digest, last.by_edit, is_foreign=True))

    def stopped(self, main: asyncio.Task[None]) -> None:
        """The daemon is told to end."""
        began = self.machine.loop.virtual

        def ended(_: asyncio.Task[None]) -> None:
            if (took := self.machine.loop.virtual - began) > EXIT:
                self.blame(f"shutdown: it took {took:.1f} s")

        main.add_done_callback(ended)

    def inspect(self) -> None:
        """Look at all that the daemon shows and leaves, at an instant of nobody's choice."""
        machine = self.machine
        if machine.life is None or machine.life.is_over or machine.fleet is None:
            return
        view = machine.view()
        self.secrecy.answered(view)
        self.inspections += 1
        if self.inspections % SCRAPED == 0:
            self.secrecy.scraped(view)
            self.ledger.judge_scrape(view)
        for login in view.logins:
            self.ledger.judge(login)
            self.readiness.judge(login)
        self.ledger.judge_rest()
        self.residue.judge_rest()

    def forgot(self, name: LoginName) -> None:
        """The daemon found its state unreadable: what it wrote before is a stranger's to it."""
        self.known[name].clear()
        host = self.machine.lightsails[name].host
        for path in self.machine.paths_of(name):
            if timeline := self.shown[path, host]:
                last = timeline[-1]
                now = self.machine.clocks.true
                timeline.append(Shown(now, last.digest, last.by_edit, is_foreign=True))

    def ended_early(self, name: LoginName) -> None:
        """Credentials of the login were ended before their time."""
        self.early_ends[name].append(self.machine.clocks.true)

    def old_entry(self, host: str) -> str | None:
        """A former entry of ours."""
        return self.auths[host][-2] if len(self.auths[host]) > 1 else None

    def edited(self, path: str, data: bytes, kind: str) -> None:
        """Somebody else wrote the file."""
        self.edits[path] = self.machine.clocks.true
        self.residue.edited(path)
        for host in self.hosts:
            self.delivered.pop((path, host), None)
        self.foreign[path] = None if kind == "malformed" else self._foreign(data)
        self._see(path, kind)

    def changed(self, path: str) -> None:
        """We changed something that a reader could see."""
        if path in self.machine.paths:
            self.changes += 1
            data = self.machine.disk.content(path)
            if data is None:
                self.blame(f"whole or old: {path} was gone")
            elif self.foreign.get(path, "") is not None:
                try:
                    json.loads(data)
                except ValueError:
                    self.blame(f"whole or old: {path} was torn")
            self._see(path, "")

    def _see(self, path: str, edit: str) -> None:
        now = self.machine.clocks.true
        data = self.machine.disk.content(path)
        for name, lightsail in self.machine.lightsails.items():
            if path not in self.machine.paths_of(name):
                continue
            host = lightsail.host
            auth = auth_of(data, host)
            digest = digest_in(auth)
            timeline = self.shown[path, host]
            before = timeline[-1].digest if timeline else None
            if timeline and before == digest:
                continue
            is_foreign = digest is not None and digest not in self.known[name][-KNOWN:]
            timeline.append(Shown(now, digest, edit, is_foreign))
            if not edit:
                if auth and digest in lightsail.issued and auth not in self.auths[host]:
                    self.auths[host].append(auth)
                self._judge_replacement(path, lightsail.host, before, digest)

    def _judge_replacement(
        self, path: str, host: str, before: Digest | None, after: Digest | None
    ) -> None:
        lightsail = next(x for x in self.machine.lightsails.values() if x.host == host)
        if self.cuts and self.cuts[-1] == self.machine.clocks.true:
            return
        was, now = (lightsail.issued.get(one) if one else None for one in (before, after))
        if after is not None and now is None and not self._is_given_back(path, host, after):
            self.blame(f"never worse: {path} got an entry that was never issued")
        if now is not None and not now.is_whole:
            self.blame(f"never worse: {path} got an entry of an answer that was not whole")
        if was is None or not lightsail.is_accepted(before):
            return
        if self._is_given_back(path, host, after):
            return
        if now is None:
            self.blame(f"never worse: {path} lost an entry that was accepted")
        elif now.expires < was.expires:
            self.blame(f"never worse: {path} got an entry that expires earlier")

    def _is_given_back(self, path: str, host: str, after: Digest | None) -> bool:
        """Whether it is what stood there before we swapped: an undo."""
        timeline = self.shown[path, host]
        return len(timeline) > 2 and timeline[-3].digest == after

    def heard(self, fact: LoginFact) -> None:
        """The daemon tells something: it must be so."""
        self.secrecy.told(fact)
        if type(fact) in _QUIET:
            return
        self.calls.heard(fact)
        self._judge_truth(fact)
        self.ledger.heard(fact)
        self.readiness.heard(fact)
        if type(fact) in _LOOKED_AT:
            state = self.machine.state_of(fact.login)
            [login] = report([(state, "")], self.machine.daemon_now()).logins
            self.ledger.judge(login)
            self.readiness.judge(login)

    def _judge_truth(self, fact: LoginFact) -> None:
        match fact:
            case (
                facts.Delivered(place=place, digest=digest)
                | facts.PlaceRead(place=place, digest=digest)
            ):
                host = self.machine.lightsails[fact.login].host
                data = self.machine.disk.content(place.name)
                if digest_in(auth_of(data, host)) != digest:
                    there = digest_in(auth_of(data, host))
                    self.blame(
                        f"seen: {type(fact).__name__} of {place.name}: {digest}, not {there}"
                    )
                self._judge_foreign(place.name, data)
                if isinstance(fact, facts.Delivered):
                    self._judge_mode(place.name)
                    self.delivered[place.name, host] = fact.digest
            case facts.Renewed(login=name, credential=credential):
                self.known[name].append(credential.digest)
                self.held[name] = credential.digest
            case facts.StateSaved(login=name):
                self.saved[name] = self.machine.saved_state(name)
            case _:
                pass

    def _judge_foreign(self, path: str, data: bytes | None) -> None:
        expected = self.foreign.get(path, "never edited")
        if expected is None or expected == "never edited" or data is None:
            return
        if self._foreign(data) != expected:
            if self._is_kept_beside(path, expected):
                self.machine.met["edit_kept"] += 1
            else:
                self.blame(f"only our entry: {path} lost somebody's edit")
            self.foreign[path] = self._foreign(data)

    def _judge_mode(self, path: str) -> None:
        inode = self.machine.inode(path)
        if stat.S_IMODE(inode.mode) != 0o600:
            self.blame(f"secret: {path} has mode {inode.mode:o}")

    def _is_kept_beside(self, path: str, expected: object) -> bool:
        directory, _, name = path.rpartition("/")
        for other, inode in self.machine.disk.add_dir(directory).names.items():
            if other.startswith(f".{name}.lightkeeper."):
                try:
                    if self._foreign(inode.data) == expected:
                        return True
                except ValueError:
                    continue
        return False

    def _foreign(self, data: bytes) -> object:
        """All of a document but what is ours to change."""
        document = json.loads(data)
        auths = document.get("auths") or {}
        document["auths"] = {
            key: value
            for key, value in auths.items()
            if not any(host in key for host in self.hosts)
        }
        return document

    def blame(self, what: str) -> None:
        """Something happened that must not; with enough of it, more says nothing new."""
        if len(self.violations) == ENOUGH:
            self.machine.loop.stop()
        self.violations.append(f"{self.machine.clocks.true:.3f}: {what}")
