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
)
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from lightkeeper import __version__
from lightkeeper.core.election import ElectionFact, LeaderSeen, LeadershipBegan, LeadershipEnded
from lightkeeper.core.report import Report
from lightkeeper.telemetry.series import Series

_DURATIONS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0)


class Metrics:
    """One registry, for one daemon."""

    def __init__(
        self,
        look: Callable[[], Callable[[], Report]],
        started: datetime,
        *,
        elects: bool = False,
    ) -> None:
        self._look = look
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
        self._surprises = Counter(
            "lightkeeper_daemon_surprises",
            "Bugs of Lightkeeper that were caught in what all logins share.",
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
        self._last_transition = 0
        if elects:
            self._stand()
        self.reloaded(started)

    def _stand(self) -> None:
        """There is an election, and this replica leads nobody yet."""
        self._leader = Gauge(
            "lightkeeper_leader",
            "Whether this replica keeps the logins.",
            registry=self._instruments,
        )
        self._transitions = Counter(
            "lightkeeper_leader_transitions",
            "How often the leader changed, as the Lease counts it.",
            registry=self._instruments,
        )

    def led(self, fact: ElectionFact) -> None:
        """Leadership began or ended, here or elsewhere; for one that elects."""
        if isinstance(fact, LeadershipBegan | LeaderSeen):
            self._transitions.inc(max(0, fact.transitions - self._last_transition))
            self._last_transition = fact.transitions
        if isinstance(fact, LeadershipBegan | LeadershipEnded):
            self._leader.set(isinstance(fact, LeadershipBegan))

    def attempted(self, took: timedelta) -> None:
        """An attempt ended; one that asked nobody took no time, and says nothing of them."""
        if took:
            self._durations.observe(took.total_seconds())

    def clock_stepped(self) -> None:
        """Clocks went apart."""
        self._steps.inc()

    def surprised(self) -> None:
        """A bug was caught that is no login's."""
        self._surprises.inc()

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
        return Snapshot(self._look(), self._instruments)


class Snapshot:
    """What a report is to be made of, beside the instruments."""

    def __init__(self, look: Callable[[], Report], instruments: CollectorRegistry) -> None:
        self._look = look
        self._instruments = instruments

    def render(self, accept: str) -> tuple[Iterator[bytes], str]:
        """The exposition that `accept` asks for, family by family, and its content type."""
        encode, content_type = choose_encoder(accept)
        return self._written(encode), content_type

    def _written(self, encode: Callable[[Collector], bytes]) -> Iterator[bytes]:
        """One family after the other: as one text those of many logins are 20 MB for a moment."""
        end = encode(_Only(()))
        for collector in (_Instruments(self._instruments), Series(self._look())):
            for family in collector.collect():
                yield encode(_Only((family,))).removesuffix(end)
        yield end


class _Only(Collector):
    """Families that are made already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


class _Instruments(Collector):
    """The instruments without `_created`, a series more for each that nobody asks for.

    The library's own switch for it would be thrown for the whole process.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            metric.samples = [one for one in metric.samples if not one.name.endswith("_created")]
            yield metric
