"""What people read of a failure: where it was and what the system says, and no class names."""

from __future__ import annotations

import inspect
import socket
import ssl
from pathlib import Path
from string import Formatter

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from botocore import exceptions as aws

from lightkeeper.adapters.lightsail import SharedAws
from lightkeeper.adapters.lightsail.details import detail_of, one_line
from lightkeeper.core.reasons import Reason
from lightkeeper.simulator import Simulator
from tests.adapters.lightsail.asking import issuer_at, refusal_of, saying, serving
from tests.adapters.lightsail.test_sources import PAIR, ROLE, Env, write_config

CANARY = "simulated-canary-word"
INVALID = Reason.AWS_CREDENTIALS_INVALID
MISSING = Reason.AWS_CREDENTIALS_MISSING
EXPIRED = Reason.AWS_CREDENTIALS_EXPIRED

FILES = {
    "[default]\naws_access_key_id = AKIASIMULATED\n": (
        INVALID,
        "Partial credentials found in config-file, missing: aws_secret_access_key",
    ),
    f"[default]\naws_secret_access_key {CANARY}\n": (INVALID, "FILE: line 2 cannot be understood"),
    f"{CANARY}\n": (INVALID, "FILE: line 1 cannot be understood"),
    "[default]\nregion = a\nregion = b\n": (INVALID, "FILE: line 3 cannot be understood"),
    f"[default]\nrole_arn = {ROLE}\nsource_profile = nobody\n": (
        INVALID,
        'The source_profile "nobody" referenced in the profile "default" does not exist.',
    ),
    f"[default]\nrole_arn = {ROLE}\n": (
        INVALID,
        "Partial credentials found in assume-role, missing: source_profile or credential_source",
    ),
    f"[default]\nrole_arn = x\nsource_profile = b\n[profile b]\n{PAIR}": (
        INVALID,
        "STS cannot be given this RoleArn: too short, or not of its kind",
    ),
    "[default]\ncredential_process = /nonexistent/program\n": (
        INVALID,
        "/nonexistent/program: No such file or directory",
    ),
    f"[default]\ncredential_process = sh -c 'echo {CANARY} >&2; exit 3'\n": (
        INVALID,
        "no AWS credentials came from the credential_process",
    ),
    f"[default]\ncredential_process = echo {CANARY}\n": (
        INVALID,
        "the credential_process printed no JSON",
    ),
    "[default]\ncredential_process = echo []\n": (
        INVALID,
        "what should be AWS credentials or a setting cannot be read (AttributeError)",
    ),
    "[default]\nsso_session = s\nsso_account_id = 1\nsso_role_name = x\n": (
        INVALID,
        'The specified sso-session does not exist: "s"',
    ),
    "[default]\nlogin_session = x\n": (
        INVALID,
        (
            "Missing Dependency: Using the login credential provider requires an additional"
            ' dependency. You will need to pip install "botocore[crt]" before proceeding.'
        ),
    ),
}


@pytest.mark.parametrize(("text", "reason", "detail"), [(k, *v) for k, v in FILES.items()])
async def test_of_a_configuration_file(
    shared: SharedAws, monkeypatch: Env, tmp_path: Path, text: str, reason: Reason, detail: str
) -> None:
    path = write_config(monkeypatch, tmp_path, text)

    refusal = await refusal_of(issuer_at("http://127.0.0.1:1", shared))

    assert (refusal.reason, refusal.detail) == (reason, detail.replace("FILE", str(path)))


