"""What Prometheus scrapes.

All that has a login is rendered from the report at the scrape, so that a login that is gone leaves
no series behind. Instruments are only what no state tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from lightkeeper import __version__
from lightkeeper.core.answer import Verdict
from lightkeeper.core.facts import Cause
from lightkeeper.core.reasons import DELIVERY, RENEWAL
from lightkeeper.core.report import LoginReport, OutputReport, Report, Standing

MAX_PLACES: Final = 1000
"""Above it no place has a series of its own; the output's tell all the same."""

_DURATIONS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0)
_PER_LOGIN: Final = 70
"""Series of a login with one output of one place, about."""


class Metrics:
    """One registry, for one daemon."""

    def __init__(self, view: Callable[[], Report], started: datetime) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._view = view
        self._instruments = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._instruments)
        self._durations = Histogram(
            "lightkeeper_renewal_duration_seconds",
            "How long an attempt took, the question to the registry included.",
            buckets=_DURATIONS,
            registry=self._instruments,
        )
        self._steps = Counter(
            "lightkeeper_clock_steps",
            "How often the wall clock was set, or the machine slept.",
            registry=self._instruments,
        )
        self._lag = Gauge(
            "lightkeeper_event_loop_lag_seconds",
            "By how much the last heartbeat was late.",
            registry=self._instruments,
        )
        self._reload_ok = Gauge(
            "lightkeeper_config_last_reload_successful",
            "Whether the last configuration that was read is in force.",
            registry=self._instruments,
        )
        self._reload_at = Gauge(
            "lightkeeper_config_last_reload_success_timestamp_seconds",
            "When the configuration in force was read.",
            registry=self._instruments,
        )
        Gauge(
            "lightkeeper_build_info",
            "The running version.",
            ["version"],
            registry=self._instruments,
        ).labels(version=__version__).set(1)
        self.reloaded(started)

    def attempted(self, took: timedelta) -> None:
        """An attempt ended."""
        self._durations.observe(took.total_seconds())

    def clock_stepped(self) -> None:
        """Clocks went apart."""
        self._steps.inc()

    def lagged(self, late: timedelta) -> None:
        """A heartbeat came this much late."""
        self._lag.set(late.total_seconds())

    def reloaded(self, at: datetime | None) -> None:
        """A configuration was read: taken at an instant, or refused (None)."""
        self._reload_ok.set(at is not None)
        if at is not None:
            self._reload_at.set(at.timestamp())

    def snapshot(self) -> Snapshot:
        """Everything as it is now, to be rendered anywhere."""
        return Snapshot(self._view(), self._instruments)


class Snapshot:
    """A report that does not change any more, beside the instruments."""

    def __init__(self, report: Report, instruments: CollectorRegistry) -> None:
        self._report = report
        self._instruments = instruments

    @property
    def series(self) -> int:
        """How many there are, about."""
        places = sum(len(out.places) for login in self._report.logins for out in login.outputs)
        return len(self._report.logins) * _PER_LOGIN + min(places, MAX_PLACES)

    def render(self, accept: str) -> tuple[bytes, str]:
        """The exposition that `accept` asks for, and its content type."""
        encode, content_type = choose_encoder(accept)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self._instruments)
        registry.register(_Logins(self._report))
        return encode(registry), content_type


class _Logins(Collector):
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
        labels = [login.login, output.name]
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
    if sum(len(output.places) for _, output in outputs) <= MAX_PLACES:
        for login, output in outputs:
            for place in output.places:
                labels = [login.login, output.name, place.place.name]
                family.add_metric(labels, _stamp(place.expires_at))
    return family


def _stamp(at: datetime | None) -> float:
    return 0.0 if at is None else at.timestamp()
