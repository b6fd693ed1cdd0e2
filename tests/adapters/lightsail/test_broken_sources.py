"""AWS credentials that are missing, broken, denied or dead: each named, none shown."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lightkeeper.adapters.lightsail import SharedAws
from lightkeeper.core.reasons import Reason
from lightkeeper.simulator import Simulator
from tests.adapters.lightsail.asking import closed_port, issuer_at, refusal_of, saying, serving
from tests.adapters.lightsail.test_sources import PAIR, ROLE, Env, write_config, write_program

CANARY = "simulated-canary-word"


async def test_none_at_all(simulator: Simulator, shared: SharedAws) -> None:
    refusal = await refusal_of(issuer_at(simulator.endpoint_url, shared))

    assert refusal.reason is Reason.AWS_CREDENTIALS_MISSING


async def test_a_role_but_nothing_to_assume_it_with(
    simulator: Simulator, shared: SharedAws
) -> None:
    refusal = await refusal_of(issuer_at(simulator.endpoint_url, shared, role_arn=ROLE))

    assert refusal.reason is Reason.AWS_CREDENTIALS_MISSING


BROKEN_FILES = {
    "key without secret": "[default]\naws_access_key_id = AKIASIMULATED\n",
    "not parsable": "[default\nnonsense",
    "unknown source_profile": f"[default]\nrole_arn = {ROLE}\nsource_profile = nobody\n",
    "unknown credential_source": f"[default]\nrole_arn = {ROLE}\ncredential_source = Moon\n",
    "profiles in a circle": f"[default]\nrole_arn = {ROLE}\nsource_profile = b\n"
    f"[profile b]\nrole_arn = {ROLE}\nsource_profile = default\n",
    "no such program": "[default]\ncredential_process = /nonexistent/program\n",
    "login without its library": "[default]\nlogin_session = arn:aws:iam::1:user/x\n",
}


@pytest.mark.parametrize("text", BROKEN_FILES.values(), ids=BROKEN_FILES)
async def test_a_configuration_that_is_broken(
    simulator: Simulator, shared: SharedAws, monkeypatch: Env, tmp_path: Path, text: str
) -> None:
    write_config(monkeypatch, tmp_path, text)

    refusal = await refusal_of(issuer_at(simulator.endpoint_url, shared))

    assert refusal.reason is Reason.AWS_CREDENTIALS_INVALID
    assert simulator.requests.count() == 0


async def test_a_profile_that_is_missing_is_named(simulator: Simulator, shared: SharedAws) -> None:
    refusal = await refusal_of(issuer_at(simulator.endpoint_url, shared, profile="nobody"))

    assert refusal.reason is Reason.AWS_CREDENTIALS_INVALID
    assert "nobody" in refusal.detail


BROKEN_VARIABLES = {
    "key without secret": {"AWS_ACCESS_KEY_ID": "AKIASIMULATED"},
    "unknown profile": {"AWS_PROFILE": "nobody"},
    "container at a foreign host": {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://192.0.2.1/"},
    "container without its token file": {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/nonexistent/token",
    },
    "web identity without its token file": {
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/nonexistent/token",
        "AWS_ROLE_ARN": ROLE,
    },
    "web identity without a role": {"AWS_WEB_IDENTITY_TOKEN_FILE": os.devnull},
    "web identity with an empty token": {
        "AWS_WEB_IDENTITY_TOKEN_FILE": os.devnull,
        "AWS_ROLE_ARN": ROLE,
    },
}


@pytest.mark.parametrize("variables", BROKEN_VARIABLES.values(), ids=BROKEN_VARIABLES)
async def test_an_environment_that_is_broken(
    simulator: Simulator, shared: SharedAws, monkeypatch: Env, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    refusal = await refusal_of(issuer_at(simulator.endpoint_url, shared))

    assert refusal.reason is Reason.AWS_CREDENTIALS_INVALID
    assert simulator.requests.count() == 0


@pytest.mark.usefixtures("_keys")
async def test_keys_of_the_environment_that_say_they_are_dead(
    simulator: Simulator, shared: SharedAws, monkeypatch: Env
) -> None:
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z")

    refusal = await refusal_of(issuer_at(simulator.endpoint_url, shared))

    assert refusal.reason is Reason.AWS_CREDENTIALS_EXPIRED
    assert simulator.requests.count() == 0


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (f"import sys; sys.exit({CANARY!r})", Reason.AWS_CREDENTIALS_INVALID),
        (f"print({CANARY!r})", Reason.AWS_CREDENTIALS_INVALID),
        ("print('{}')", Reason.AWS_CREDENTIALS_INVALID),
        (f'print(\'{{"Version": 1, "AccessKeyId": "{CANARY}"}}\')', None),
        ("print('[]')", Reason.AWS_CREDENTIALS_INVALID),
        ("print('\\xff')", Reason.AWS_CREDENTIALS_INVALID),
    ],
)
async def test_a_credential_process_that_fails_is_not_quoted(
    shared: SharedAws, monkeypatch: Env, tmp_path: Path, code: str, reason: Reason | None
) -> None:
    write_program(monkeypatch, tmp_path, code)

    refusal = await refusal_of(issuer_at("http://127.0.0.1:1", shared))

    assert refusal.reason is (reason or Reason.AWS_CREDENTIALS_INVALID)
    assert CANARY not in refusal.detail


async def test_a_credential_process_that_hands_out_dead_keys(
    shared: SharedAws, monkeypatch: Env, tmp_path: Path
) -> None:
    said = {"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "B", "SessionToken": "C"}
    dead = json.dumps(said | {"Expiration": "2020-01-01T00:00:00Z"})
    write_program(monkeypatch, tmp_path, f"print({dead!r})")

    refusal = await refusal_of(issuer_at("http://127.0.0.1:1", shared))

    assert refusal.reason is Reason.AWS_CREDENTIALS_EXPIRED


@pytest.mark.usefixtures("_keys")
async def test_a_role_that_is_denied_is_told_from_lightsail(
    simulator: Simulator, shared: SharedAws, monkeypatch: Env
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", simulator.endpoint_url)
    simulator.account.keys.deny(ROLE)

    refusal = await refusal_of(issuer_at(simulator.endpoint_url, shared, role_arn=ROLE))

    assert refusal.reason is Reason.ACCESS_DENIED
    assert refusal.detail.startswith("AssumeRole: AccessDenied")


@pytest.mark.usefixtures("_keys")
@pytest.mark.parametrize("status", [400, 502])
@pytest.mark.parametrize("body", [b"", b"<html>Sign in", b"\x00"])
async def test_sts_answered_by_somebody_else(
    shared: SharedAws, monkeypatch: Env, status: int, body: bytes
) -> None:
    reply = b"HTTP/1.1 %d No\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)
    async with serving(saying(reply)) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://{address}")
        refusal = await refusal_of(issuer_at("http://127.0.0.1:1", shared, role_arn=ROLE))

    expected = {Reason.INVALID_RESPONSE, Reason.SERVICE_ERROR if status == 502 else None}
    assert refusal.reason in expected


@pytest.mark.usefixtures("_keys")
async def test_sts_that_cannot_be_reached(
    simulator: Simulator, shared: SharedAws, monkeypatch: Env
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{closed_port()}")

    refusal = await refusal_of(issuer_at(simulator.endpoint_url, shared, role_arn=ROLE))

    assert refusal.reason is Reason.NETWORK
    assert simulator.requests.count() == 0


async def test_a_profile_without_keys_says_none_were_found(
    simulator: Simulator, shared: SharedAws, monkeypatch: Env, tmp_path: Path
) -> None:
    write_config(monkeypatch, tmp_path, f"[profile other]\n{PAIR}[profile ours]\nregion = x\n")

    refusal = await refusal_of(issuer_at(simulator.endpoint_url, shared, profile="ours"))

    assert refusal.reason is Reason.AWS_CREDENTIALS_MISSING
