from __future__ import annotations

import os
import ssl
from pathlib import Path

import aiohttp
import pytest

from lightkeeper.simulator import Settings, SetupError, Simulator, simulate
from lightkeeper.simulator.tls import find_certificate
from tests.simulator.asking import login


async def test_serves_https_that_a_client_verifies(secure_simulator: Simulator) -> None:
    credential = await login(secure_simulator)

    assert secure_simulator.endpoint_url.startswith("https://127.0.0.1:")
    assert secure_simulator.accepts("AWS", credential["password"])


async def test_names_the_ca_that_clients_are_to_trust(secure_simulator: Simulator) -> None:
    bundle = secure_simulator.environment()["AWS_CA_BUNDLE"]
    trust = ssl.create_default_context(cafile=bundle)

    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{secure_simulator.endpoint_url}/v2/", ssl=trust) as response,
    ):
        assert response.status == 401
        assert 'realm="https://' in response.headers["WWW-Authenticate"]


async def test_is_trusted_by_nobody_who_does_not_know_its_ca(secure_simulator: Simulator) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.get(f"{secure_simulator.endpoint_url}/v2/")


async def test_redirects_lead_to_https_too(secure_simulator: Simulator) -> None:
    assert secure_simulator.certificate is not None
    trust = ssl.create_default_context(cafile=secure_simulator.certificate.ca)
    secure_simulator.fail("redirect_307")

    async with aiohttp.ClientSession() as session:
        answer = await session.post(
            f"{secure_simulator.endpoint_url}/", ssl=trust, allow_redirects=False
        )

    assert answer.headers["Location"].startswith("https://")


async def test_a_certificate_that_is_there_is_used_again(tmp_path: Path) -> None:
    first = await find_certificate(tmp_path)
    shown = first.server.read_bytes()

    assert await find_certificate(tmp_path) == first
    assert first.server.read_bytes() == shown


async def test_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    certificate = await find_certificate(tmp_path / "new")

    assert certificate.key.stat().st_mode & 0o077 == 0
    assert (tmp_path / "new" / "ca.key").stat().st_mode & 0o077 == 0


async def test_a_strict_client_finds_nothing_amiss(secure_simulator: Simulator) -> None:
    assert secure_simulator.certificate is not None
    trust = ssl.create_default_context(cafile=secure_simulator.certificate.ca)
    trust.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT

    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{secure_simulator.endpoint_url}/v2/", ssl=trust) as response,
    ):
        assert response.status == 401


async def test_files_that_are_no_certificate_are_told(tmp_path: Path) -> None:
    for name in ("ca.pem", "server.pem", "server.key"):
        (tmp_path / name).write_text("nonsense")

    with pytest.raises(SetupError, match="are no certificate and key"):
        async with simulate(Settings(tls=tmp_path)):
            pass


async def test_a_missing_openssl_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(SetupError, match="openssl is not installed"):
        await find_certificate(tmp_path)


async def test_an_openssl_that_fails_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "openssl"
    script.write_text("#!/bin/sh\necho 'no such curve' >&2\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    with pytest.raises(SetupError, match="status 1: no such curve"):
        await find_certificate(tmp_path / "new")


async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(SetupError, match="cannot write to"):
        await find_certificate(tmp_path / "file" / "folder")