VARIABLES = {
    "": (MISSING, "Unable to locate credentials"),
    "AWS_PROFILE=nobody": (INVALID, "The config profile (nobody) could not be found"),
    "AWS_PROFILE=": (INVALID, "AWS_PROFILE is set, and empty"),
    "AWS_ACCESS_KEY_ID=x": (
        INVALID,
        "Partial credentials found in env, missing: AWS_SECRET_ACCESS_KEY",
    ),
    f"AWS_WEB_IDENTITY_TOKEN_FILE=/nonexistent/word AWS_ROLE_ARN={ROLE}": (
        INVALID,
        "/nonexistent/word: No such file or directory",
    ),
    f"AWS_WEB_IDENTITY_TOKEN_FILE=/dev/null AWS_ROLE_ARN={ROLE}": (
        INVALID,
        "STS cannot be given this WebIdentityToken: too short, or not of its kind",
    ),
    f"AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY={CANARY}"
    " AWS_CREDENTIAL_EXPIRATION=2020-01-01T00:00:00Z": (
        EXPIRED,
        "Credentials were refreshed, but the refreshed credentials are still expired.",
    ),
    "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://192.0.2.1/": (
        INVALID,
        (
            "Unsupported host '192.0.2.1'. Can only retrieve metadata from a loopback address or"
            " one of these hosts: 169.254.170.2, 169.254.170.23, fd00:ec2::23, localhost"
        ),
    ),
    f"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:1/{CANARY}": (
        INVALID,
        "no AWS credentials came from the container's endpoint for them",
    ),
    "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://[::1]/"
    f" AWS_CONTAINER_AUTHORIZATION_TOKEN={CANARY}\n": (
        INVALID,
        "Auth token value is not a legal header value",
    ),
    "AWS_METADATA_SERVICE_TIMEOUT=": (
        INVALID,
        "what should be AWS credentials or a setting cannot be read (ValueError)",
    ),
    "AWS_EC2_METADATA_DISABLED=false AWS_EC2_METADATA_SERVICE_ENDPOINT=junk": (
        Reason.IMDS_UNREACHABLE,
        "AWS_EC2_METADATA_SERVICE_ENDPOINT is not the URL of a host",
    ),
}


@pytest.mark.parametrize(("words", "reason", "detail"), [(k, *v) for k, v in VARIABLES.items()])
async def test_of_the_environment(
    shared: SharedAws, monkeypatch: Env, words: str, reason: Reason, detail: str
) -> None:
    for word in filter(None, words.split(" ")):
        monkeypatch.setenv(*word.split("=", 1))

    refusal = await refusal_of(issuer_at("http://127.0.0.1:1", shared))

    assert (refusal.reason, refusal.detail) == (reason, detail)


async def test_of_a_container_s_endpoint_its_status(shared: SharedAws, monkeypatch: Env) -> None:
    reply = f"HTTP/1.1 403 No\r\n\r\n{CANARY}".encode()
    async with serving(saying(reply)) as address:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://{address}/")
        refusal = await refusal_of(issuer_at("http://127.0.0.1:1", shared))

    said = "no AWS credentials came from the container's endpoint for them (status 403)"
    assert refusal.detail == said


@pytest.mark.usefixtures("_keys")
@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"])
async def test_of_a_line_break_that_came_along_with_a_key(
    simulator: Simulator, shared: SharedAws, monkeypatch: Env, name: str
) -> None:
    """As from a file that was made a variable, whole."""
    monkeypatch.setenv(name, f"{CANARY}\n")

    refusal = await refusal_of(issuer_at(simulator.endpoint_url, shared))

    expected = (INVALID, "the AWS credentials hold a control character, such as a line break")
    assert (refusal.reason, refusal.detail) == expected
    assert simulator.requests.count() == 0


@pytest.mark.usefixtures("_keys")
@pytest.mark.parametrize(
    ("fault", "detail"),
    [
        ("close_after_request", "HOST: the connection was closed"),
        ("reset_after_request", "HOST: Connection reset by peer"),
        ("close_in_body", "HOST: the answer broke off"),
        ("garbage", "HOST: the answer is not HTTP as it should be"),
        ("header_not_utf8", "the answer is not HTTP as it should be"),
        ("expires_garbage", "the answer holds a value that is none of its kind, such as an exp"),
        ("expires_huge", "the answer holds a value that is none of its kind, such as an expir"),
        ("null", "the answer is not a JSON object of the form that it should have"),
        ("list", "the answer is not a JSON object of the form that it should have"),
        ("text", "the answer is not a JSON object of the form that it should have"),
        ("login_list", "the answer is not a JSON object of the form that it should have"),
        ("error_type_number", "the answer is not a JSON object of the form that it sh"),
        ("deep_json", "the answer is nested too deep"),
        ("not_utf8", "the answer is not text"),
        ("gzip", "the answer is not text"),
        ("status_403", "status 403"),
        ("AccessDeniedException", "AccessDeniedException: User is not authorized"),
    ],
)
async def test_of_an_answer(
    simulator: Simulator, shared: SharedAws, fault: str, detail: str
) -> None:
    simulator.fail(fault)

    refusal = await refusal_of(issuer_at(simulator.endpoint_url, shared))

    assert refusal.detail.startswith(detail.replace("HOST", simulator.registry))


def _key(host: str, port: int) -> ConnectionKey:
    return ConnectionKey(host, port, True, True, None, None, None)  # noqa: FBT003 - as aiohttp does


