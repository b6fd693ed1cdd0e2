"""The judge of one seed: it sees what an outside reader sees, and knows the true time.

Safety is judged at each change of a file, each call and each fact; liveness when the seed is over.
"""

from __future__ import annotations

import base64
import json
import stat
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from lightkeeper.core import facts
from lightkeeper.core.credential import Digest, Secret, digest_of
from lightkeeper.core.facts import LoginFact, LoginName
from lightkeeper.core.reasons import Reason
from tests.simulation.world import Issued

if TYPE_CHECKING:
    from tests.simulation.machine import Machine

KNOWN = 8
"""How many of its credentials the daemon knows again."""
BACKED_OFF = 3600.0
"""With more left than this, in seconds, waits are drawn from their full range."""
QUICK = 33.0
"""A wait of at most this many seconds is a short one: one in ninety, at the longest caps."""
TOO_QUICK = 25
"""So many short waits in a row are no chance, with caps of a minute neither."""
FLOOR = 2.0
"""The least time between two calls, where nothing valid is held, in seconds."""
HOUR = 3600.0
CALLS_AN_HOUR = 131
"""More than half a minute's floor lets through, with the ladder of one expiry."""
ENOUGH = 200
"""Violations after which a seed is given up."""
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


@dataclass
class Span:
    """From when to when something was wrong, in true seconds."""

    begin: float
    detail: str
    end: float = float("inf")


@dataclass
class Shown:
    """What a place showed for a host from some second on."""

    since: float
    digest: Digest | None
    by_edit: str
    """Who changed it: the kind of edit, or empty for us."""
    is_foreign: bool
    """Whether the daemon cannot know it as its own."""


@dataclass
class Failing:
    """A login that fails."""

    at: float | None = None
    """When it failed last, in true seconds."""
    quick: int = 0
    """How many waits in a row were short."""


