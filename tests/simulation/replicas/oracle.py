"""The judge of replicas: it sees the API server's own history, and knows the true time.

What it holds a replica to is judged at each write that the API server keeps, each call of
Lightsail and each fact; who led when is judged at the end.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lightkeeper.adapters.kubernetes.manifest import DOMAIN, KEY
from lightkeeper.core import facts
from lightkeeper.core.credential import Digest
from lightkeeper.core.election import ElectionFact, LeadershipBegan
from lightkeeper.core.facts import LoginFact, LoginName
from lightkeeper.core.file_failure import FileFailure
from lightkeeper.core.saved import Saved
from lightkeeper.saving import read
from tests.fakes.applying import Stored
from tests.fakes.cluster import Key
from tests.simulation.replicas.cluster import STATE
from tests.simulation.replicas.terms import Terms
from tests.simulation.replicas.trade import Trade
from tests.simulation.secrecy import is_seen, line_of
from tests.simulation.timeline import auth_of, digest_in
from tests.simulation.world import EPOCH

if TYPE_CHECKING:
    from tests.simulation.replicas.replica import Replica
    from tests.simulation.replicas.world import Town

ENOUGH = 50
"""Violations after which more say nothing new."""


class Judge:
    """Watches one town."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self.violations: list[str] = []
        self.trade = Trade(town, self)
        self.terms = Terms(town, self)
        self.foreign: dict[tuple[Key, LoginName], Digest | None] = {}
        """Entries that somebody else put where they are, or took out."""
        self.strange: set[Digest] = set()
        """What somebody else put somewhere, and Lightsail never issued to us."""
        self.touched: dict[LoginName, float] = defaultdict(lambda: float("-inf"))
        """When somebody else changed what is kept of a login."""
        self._kept_since: dict[LoginName, float] = {}

    def blame(self, what: str) -> None:
        """Something happened that must not."""
        if len(self.violations) < ENOUGH:
            self.violations.append(f"{self._town.now:.3f}: {what}")

    # What the API server keeps.

    def kept(self, writer: str, key: Key, old: Stored | None, new: Stored) -> None:
        """It has another Secret from now on."""
        if not writer:
            self._edited(key, old, new)
            return
        self._town.met["write"] += 1
        if key == STATE:
            self._judge_state(writer, old, new)
        elif (logins := self._town.targets.get(key)) is not None:
            for login in logins:
                self._judge_entry(writer, key, login, old, new)
            self._judge_others(writer, key, old, new)
            self._judge_secrecy(key, new)
        else:
            self.blame(f"out of place: {writer} wrote {key}")

    def edited(self, login: LoginName) -> None:
        """Somebody else took away or damaged what is kept of a login."""
        self.touched[login] = self._town.now

    def _edited(self, key: Key, old: Stored | None, new: Stored) -> None:
        if key == STATE:
            for login in self._town.lightsails:
                if _document(old, login) != _document(new, login):
                    self.edited(login)
            return
        for login in self._town.targets.get(key, ()):
            before, after = self._entry(old, login), self._entry(new, login)
            if before != after:
                self.foreign[key, login] = after
            if after is not None and after not in self._town.lightsails[login].issued:
                self.strange.add(after)

    def _entry(self, secret: Stored | None, login: LoginName) -> Digest | None:
        data = secret.data().get(KEY) if secret else None
        return digest_in(auth_of(data, self._town.lightsails[login].host))

    def _judge_entry(
        self, writer: str, key: Key, login: LoginName, old: Stored | None, new: Stored
    ) -> None:
        """Never worse: an older credential never replaces a newer one."""
        before, after = self._entry(old, login), self._entry(new, login)
        if before == after:
            return
        auth = auth_of(new.data().get(KEY), self._town.lightsails[login].host)
        if auth is not None:
            self._town.former.setdefault(login, []).append(auth)
        lightsail = self._town.lightsails[login]
        was, now = (lightsail.issued.get(one) if one else None for one in (before, after))
        is_foreign = before is None or self.foreign.pop((key, login), None) == before
        if after in self.strange and self._town.shape.is_shared:
            pass  # it was beside what changed, in a Secret that somebody deleted meanwhile
        elif after is not None and now is None:
            self.blame(f"never worse: {writer} put into {key} what was never issued")
        elif was is None or is_foreign or not lightsail.is_accepted(before):
            pass
        elif now is None:
            self.blame(f"never worse: {writer} took the entry of {login} out of {key}")
        elif now.expires < was.expires:
            if before in self._known(login):
                self.blame(
                    f"never worse: {writer} put {after} into {key}, which expires"
                    f" {was.expires - now.expires:.0f} s before {before} that was there"
                )
            else:
                self._town.met["unknown_replaced"] += 1

    def _judge_others(self, writer: str, key: Key, old: Stored | None, new: Stored) -> None:
        """Only our entry: what is not ours stays as it is."""
        if old is None:
            return
        before, after = self._strangers(old), self._strangers(new)
        if before != after:
            gone = [what for what in before if before[what] != after.get(what)]
            self.blame(f"only our entry: {writer} changed {gone or [*after]} in {key}")

    def _strangers(self, secret: Stored) -> Mapping[str, object]:
        """All of a Secret that is not ours."""
        data = secret.data()
        found: dict[str, object] = {f"data {name}": data[name] for name in data if name != KEY}
        for group in ("labels", "annotations"):
            for name, text in secret.texts(group).items():
                if DOMAIN not in name and "app.kubernetes.io" not in name:
                    found[f"{group} {name}"] = text
        if self._town.shape.is_shared:
            found |= self._entries(data.get(KEY))
        return found

    def _entries(self, data: bytes | None) -> dict[str, object]:
        try:
            auths: dict[str, Any] = json.loads(data or b"{}").get("auths") or {}
        except ValueError:
            return {}
        ours = {lightsail.host for lightsail in self._town.lightsails.values()}
        return {f"entry {host}": entry for host, entry in auths.items() if host not in ours}

    def _judge_secrecy(self, key: Key, new: Stored) -> None:
        texts = {**new.texts("labels"), **new.texts("annotations")}
        self.shown(f"the marks of {key}", json.dumps(texts).encode())

    def shown(self, where: str, what: bytes) -> None:
        """People see it: no password may be in it."""
        if is_seen(what):
            self.blame(f"secret: a password is in {where}")

    def _judge_state(self, writer: str, old: Stored | None, new: Stored) -> None:
        for login in self._town.lightsails:
            before, after = _document(old, login), _document(new, login)
            if before == after:
                continue
            was, now = _saved(before, login), _saved(after, login)
            if was is None or was.credential is None:
                self._kept_since[login] = self._town.now
            if was is not None and _expiry(now) < _expiry(was):
                self.blame(f"never worse: {writer} put an older state of {login} in place")

    def kept_since(self, login: LoginName) -> float:
        """Since when a credential is kept of the login, and nobody else touched it."""
        return max(self._kept_since.get(login, 0.0), self.touched[login])

    def saved(self, login: LoginName) -> Saved | None:
        """What is kept of the login now."""
        return _saved(_document(self._town.annals.secrets.get(STATE), login), login)

    def _known(self, login: LoginName) -> set[Digest]:
        kept = self.saved(login)
        return {one.digest for one in kept.known} if kept else set()

    # What replicas do.

    def writes(self, replica: Replica, what: str) -> None:
        """A replica sends a write."""
        if replica.released_at is not None:
            self.blame(f"released: {replica.name} sends {what} after it let go of the lease")
        if not replica.is_at_work:
            self.blame(f"standby: {replica.name} sends {what}, and does not lead")
        elif not (replica.electing.is_leading or replica.is_late):
            self.blame(f"standby: {replica.name} sends {what} after its term")

    def cuts(self, replica: Replica, place: str) -> None:
        """A replica waits no more for the answer to a write."""
        self._town.met["cut_write"] += 1
        if replica.must_drain:
            self.blame(
                f"drain: {replica.name} ends, and does not wait for what it writes to {place}"
            )

    def calls(self, replica: Replica, login: LoginName) -> None:
        """A replica calls Lightsail."""
        self.trade.begins(replica, login)

    def called(self, replica: Replica, login: LoginName) -> None:
        """Its call is over."""
        self.trade.ends(replica, login)

    def heard(self, replica: Replica, fact: LoginFact) -> None:
        """A replica tells something."""
        self._town.met[type(fact).__name__] += 1
        self._town.trace.update(f"{replica.name} {type(fact).__name__} {fact.at.boot}".encode())
        self.shown(f"what {replica.name} tells", line_of(fact))
        self.trade.heard(replica, fact)
        if isinstance(fact, facts.Surprised):
            self.blame(f"bug: {replica.name}: {fact.traceback}")

    def elected(self, replica: Replica, fact: ElectionFact) -> None:
        """A replica tells who leads."""
        self._town.met[type(fact).__name__] += 1
        if isinstance(fact, LeadershipBegan) and fact.former:
            self._town.met["takeover"] += 1

    def looked(self) -> None:
        """Some time has passed."""
        self.terms.look()


def _document(secret: Stored | None, login: LoginName) -> bytes | None:
    return secret.data().get(f"{login}.json") if secret else None


def _saved(data: bytes | None, login: LoginName) -> Saved | None:
    try:
        return read(data, login) if data is not None else None
    except FileFailure:
        return None


def _expiry(saved: Saved | None) -> datetime:
    return max((one.expires_at for one in saved.known), default=EPOCH) if saved else EPOCH
