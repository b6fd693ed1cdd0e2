"""What Prometheus scrapes as a whole: its instruments, its form, its reference."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import timedelta
from functools import partial
from pathlib import Path

import prometheus_client.metrics
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from lightkeeper import __version__
from lightkeeper.core.election import Ended, LeaderSeen, LeadershipBegan, LeadershipEnded
from lightkeeper.telemetry.metrics import Metrics
from tests.core.making import HOUR, NONE, NOON, at
from tests.telemetry.scrape import (
    SERVED,
    an_hour_later,
    body_of,
    families_of,
    metrics_of,
    text_of,
    value,
)

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"
OPEN_METRICS = "application/openmetrics-text;version=1.0.0"
FORBIDDEN = {"namespace", "pod", "job", "instance", "exported_job"}


def test_attempts_are_timed() -> None:
    metrics = metrics_of()
    metrics.attempted(timedelta(seconds=0.3))
    metrics.attempted(timedelta(seconds=100))

    families = families_of(metrics)

    name = "lightkeeper_renewal_duration_seconds"
    assert value(families, f"{name}_count") == 2.0
    assert value(families, f"{name}_sum") == 100.3
    assert value(families, f"{name}_bucket", le="0.25") == 0.0
    assert value(families, f"{name}_bucket", le="0.5") == 1.0
    assert value(families, f"{name}_bucket", le="60.0") == 1.0


def test_a_failure_without_a_call_has_no_duration() -> None:
    metrics = metrics_of()
    metrics.attempted(NONE)

    assert value(families_of(metrics), "lightkeeper_renewal_duration_seconds_count") == 0.0


def test_what_a_heartbeat_finds_is_told() -> None:
    metrics = metrics_of()
    metrics.clock_stepped()
    metrics.lagged(timedelta(seconds=2))
    metrics.lagged(timedelta(seconds=0.5))

    families = families_of(metrics)

    assert value(families, "lightkeeper_clock_steps_total") == 1.0
    assert value(families, "lightkeeper_event_loop_lag_seconds") == 0.5


def test_who_leads_is_told_from_the_start_and_how_often_that_changed() -> None:
    metrics = metrics_of(elects=True)
    assert value(families_of(metrics), "lightkeeper_leader") == 0.0

    metrics.led(LeaderSeen(at=at(), holder="b", transitions=2))
    metrics.led(LeadershipBegan(at=at(), identity="a", former="b", transitions=3))
    families = families_of(metrics)
    assert value(families, "lightkeeper_leader") == 1.0
    assert value(families, "lightkeeper_leader_transitions_total") == 3.0

    metrics.led(
        LeadershipEnded(at=at(), identity="a", why=Ended.TAKEN, holder="b", detail="", lasted=NONE)
    )
    assert value(families_of(metrics), "lightkeeper_leader") == 0.0


def reloads(metrics: Metrics) -> tuple[float, float]:
    families = families_of(metrics)
    name = "lightkeeper_config_last_reload_success"
    return value(families, f"{name}ful"), value(families, f"{name}_timestamp_seconds")


def test_a_refused_configuration_shows_until_one_is_taken() -> None:
    metrics = metrics_of()
    assert reloads(metrics) == (1.0, NOON.timestamp())

    metrics.reloaded(None)
    assert reloads(metrics) == (0.0, NOON.timestamp())

    metrics.reloaded(NOON + HOUR)
    assert reloads(metrics) == (1.0, (NOON + HOUR).timestamp())


def test_the_running_version_is_told() -> None:
    assert value(families_of(metrics_of()), "lightkeeper_build_info", version=__version__) == 1.0


def test_the_process_and_the_interpreter_are_told() -> None:
    text = text_of(metrics_of())

    for name in ("process_open_fds", "process_resident_memory_bytes", "python_info", "python_gc_"):
        assert f"\n{name}" in text


def test_a_snapshot_stays_as_it_was_taken() -> None:
    """It is rendered on a thread, while the logins live on."""
    now = [SERVED]
    snapshot = Metrics(lambda: partial(an_hour_later, *now), NOON).snapshot()
    now.clear()

    assert 'lightkeeper_login_valid{login="prod"} 1.0' in body_of(snapshot).decode()


def test_two_daemons_in_one_process_do_not_meet() -> None:
    one, other = metrics_of(), metrics_of()
    one.clock_stepped()

    assert value(families_of(other), "lightkeeper_clock_steps_total") == 0.0


def test_no_series_tells_when_a_counter_was_made() -> None:
    """And the library's switch for that, which is the whole process's, stays as it was."""
    before = prometheus_client.metrics._use_created  # noqa: SLF001 - there is no other way to ask
    metrics = metrics_of(SERVED)

    assert "_created" not in text_of(metrics)
    assert prometheus_client.metrics._use_created is before  # noqa: SLF001 - the same


def test_the_default_form_is_prometheus_text() -> None:
    _, content_type = metrics_of(SERVED).snapshot().render("*/*")

    assert content_type == "text/plain; version=0.0.4; charset=utf-8"


def test_open_metrics_are_served_when_asked_for() -> None:
    snapshot = metrics_of(SERVED).snapshot()
    _, content_type = snapshot.render(OPEN_METRICS)
    text = body_of(snapshot, OPEN_METRICS).decode()

    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert text.count("# EOF") == 1
    families = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    parsed = {one.name: one for one in families}
    assert parsed["lightkeeper_renewals"].type == "counter"


def test_no_label_is_one_that_prometheus_sets() -> None:
    labels = {
        label
        for family in families_of(metrics_of(SERVED))
        for sample in family.samples
        for label in sample.labels
    }

    assert {"login", "output", "place", "reason"} <= labels
    assert not labels & FORBIDDEN


def test_no_secret_is_told() -> None:
    assert "simulated-1" not in text_of(metrics_of(SERVED))


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (prometheus) is missing")
def test_promtool_finds_nothing_to_say() -> None:
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=text_of(metrics_of(SERVED)),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def documented() -> dict[str, tuple[str, set[str]]]:
    row = re.compile(r"^\| `(?P<name>\w+)` \| (?P<type>\w+) \| (?P<labels>[^|]*)\|", re.MULTILINE)
    return {
        found["name"]: (found["type"], set(re.findall(r"`(\w+)`", found["labels"])))
        for found in row.finditer(REFERENCE.read_text())
    }


def scraped() -> dict[str, tuple[str, set[str]]]:
    """Name, type and labels of each family, by the names that queries use."""
    return {
        f"{one.name}_total" if one.type == "counter" else one.name: (
            one.type,
            {label for sample in one.samples for label in sample.labels} - {"le"},
        )
        for one in families_of(metrics_of(SERVED, elects=True))
        if one.name.startswith("lightkeeper_")
    }


def test_the_reference_has_one_row_for_each_metric() -> None:
    assert documented() == scraped()


def test_the_reference_does_not_repeat_a_row() -> None:
    names = re.findall(r"^\| `(\w+)`", REFERENCE.read_text(), re.MULTILINE)

    assert len(names) == len(set(names)) == 32
