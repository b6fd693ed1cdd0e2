"""The series of logins, outputs and places: a view of the report, made anew for each scrape.

A login that is gone leaves none behind. Every reason, result and cause is there from the start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lightkeeper.core.answer import Verdict
from lightkeeper.core.facts import Cause
from lightkeeper.core.reasons import DELIVERY, RENEWAL
from lightkeeper.core.report import LoginReport, OutputReport, Report, Standing

MAX_PLACES: Final = 1000
"""Above it no place has a series of its own; the output's tell all the same."""


class Series(Collector):
    """The series of logins, outputs and places."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def collect(self) -> Iterator[Metric]:
        """Every family, in the order of the reference."""
        logins = self._report.logins
        yield from _login_gauges(logins)
        yield from _login_counters(logins)
        yield from _output_families([(login, out) for login in logins for out in login.outputs])
        skews = [login.skew.total_seconds() for login in logins]
        skew = GaugeMetricFamily(
            "lightkeeper_clock_skew_seconds",
            "How far the wall clock here is ahead of AWS's, by the last answers.",
        )
        skew.add_metric([], max(skews, key=abs, default=0.0))
        yield skew


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
        "login_consecutive_failures",
        "Failed attempts since the last success.",
        lambda x: x.consecutive_failures,
    ),
)


def _login_gauges(logins: Iterable[LoginReport]) -> Iterator[Metric]:
    info = GaugeMetricFamily(
        "lightkeeper_login_info",
        "A configured login; the registry is empty before the first credential.",
        labels=["login", "registry", "region"],
    )
    for login in logins:
        info.add_metric([login.login, login.registry or "", login.region], 1)
    yield info
    for name, text, value in _GAUGES:
        gauge = GaugeMetricFamily(f"lightkeeper_{name}", text, labels=["login"])
        for login in logins:
            gauge.add_metric([login.login], float(value(login)))
        yield gauge


def _login_counters(logins: Iterable[LoginReport]) -> Iterator[Metric]:
    renewals = CounterMetricFamily(
        "lightkeeper_renewals", "Attempts by their result.", labels=["login", "result"]
    )
    failures = CounterMetricFamily(
        "lightkeeper_renewal_failures", "Failed attempts by reason.", labels=["login", "reason"]
    )
    verifications = CounterMetricFamily(
        "lightkeeper_verifications",
        "What the registry said when it was asked about a credential.",
        labels=["login", "result"],
    )
    for login in logins:
        failed = sum(login.renewal_failures.values())
        renewals.add_metric([login.login, "success"], login.renewals)
        renewals.add_metric([login.login, "failure"], failed)
        for reason in RENEWAL:
            count = login.renewal_failures.get(reason, 0)
            failures.add_metric([login.login, reason], count)
        for verdict in Verdict:
            count = login.verifications.get(verdict, 0)
            verifications.add_metric([login.login, verdict], count)
    yield from (renewals, failures, verifications)


def _output_families(outputs: list[tuple[LoginReport, OutputReport]]) -> Iterator[Metric]:
    by_output = ["login", "output"]
    earliest = GaugeMetricFamily(
        "lightkeeper_output_earliest_expiration_timestamp_seconds",
        "The first expiry of what the places really hold, 0 if one holds nothing of ours.",
        labels=by_output,
    )
    places = GaugeMetricFamily(
        "lightkeeper_output_places", "Places by how they stand.", labels=[*by_output, "state"]
    )
    deliveries = CounterMetricFamily(
        "lightkeeper_deliveries", "Deliveries by their result.", labels=[*by_output, "result"]
    )
    failures = CounterMetricFamily(
        "lightkeeper_delivery_failures",
        "Failed deliveries by reason.",
        labels=[*by_output, "reason"],
    )
    repairs = CounterMetricFamily(
        "lightkeeper_output_repairs",
        "Deliveries because somebody else changed our entry, by what they did.",
        labels=[*by_output, "cause"],
    )
    for login, output in outputs:
        labels = [login.login, _label(output.name)]
        earliest.add_metric(labels, _stamp(output.earliest))
        for standing in Standing:
            places.add_metric([*labels, standing], output.count(standing))
        deliveries.add_metric([*labels, "changed"], output.counts.changed)
        deliveries.add_metric([*labels, "unchanged"], output.counts.unchanged)
        for reason in DELIVERY:
            failures.add_metric([*labels, reason], output.counts.failures.get(reason, 0))
        for cause in Cause:
            repairs.add_metric([*labels, cause], output.counts.repairs.get(cause, 0))
    yield from (earliest, places, deliveries, failures, repairs)
    yield _places(outputs)


def _places(outputs: list[tuple[LoginReport, OutputReport]]) -> Metric:
    family = GaugeMetricFamily(
        "lightkeeper_place_expiration_timestamp_seconds",
        "Expiry of what the place really holds, 0 if that is nothing of ours.",
        labels=["login", "output", "place"],
    )
    if _count_places(output for _, output in outputs) <= MAX_PLACES:
        for login, output in outputs:
            for place in output.places:
                labels = [login.login, _label(output.name), _label(place.place.name)]
                family.add_metric(labels, _stamp(place.expires_at))
    return family


def _count_places(outputs: Iterable[OutputReport]) -> int:
    return sum(len(output.places) for output in outputs)


def _label(name: str) -> str:
    """A name that was a path may hold bytes that are no text, and one of them fails a scrape."""
    return name.encode(errors="backslashreplace").decode()


def _stamp(at: datetime | None) -> float:
    return 0.0 if at is None else at.timestamp()
