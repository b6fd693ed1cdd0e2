"""What is known of one place, and how a fact about it moves that."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum, auto, unique

from msgspec import Struct
from msgspec.structs import replace

from lightkeeper.core import facts, policy
from lightkeeper.core.credential import Credential, Digest
from lightkeeper.core.facts import Cause, Place
from lightkeeper.core.failure import Failure, failed
from lightkeeper.core.notices import NO_NOTICES, NOTICES, Notice
from lightkeeper.core.reasons import DELIVERY, NO_LOGIN, Reason


@unique
class Proof(Enum):
    """Whether the next write would be taken, as far as is known before it is due."""

    NEVER = auto()
    """There is no dry run of a write there."""
    DUE = auto()
    GIVEN = auto()
    """By a dry run, or by a write."""
    REFUSED = auto()
    """What the failure is of."""


class PlaceState(Struct, frozen=True, kw_only=True, gc=False):
    """What is known of one place."""

    place: Place
    replaces_foreign: bool = True
    """Whether a credential that we did not write may be overwritten."""
    poll: timedelta = policy.POLL
    """How often it is read, even if nobody says that it changed."""
    wants: str = ""
    """What is to be written there beside the credential, as its output tells it apart."""
    is_read: bool = False
    digest: Digest | None = None
    """What it held when last read."""
    settled: bool = False
    read_at: timedelta = timedelta(0)
    """When it was last read or written, or could not be."""
    touched: bool = False
    had_ours: bool = False
    """Whether we delivered there before, in this process or another."""
    confirmed: Digest | None = None
    """The last credential of ours that was seen there: what a drift is measured against."""
    busy: bool = False
    wanted_anew: bool = False
    """Whether something else is wanted there since that began which it is busy with."""
    pending: str = ""
    """Why it cannot be there yet; empty if it can."""
    failure: Failure | None = None
    not_before: timedelta = timedelta(0)
    drift: Cause | None = None
    drifted_at: timedelta = timedelta(0)
    repairs: int = 0
    """How often in the present dispute."""
    repaired_at: timedelta = timedelta(0)
    notices: frozenset[Notice] = NO_NOTICES
    """What was said of it: what the last look found, and what the last delivery mended."""
    proof: Proof = Proof.NEVER

    def holds(self, credential: Credential | None) -> bool:
        """Whether the credential was read back from it, and nothing else is left to change."""
        return (
            credential is not None
            and self.is_read
            and self.settled
            and self.digest == credential.digest
        )

    def is_failing_ahead(self, credential: Credential | None) -> bool:
        """Whether it holds the credential, and all that fails is the next write, ahead of it."""
        return self.failure is not None and self.proof is Proof.REFUSED and self.holds(credential)

    @property
    def is_unusable(self) -> bool:
        """Whether no client finds a login there, whatever was in it when it was last understood."""
        return self.failure is not None and self.failure.reason in NO_LOGIN

    @property
    def disputed(self) -> Cause | None:
        """What somebody else did to our entry; what was there before any of ours is no drift."""
        return self.drift if self.had_ours or self.drift is not Cause.REPLACED else None

    def is_in_conflict(self, held: Credential | None) -> bool:
        """Whether it holds a credential that we did not write and may not overwrite."""
        return self.drift is Cause.REPLACED and not self.may_replace(held)

    def may_replace(self, held: Credential | None) -> bool:
        """Whether `held` may be written over a credential that is not ours.

        One that came in an unusual answer may not: it could be worse than what it meets.
        """
        return self.replaces_foreign and not (held is not None and held.is_odd)


def unread(place: PlaceState) -> PlaceState:
    """The same place, of which nothing is known."""
    return PlaceState(
        place=place.place,
        replaces_foreign=place.replaces_foreign,
        poll=place.poll,
        wants=place.wants,
        busy=place.busy,
        wanted_anew=place.wanted_anew,
        proof=place.proof,
    )


def served_as(place: PlaceState, new: PlaceState) -> PlaceState:
    """The same place, served like `new` from now on; what is known of it stays.

    Where something else is wanted beside the credential, that is still to be written.
    """
    after = replace(place, replaces_foreign=new.replaces_foreign, poll=new.poll, wants=new.wants)
    if new.wants == place.wants:
        return after
    return replace(after, settled=False, wanted_anew=place.busy)


def started(place: PlaceState) -> PlaceState:
    """It is being read or written; what is touched from now on is touched after."""
    return replace(place, busy=True, touched=False, wanted_anew=False)


def read(place: PlaceState, fact: facts.PlaceRead, held: Credential | None) -> PlaceState:
    """It was read, and shows nothing new that somebody else did."""
    staying = {one for one in place.notices if not NOTICES[one].lasts}
    after = replace(
        place,
        busy=False,
        pending="",
        is_read=True,
        digest=fact.digest,
        settled=fact.settled and not place.wanted_anew,
        read_at=fact.at.boot,
        notices=fact.notices | staying or NO_NOTICES,
        proof=Proof.GIVEN if fact.proven else place.proof,
    )
    if after.holds(held):
        # That reading it goes well says nothing of the next write.
        failure = place.failure if after.proof is Proof.REFUSED else None
        return replace(after, had_ours=True, confirmed=fact.digest, drift=None, failure=failure)
    # A stranger's until a renewal came later than it: its mark tells that since.
    is_cleared = fact.is_marked and place.drift is Cause.REPLACED
    if after.digest == place.digest and not is_cleared:
        return after
    return replace(after, drift=None, failure=_without_conflict(place.failure))


def pending(place: PlaceState, fact: facts.PlacePending) -> PlaceState:
    """It cannot be there yet."""
    return replace(
        place,
        busy=False,
        pending=fact.detail,
        is_read=True,
        digest=None,
        settled=False,
        confirmed=None,
        drift=None,
        failure=None,
        read_at=fact.at.boot,
        not_before=fact.at.boot + policy.DELIVERY_RETRY,
    )


def drifted(place: PlaceState, fact: facts.Drifted, held: Credential | None) -> PlaceState:
    """Somebody else changed our entry: it is repaired after a wait that grows in a dispute."""
    over = policy.is_dispute_over(place.repaired_at, fact.at.boot)
    repairs = 0 if over else place.repairs
    after = replace(
        place,
        busy=False,
        pending="",
        is_read=True,
        digest=fact.digest,
        settled=False,
        read_at=fact.at.boot,
        drift=fact.cause,
        drifted_at=fact.at.boot,
        repairs=repairs,
    )
    after = replace(after, not_before=fact.at.boot + _repair_wait(after))
    if after.is_in_conflict(held):
        return after
    return replace(after, failure=_without_conflict(place.failure))


def _repair_wait(place: PlaceState) -> timedelta:
    match place.disputed:
        case None:
            return timedelta(0)
        case Cause.REMOVED:
            return policy.REMOVED_WAIT
        case _:
            return policy.repair_wait(place.repairs)


def delivered(place: PlaceState, fact: facts.Delivered) -> PlaceState:
    """It holds the credential that was put there."""
    repaired = fact.repaired is not None
    return replace(
        place,
        busy=False,
        pending="",
        is_read=True,
        digest=fact.digest,
        settled=not place.wanted_anew,
        read_at=fact.at.boot,
        had_ours=True,
        confirmed=fact.digest,
        drift=None,
        failure=None,
        repairs=place.repairs + repaired,
        repaired_at=fact.at.boot if repaired else place.repaired_at,
        notices=fact.notices or NO_NOTICES,
        proof=_proven(place, Proof.GIVEN),
    )


def not_delivered(place: PlaceState, fact: facts.DeliveryFailed) -> PlaceState:
    """It could not be read or written, or could not be if it had to."""
    failure = failed(place.failure, fact.reason, fact.detail, fact.at)
    after = replace(place, busy=False, pending="", failure=failure, read_at=fact.at.boot)
    if fact.foreseen:
        return replace(after, proof=_proven(place, Proof.REFUSED))
    # What passes by itself, as an outage does, takes no right away.
    known = DELIVERY.get(fact.reason)
    passes = known is not None and known.passes
    is_open = place.proof is Proof.REFUSED or not passes
    return replace(
        after,
        not_before=fact.at.boot + policy.delivery_wait(failure.count, place.poll),
        proof=_proven(place, Proof.DUE) if is_open else place.proof,
    )


def _proven(place: PlaceState, proof: Proof) -> Proof:
    return Proof.NEVER if place.proof is Proof.NEVER else proof


def _without_conflict(failure: Failure | None) -> Failure | None:
    """What is left of a failure once what was in conflict is gone."""
    return None if failure is not None and failure.reason is Reason.CONFLICT else failure