UNKNOWN_NAME = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
URL = "https://lightsail.eu-central-1.amazonaws.com/"


@pytest.mark.parametrize(
    ("exc", "detail"),
    [
        (
            aws.EndpointConnectionError(
                endpoint_url=URL,
                error=aiohttp.ClientConnectorDNSError(
                    _key("lightsail.eu-central-1.amazonaws.com", 443), UNKNOWN_NAME
                ),
            ),
            "lightsail.eu-central-1.amazonaws.com: Name or service not known",
        ),
        (
            aws.EndpointConnectionError(
                endpoint_url=URL,
                error=aiohttp.ClientConnectorDNSError(_key("proxy.test", 3128), UNKNOWN_NAME),
            ),
            "proxy proxy.test:3128: Name or service not known",
        ),
        (
            aws.ProxyConnectionError(
                proxy_url=f"http://agent:{CANARY}@proxy.test:3128",
                error=aiohttp.ClientProxyConnectionError(
                    _key("proxy.test", 3128), OSError(111, f"Connect call failed ({CANARY})")
                ),
            ),
            "proxy proxy.test:3128: Connection refused",
        ),
        (
            aws.ConnectTimeoutError(endpoint_url=URL, error=aiohttp.ConnectionTimeoutError(CANARY)),
            "lightsail.eu-central-1.amazonaws.com: no connection in time",
        ),
        (
            aws.ReadTimeoutError(endpoint_url=URL, error=aiohttp.SocketTimeoutError(CANARY)),
            "lightsail.eu-central-1.amazonaws.com: no answer in time",
        ),
        (
            aws.SSLError(
                endpoint_url=URL,
                error=aiohttp.ClientConnectorSSLError(
                    _key("lightsail.eu-central-1.amazonaws.com", 443), ssl.SSLError(1, CANARY)
                ),
            ),
            "lightsail.eu-central-1.amazonaws.com: tls failed",
        ),
        (
            aws.ConnectionClosedError(
                endpoint_url="https://[::1]:8443/", error=aiohttp.ServerDisconnectedError(CANARY)
            ),
            "[::1]:8443: the connection was closed",
        ),
        (aws.HTTPClientError(error=KeyError(CANARY)), "KeyError"),
        (EOFError(CANARY), "EOFError"),
    ],
)
def test_of_what_was_raised(exc: Exception, detail: str) -> None:
    assert detail_of(exc, created=True) == detail


FREE_TEXT = {"error", "error_msg", "msg", "report", "value", "message", "reason", "stream_object"}
"""Fields of the library's sentences into which it puts what it was sent, or cannot know."""

ITS_OWN = (
    "InvalidConfigError InfiniteLoopConfigError MissingDependencyException SSOTokenLoadError"
    " LoginTokenLoadError TokenRetrievalError EndpointProviderError EndpointResolutionError"
)
"""Where even these are written by the library alone."""


def _of_the_library() -> list[type[aws.BotoCoreError]]:
    kinds = [one for _, one in inspect.getmembers(aws, inspect.isclass)]
    return [one for one in kinds if issubclass(one, aws.BotoCoreError)]


@pytest.mark.parametrize("created", [True, False])
@pytest.mark.parametrize("kind", _of_the_library(), ids=lambda kind: kind.__name__)
def test_free_text_is_not_shown(kind: type[aws.BotoCoreError], created: bool) -> None:  # noqa: FBT001
    fields = {name for _, name, _, _ in Formatter().parse(kind.fmt) if name}
    said = {name: CANARY if name in FREE_TEXT else f"<{name}>" for name in fields}
    more = {"last_response": CANARY} if kind is aws.WaiterError else {}

    detail = detail_of(kind(**said, **more), created=created)

    assert 0 < len(detail) <= 200
    assert CANARY not in detail or kind.__name__ in ITS_OWN.split()


def test_a_file_s_name_is_shown_however_long_it_is() -> None:
    path = f"/{'directory/' * 12}file"

    detail = detail_of(FileNotFoundError(2, "No such file or directory", path), created=False)

    assert detail == f"{path}: No such file or directory"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\tb\r\nc\u202ed  ", "a b c d"),
        (f"You may not. {'Ab+/=' * 13}", "You may not. ***"),
        ("word " * 50, f"{'word ' * 39}word…"),
    ],
)
def test_what_a_server_said_is_one_line(text: str, line: str) -> None:
    assert one_line(text) == line
