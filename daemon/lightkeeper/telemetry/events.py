"""The words of every event: what its line tells, how grave it is, and its phrase for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from msgspec import Struct

from lightkeeper.core import facts
from lightkeeper.core.answer import Verdict
from lightkeeper.core.facts import ClockStepped, LoginFact
from lightkeeper.core.moment import iso
from lightkeeper.core.notices import NOTICES, gravest, ordered
from lightkeeper.core.reasons import DELIVERY, RENEWAL
from lightkeeper.core.upkeep import STORE

Fact = LoginFact | ClockStepped
Fields = dict[str, Any]


class Event(Struct, frozen=True):
    """How the line of one kind of fact is made."""

    level: Callable[[Any], str]
    fields: Callable[[Any], Fields]
    phrase: str
    """What it is for people on a terminal; a field that is named here is not told again."""
    meaning: str


class OwnEvent(Struct, frozen=True):
    """A line of the process itself."""

    level: str
    phrase: str
    meaning: str


def _always(level: str) -> Callable[[Any], str]:
    return lambda _: level


def _renewal_failed_level(fact: facts.RenewalFailed) -> str:
    has_ended = fact.remaining == timedelta(0)
    return "warning" if RENEWAL[fact.reason].passes and not has_ended else "error"


def _delivery_failed_level(fact: facts.DeliveryFailed) -> str:
    return "warning" if DELIVERY[fact.reason].passes else "error"


def _none(_: Fact) -> Fields:
    return {}


def _at(fact: facts.PlaceRead | facts.Drifted | facts.Delivered | facts.DeliveryFailed) -> Fields:
    return {"output": fact.place.output, "place": fact.place.name}


def _renewed(fact: facts.Renewed) -> Fields:
    credential = fact.credential
    return {
        "registry": credential.registry,
        "expires": iso(credential.expires_at),
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
    facts.AttemptStarted: Event(
        _always("debug"), lambda f: {"why": f.why}, "asks Lightsail ({why})", "An attempt begins."
    ),
    facts.Renewed: Event(
        _always("info"),
        _renewed,
        "renewed, expires {expires}",
        "A new credential came and is held.",
    ),
    facts.RenewalFailed: Event(
        _renewal_failed_level,
        _renewal_failed,
        "renewal failed, {reason}: {detail}",
        "An attempt brought nothing; what is held stays, and it is tried again.",
    ),
    facts.RenewalRequested: Event(
        _always("info"),
        _none,
        "somebody asks for a renewal",
        "A person wants a new credential now.",
    ),
    facts.VerificationStarted: Event(
        _always("debug"), _none, "asks the registry", "The registry is asked."
    ),
    facts.Verified: Event(
        lambda f: "warning" if f.verdict is Verdict.REJECTED else "info",
        lambda f: {"registry_says": f.verdict},
        "the registry says: {registry_says}",
        "The registry has another opinion of the held credential than before.",
    ),
    facts.LookStarted: Event(_always("debug"), _at, "looks at {place}", "A place is read."),
    facts.PlaceRead: Event(
        lambda f: gravest(f.notices) or "debug",
        lambda f: {**_at(f), **_noticed(f)},
        "looked at {place}",
        "Something is to be said about a place.",
    ),
    facts.PlaceTouched: Event(
        _always("debug"), _at, "somebody wrote to {place}", "Somebody wrote there."
    ),
    facts.PlacePending: Event(
        _always("info"),
        lambda f: {**_at(f), "detail": f.detail},
        "cannot deliver to {place} yet: {detail}",
        "A place cannot be there yet; it is delivered to when it comes.",
    ),
    facts.Drifted: Event(
        _always("warning"),
        lambda f: {**_at(f), "cause": f.cause, **({"by": f.by} if f.by else {})},
        "somebody else {cause} our entry in {place}",
        "Somebody else changed our entry; it is repaired.",
    ),
    facts.DeliveryStarted: Event(
        _always("debug"), _at, "delivers to {place}", "A place is written."
    ),
    facts.Delivered: Event(
        lambda f: gravest(f.notices) or "info",
        _delivered,
        "delivered to {place}",
        "A place holds the credential again.",
    ),
    facts.DeliveryFailed: Event(
        _delivery_failed_level,
        _delivery_failed,
        "delivery to {place} failed, {reason}: {detail}",
        "A place could not be read or written, or could not be if it had to, or holds what must"
        " stay; it is left as it is, and tried again.",
    ),
    facts.RoundEnded: Event(
        lambda f: "warning" if f.failing else "info",
        _round_ended,
        "delivered to its places: {changed} changed, {unchanged} unchanged, {failing} failing",
        "Every place has been given the new credential, or has failed; told once it is known which"
        " places there are, or when the next renewal begins.",
    ),
    facts.StateNotSaved: Event(
        _always("error"),
        _not_saved,
        "the state cannot be saved, {reason}: {detail}; {means}",
        "The store took nothing.",
    ),
    facts.StateSaved: Event(
        _always("info"), _none, "the state is saved again", "The store takes it again."
    ),
    facts.Surprised: Event(
        _always("error"),
        lambda f: {"doing": f.doing, "traceback": f.traceback},
        "a bug in {doing}; the login goes on",
        "A bug was caught; the login goes on after a wait, others are not touched.",
    ),
    ClockStepped: Event(
        _always("warning"),
        _clock_stepped,
        "clocks went apart: set by {stepped_seconds}, asleep for {suspended_seconds}",
        "The wall clock was set, or the machine slept; every plan is asked again.",
    ),
}
"""Every fact, its line, and what it means to people."""

OWN_EVENTS: Final[Mapping[str, OwnEvent]] = {
    "daemon_started": OwnEvent(
        "info", "Lightkeeper {version} begins", "The daemon begins, with this configuration."
    ),
    "daemon_ready": OwnEvent(
        "info",
        "is up; every login is kept from when the saved state is read",
        "The daemon is up; logins are kept once the saved state is read, by whoever leads.",
    ),
    "daemon_surprised": OwnEvent(
        "error",
        "a bug in {doing}; every login is kept on",
        "A bug was caught in what all logins share; they are kept on.",
    ),
    "daemon_stopping": OwnEvent(
        "info",
        "ends, and lets writes in progress finish",
        "A signal ends the daemon; writes in progress are let finish.",
    ),
    "config_warning": OwnEvent("warning", "{problem}", "A setting works and is dangerous."),
    "config_reloaded": OwnEvent(
        "info", "the new configuration is in force", "The new configuration is in force."
    ),
    "config_rejected": OwnEvent(
        "error",
        "the new configuration has errors, the old one runs on",
        "The new configuration has errors; the old one runs on.",
    ),
    "restart_needed": OwnEvent(
        "warning",
        "{key} was changed: that takes effect with the next start",
        "A setting that changed takes effect with the next start.",
    ),
    "listener_failed": OwnEvent(
        "error",
        "cannot serve metrics at {listen}: {detail}",
        "Metrics are not served; logins are kept, and it is tried again.",
    ),
    "control_failed": OwnEvent(
        "warning",
        "no command reaches this daemon, and every login is kept on: {detail}",
        "The control socket was taken away and cannot be made anew; it is tried again.",
    ),
    "leadership_began": OwnEvent(
        "info",
        "this replica keeps the logins from now on",
        "This replica took the Lease, and keeps the logins from now on.",
    ),
    "leadership_ended": OwnEvent(
        "warning",
        "this replica keeps nothing any more ({why})",
        "This replica keeps nothing any more; another one takes over.",
    ),
    "leader_seen": OwnEvent(
        "info",
        "{holder} keeps the logins; this replica stands by",
        "Another replica keeps the logins; this one stands by.",
    ),
    "lease_released": OwnEvent(
        "info",
        "another replica may begin at once",
        "The Lease was released at the end; another replica may begin at once.",
    ),
    "election_failed": OwnEvent(
        "error",
        "the Lease cannot be read or written, {reason}: {detail}",
        "The Lease cannot be read or written; who leads stops at its deadline, and whoever knows of"
        " no leader is not ready.",
    ),
    "watch_blind": OwnEvent(
        "warning",
        "a change is found by the poll only, up to a minute later: {detail}",
        "A change there is found by the poll, up to a minute later.",
    ),
    "namespaces_unknown": OwnEvent(
        "warning",
        "which namespaces there are is not known, {reason}: {detail}",
        "Namespaces cannot be listed or watched; those that were known are served, and it is tried"
        " again.",
    ),
    "namespaces_known": OwnEvent(
        "info",
        "it is known again which namespaces there are",
        "Namespaces are listed and watched again.",
    ),
    "namespace_missing": OwnEvent(
        "warning",
        "{detail}",
        "An output chooses none of the namespaces that there are, and delivers nothing.",
    ),
    "namespace_chosen": OwnEvent(
        "info",
        "{output} chooses a namespace again, or is served no more",
        "An output that chose no namespace chooses one now, or is served no more.",
    ),
    "places_left": OwnEvent(
        "warning",
        "our entries stay in places that are served no more; {command} takes them out",
        "Places are served no more; our entries stay until withdrawn.",
    ),
    "places_pruned": OwnEvent(
        "info",
        "{output} took our entries out where it serves no more",
        "An output with `prune` serves places no more; their Secrets were deleted, or our entries"
        " taken out of those that are shared.",
    ),
    "state_not_read": OwnEvent(
        "error",
        "no login is kept until the saved state is read, {reason}: {detail}",
        "The Secret with the saved state cannot be read; no login is kept until it can.",
    ),
    "renewal_not_begun": OwnEvent(
        "warning",
        "nothing is renewed by that signal: {why}",
        "A signal asked for a renewal of every login where none is kept.",
    ),
    "cluster_not_reached": OwnEvent(
        "error",
        "a cluster cannot be asked as it is configured: {detail}; mend that, it is tried again",
        "What it takes to ask a cluster cannot be read when the logins begin; none is kept until it"
        " can.",
    ),
    "state_unreadable": OwnEvent(
        "warning",
        "the saved state cannot be used, and a login of that name starts anew: {detail}",
        "A saved state cannot be used; a login of that name costs one call.",
    ),
    "lines_lost": OwnEvent(
        "warning",
        "whoever reads this had halted; {count} lines are missing here",
        "Whoever reads the log had halted; so many lines are missing here.",
    ),
}
"""Those of the process itself."""

PHRASES: Final[Mapping[str, str]] = {
    **{kind.event: event.phrase for kind, event in EVENTS.items()},
    **{name: event.phrase for name, event in OWN_EVENTS.items()},
}
