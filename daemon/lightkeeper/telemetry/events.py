"""What each fact is called in the log, how grave it is, and what the line tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from msgspec import Struct

from lightkeeper.core import facts
from lightkeeper.core.answer import Verdict
from lightkeeper.core.facts import ClockStepped, LoginFact
from lightkeeper.core.notices import NOTICES, gravest, ordered
from lightkeeper.core.reasons import DELIVERY, RENEWAL, STORE, Reason

Fact = LoginFact | ClockStepped
Fields = dict[str, Any]

FOR_PEOPLE: Final = frozenset(
    {
        *(Reason.ACCESS_DENIED, Reason.UNAUTHENTICATED, Reason.AWS_CREDENTIALS_MISSING),
        *(Reason.AWS_CREDENTIALS_EXPIRED, Reason.AWS_CREDENTIALS_INVALID, Reason.CLOCK_SKEW),
        *(Reason.NO_CONTAINER_SERVICE, Reason.NOT_FOUND, Reason.INVALID_INPUT, Reason.REDIRECTED),
        *(Reason.TLS, Reason.SUPERSEDED, Reason.INTERNAL_ERROR, Reason.PERMISSION_DENIED),
        *(Reason.READ_ONLY, Reason.NO_SPACE, Reason.MALFORMED, Reason.TOO_LARGE),
        *(Reason.UNSAFE_PATH, Reason.SINGLE_FILE_MOUNT, Reason.OTHER_OWNER, Reason.CONFLICT),
    }
)
"""Reasons that no waiting mends: a person must act, and the line is an error."""


class Event(Struct, frozen=True):
    """How the line of one kind of fact is made."""

    level: Callable[[Any], str]
    fields: Callable[[Any], Fields]
    meaning: str


def _always(level: str) -> Callable[[Any], str]:
    return lambda _: level


def _by_reason(fact: facts.RenewalFailed | facts.DeliveryFailed) -> str:
    return "error" if fact.reason in FOR_PEOPLE else "warning"


def _renewal_failed_level(fact: facts.RenewalFailed) -> str:
    return "error" if fact.remaining == timedelta(0) else _by_reason(fact)


def _none(_: Fact) -> Fields:
    return {}


def _at(fact: facts.PlaceRead | facts.Drifted | facts.Delivered | facts.DeliveryFailed) -> Fields:
    return {"output": fact.place.output, "place": fact.place.name}


def _renewed(fact: facts.Renewed) -> Fields:
    credential = fact.credential
    return {
        "registry": credential.registry,
        "expires": _instant(credential.expires_at),
        "lifetime_seconds": credential.lifetime.total_seconds(),
        "registry_says": fact.verdict or "not asked",
        "took_seconds": round(fact.took.total_seconds(), 3),
        **({"unusual": sorted(fact.oddities)} if fact.oddities else {}),
    }


def _renewal_failed(fact: facts.RenewalFailed) -> Fields:
    left = fact.remaining
    return {
        "reason": fact.reason,
        "detail": fact.detail,
        "advice": RENEWAL[fact.reason].advice,
        "took_seconds": round(fact.took.total_seconds(), 3),
        **({} if left is None else {"remaining_seconds": round(left.total_seconds())}),
    }


def _delivery_failed(fact: facts.DeliveryFailed) -> Fields:
    advice = DELIVERY[fact.reason].advice
    return {**_at(fact), "reason": fact.reason, "detail": fact.detail, "advice": advice}


def _delivered(fact: facts.Delivered) -> Fields:
    repaired = {"repaired": fact.repaired} if fact.repaired else {}
    return {**_at(fact), "changed": fact.changed, **repaired, **_noticed(fact)}


def _noticed(fact: facts.PlaceRead | facts.Delivered) -> Fields:
    notices = ordered(fact.notices)
    advice = " ".join(NOTICES[notice].advice for notice in notices)
    return {"notices": list(notices), "advice": advice} if notices else {}


def _round_ended(fact: facts.RoundEnded) -> Fields:
    return {"changed": fact.changed, "unchanged": fact.unchanged, "failing": fact.failing}


def _not_saved(fact: facts.StateNotSaved) -> Fields:
    advice = STORE[fact.reason].advice
    means = "the floor between attempts holds within this process only"
    return {"reason": fact.reason, "detail": fact.detail, "means": means, "advice": advice}


def _clock_stepped(fact: ClockStepped) -> Fields:
    return {
        "stepped_seconds": round(fact.stepped.total_seconds(), 3),
        "suspended_seconds": round(fact.suspended.total_seconds(), 3),
    }


EVENTS: Final[Mapping[type[Fact], Event]] = {
    facts.AttemptStarted: Event(_always("debug"), lambda f: {"why": f.why}, "An attempt begins."),
    facts.Renewed: Event(_always("info"), _renewed, "A new credential came and is held."),
    facts.RenewalFailed: Event(
        _renewal_failed_level,
        _renewal_failed,
        "An attempt brought nothing; what is held stays, and it is tried again.",
    ),
    facts.RenewalRequested: Event(_always("info"), _none, "A person wants a new credential now."),
    facts.VerificationStarted: Event(_always("debug"), _none, "The registry is asked."),
    facts.Verified: Event(
        lambda f: "warning" if f.verdict is Verdict.REJECTED else "info",
        lambda f: {"registry_says": f.verdict},
        "The registry has another opinion of the held credential than before.",
    ),
    facts.LookStarted: Event(_always("debug"), _at, "A place is read."),
    facts.PlaceRead: Event(
        lambda f: gravest(f.notices) or "debug",
        lambda f: {**_at(f), **_noticed(f)},
        "Something is to be said about a place.",
    ),
    facts.PlaceTouched: Event(_always("debug"), _at, "Somebody wrote there."),
    facts.PlacePending: Event(
        _always("info"),
        lambda f: {**_at(f), "detail": f.detail},
        "A place cannot be there yet; it is delivered to when it comes.",
    ),
    facts.Drifted: Event(
        _always("warning"),
        lambda f: {**_at(f), "cause": f.cause},
        "Somebody else changed our entry; it is repaired.",
    ),
    facts.DeliveryStarted: Event(_always("debug"), _at, "A place is written."),
    facts.Delivered: Event(
        lambda f: gravest(f.notices) or "info",
        _delivered,
        "A place holds the credential again.",
    ),
    facts.DeliveryFailed: Event(
        _by_reason,
        _delivery_failed,
        "A place could not be read or written; it holds what it held, and it is tried again.",
    ),
    facts.RoundEnded: Event(
        lambda f: "warning" if f.failing else "info",
        _round_ended,
        "Every place has been given the new credential, or has failed.",
    ),
    facts.StateNotSaved: Event(_always("error"), _not_saved, "The store took nothing."),
    facts.StateSaved: Event(_always("info"), _none, "The store takes it again."),
    facts.Surprised: Event(
        _always("error"),
        lambda f: {"doing": f.doing, "traceback": f.traceback},
        "A bug was caught; the login goes on after a wait, others are not touched.",
    ),
    ClockStepped: Event(
        _always("warning"),
        _clock_stepped,
        "The wall clock was set, or the machine slept; every plan is asked again.",
    ),
}
"""Every fact, its line, and what it means to people."""


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
