"""Every source of AWS's chain, and what happens when keys change under a daemon that runs."""

from __future__ import annotations

import hashlib
import json
import sys
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from lightkeeper.adapters.lightsail import SharedAws, profile_region
from lightkeeper.core.answer import Answer
from lightkeeper.core.reasons import Reason
from lightkeeper.simulator import Endpoint, Simulator
from lightkeeper.simulator.settings import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from tests.adapters.lightsail.asking import (
    AMPLE,
    answer_of,
    in_a_process,
    issuer_at,
    refusal_of,
    saying,
    serving,
)

ROLE = "arn:aws:iam::123456789012:role/push"
PAIR = f"aws_access_key_id = {ACCESS_KEY_ID}\naws_secret_access_key = {SECRET_ACCESS_KEY}\n"

Env = pytest.MonkeyPatch


def write_config(env: Env, tmp_path: Path, text: str, name: str = "AWS_CONFIG_FILE") -> Path:
    """Let `name` point to a new file that holds `text`."""
    path = tmp_path / name.lower()
    path.write_text(text)
    env.setenv(name, str(path))
    return path


def write_pair(path: Path, key_id: str, secret: str) -> None:
    path.write_text(f"[default]\naws_access_key_id = {key_id}\naws_secret_access_key = {secret}\n")


def key_used(simulator: Simulator) -> str:
    return simulator.requests.of()[-1].access_key_id


@pytest.mark.usefixtures("_keys")
async def test_keys_from_the_environment(simulator: Simulator, shared: SharedAws) -> None:
    await answer_of(issuer_at(simulator.endpoint_url, shared))

    assert key_used(simulator) == ACCESS_KEY_ID


async def test_keys_from_the_shared_file(
    simulator: Simulator, shared: SharedAws, monkeypatch: Env, tmp_path: Path
) -> None:
    write_config(monkeypatch, tmp_path, f"[default]\n{PAIR}", "AWS_SHARED_CREDENTIALS_FILE")

    await answer_of(issuer_at(simulator.endpoint_url, shared))

    assert key_used(simulator) == ACCESS_KEY_ID


