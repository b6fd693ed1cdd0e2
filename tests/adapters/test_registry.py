"""Asking a registry whether it takes a credential."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from lightkeeper.adapters.registry import RegistryVerifier
from lightkeeper.core.answer import Verdict
from lightkeeper.core.credential import Credential, RegistryHost, Secret
from lightkeeper.simulator import Endpoint, Settings, Simulator, simulate
from tests.adapters.lightsail.asking import saying, serving, silent

ROOT = Path(__file__).parent.parent.parent
AMPLE = timedelta(seconds=10)
BRIEF = timedelta(seconds=0.3)
PASSWORD = "simulated-canary+/=ü"
BASIC = 'Www-Authenticate: Basic realm="x"\r\n'
BEARER = 'Www-Authenticate: Bearer realm="http://127.0.0.1:1/token"\r\n'


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def credential_for(registry: str, password: str = PASSWORD) -> Credential:
    now = datetime.now(UTC)
    return Credential(
        registry=RegistryHost(registry),
        username="AWS",
        password=Secret(password),
        issued_at=now,
        expires_at=now + timedelta(hours=12),
    )


async def verdict_on(registry: str, deadline: timedelta = AMPLE) -> Verdict:
    return await RegistryVerifier().verify(credential_for(registry), deadline)


async def issued(simulator: Simulator) -> Credential:
    one = await simulator.account.issue()
    return replace(
        credential_for(simulator.registry), username=one.username, password=Secret(one.password)
    )


def reply(status: int, headers: str = "") -> bytes:
    return f"HTTP/1.1 {status} So\r\nContent-Length: 0\r\n{headers}\r\n".encode()


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with simulate() as running:
        yield running


async def test_a_credential_that_is_valid_is_accepted(simulator: Simulator) -> None:
    verdict = await RegistryVerifier().verify(await issued(simulator), AMPLE)

    assert verdict is Verdict.ACCEPTED
    assert simulator.requests.count(Endpoint.REGISTRY) == 1


async def test_a_credential_that_was_ended_is_rejected_when_asked_twice(
    simulator: Simulator,
) -> None:
    credential = await issued(simulator)
    simulator.end_all()

    assert await RegistryVerifier().verify(credential, AMPLE) is Verdict.REJECTED
    assert simulator.requests.count(Endpoint.REGISTRY) == 2


@pytest.mark.parametrize(
    ("faults", "verdict"),
    [
        (["UNAUTHORIZED"], Verdict.ACCEPTED),
        (["UNAUTHORIZED", "UNAUTHORIZED"], Verdict.REJECTED),
        (["UNAUTHORIZED", *["close_after_request"] * 2], Verdict.INCONCLUSIVE),
        (["UNAUTHORIZED", "status_503"], Verdict.INCONCLUSIVE),
    ],
)
async def test_one_refusal_may_be_a_hiccup(
    simulator: Simulator, faults: list[str], verdict: Verdict
) -> None:
    credential = await issued(simulator)
    for fault in faults:
        simulator.fail(fault, at=Endpoint.REGISTRY)

    assert await RegistryVerifier().verify(credential, AMPLE) is verdict


ANSWERED = (
    "status_400 status_403 status_404 status_407 status_429 status_500 status_502 status_503 DENIED"
    " NAME_UNKNOWN redirect_301 redirect_302 redirect_303 redirect_307 redirect_308 redirect_loop"
    " status_300 garbage bad_status_line huge_header two_lengths length_and_chunked endless_headers"
)
BROKEN_OFF = "close_after_request reset_after_request close_in_headers reset_in_headers"


@pytest.mark.parametrize(
    ("fault", "count"),
    [*((one, 1) for one in ANSWERED.split()), *((one, 2) for one in BROKEN_OFF.split())],
)
async def test_all_else_tells_nothing(simulator: Simulator, fault: str, count: int) -> None:
    """A GET whose connection broke is repeated by aiohttp, though it is a new one: once."""
    credential = await issued(simulator)
    simulator.fail(fault, times=9, at=Endpoint.REGISTRY)

    assert await RegistryVerifier().verify(credential, AMPLE) is Verdict.INCONCLUSIVE
    assert simulator.requests.count(Endpoint.ELSEWHERE) == 0
    asked = simulator.requests.count(Endpoint.REGISTRY)
    assert asked + simulator.requests.count(Endpoint.CONNECTION) == count


async def test_a_connection_that_broke_once_costs_no_verdict(simulator: Simulator) -> None:
    credential = await issued(simulator)
    for fault in ("close_after_request", "UNAUTHORIZED", "reset_after_request", "UNAUTHORIZED"):
        simulator.fail(fault, at=Endpoint.REGISTRY)

    assert await RegistryVerifier().verify(credential, AMPLE) is Verdict.REJECTED
    assert simulator.requests.count(Endpoint.REGISTRY) == 4


@pytest.mark.parametrize(
    "fault", ["hang_on_accept", "hang_before_status", "hang_in_headers", "drip_headers"]
)
async def test_what_never_answers_is_cut_by_the_deadline(simulator: Simulator, fault: str) -> None:
    credential = await issued(simulator)
    simulator.fail(fault, at=Endpoint.REGISTRY)

    async with asyncio.timeout(AMPLE.total_seconds()):
        assert await RegistryVerifier().verify(credential, BRIEF) is Verdict.INCONCLUSIVE


async def test_both_questions_stand_under_one_deadline(simulator: Simulator) -> None:
    credential = await issued(simulator)
    simulator.fail("UNAUTHORIZED", at=Endpoint.REGISTRY)
    simulator.fail("hang_before_status", at=Endpoint.REGISTRY)

    async with asyncio.timeout(AMPLE.total_seconds()):
        assert await RegistryVerifier().verify(credential, BRIEF) is Verdict.INCONCLUSIVE
    assert simulator.requests.count(Endpoint.REGISTRY) == 2


@pytest.mark.parametrize("fault", ["close_on_accept", "reset_on_accept"])
async def test_what_breaks_off_at_once_tells_nothing(simulator: Simulator, fault: str) -> None:
    """Whether the connection was made by then, and so is tried again, is a matter of chance."""
    credential = await issued(simulator)
    simulator.fail(fault, times=9, at=Endpoint.REGISTRY)

    assert await RegistryVerifier().verify(credential, AMPLE) is Verdict.INCONCLUSIVE
    assert simulator.requests.count(Endpoint.CONNECTION) in {1, 2}


@pytest.mark.parametrize("fault", ["huge_body", "endless_chunks", "drip_body", "hang_in_body"])
async def test_no_body_is_waited_for(simulator: Simulator, fault: str) -> None:
    simulator.fail(fault, at=Endpoint.REGISTRY)

    verdict = await RegistryVerifier().verify(credential_for(simulator.registry), AMPLE)

    assert verdict is Verdict.ACCEPTED


async def test_a_closed_port_tells_nothing() -> None:
    async with serving(silent) as address:
        pass

    assert await verdict_on(address) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("headers", "verdict"),
    [
        ("", Verdict.REJECTED),
        (BASIC, Verdict.REJECTED),
        (BASIC.replace("Basic", "BASIC"), Verdict.REJECTED),
        (BEARER + BASIC, Verdict.REJECTED),
        (BEARER, Verdict.INCONCLUSIVE),
        ("Www-Authenticate: Negotiate\r\n", Verdict.INCONCLUSIVE),
    ],
)
async def test_a_challenge_for_tokens_says_nothing_of_a_password(
    headers: str, verdict: Verdict
) -> None:
    async with serving(saying(reply(401, headers))) as address:
        assert await verdict_on(address) is verdict


@pytest.mark.parametrize("status", [201, 204, 304, 401, 402, 418, 599])
async def test_only_200_is_a_yes(status: int) -> None:
    async with serving(saying(reply(status, BEARER))) as address:
        assert await verdict_on(address) is Verdict.INCONCLUSIVE


async def test_asks_as_docker_login_does() -> None:
    heard = bytearray()
    async with serving(saying(reply(200), heard)) as address:
        assert await verdict_on(address) is Verdict.ACCEPTED

    lines = heard.decode().split("\r\n")
    assert lines[0] == "GET /v2/ HTTP/1.1"
    pair = b64encode(f"AWS:{PASSWORD}".encode()).decode()
    assert f"Authorization: Basic {pair}" in lines
    assert any(line.startswith("User-Agent: lightkeeper/") for line in lines)


async def test_a_redirect_takes_no_password_elsewhere() -> None:
    elsewhere = bytearray()
    async with serving(saying(reply(200), elsewhere)) as other:
        location = f"Location: http://{other}/v2/\r\n"
        async with serving(saying(reply(307, location))) as address:
            assert await verdict_on(address) is Verdict.INCONCLUSIVE

    assert elsewhere == b""


@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY"])
async def test_a_registry_on_this_machine_is_asked_directly(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:1")

    verdict = await RegistryVerifier().verify(await issued(simulator), AMPLE)

    assert verdict is Verdict.ACCEPTED


@asynccontextmanager
async def _noting_proxy(heard: bytearray, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    async with serving(saying(reply(502), heard)) as address:
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://{address}")
        yield


@pytest.mark.parametrize("registry", ["registry.test", "registry.test:5000", "192.0.2.1:80"])
async def test_another_machine_is_asked_through_tls_alone(
    monkeypatch: pytest.MonkeyPatch, registry: str
) -> None:
    """The proxy of the environment sees a tunnel being asked for, and no password."""
    heard = bytearray()
    async with _noting_proxy(heard, monkeypatch):
        assert await verdict_on(registry) is Verdict.INCONCLUSIVE

    assert heard.startswith(b"CONNECT ")
    assert b"Authorization: Basic" not in heard


async def test_a_certificate_that_is_not_trusted_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By way of a proxy that leads to a registry whose certificate nobody knows."""
    async with simulate(Settings(tls=tmp_path / "tls")) as secure:
        host, _, port = secure.registry.rpartition(":")

        async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            inner_reader, inner = await asyncio.open_connection(host, int(port))
            try:
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
                inner.write(await reader.read(65536))
                writer.write(await inner_reader.read(65536))
                await reader.read(65536)
            finally:
                inner.transport.abort()

        async with serving(tunnel) as address:
            monkeypatch.setenv("HTTPS_PROXY", f"http://{address}")
            assert await verdict_on("registry.test") is Verdict.INCONCLUSIVE
        assert secure.requests.count(Endpoint.REGISTRY) == 0


async def test_a_password_is_never_logged(
    simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for fault in ("status_500", "garbage", "close_after_request", "redirect_307"):
        simulator.fail(fault, at=Endpoint.REGISTRY)
        await verdict_on(simulator.registry)

    assert PASSWORD not in caplog.text


async def test_a_name_that_nobody_resolves_keeps_no_process_from_ending(tmp_path: Path) -> None:
    """A loop's own threads for names are joined at exit, however long a resolver takes."""
    program = tmp_path / "verify.py"
    program.write_text(
        "import asyncio, socket, threading\n"
        "from datetime import timedelta\n"
        "from lightkeeper.adapters.registry import RegistryVerifier\n"
        "from tests.adapters.test_registry import credential_for\n"
        "socket.getaddrinfo = lambda *_, **__: threading.Event().wait()\n"
        "credential = credential_for('registry.example')\n"
        "print(asyncio.run(RegistryVerifier().verify(credential, timedelta(seconds=0.2))))\n"
    )

    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(program),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    said, _ = await asyncio.wait_for(process.communicate(), AMPLE.total_seconds())

    assert (said.split(), process.returncode) == ([b"inconclusive"], 0)
