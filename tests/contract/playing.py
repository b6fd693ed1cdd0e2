"""The same play on two stages: the simulation's fakes, and the adapters at a simulator."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from random import Random
from typing import Final, Protocol

from lightkeeper.adapters.clock import SystemClock
from lightkeeper.adapters.lightsail import AwsSource, Callers, LightsailIssuer, SharedAws
from lightkeeper.adapters.registry import RegistryVerifier
from lightkeeper.core.answer import Answer, Believed, Refusal, Verdict, believe
from lightkeeper.ports import Issuer, Verifier
from lightkeeper.simulator import Endpoint, Settings, simulate
from tests.simulation.loop import SimLoop
from tests.simulation.world import Clocks, Life, Lightsail, SimIssuer, SimVerifier

LIFETIME: Final = timedelta(hours=12)
DEADLINE: Final = timedelta(seconds=2)

PLAYED: Final = {
    "throttled": "ThrottlingException",
    "service_error": "InternalFailure",
    "network": "close_after_request",
    "access_denied": "AccessDeniedException",
    "unauthenticated": "UnrecognizedClientException",
    "aws_credentials_expired": "ExpiredToken",
    "no_container_service": "NotFoundException",
    "region_setup_in_progress": "RegionSetupInProgressException",
    "invalid_input": "ValidationError",
    "redirected": "redirect_307",
    "hang": "hang_before_status",
    "no_username": "username_null",
    "no_expiry": "expires_null",
    "expired_answer": "expires_past",
    "bad_registry": "registry_malformed",
    "colon_in_username": "username_colon",
}
"""What the simulation calls a fault, and what the simulator does."""


class Stage(Protocol):
    """Where the play is given; each call is a world of its own."""

    def issue(self, *, fault: str = "", clock_off: timedelta = timedelta(0)) -> Answer | Refusal:
        """What an issuer says when `fault` strikes, or when our clock is ahead by `clock_off`."""
        ...

    def verdict(self, *, ended: bool = False, is_down: bool = False) -> Verdict:
        """What a verifier says of a new credential, unless it was ended or nobody answers."""
        ...


class Simulated:
    """The fakes, on virtual time."""

    def issue(self, *, fault: str = "", clock_off: timedelta = timedelta(0)) -> Answer | Refusal:
        with asyncio.Runner(loop_factory=SimLoop) as runner:
            world = _world(runner)
            world.clocks.stepped = clock_off.total_seconds()
            world.faults = [fault] if fault else []
            issuer: Issuer = SimIssuer(world, Life(), Random(1))
            return runner.run(issuer.issue(DEADLINE))

    def verdict(self, *, ended: bool = False, is_down: bool = False) -> Verdict:
        with asyncio.Runner(loop_factory=SimLoop) as runner:
            world = _world(runner)
            issuer: Issuer = SimIssuer(world, Life(), Random(1))
            verifier: Verifier = SimVerifier(world, Life(), Counter())
            believed = _believed(runner.run(issuer.issue(DEADLINE)))
            if ended:
                world.end_early()
            world.registry_down = int(is_down)
            return runner.run(verifier.verify(believed.credential, DEADLINE))


class Real:
    """The adapters, at a simulator on loopback."""

    def __init__(self, shared: SharedAws) -> None:
        self._shared = shared

    def issue(self, *, fault: str = "", clock_off: timedelta = timedelta(0)) -> Answer | Refusal:
        async def play() -> Answer | Refusal:
            async with simulate(Settings(clock_offset=-clock_off)) as simulator:
                if fault:
                    simulator.fail(PLAYED[fault], times=2)
                return await self._issuer(simulator.endpoint_url).issue(DEADLINE)

        return asyncio.run(play())

    def verdict(self, *, ended: bool = False, is_down: bool = False) -> Verdict:
        async def play() -> Verdict:
            async with simulate() as simulator:
                answer = await self._issuer(simulator.endpoint_url).issue(DEADLINE)
                if ended:
                    simulator.end_all()
                if is_down:
                    simulator.fail("status_503", at=Endpoint.REGISTRY)
                verifier: Verifier = RegistryVerifier()
                return await verifier.verify(_believed(answer).credential, DEADLINE)

        return asyncio.run(play())

    def _issuer(self, url: str) -> Issuer:
        source = AwsSource(region="eu-central-1", endpoint_url=url)
        return LightsailIssuer(source, Callers(self._shared), SystemClock())


def _world(runner: asyncio.Runner) -> Lightsail:
    loop = runner.get_loop()
    assert isinstance(loop, SimLoop)
    seconds = LIFETIME.total_seconds()
    return Lightsail(Clocks(loop), Random(1), seconds, "127.0.0.1:5000")


def _believed(answer: Answer | Refusal) -> Believed:
    assert isinstance(answer, Answer), answer
    believed = believe(answer, None)
    assert isinstance(believed, Believed), believed
    return believed
