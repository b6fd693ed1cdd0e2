"""The simulator as a process of its own: it says where it is, and serves until a signal comes."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Final

from lightkeeper.simulator.control import PREFIX
from lightkeeper.simulator.settings import Settings
from lightkeeper.simulator.simulator import Simulator, simulate

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


async def run(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM. Raises SetupError if it cannot start as `settings` ask.

    What to know is on stdout, and flushed, once connections are taken.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop.set)
    try:
        async with simulate(settings) as simulator:
            sys.stdout.write(greeting(simulator))
            sys.stdout.flush()
            await stop.wait()
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def greeting(simulator: Simulator) -> str:
    """What to know of a simulator, a line each; the AWS keys open nothing but it."""
    environment = [f"  {name}={value}" for name, value in simulator.environment().items()]
    lines = [
        f"Lightsail endpoint: {simulator.endpoint_url}",
        f"Registry:           {simulator.registry}",
        f"Control route:      {simulator.endpoint_url}{PREFIX}",
        "Environment for clients:",
        *environment,
        "Ends on SIGINT (Ctrl-C) or SIGTERM.",
    ]
    return "".join(f"{line}\n" for line in lines)
