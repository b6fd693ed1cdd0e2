"""Commands that begin and end: one renewal, and what people type to look."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.measuring import Row, Spread, Usage, pairs, ratios, run
from benchmarks.peers import LIGHTKEEPER
from benchmarks.scene import Scene, keeping
from tests.integration.process import Simulated

_MS = 1000
_BARE_CALL = """
import asyncio
from aiobotocore.session import AioSession

async def call():
    async with AioSession().create_client("lightsail") as client:
        await client.create_container_service_registry_login()

asyncio.run(call())
"""


def once(scene: Scene, lightsail: Simulated, aws: Path, count: int) -> list[Row]:
    """From nothing to a credential in config.json, against the bare call."""
    environment = scene.environment(lightsail)
    numbers = itertools.count()

    def ours() -> Usage:
        folder = scene.folder / f"once-{next(numbers)}"
        config = folder / "config.json"
        command = [
            *(str(LIGHTKEEPER), "once", "--docker-config", str(config)),
            *("--state-dir", str(folder / "state"), "--socket", str(folder / "socket")),
        ]
        folder.mkdir()
        used = run(command, environment)
        if lightsail.registry not in config.read_text():
            message = f"{config} holds no credential"
            raise AssertionError(message)
        return used

    call = [str(aws), "lightsail", "create-container-service-registry-login"]
    of_ours, of_peer = pairs(ours, lambda: run(call, environment), count)
    memory, of_memory = [one.peak_mib for one in of_ours], [one.peak_mib for one in of_peer]
    floor = pairs(
        lambda: run([sys.executable, "-c", _BARE_CALL], environment),
        lambda: run(call, environment),
        count,
    )
    bare = "the floor: CPU of aiobotocore's bare call, against awscli's call"
    return [
        replace(_cpu(bare, *floor, 0.9), is_reported_only=True),
        _cpu("once: CPU, against awscli's call", of_ours, of_peer, 0.9),
        Row(
            what="once: peak memory, against awscli's call",
            ours=f"{Spread(tuple(memory)).median:.1f} MiB",
            peer=f"{Spread(tuple(of_memory)).median:.1f} MiB",
            measured=ratios(memory, of_memory),
            bound=1.0,
        ),
    ]


def looking(scene: Scene, lightsail: Simulated, aws: Path, count: int) -> list[Row]:
    """What is typed to look, beside a running daemon and where none runs."""
    with keeping(scene.named("looking"), lightsail, 1) as daemon:
        environment = scene.environment(lightsail)
        config, socket = ("--config", str(daemon.configuration)), ("--socket", str(daemon.socket))

        def of(which: str, *words: str) -> Row:
            return _cpu(
                f"{which}: CPU, against aws --version",
                *pairs(
                    _runner([str(LIGHTKEEPER), *words], environment),
                    _runner([str(aws), "--version"], environment),
                    count,
                ),
                0.35,
            )

        rows = [
            of("--help", "--help"),
            of("version", "version"),
            of("status, asked of the daemon", "status", *socket),
            of("check, from YAML and store", "check", *config),
        ]
    return [*rows, of("status, no daemon, from YAML and store", "status", *config)]


def _runner(command: Sequence[str], environment: Mapping[str, str]) -> Callable[[], Usage]:
    return lambda: run(command, environment)


def _cpu(what: str, ours: Sequence[Usage], peer: Sequence[Usage], bound: float) -> Row:
    of_ours, of_peer = [one.cpu_seconds for one in ours], [one.cpu_seconds for one in peer]
    return Row(
        what=what,
        ours=f"{Spread(tuple(of_ours)).median * _MS:.0f} ms",
        peer=f"{Spread(tuple(of_peer)).median * _MS:.0f} ms",
        measured=ratios(of_ours, of_peer),
        bound=bound,
    )