async def test_keys_of_a_profile_go_before_those_of_the_environment(
    simulator: Simulator, shared: SharedAws, monkeypatch: Env, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASIMULATEDOTHER01")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "simulated-other")
    write_config(monkeypatch, tmp_path, f"[profile build]\n{PAIR}")

    await answer_of(issuer_at(simulator.endpoint_url, shared, profile="build"))

    assert key_used(simulator) == ACCESS_KEY_ID


@pytest.mark.usefixtures("_keys")
async def test_a_role_is_assumed_with_what_the_chain_finds(
    simulator: Simulator, shared: SharedAws, monkeypatch: Env
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", simulator.endpoint_url)
    issuer = issuer_at(simulator.endpoint_url, shared, role_arn=ROLE)

    await answer_of(issuer)
    await answer_of(issuer)

    asked = simulator.requests.of(Endpoint.STS)
    assert [(one.action, one.access_key_id) for one in asked] == [("AssumeRole", ACCESS_KEY_ID)]
    assert key_used(simulator).startswith("ASIA")


@pytest.mark.usefixtures("_keys")
@pytest.mark.parametrize("external_id", [None, "agreed-word"])
async def test_a_role_is_asked_for_by_arn_session_and_external_id(
    shared: SharedAws, monkeypatch: Env, external_id: str | None
) -> None:
    heard = bytearray()
    async with serving(saying(b"HTTP/1.1 500 No\r\n\r\n", heard)) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://{address}")
        issuer = issuer_at(
            None, shared, role_arn=ROLE, external_id=external_id, session_name="ours"
        )
        await refusal_of(issuer)

    form = parse_qs(heard.rpartition(b"\r\n\r\n")[2].decode())
    assert (form["RoleArn"], form["RoleSessionName"]) == ([ROLE], ["ours"])
    assert form.get("ExternalId") == (None if external_id is None else [external_id])


async def test_a_role_of_a_profile(
    simulator: Simulator, shared: SharedAws, monkeypatch: Env, tmp_path: Path
) -> None:
    text = f"[profile base]\n{PAIR}[profile push]\nrole_arn = {ROLE}\nsource_profile = base\n"
    write_config(monkeypatch, tmp_path, text)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", simulator.endpoint_url)

    await answer_of(issuer_at(simulator.endpoint_url, shared, profile="push"))

    assert simulator.requests.count(Endpoint.STS) == 1
    assert key_used(simulator).startswith("ASIA")


async def test_a_web_identity(
    simulator: Simulator, shared: SharedAws, monkeypatch: Env, tmp_path: Path
) -> None:
    write_config(monkeypatch, tmp_path, "e30.e30.e30", "AWS_WEB_IDENTITY_TOKEN_FILE")
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", simulator.endpoint_url)

    await answer_of(issuer_at(simulator.endpoint_url, shared))

    asked = [one.action for one in simulator.requests.of(Endpoint.STS)]
    assert asked == ["AssumeRoleWithWebIdentity"]
    assert key_used(simulator).startswith("ASIA")


async def test_a_container(simulator: Simulator, shared: SharedAws, monkeypatch: Env) -> None:
    url = f"{simulator.endpoint_url}/container"
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)

    await answer_of(issuer_at(simulator.endpoint_url, shared))

    assert simulator.requests.count(Endpoint.CONTAINER) == 1
    assert key_used(simulator).startswith("ASIA")


async def test_instance_metadata(simulator: Simulator, shared: SharedAws, monkeypatch: Env) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", simulator.endpoint_url)

    await answer_of(issuer_at(simulator.endpoint_url, shared))

    asked = [one.method for one in simulator.requests.of(Endpoint.IMDS)]
    assert asked == ["PUT", "GET", "GET"]
    assert key_used(simulator).startswith("ASIA")


def write_program(env: Env, tmp_path: Path, code: str) -> None:
    """A `credential_process` that runs `code` in Python."""
    program = tmp_path / "process.py"
    program.write_text(code)
    text = f"[default]\ncredential_process = {sys.executable} -S {program}\n"
    write_config(env, tmp_path, text)


async def test_a_credential_process(
    simulator: Simulator, shared: SharedAws, monkeypatch: Env, tmp_path: Path
) -> None:
    said = {
        "Version": 1,
        "AccessKeyId": ACCESS_KEY_ID,
        "SecretAccessKey": SECRET_ACCESS_KEY,
    }
    write_program(monkeypatch, tmp_path, f"print({json.dumps(said)!r})")

    await answer_of(issuer_at(simulator.endpoint_url, shared))

    assert key_used(simulator) == ACCESS_KEY_ID


SSO_WORD = "simulated-sso-word"


def write_sso(env: Env, tmp_path: Path, **tokens: str | None) -> None:
    """Profiles of IAM Identity Center; of each the expiry of its cached token, None for none."""
    cache = tmp_path / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True)
    text = ""
    for name, expires in tokens.items():
        text += f"[profile {name}]\nsso_session = {name}\nsso_account_id = 123456789012\n"
        text += f"sso_role_name = push\n[sso-session {name}]\nsso_region = eu-central-1\n"
        text += "sso_start_url = https://ours.test/start\n"
        if expires is not None:
            file = hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()
            token = {"accessToken": SSO_WORD, "expiresAt": expires, "region": "eu-central-1"}
            (cache / f"{file}.json").write_text(json.dumps(token))
    write_config(env, tmp_path, text)


