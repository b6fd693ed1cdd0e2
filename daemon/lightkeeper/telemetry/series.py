"""The series of logins, outputs and places: a view of the report, made anew for each scrape.

A login that is gone leaves none behind. Every reason, result and cause is there from the start. A
thousand logins have sixty thousand series: each is made when it is read, and none is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, TypeVar

from prometheus_client.core import Metric, Sample
from prometheus_client.registry import Collector

from lightkeeper.core.answer import Verdict
from lightkeeper.core.facts import Cause
from lightkeeper.core.reasons import DELIVERY, RENEWAL
from lightkeeper.core.report import LoginReport, OutputReport, Report, Standing
from lightkeeper.core.state import failed_attempts

W = TypeVar("W", bound=str)

MAX_PLACES: Final = 1000
"""Above it no place has a series of its own; the output's tell all the same."""


class Series(Collector):
    """The series of logins, outputs and places."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def collect(self) -> Iterator[Metric]:
        """Every family, in the order of the reference; the samples of each can be read once."""
        logins = self._report.logins
        yield from _login_families(logins)
        yield from _output_families([(login, out) for login in logins for out in login.outputs])
        skews = [login.skew.total_seconds() for login in logins]
        yield _gauge(
            "clock_skew_seconds",
            "How far the wall clock here is ahead of AWS's, by the last answers.",
            [],
            [([], max(skews, key=abs, default=0.0))],
        )


_Rows = Iterable[tuple[Sequence[str], float]]
"""The values of the labels, and of the sample."""

_Value = Callable[[LoginReport], float]
_GAUGES: Final[tuple[tuple[str, str, _Value], ...]] = (
    ("login_valid", "Whether a credential is held that has not expired.", lambda x: x.is_valid),
    (
        "login_accepted",
        "Whether the registry took the held credential when last asked.",
        lambda x: x.verdict is Verdict.ACCEPTED,
    ),
    (
        "login_issued_timestamp_seconds",
        "When the held credential was issued, 0 if none is held.",
        lambda x: _stamp(x.issued_at),
    ),
    (
        "login_expiration_timestamp_seconds",
        "When the held credential expires, 0 if none is held.",
        lambda x: _stamp(x.expires_at),
    ),
    (
        "login_lifetime_seconds",
        "From issue to expiry of the held credential.",
        lambda x: x.lifetime.total_seconds(),
    ),
    (
        "login_time_to_expiry_seconds",
        "What is left of the held credential, 0 once it expired.",
        lambda x: x.remaining.total_seconds(),
    ),
    (
        "login_next_renewal_timestamp_seconds",
        "When the next renewal is due, 0 if none is held.",
        lambda x: _stamp(x.due),
    ),
    (
        "login_next_attempt_timestamp_seconds",
        "When the next attempt starts at the earliest.",
        lambda x: _stamp(x.next_attempt),
    ),
    (
        "login_last_success_timestamp_seconds",
        "When the last attempt succeeded, 0 if none has.",
        lambda x: _stamp(x.last_success),
    ),
    (
        "login_delivered_timestamp_seconds",
        "When every place last came to hold the held credential, 0 if not yet.",
        lambda x: _stamp(x.delivered_at),
    ),
    (
        "login_consecutive_failures",
        "Failed attempts since the last success.",
        lambda x: x.consecutive_failures,
    ),
    (
        "login_state_saved",
        "Whether the store took what a restart needs.",
        lambda x: x.unsaved is None,
    ),
)


def _login_families(logins: Sequence[LoginReport]) -> Iterator[Metric]:
    yield _gauge(
        "login_info",
        "A configured login; the registry is empty before the first credential.",
        ["login", "registry", "region"],
        (([login.login, login.registry or "", login.region], 1.0) for login in logins),
    )
    for name, text, value in _GAUGES:
        yield _gauge(name, text, ["login"], _by_login(logins, value))
    yield _counter("renewals", "Attempts by their result.", ["login", "result"], _renewals(logins))
    yield _counter(
        "renewal_failures",
        "Failed attempts by reason.",
        ["login", "reason"],
        (
            ([login.login, reason], login.renewal_failures.get(reason, 0))
            for login in logins
            for reason in RENEWAL
        ),
    )
    yield _counter(
        "verifications",
        "What the registry said when it was asked about a credential.",
        ["login", "result"],
        (
            ([login.login, verdict], login.verifications.get(verdict, 0))
            for login in logins
            for verdict in Verdict
        ),
    )


def _by_login(logins: Iterable[LoginReport], value: _Value) -> _Rows:
    for login in logins:
        yield [login.login], float(value(login))


def _renewals(logins: Iterable[LoginReport]) -> _Rows:
    for login in logins:
        yield [login.login, "success"], login.renewals
        yield [login.login, "failure"], failed_attempts(login.renewal_failures)


_Outputs = Sequence[tuple[LoginReport, OutputReport]]


def _output_families(outputs: _Outputs) -> Iterator[Metric]:
    by_output = ["login", "output"]
    yield _gauge(
        "output_earliest_expiration_timestamp_seconds",
        "The first expiry of what the places really hold, 0 if one holds nothing of ours.",
        by_output,
        (
            (_labels(login, output), _stamp(output.earliest))
            for login, output in outputs
            if output.places
        ),
    )
    yield _gauge(
        "output_places",
        "Places by how they stand.",
        [*by_output, "state"],
        _by_word(outputs, Standing, OutputReport.count),
    )
    yield _counter(
        "deliveries",
        "Deliveries by their result.",
        [*by_output, "result"],
        _by_word(outputs, ("changed", "unchanged"), lambda out, word: getattr(out.counts, word)),
    )
    yield _counter(
        "delivery_failures",
        "Failed deliveries by reason.",
        [*by_output, "reason"],
        _by_word(outputs, DELIVERY, lambda out, reason: out.counts.failures.get(reason, 0)),
    )
    yield _counter(
        "output_repairs",
        "Deliveries because somebody else changed our entry, by what they did.",
        [*by_output, "cause"],
        _by_word(outputs, Cause, lambda out, cause: out.counts.repairs.get(cause, 0)),
    )
    yield _gauge(
        "place_expiration_timestamp_seconds",
        "Expiry of what the place really holds, 0 if that is nothing of ours.",
        [*by_output, "place"],
        _places(outputs) if _count_places(output for _, output in outputs) <= MAX_PLACES else (),
    )


def _by_word(
    outputs: _Outputs, words: Iterable[W], value: Callable[[OutputReport, W], float]
) -> _Rows:
    for login, output in outputs:
        labels = _labels(login, output)
        for word in words:
            yield [*labels, word], value(output, word)


def _places(outputs: _Outputs) -> _Rows:
    for login, output in outputs:
        labels = _labels(login, output)
        for place in output.places:
            yield [*labels, _label(place.place.name)], _stamp(place.expires_at)


def _gauge(name: str, text: str, labels: Sequence[str], rows: _Rows) -> Metric:
    return _family(Metric(f"lightkeeper_{name}", text, "gauge"), "", labels, rows)


def _counter(name: str, text: str, labels: Sequence[str], rows: _Rows) -> Metric:
    return _family(Metric(f"lightkeeper_{name}", text, "counter"), "_total", labels, rows)


def _family(metric: Metric, suffix: str, labels: Sequence[str], rows: _Rows) -> Metric:
    """The family of these samples.

    A list of them, as the library's own families keep, would be tens of thousands of objects that
    live at once: megabytes, and collections of garbage that stall the loop.
    """
    name = metric.name + suffix
    samples = (Sample(name, dict(zip(labels, row, strict=True)), value) for row, value in rows)
    metric.samples = samples  # type: ignore[assignment]  # who writes them out reads them once
    return metric


def _count_places(outputs: Iterable[OutputReport]) -> int:
    return sum(len(output.places) for output in outputs)


def _labels(login: LoginReport, output: OutputReport) -> Sequence[str]:
    return [login.login, _label(output.name)]


def _label(name: str) -> str:
    """A name that was a path may hold bytes that are no text, and one of them fails a scrape."""
    return name.encode(errors="backslashreplace").decode()


def _stamp(at: datetime | None) -> float:
    return 0.0 if at is None else at.timestamp()
