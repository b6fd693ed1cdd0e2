"""A real Prometheus scrapes the daemon, and its own linter has nothing to say."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.process import Daemon, daemon, eventually, simulator
from tests.real.starting import free_port, lacking

pytestmark = pytest.mark.skipif(
    bool(lacking("prometheus", "promtool")), reason=lacking("prometheus", "promtool")
)

CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs:
- job_name: lightkeeper
  static_configs: [{{targets: ["{target}"]}}]
"""


@pytest.fixture
def keeping(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that has delivered its first credential."""
    folder = tmp_path / "host"
    with (
        simulator(tmp_path) as lightsail,
        daemon(
            folder, lightsail.environment, "--docker-config", str(folder / "config.json")
        ) as running,
    ):
        running.wait_for("credential_delivered")
        yield running


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[str]:
    """One that scrapes `target` each second; its own address."""
    config = folder / "prometheus.yml"
    config.write_text(CONFIG.format(target=target))
    address = f"127.0.0.1:{free_port()}"
    command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/data"]
    command += [f"--web.listen-address={address}", "--log.level=error"]
    with subprocess.Popen(command) as process:
        try:
            yield f"http://{address}"
        finally:
            process.terminate()


def ask(at: str, query: str) -> list[tuple[dict[str, str], float]]:
    """Labels and value of what it finds; nothing while it does not answer."""
    url = f"{at}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - loopback
            found = json.load(answer)["data"]["result"]
    except urllib.error.URLError:
        return []
    return [(one["metric"], float(one["value"][1])) for one in found]


def test_prometheus_sees_a_login_that_is_valid(keeping: Daemon, tmp_path: Path) -> None:
    """And when each place's entry ends, as a person would be warned of it."""
    target = keeping.wait_for("daemon_ready")["metrics"].split("/")[2]

    with prometheus(tmp_path, target) as at:
        eventually("the login is scraped", lambda: ask(at, "lightkeeper_login_valid == 1"))
        up = ask(at, "up")
        valid = ask(at, "lightkeeper_login_valid")
        left = ask(at, "lightkeeper_output_earliest_expiration_timestamp_seconds - time()")

    assert [(labels["instance"], value) for labels, value in up] == [(target, 1.0)]
    assert [(labels["login"], value) for labels, value in valid] == [("eu-central-1", 1.0)]
    assert len(left) == 1
    assert 11 * 3600 < left[0][1] < 13 * 3600


def test_promtool_has_nothing_to_say_about_the_metrics(keeping: Daemon) -> None:
    status, metrics = keeping.get("/metrics")

    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=metrics,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert status == 200
    assert "lightkeeper_login_valid" in metrics
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
