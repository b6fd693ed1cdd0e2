"""No password and no session token in what is logged above DEBUG, nor in what a refusal says."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lightkeeper.adapters.lightsail import SharedAws
from lightkeeper.core.answer import Answer, believe
from lightkeeper.core.reasons import Reason
from lightkeeper.simulator import Endpoint, Simulator, listed_faults
from lightkeeper.simulator.settings import SECRET_ACCESS_KEY
from tests.adapters.lightsail.asking import answer_of, issuer_at, refusal_of, saying, serving
from tests.adapters.lightsail.test_sources import ROLE, Env, write_program

CANARY = "simulated-canary"
LONG = CANARY + "Ab+/=" * 400

_HANGS = ("hang", "drip", "endless_chunks", "endless_1xx", "connect_silence", "slow", "bad_chunk")


@pytest.fixture(autouse=True)
def _everything_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """As a root logger at DEBUG sees it.

    aiobotocore warns of AWS credentials that it could not refresh with what came instead; our log
    holds its warnings back, as the tests of the log show.
    """
    caplog.set_level(logging.DEBUG)
    yield
    for record in caplog.get_records("call"):
        text = logging.Formatter().format(record)
        is_held = record.levelno <= logging.DEBUG or (
            record.name.startswith("aiobotocore.") and record.levelno < logging.ERROR
        )
        assert is_held or "simulated-" not in text, text


async def test_a_call_that_succeeds(
    simulator: Simulator, shared: SharedAws, monkeypatch: Env, caplog: pytest.LogCaptureFixture
) -> None:
    """The library does log all of it at DEBUG: the canary is where it is looked for."""
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{simulator.endpoint_url}/container")

    answer = await answer_of(issuer_at(simulator.endpoint_url, shared))

    assert answer.password is not None
    assert answer.password.reveal() in caplog.text
    assert answer.password.reveal() not in repr(answer)
    assert SECRET_ACCESS_KEY not in caplog.text


@pytest.mark.usefixtures("_keys")
async def test_every_failure_that_the_simulator_plays(
    simulator: Simulator, shared: SharedAws
) -> None:
    """With one issuer: no failure spoils what the next attempt needs."""
    issuer = issuer_at(simulator.endpoint_url, shared)
    names = [line.split()[0] for line in listed_faults().splitlines()]
    for name in names:
        if not name.startswith(_HANGS):
            simulator.fail(name)
            outcome = await issuer.issue(timedelta(seconds=20))
            if isinstance(outcome, Answer):
                refusal = believe(outcome, None)
                assert "simulated-" not in repr(refusal), name
            else:
                assert "simulated-" not in outcome.detail, name
            simulator.stop_failing()

    assert await answer_of(issuer)


@pytest.mark.usefixtures("_keys")
@pytest.mark.parametrize("status", [200, 400, 403, 500, 502])
@pytest.mark.parametrize("secret", [CANARY, LONG], ids=["short", "long"])
@pytest.mark.parametrize("form", ["text", "login", "message", "signature"])
async def test_an_answer_that_quotes_a_secret(
    shared: SharedAws, status: int, secret: str, form: str
) -> None:
    """A body that is no JSON becomes the library's message, whole."""
    stamp = (datetime.now(UTC) + timedelta(hours=12)).timestamp()
    body = {
        "text": f"<html>{secret}",
        "login": json.dumps(
            {"registryLogin": {"password": secret, "expiresAt": f"{secret} {stamp}"}}
        ),
        "message": json.dumps({"__type": "ThrottlingException", "message": secret}),
        "signature": json.dumps({"__type": "InvalidSignatureException", "message": secret}),
    }[form].encode()
    reply = b"HTTP/1.1 %d No\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)

    async with serving(saying(reply)) as address:
        refusal = await refusal_of(issuer_at(f"http://{address}", shared))

    assert CANARY not in refusal.detail


@pytest.mark.usefixtures("_keys")
async def test_a_message_that_is_shown_has_tokens_masked(shared: SharedAws) -> None:
    """What AWS says of permissions is worth reading, and can hold an encoded blob."""
    body = json.dumps({"__type": "AccessDeniedException", "message": f"You may not. {LONG}"})
    reply = f"HTTP/1.1 400 No\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()

    async with serving(saying(reply)) as address:
        refusal = await refusal_of(issuer_at(f"http://{address}", shared))

    assert refusal.detail == "AccessDeniedException: You may not. ***"


@pytest.mark.usefixtures("_keys")
@pytest.mark.parametrize("fault", ["AccessDeniedException", "cut_json", "close_in_body", "text"])
async def test_sts_that_fails(
    simulator: Simulator, shared: SharedAws, monkeypatch: Env, fault: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", simulator.endpoint_url)
    simulator.fail(fault, at=Endpoint.STS)

    refusal = await refusal_of(issuer_at(simulator.endpoint_url, shared, role_arn=ROLE))

    assert "simulated-" not in refusal.detail


async def test_a_container_endpoint_that_fails(
    simulator: Simulator, shared: SharedAws, monkeypatch: Env
) -> None:
    """The library asks three times, a second apart, and quotes the whole answer."""
    reply = f"HTTP/1.1 500 No\r\n\r\n{LONG}".encode()
    async with serving(saying(reply)) as address:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://{address}/")
        refusal = await refusal_of(issuer_at(simulator.endpoint_url, shared))

    assert refusal.reason is Reason.AWS_CREDENTIALS_INVALID
    assert CANARY not in refusal.detail


@pytest.mark.parametrize("code", [f"import sys; sys.exit({LONG!r})", f"print({LONG!r})"])
async def test_a_credential_process_that_fails(
    shared: SharedAws, monkeypatch: Env, tmp_path: Path, code: str
) -> None:
    write_program(monkeypatch, tmp_path, code)

    refusal = await refusal_of(issuer_at("http://127.0.0.1:1", shared))

    assert CANARY not in refusal.detail
