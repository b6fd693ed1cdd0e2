"""The report as a document: what /status answers, and what commands print. It holds no secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from lightkeeper.core.failure import Failure
from lightkeeper.core.moment import iso
from lightkeeper.core.notices import NOTICES, Notice
from lightkeeper.core.reasons import DELIVERY, RENEWAL, Failing, Reason
from lightkeeper.core.report import (
    LoginReport,
    OutputReport,
    PlaceReport,
    Report,
    Standing,
    advice,
    unready,
)
from lightkeeper.core.state import Note
from lightkeeper.core.upkeep import STORE

Document = dict[str, Any]


def as_document(report: Report) -> Document:
    """The report in JSON's own types; instants ISO 8601 in UTC, durations in seconds."""
    return {**heading(report), "logins": list(login_documents(report))}


def heading(report: Report) -> Document:
    """What the document tells of all logins together."""
    ready = not unready(report, every_place=False)
    unlisted = {} if report.unlisted is None else {"namespaces": report.unlisted.sentence}
    return {"at": instant(report.at), "ready": ready, **report.part.document(), **unlisted}


def login_documents(report: Report) -> Iterator[Document]:
    """The logins of the document, one at a time: those of a thousand are ten megabytes."""
    wrong = {one.login for one in unready(report, every_place=False)}
    for login in report.logins:
        yield _login(login, is_ready=login.login not in wrong)


def instant(at: datetime | None) -> str | None:
    """With its zone, to the second."""
    return None if at is None else iso(at)


def span(duration: timedelta) -> str:
    """A duration as people say it, in its two largest units."""
    seconds = round(duration.total_seconds())
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"


def headline(report: Report) -> str:
    """How all of them stand, in one line."""
    if report.part.aside:
        return report.part.aside
    count = len(report.logins)
    logins = f"{count} login{'s' if count != 1 else ''}"
    failing = unready(report, every_place=True)
    return f"{logins}; {failing[0].sentence}" if failing else f"{logins}, all delivered"


def sentence(login: LoginReport) -> str:
    """How long the login lasts as it is, or why it does not."""
    if login.expires_at is not None and login.is_valid:
        day = "%Y-%m-%d " if login.remaining >= timedelta(days=1) else ""
        until = f"{login.expires_at:{day}%H:%MZ} ({span(login.remaining)})"
        said = f"without another renewal the login lasts until {until}"
        if not login.is_refused:
            return said
        said = f"{said}, but the registry refuses it"
        # Once proves nothing: it may have lost its logins.
        is_again = login.failure is not None and login.failure.reason is Reason.SUPERSEDED
        return f"{said} again: another caller seems to end our logins" if is_again else said
    if login.expires_at is not None:
        return f"the login expired at {login.expires_at:%Y-%m-%d %H:%MZ}"
    return "no login has come yet"


def _login(login: LoginReport, *, is_ready: bool) -> Document:
    return {
        "login": login.login,
        "region": login.region,
        "registry": login.registry,
        "sentence": sentence(login),
        "ready": is_ready,
        "valid": login.is_valid,
        "fresh": login.is_fresh,
        "accepted": login.verdict,
        "issued": instant(login.issued_at),
        "expires": instant(login.expires_at),
        "lifetime_seconds": login.lifetime.total_seconds(),
        "remaining_seconds": round(login.remaining.total_seconds(), 1),
        "renewing": login.is_renewing,
        "due": instant(login.due),
        "next_attempt": instant(login.next_attempt),
        "next_attempt_why": login.next_why,
        "last_success": instant(login.last_success),
        "clock_skew_seconds": round(login.skew.total_seconds(), 3),
        "delivered": instant(login.delivered_at),
        "consecutive_failures": login.consecutive_failures,
        "failure": _failure(login.failure, RENEWAL),
        "unsaved": _failure(login.unsaved, STORE),
        "bug": _failure(login.bug, RENEWAL),
        "renewals": login.renewals,
        "renewal_failures": dict(login.renewal_failures),
        "verifications": dict(login.verifications),
        "outputs": [_output(output) for output in login.outputs],
        "facts": [_note(note) for note in login.notes],
    }


def _output(output: OutputReport) -> Document:
    return {
        "output": output.name,
        "lacks": output.lacks or None,
        "earliest_expiry": instant(output.earliest),
        "places_by_state": {standing.value: output.count(standing) for standing in Standing},
        "changed": output.counts.changed,
        "unchanged": output.counts.unchanged,
        "failures": dict(output.counts.failures),
        "repairs": dict(output.counts.repairs),
        "places": [_place(place) for place in output.places],
    }


def _place(place: PlaceReport) -> Document:
    return {
        "place": place.place.name,
        "state": place.standing,
        "expires": instant(place.expires_at),
        "failure": _failure(place.failure, DELIVERY),
        "pending": place.pending or None,
        "drift": place.drift,
        "waits": place.waits or None,
        "notices": [_notice(notice) for notice in place.notices],
    }


def _notice(notice: Notice) -> Document:
    noted = NOTICES[notice]
    return {"notice": notice, "level": noted.level, "advice": noted.advice}


def _failure(failure: Failure | None, table: Mapping[Reason, Failing]) -> Document | None:
    if failure is None:
        return None
    return {
        "reason": failure.reason,
        "detail": failure.detail,
        "advice": advice(failure, table),
        "since": instant(failure.since),
        "count": failure.count,
    }


def _note(note: Note) -> Document:
    return {
        "at": instant(note.at),
        "fact": note.fact,
        "word": note.word,
        "place": note.place,
        "detail": note.detail,
    }
