"""What a look at a place means: what of it may change, and the fact that it ends in.

Knows no keeper, so that whoever only looks does not pay for an event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import assert_never

from msgspec.structs import replace

from lightkeeper.core import facts
from lightkeeper.core.credential import Credential, Digest
from lightkeeper.core.facts import Cause, LoginFact, LoginName, OutputName, Place
from lightkeeper.core.fold import fold
from lightkeeper.core.moment import Moment
from lightkeeper.core.place import PlaceState, Proof
from lightkeeper.core.reasons import DELIVERY, Reason
from lightkeeper.core.state import LoginState
from lightkeeper.ports import Delivery, Failed, Foreign, Found, IfForeign, Output, Pending


def places_of(outputs: Iterable[Output]) -> Iterator[PlaceState]:
    """Where these outputs deliver to; nothing is known of it yet."""
    for output in outputs:
        poll = output.poll
        for place in output.places():
            yield PlaceState(
                place=place,
                replaces_foreign=output.replaces_foreign,
                poll=poll,
                wants=output.wants,
                proof=Proof.NEVER if output.prove is None else Proof.DUE,
            )


def unlisted(outputs: Iterable[Output]) -> frozenset[OutputName]:
    """Those of these outputs that are still to be told which places they have."""
    return frozenset(output.name for output in outputs if output.is_unlisted)


def may_stay(outputs: Iterable[Output]) -> Callable[[Place], bool]:
    """Whether an entry of ours may be where a place was that these outputs do not serve."""
    by_name = {output.name: output for output in outputs}

    def stays(place: Place) -> bool:
        output = by_name.get(place.output)
        return output is None or output.may_stay(place)

    return stays


def spared(state: LoginState, place: Place) -> frozenset[Digest] | None:
    """What a look has to know where a credential that is not ours may not be replaced."""
    known = state.places.get(place)
    return (
        None if known is None or known.may_replace(state.held) else state.ours_in(known) | state.kin
    )


def delivery_of(state: LoginState, place: Place, held: Credential) -> Delivery:
    """What would be put into a place where nothing of others is to be replaced."""
    return Delivery(
        login=state.login,
        credential=held,
        ours=state.ours_in(state.places.get(place)),
        kin=state.kin,
        former=state.former_registries,
        if_foreign=IfForeign.ASK if spared(state, place) is None else IfForeign.SPARE,
    )


def proof_of(failed: Failed | None) -> Failed | bool | None:
    """What a dry run tells of the next write: True, or what a person has to mend before it.

    None if neither: what passes by itself may have passed by then.
    """
    if failed is None:
        return True
    return None if DELIVERY[failed.reason].passes else failed


def looked(
    state: LoginState,
    place: Place,
    seen: Found | Pending | Failed,
    now: Moment,
    *,
    proof: Failed | bool | None = None,
) -> list[LoginFact]:
    """The facts that a look at a place ends in, given what was known of it before.

    `proof` is what a dry run told beside it.
    """
    if isinstance(seen, Found) and seen.obstacle is not None:
        proof = seen.obstacle
    known = state.places.get(place)
    if known is None or not isinstance(seen, Found):
        return [seen_at(state.login, place, seen, now)]
    cause = state.drift_of(known, seen.digest, settled=seen.settled, is_marked=seen.is_marked)
    if cause is not None:
        return drifted(state, place, cause, seen, now)
    read = seen_at(state.login, place, seen, now)
    if not isinstance(read, facts.PlaceRead) or not seen.settled or proof is None:
        return [read, *_in_conflict(state, place, read, seen.by)]
    if isinstance(proof, Failed):
        return [read, _foreseen(state, place, proof, now)]
    return [replace(read, proven=True)]


def _foreseen(state: LoginState, place: Place, failed: Failed, now: Moment) -> LoginFact:
    return facts.DeliveryFailed(
        login=state.login,
        at=now,
        place=place,
        reason=failed.reason,
        detail=f"it is current, and the next would fail: {failed.detail}",
        foreseen=True,
    )


def drifted(
    state: LoginState, place: Place, cause: Cause, seen: Found | Foreign, now: Moment
) -> list[LoginFact]:
    """The facts that it ends in where somebody else changed our entry."""
    drift = facts.Drifted(
        login=state.login, at=now, place=place, cause=cause, digest=seen.digest, by=seen.by
    )
    return [drift, *_in_conflict(state, place, drift, seen.by)]


def _in_conflict(state: LoginState, place: Place, found: LoginFact, by: str) -> Iterator[LoginFact]:
    """A failure as long as a credential is there that must stay: each look finds it again."""
    known = state.places.get(place)
    if known is None or known.may_replace(state.held):
        return
    if fold(state, found).places[place].is_in_conflict(state.held):
        written = f", written by {by}" if by else ""
        detail = f"another credential for this registry is there{written}"
        conflict = Failed(reason=Reason.CONFLICT, detail=detail)
        yield seen_at(state.login, place, conflict, found.at)


def seen_at(
    login: LoginName, place: Place, seen: Found | Pending | Failed, now: Moment
) -> LoginFact:
    """The fact that a look ends in where nothing drifted, or a delivery that put nothing there."""
    match seen:
        case Found(digest=digest, settled=settled, notices=notices, is_marked=is_marked):
            return facts.PlaceRead(
                login=login,
                at=now,
                place=place,
                digest=digest,
                settled=settled,
                notices=notices,
                is_marked=is_marked,
            )
        case Pending(detail=detail):
            return facts.PlacePending(login=login, at=now, place=place, detail=detail)
        case Failed(reason=reason, detail=detail):
            return facts.DeliveryFailed(
                login=login, at=now, place=place, reason=reason, detail=detail
            )
        case _:
            assert_never(seen)
