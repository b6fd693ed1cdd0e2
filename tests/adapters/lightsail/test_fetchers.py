"""What the library asks on its own for AWS credentials stands under the guard, too."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiobotocore.credentials import AioContainerProvider, create_credential_resolver
from aiobotocore.session import AioSession
from aiobotocore.utils import AioContainerMetadataFetcher, AioInstanceMetadataFetcher

from lightkeeper.adapters.lightsail import SharedAws
from lightkeeper.adapters.lightsail.guard import MAX_BODY_BYTES
from lightkeeper.core.reasons import Reason
from lightkeeper.simulator import Endpoint, Simulator
from tests.adapters.lightsail.asking import (
    BRIEF,
    answer_of,
    in_a_process,
    issuer_at,
    refusal_of,
    saying,
    serving,
)
from tests.adapters.lightsail.test_sources import PAIR, ROLE, Env, key_used, write_config

WORD = "simulated-container-word"

SOURCES = ("container", "instance", "role of a container", "role of an instance")
"""By itself, and as the `credential_source` of a profile, which holds the same object."""


def _name(source: str, url: str, env: Env, tmp_path: Path) -> None:
    """Let the chain find its AWS credentials at `url`."""
    if "container" in source:
        env.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{url}/container")
        env.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", WORD)
    else:
        env.delenv("AWS_EC2_METADATA_DISABLED")
        env.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)
    if source.startswith("role"):
        name = "EcsContainer" if "container" in source else "Ec2InstanceMetadata"
        text = f"[default]\nrole_arn = {ROLE}\ncredential_source = {name}\n"
        write_config(env, tmp_path, text)


@pytest.mark.parametrize("source", SOURCES)
async def test_a_redirect_is_not_followed(
    shared: SharedAws, monkeypatch: Env, tmp_path: Path, source: str
) -> None:
    here, elsewhere = bytearray(), bytearray()
    async with serving(saying(b"HTTP/1.1 200 OK\r\n\r\n{}", elsewhere)) as other:
        reply = f"HTTP/1.1 307 Elsewhere\r\nLocation: http://{other}/\r\n\r\n".encode()
        async with serving(saying(reply, here)) as address:
            _name(source, f"http://{address}", monkeypatch, tmp_path)
            refusal = await refusal_of(issuer_at("http://127.0.0.1:1", shared))

    assert refusal.reason is Reason.REDIRECTED
    assert refusal.detail == f"{address} answered with status 307, which leads elsewhere"
    assert (WORD.encode() in here) is ("container" in source)
    assert here.count(b" HTTP/1.1\r\n") == 1
    assert elsewhere == b""


@pytest.mark.parametrize("source", SOURCES)
async def test_a_body_without_an_end_is_not_read_to_the_deadline(
    simulator: Simulator, shared: SharedAws, monkeypatch: Env, tmp_path: Path, source: str
) -> None:
    _name(source, simulator.endpoint_url, monkeypatch, tmp_path)
    for endpoint in (Endpoint.CONTAINER, Endpoint.IMDS):
        simulator.fail("huge_body", at=endpoint)

    refusal = await refusal_of(issuer_at(simulator.endpoint_url, shared))

    assert refusal.reason is Reason.AWS_CREDENTIALS_INVALID
    assert refusal.detail == f"{simulator.registry} sent more than {MAX_BODY_BYTES} bytes"
    assert simulator.requests.count() == 0


@pytest.mark.parametrize("source", SOURCES)
async def test_a_silent_one_is_cut(
    simulator: Simulator, shared: SharedAws, monkeypatch: Env, tmp_path: Path, source: str
) -> None:
    _name(source, simulator.endpoint_url, monkeypatch, tmp_path)
    for endpoint in (Endpoint.CONTAINER, Endpoint.IMDS):
        simulator.fail("drip_body", at=endpoint)

    refusal = await refusal_of(issuer_at(simulator.endpoint_url, shared), BRIEF)

    assert refusal.reason is Reason.TIMEOUT


@pytest.mark.parametrize("source", SOURCES)
async def test_aws_credentials_are_found_all_the_same(
    simulator: Simulator, shared: SharedAws, monkeypatch: Env, tmp_path: Path, source: str
) -> None:
    """Also those of an issuer that has asked before, after the session was opened anew."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", simulator.endpoint_url)
    _name(source, simulator.endpoint_url, monkeypatch, tmp_path)
    issuer = issuer_at(simulator.endpoint_url, shared)
    await answer_of(issuer)
    simulator.account.keys.revoke(key_used(simulator))

    await answer_of(issuer)

    assert key_used(simulator).startswith("ASIA")


async def test_metadata_is_asked_for_through_the_proxy_of_the_environment(
    simulator: Simulator, shared: SharedAws, monkeypatch: Env, tmp_path: Path
) -> None:
    """As the library does, which is why NO_PROXY must hold its address."""
    monkeypatch.setenv("HTTP_PROXY", simulator.endpoint_url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    _name("instance", "http://127.0.0.2:9", monkeypatch, tmp_path)

    await answer_of(issuer_at(simulator.endpoint_url, shared))

    assert simulator.requests.count(Endpoint.IMDS) == 3


async def test_a_role_that_wants_a_code_asks_nobody_for_it(
    simulator: Simulator, monkeypatch: Env, tmp_path: Path
) -> None:
    """The library would read from the terminal, and wait there for ever."""
    text = f"[default]\nrole_arn = {ROLE}\nsource_profile = base\nmfa_serial = arn:aws:iam::1:mfa/x"
    write_config(monkeypatch, tmp_path, f"{text}\n[profile base]\n{PAIR}")

    (refusal,) = await in_a_process(simulator.endpoint_url, "")

    assert refusal["reason"] == Reason.AWS_CREDENTIALS_INVALID
    assert "MFA" in refusal["detail"]


@pytest.mark.usefixtures("_keys")
async def test_no_mode_of_defaults_asks_for_metadata(
    simulator: Simulator, shared: SharedAws, monkeypatch: Env
) -> None:
    monkeypatch.setenv("AWS_DEFAULTS_MODE", "auto")
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", simulator.endpoint_url)

    await answer_of(issuer_at(simulator.endpoint_url, shared))

    assert simulator.requests.count(Endpoint.IMDS) == 0


def test_the_library_still_has_what_is_replaced() -> None:
    """Private names: one that is set and not read would drop the guard, silently."""
    chain = create_credential_resolver(AioSession())
    container = chain.get_provider("container-role")
    instance = chain.get_provider("iam-role")._role_fetcher  # noqa: SLF001

    assert isinstance(container, AioContainerProvider)
    assert isinstance(container._fetcher, AioContainerMetadataFetcher)  # noqa: SLF001
    assert isinstance(instance, AioInstanceMetadataFetcher)
    assert {"_session", "_timeout", "_base_url"} <= set(vars(instance))
    assert "_session" in vars(container._fetcher)  # noqa: SLF001
    assert "_prompter" in vars(chain.get_provider("assume-role"))
