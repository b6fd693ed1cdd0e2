"""A real Prometheus takes what is served."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from lightkeeper.serve.http import Scrape, Web
from lightkeeper.telemetry.series import Series
from tests.core.making import LIFETIME, NOON
from tests.telemetry.scrape import SERVED, an_hour_later, metrics_of

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus is missing; apt-get install prometheus"
)

CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs:
- job_name: lightkeeper
  static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


class Scraped:
    """Hands out metrics, and knows how often."""

    def __init__(self) -> None:
        self.twice = asyncio.Event()
        self._metrics = metrics_of(SERVED)
        self._times = 0

    def __call__(self) -> Scrape:
        self._times += 1
        if self._times == 2:
            self.twice.set()
        return self._metrics.snapshot()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


@asynccontextmanager
async def prometheus(folder: Path, target: int) -> AsyncIterator[str]:
    """One that scrapes the port `target` each second; its own address."""
    config = folder / "prometheus.yml"
    config.write_text(CONFIG.format(port=target))
    address = f"127.0.0.1:{free_port()}"
    process = await asyncio.create_subprocess_exec(
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address={address}",
        "--log.level=error",
    )
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        await process.wait()


async def test_prometheus_takes_every_series(tmp_path: Path) -> None:
    """Once it asks for the second time, it has stored what it got at the first."""
    scraped = Scraped()
    web = Web(look=lambda: partial(an_hour_later, SERVED), scrape=scraped, is_alive=lambda: True)
    await web.start("127.0.0.1", 0)

    async def ask(query: str) -> dict[str, float]:
        async with session.get(f"{at}/api/v1/query", params={"query": query}) as answer:
            found = json.loads(await answer.read())["data"]["result"]
        return {one["metric"].get("login", ""): float(one["value"][1]) for one in found}

    try:
        async with prometheus(tmp_path, web.port) as at, aiohttp.ClientSession() as session:
            async with asyncio.timeout(30):
                await scraped.twice.wait()
            up = await ask('up{job="lightkeeper"}')
            expiry = await ask("lightkeeper_login_expiration_timestamp_seconds")
            ours = await ask('count({__name__=~"lightkeeper_.*", login!=""})')
    finally:
        await web.close()

    assert up == {"": 1.0}
    assert expiry == {"prod": (NOON + LIFETIME).timestamp()}
    samples = [one for each in Series(an_hour_later(SERVED)).collect() for one in each.samples]
    assert ours[""] == len([one for one in samples if one.labels.get("login")])