@dataclass
class Judge:
    """Watches one machine."""

    machine: Machine
    violations: list[str] = field(default_factory=list)
    lost_seconds: float = 0.0
    invalid_seconds: float = 0.0

    def __post_init__(self) -> None:
        self.spans: dict[str, list[Span]] = defaultdict(list)
        self.shown: dict[tuple[str, str], list[Shown]] = defaultdict(list)
        self.foreign: dict[str, Any] = {}
        self.early_ends: dict[LoginName, list[float]] = defaultdict(list)
        self.cuts: list[float] = []
        self.auths: dict[str, list[str]] = defaultdict(list)
        self.known: dict[LoginName, list[Digest]] = defaultdict(list)
        self.delivered: dict[tuple[str, str], Digest] = {}
        self.saved: dict[LoginName, bytes | None] = {}
        self.failing: dict[LoginName, Failing] = defaultdict(Failing)
        self.failures: Counter[tuple[LoginName, Reason]] = Counter()

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

    def forgot(self, name: LoginName) -> None:
        """The daemon found its state unreadable: what it wrote before is a stranger's to it."""
        self.known[name].clear()
        host = self.machine.lightsails[name].host
        for path in self.machine.paths_of(name):
            if timeline := self.shown[path, host]:
                last = timeline[-1]
                now = self.machine.clocks.true
                timeline.append(Shown(now, last.digest, last.by_edit, is_foreign=True))

    def overlapped(self, name: LoginName) -> None:
        """A second call began while one was in flight."""
        self.blame(f"single flight: {name} called twice at a time")

    def ended_early(self, name: LoginName) -> None:
        """Credentials of the login were ended before their time."""
        self.early_ends[name].append(self.machine.clocks.true)

    def old_entry(self, host: str) -> str | None:
        """A former entry of ours."""
        return self.auths[host][-2] if len(self.auths[host]) > 1 else None

    def edited(self, path: str, data: bytes, kind: str) -> None:
        """Somebody else wrote the file."""
        for host in self.hosts:
            self.delivered.pop((path, host), None)
        self.foreign[path] = None if kind == "malformed" else self._foreign(data)
        self._see(path, kind)

    def changed(self, path: str) -> None:
        """We changed something that a reader could see."""
        if path in self.machine.paths:
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
                self.failing.pop(name, None)
            case facts.StateSaved(login=name):
                self.saved[name] = self.machine.saved_state(name)
            case facts.RenewalFailed():
                self._heard_failure(fact)
            case facts.AttemptStarted():
                self._heard_attempt(fact)
            case _:
                pass

    def _heard_failure(self, fact: facts.RenewalFailed) -> None:
        self.failures[fact.login, fact.reason] += 1
        self.failing[fact.login].at = self.machine.clocks.true

    def _heard_attempt(self, fact: facts.AttemptStarted) -> None:
        """Waits after failures are drawn from half a minute up: all of them short is no chance."""
        failing = self.failing[fact.login]
        remaining = self._remaining(fact.login)
        if failing.at is None or remaining < BACKED_OFF or fact.why is facts.Why.REQUESTED:
            failing.quick = 0
            return
        wait = self.machine.clocks.true - failing.at
        failing.quick = failing.quick + 1 if wait < QUICK else 0
        if failing.quick >= TOO_QUICK:
            self.blame(
                f"not a storm: {fact.login} tried again {failing.quick} times without a wait"
            )

    def _remaining(self, name: LoginName) -> float:
        """What is left of the login's newest credential by its own expiry, in seconds."""
        known = self.known[name]
        if not known:
            return 0.0
        issued = self.machine.lightsails[name].issued[known[-1]]
        return issued.born_to_expire - self.machine.clocks.true

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
        directory, _, name = path.rpartition("/")
        inode = self.machine.disk.add_dir(directory).names[name]
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

    def finish(self) -> None:
        """Judge what can only be judged at the end."""
        for name in self.machine.lightsails:
            for path in self.machine.paths_of(name):
                self._judge_validity(name, path)

    def called(self, name: LoginName) -> None:
        """Not a storm: the floor holds, across crashes too, while the state could be saved."""
        *former, now = self.machine.lightsails[name].calls[-CALLS_AN_HOUR:]
        if not former:
            return
        before = former[-1]
        unsaved = self.spans["state"] + self.spans["clock"]
        excused = any(span.begin <= now and before <= span.end for span in unsaved)
        if now - before < FLOOR - 1e-3 and not excused:
            self.blame(f"not a storm: {name} called after {now - before:.3f} s")
        if len(former) == CALLS_AN_HOUR - 1 and now - former[0] < HOUR:
            self.blame(f"not a storm: {name} called {CALLS_AN_HOUR} times in an hour")

    def _judge_validity(self, name: LoginName, path: str) -> None:
        """A place is without an accepted login only while nothing could be done about it."""
        lightsail = self.machine.lightsails[name]
        timeline = self.shown[path, lightsail.host]
        end_of_time = self.machine.clocks.true
        first = Shown(0.0, None, "", is_foreign=False)
        for at, follower in zip([first, *timeline], [*timeline, None], strict=True):
            until = follower.since if follower else end_of_time
            issued = lightsail.issued.get(at.digest) if at.digest else None
            begin = at.since if issued is None else max(at.since, issued.expires)
            if begin >= until:
                continue
            edit = at.by_edit
            if at.is_foreign and self.machine.report_foreign:
                continue  # as it is configured: somebody else's credential stays
            self.invalid_seconds += until - begin
            if issued is not None and not self._is_seen_to_end(issued):
                begin = max(at.since, issued.born_to_expire - lightsail.lifetime * 0.35)
                if begin >= until:
                    continue
            self._judge_interval(name, path, begin, until, edit)

    def _is_seen_to_end(self, issued: Issued) -> bool:
        """Whether it was ended early, and the registry is asked; else its expiry was known."""
        return self.machine.verify and issued.expires < issued.born_to_expire

    def _judge_interval(
        self, name: LoginName, path: str, begin: float, until: float, edit: str
    ) -> None:
        is_early = any(begin - 2 * EARLY_END <= end <= until for end in self.early_ends[name])
        # While the registry is down nobody can know that it refuses what was ended early.
        unknowable = ("registry",) if is_early else ()
        what = ("machine", f"api {name}", "disk", f"file {path}", "clock", *unknowable)
        spans = [
            span
            for one in what
            for span in self.spans[one]
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
            self.blame(
                f"an accepted login: {name} at {path} had none from {begin:.1f} to {until:.1f},"
                f" {calm:.0f} s of it calm, {grace:.0f} allowed ({edit or 'expired'})"
            )

    def blame(self, what: str) -> None:
        """Something happened that must not; with enough of it, more says nothing new."""
        if len(self.violations) == ENOUGH:
            self.machine.loop.stop()
        self.violations.append(f"{self.machine.clocks.true:.3f}: {what}")


@lru_cache(maxsize=64)
def auth_of(data: bytes | None, host: str) -> str | None:
    """The entry that a client would use."""
    if data is None:
        return None
    try:
        auths = json.loads(data).get("auths") or {}
    except ValueError:
        return None
    # Docker takes the host itself, and else any key that names it: https://host/v1/ and the like.
    aliases = [key for key in auths if key.removeprefix("https://").partition("/")[0] == host]
    for key in (host, *aliases):
        if key in auths:
            return str(auths[key]["auth"])
    return None


@lru_cache(maxsize=64)
def digest_in(auth: str | None) -> Digest | None:
    """Which credential an entry holds."""
    if auth is None:
        return None
    username, _, password = base64.b64decode(auth).decode().partition(":")
    return digest_of(username, Secret(password))


def longest_calm(wrong: list[Span], begin: float, end: float) -> float:
    """The longest stretch within [begin, end] in which nothing was wrong."""
    calm, at = 0.0, begin
    for span in sorted(wrong, key=lambda span: span.begin):
        if span.end <= at:
            continue
        if span.begin >= end:
            break
        calm = max(calm, span.begin - at)
        at = max(at, span.end)
    return max(calm, end - at)