async def test_a_cached_token_of_sso(
    simulator: Simulator, monkeypatch: Env, tmp_path: Path
) -> None:
    """What a person must renew is named so; the library does not try again by itself.

    In a process of its own, since the library asks where the home is when it is imported.
    """
    write_sso(
        monkeypatch,
        tmp_path,
        absent=None,
        expired="2020-01-01T00:00:00Z",
        good="2099-01-01T00:00:00Z",
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL_SSO", simulator.endpoint_url)
    simulator.fail("UnauthorizedException", times=2, at=Endpoint.SSO)
    for fault in ("InternalFailure", "redirect_307"):
        simulator.fail(fault, at=Endpoint.SSO)

    *refusals, answer = await in_a_process(
        simulator.endpoint_url, "absent", "expired", *["good"] * 4
    )

    expired = "aws_credentials_expired"
    named = [refusal["reason"] for refusal in refusals]
    assert named == [expired, expired, expired, "service_error", "redirected"]
    assert SSO_WORD not in str(refusals)
    assert answer == {"registry": simulator.registry}
    assert simulator.requests.count(Endpoint.SSO) == 5
    assert simulator.requests.count(Endpoint.ELSEWHERE) == 0
    assert key_used(simulator).startswith("ASIA")


async def test_rotated_keys_are_picked_up_within_the_attempt(
    simulator: Simulator, shared: SharedAws, monkeypatch: Env, tmp_path: Path
) -> None:
    """A session caches static keys for ever: it is rebuilt once, and the call repeated once."""
    new = simulator.account.keys.create()
    path = write_config(monkeypatch, tmp_path, "", "AWS_SHARED_CREDENTIALS_FILE")
    write_pair(path, ACCESS_KEY_ID, SECRET_ACCESS_KEY)
    issuer = issuer_at(simulator.endpoint_url, shared)
    await answer_of(issuer)
    simulator.requests.clear()

    write_pair(path, new.id, new.secret)
    await answer_of(issuer)
    assert [one.access_key_id for one in simulator.requests.of()] == [ACCESS_KEY_ID]

    simulator.account.keys.revoke(ACCESS_KEY_ID)
    await answer_of(issuer)
    asked = [(one.access_key_id, one.code) for one in simulator.requests.of()[1:]]
    assert asked == [(ACCESS_KEY_ID, "UnrecognizedClientException"), (new.id, "")]

    await answer_of(issuer)
    assert simulator.requests.count() == 4


@pytest.mark.parametrize(
    "code",
    [
        *("ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException"),
        *("InvalidClientTokenId", "SignatureDoesNotMatch", "UnauthenticatedException"),
    ],
)
@pytest.mark.usefixtures("_keys")
async def test_the_call_is_repeated_once_and_no_more(
    simulator: Simulator, shared: SharedAws, code: str
) -> None:
    simulator.fail(code, times=9)

    await refusal_of(issuer_at(simulator.endpoint_url, shared))

    assert simulator.requests.count() == 2


@pytest.mark.usefixtures("_keys")
async def test_a_repeated_call_stands_under_the_same_deadline(
    simulator: Simulator, shared: SharedAws
) -> None:
    simulator.fail("ExpiredToken")
    simulator.fail("hang_before_status")

    refusal = await refusal_of(issuer_at(simulator.endpoint_url, shared), timedelta(seconds=5))

    assert refusal.reason is Reason.TIMEOUT
    assert simulator.requests.count() == 2


async def test_temporary_keys_that_were_revoked_are_fetched_anew(
    simulator: Simulator, shared: SharedAws, monkeypatch: Env
) -> None:
    url = f"{simulator.endpoint_url}/container"
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)
    issuer = issuer_at(simulator.endpoint_url, shared)
    await answer_of(issuer)
    simulator.account.keys.revoke(key_used(simulator))

    await answer_of(issuer)

    assert simulator.requests.count(Endpoint.CONTAINER) == 2
    assert simulator.requests.count() == 3


@pytest.mark.parametrize("reason", ["nothing", "denied"])
async def test_what_was_mended_is_seen_at_the_next_attempt(
    simulator: Simulator, shared: SharedAws, monkeypatch: Env, tmp_path: Path, reason: str
) -> None:
    path = write_config(monkeypatch, tmp_path, "", "AWS_SHARED_CREDENTIALS_FILE")
    new = simulator.account.keys.create()
    if reason == "denied":
        write_pair(path, ACCESS_KEY_ID, SECRET_ACCESS_KEY)
        simulator.account.keys.deny(ACCESS_KEY_ID)
    issuer = issuer_at(simulator.endpoint_url, shared)
    refusal = await refusal_of(issuer)
    assert refusal.reason in {Reason.AWS_CREDENTIALS_MISSING, Reason.ACCESS_DENIED}

    write_pair(path, new.id, new.secret)

    await answer_of(issuer)


@pytest.mark.usefixtures("_keys")
async def test_says_who_we_are(simulator: Simulator, shared: SharedAws, monkeypatch: Env) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", simulator.endpoint_url)

    arn = await issuer_at(simulator.endpoint_url, shared).identity(AMPLE)

    assert arn == "arn:aws:iam::123456789012:user/simulated"
    assert simulator.requests.count() == 0


@pytest.mark.usefixtures("_keys")
async def test_logins_of_one_source_each_have_a_session(
    simulator: Simulator, shared: SharedAws
) -> None:
    """One that is rebuilt leaves the others alone."""
    one, other = (issuer_at(simulator.endpoint_url, shared) for _ in range(2))
    simulator.fail("ExpiredToken", times=2)

    await refusal_of(one)

    assert isinstance(await other.issue(AMPLE), Answer)


def test_the_region_of_a_profile(monkeypatch: Env, tmp_path: Path) -> None:
    write_config(
        monkeypatch, tmp_path, "[default]\nregion = eu-west-1\n[profile b]\nregion = eu-west-3\n"
    )

    assert profile_region(None) == "eu-west-1"
    assert profile_region("b") == "eu-west-3"
    assert profile_region("nobody") is None
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    assert profile_region(None) is None
