"""The judge of calls: who calls Lightsail, how often, and for what cause, over all replicas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lightkeeper.core import facts
from lightkeeper.core.facts import LoginFact, LoginName

if TYPE_CHECKING:
    from tests.simulation.replicas.oracle import Judge
    from tests.simulation.replicas.replica import Replica
    from tests.simulation.replicas.world import Town

FLOOR = 2.0
"""The least time between two calls where nothing valid is held, in seconds."""
USUAL = 30.0
"""The same where something is; for a login that lives less than 300 s a tenth of its life."""
SPREAD = 0.1
"""The share of a lifetime by which chance makes a renewal earlier."""
SLACK = 2.0
"""By how much a replica's idea of the server's time may be off, in seconds, in a calm world."""


@dataclass
class Call:
    """One call of Lightsail."""

    replica: Replica
    at: float
    """When its attempt began."""
    is_saved: bool
    """Whether what is kept says that it was begun."""
    is_over: bool = False


class Trade:
    """Watches the calls of all replicas."""

    def __init__(self, town: Town, judge: Judge) -> None:
        self._town = town
        self._judge = judge
        self._last: dict[LoginName, Call] = {}
        self._began: dict[tuple[str, LoginName], float] = {}
        """When an attempt began whose call comes next."""
        self._open: dict[tuple[str, LoginName], Call] = {}

    def begins(self, replica: Replica, login: LoginName) -> None:
        """A replica calls."""
        if not (replica.is_at_work and replica.electing.is_leading):
            self._blame(f"{replica.name} calls for {login}, and does not lead")
        self._judge_overlap(replica, login)
        began = self._began[replica.name, login]
        call = Call(replica, began, self._is_saved(replica, login))
        if (last := self._last.get(login)) is not None:
            self._judge_floor(last, call, login)
        self._last[login] = self._open[replica.name, login] = call

    def ends(self, replica: Replica, login: LoginName) -> None:
        """Its call is over, however it ended."""
        self._open.pop((replica.name, login)).is_over = True

    def _judge_overlap(self, replica: Replica, login: LoginName) -> None:
        if self._town.may_be_two:
            return
        for (name, which), call in self._open.items():
            # What stands still or is dead calls no more, whatever it believes; and what has just
            # gone on waits for an answer to what it sent before.
            if which == login and call.replica.is_running and not call.replica.is_late:
                self._blame(f"{replica.name} calls for {login} while {name} does")

    def _is_saved(self, replica: Replica, login: LoginName) -> bool:
        kept, mine = self._judge.saved(login), replica.state_of(login)
        return kept is not None and kept.last_attempt == mine.last_attempt

    def _judge_floor(self, last: Call, call: Call, login: LoginName) -> None:
        """The floor between attempts holds across replicas, as far as what is kept tells of it."""
        town, shape = self._town, self._town.shape
        if not last.is_saved or self._judge.touched[login] >= last.at or shape.is_wild:
            return
        # Only wall clocks tell how long ago it was that another machine called.
        hosts = last.replica.host, call.replica.host
        ahead = 0.0 if hosts[0] is hosts[1] else max(0.0, hosts[1].skew - hosts[0].skew)
        held = call.replica.state_of(login).held
        lightsail = town.lightsails[login]
        valid = held is not None and town.now < lightsail.issued[held.digest].born_to_expire
        floor = min(USUAL, shape.lifetime / 10) if valid else FLOOR
        least = (
            floor / max(1.0, *(one.rate for one in hosts))
            - ahead
            - town.stepped_since(last.at)
            - 0.05
        )
        if call.at - last.at < least:
            what = f"{last.replica.name} and {call.replica.name} called for {login}"
            self._blame(f"{what} within {call.at - last.at:.1f} s, {floor:.0f} is the floor")

    def heard(self, replica: Replica, fact: LoginFact) -> None:
        """A call needs a cause that is true: what was saved and is not due costs none."""
        if not isinstance(fact, facts.AttemptStarted):
            return
        login, now = fact.login, self._town.now
        self._began[replica.name, login] = now
        held, lightsail = replica.state_of(login).held, self._town.lightsails[login]
        if held is None:
            kept = self._judge.saved(login)
            is_old = kept is not None and self._judge.kept_since(login) <= replica.asked_at
            if is_old and kept is not None and kept.credential is not None:
                self._blame(f"{replica.name} begins anew with {login}, of which is kept enough")
            return
        issued = lightsail.issued[held.digest]
        slack = SLACK + self._town.stepped_since(issued.issued_at) + 2 * self._town.shape.skew
        slack += (self._town.shape.fastest - 1) * self._town.shape.lifetime
        due = issued.issued_at + lightsail.lifetime * (0.5 - SPREAD)
        is_true = {
            facts.Why.DUE: now >= due - slack,
            facts.Why.EXPIRED: now >= issued.born_to_expire - slack,
            facts.Why.REFUSED: not lightsail.is_accepted(held.digest),
        }
        if not is_true.get(fact.why, False):
            self._blame(f"{replica.name} calls for {login}, told {fact.why}, which it is not")

    def _blame(self, what: str) -> None:
        self._judge.blame(f"calls: {what}")
