from __future__ import annotations

from datetime import timedelta

from lightkeeper.simulator import Settings, Validity, simulate
from lightkeeper.simulator.settings import SECRET_ACCESS_KEY
from tests.simulator.asking import ask, login


def test_the_defaults_are_lightsail_s_on_loopback() -> None:
    settings = Settings()

    assert (settings.host, settings.port) == ("127.0.0.1", 0)
    assert settings.lifetime == timedelta(hours=12)
    assert settings.validity is Validity.KEEP
    assert settings.service_present


def test_the_fixed_secret_says_what_it_is() -> None:
    assert SECRET_ACCESS_KEY.startswith("simulated-")
    assert len(SECRET_ACCESS_KEY) == 40


async def test_requests_are_to_be_signed_for_the_region_that_was_set() -> None:
    async with simulate(Settings(region="us-east-1")) as simulator:
        assert (await ask(simulator, region="us-east-1")).status == 200
        assert (await ask(simulator)).code == "InvalidSignatureException"


async def test_a_registry_that_was_set_is_named_in_answers() -> None:
    async with simulate(Settings(registry="127.0.0.1:5000")) as simulator:
        assert simulator.registry == "127.0.0.1:5000"
        assert (await login(simulator))["registry"] == "127.0.0.1:5000"


async def test_a_clock_offset_moves_expiries() -> None:
    settings = Settings(clock_offset=timedelta(minutes=4), lifetime=timedelta(minutes=1))
    async with simulate() as ours, simulate(settings) as theirs:
        now = ours.account.clock.now()
        credential = await login(theirs)

    ahead = credential["expiresAt"] - now
    assert timedelta(minutes=4, seconds=50) < ahead < timedelta(minutes=6)
