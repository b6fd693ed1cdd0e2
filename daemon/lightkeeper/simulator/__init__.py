"""A Lightsail to rehearse with: its endpoint, a registry's login check, and faults on demand.

For the demo, for tests, and for users who test their own pipelines without an AWS account. It knows
nothing of the rest of Lightkeeper, so that what it plays can be wrong only on its own account.

    async with simulate(Settings(lifetime=timedelta(seconds=60))) as simulator:
        simulator.fail("ThrottlingException", times=3)
        ... simulator.endpoint_url, simulator.registry, simulator.requests ...
"""

from __future__ import annotations

from lightkeeper.simulator.command import run
from lightkeeper.simulator.faults import listed_faults
from lightkeeper.simulator.requests import Endpoint
from lightkeeper.simulator.settings import Settings, SetupError, Throttle, Validity
from lightkeeper.simulator.simulator import Simulator, simulate

__all__ = [
    "Endpoint",
    "Settings",
    "SetupError",
    "Simulator",
    "Throttle",
    "Validity",
    "listed_faults",
    "run",
    "simulate",
]
