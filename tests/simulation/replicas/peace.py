"""The judge of what is left once all is mended: every place served, and nothing failing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightkeeper.adapters.kubernetes.manifest import KEY
from lightkeeper.core.facts import LoginName
from lightkeeper.core.place import PlaceState
from lightkeeper.core.reasons import Reason
from tests.simulation.election import miscounted
from tests.simulation.timeline import auth_of, digest_in

if TYPE_CHECKING:
    from tests.simulation.replicas.replica import Replica
    from tests.simulation.replicas.world import Town

SLACK = 90.0
"""Seconds that a renewal and its deliveries may take after they are due."""


def judge_peace(town: Town) -> None:
    """Look at what the world has come to."""
    blame = town.judge.blame
    for one in town.replicas:
        for told in one.surprises:
            blame(f"bug: {one.name}: {told}")
    leaders = [one for one in town.living if one.is_at_work]
    lease = town.server.lease
    if len(leaders) != 1 or lease is None or lease.holder != leaders[0].name:
        blame(f"peace: {[one.name for one in leaders]} lead, and the Lease says {lease}")
        return
    for wrong in miscounted(town.server.history):
        if "nobody" not in wrong:
            blame(f"lease: {wrong}")
    for login in town.lightsails:
        _judge_login(town, leaders[0], login)


def _judge_login(town: Town, leader: Replica, login: LoginName) -> None:
    blame = town.judge.blame
    state, lightsail = leader.state_of(login), town.lightsails[login]
    if state.held is None:
        blame(f"peace: {leader.name} holds nothing of {login}: {state.failure}")
        return
    issued = lightsail.issued[state.held.digest]
    # Where nobody asks the registry, nobody knows what was ended early.
    left = (issued.expires if town.shape.verify else issued.born_to_expire) - town.now
    least = lightsail.lifetime * 0.5 - SLACK - town.shape.skew
    if left < least:
        blame(f"peace: {login} has {left:.0f} s left, not {least:.0f}: {state.failure}")
    failing = [one for one in (state.failure, state.unsaved, state.bug) if one is not None]
    if failing:
        blame(f"peace: {login} is failing: {failing}")
    kept = town.judge.saved(login)
    if town.judge.touched[login] > issued.issued_at:
        pass  # what somebody takes away is saved anew with the next renewal
    elif kept is None or kept.credential is None:
        blame(f"peace: nothing is kept of {login}")
    elif kept.credential.credential().digest != state.held.digest:
        blame(f"peace: an old credential of {login} is kept")
    places = {place.place.name: place for place in state.places.values()}
    for (namespace, name), logins in town.targets.items():
        if login in logins:
            _judge_place(town, login, places.get(f"{namespace}/{name}"), (namespace, name))


def _judge_place(
    town: Town, login: LoginName, known: PlaceState | None, key: tuple[str, str]
) -> None:
    held = next(one for one in town.living if one.is_at_work).state_of(login).held
    assert held is not None
    if known is None:
        town.judge.blame(f"peace: {key} is not served")
        return
    secret, host = town.annals.secrets.get(key), town.lightsails[login].host
    there = digest_in(auth_of(secret.data().get(KEY) if secret else None, host))
    is_others = known.failure is not None and known.failure.reason is Reason.CONFLICT
    if is_others and not town.shape.replaces_foreign:
        return  # as it is configured: what somebody else put there stays
    if there != held.digest:
        town.judge.blame(f"peace: {key} holds {there}, not {held.digest}: {known.failure}")
    if known.failure is not None:
        town.judge.blame(f"peace: {key} is failing: {known.failure}")
