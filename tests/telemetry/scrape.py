"""How tests read a scrape: samples by name and labels."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from lightkeeper.core.facts import Place
from lightkeeper.core.place import PlaceState
from lightkeeper.core.report import Report, report
from lightkeeper.core.state import LoginState
from lightkeeper.telemetry.metrics import Metrics, Snapshot
from tests.core.making import (
    HERE,
    HOUR,
    NOON,
    a_state,
    after,
    at,
    delivered,
    renewed,
    started,
)


def keeping(*places: Place) -> LoginState:
    """A login of which nothing is known, with these places."""
    return a_state().with_places(PlaceState(place=place) for place in places)


def served(*places: Place) -> LoginState:
    """A login that holds a credential since noon, delivered to all of its places."""
    state = after(keeping(*places), started(), renewed())
    return after(state, *(delivered(place=place) for place in places))


def an_hour_later(*states: LoginState) -> Report:
    """What is told of these logins at one o'clock."""
    return report([(state, "eu-central-1") for state in states], at(HOUR))


def metrics_of(*states: LoginState, elects: bool = False) -> Metrics:
    """The metrics of these logins at one o'clock."""
    return Metrics(lambda: lambda: an_hour_later(*states), NOON, elects=elects)


def body_of(snapshot: Snapshot, accept: str = "") -> bytes:
    """All that is written of a snapshot."""
    parts, _ = snapshot.render(accept)
    return b"".join(parts)


def text_of(metrics: Metrics) -> str:
    """What is scraped, in Prometheus' own format."""
    return body_of(metrics.snapshot()).decode()


def families_of(metrics: Metrics) -> list[Metric]:
    """What is scraped, parsed."""
    return list(text_string_to_metric_families(text_of(metrics)))


def value(families: Iterable[Metric], name: str, **labels: str) -> float:
    """The one sample of this name that has these labels, among others."""
    (found,) = [
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    return found


SERVED = served(HERE)
