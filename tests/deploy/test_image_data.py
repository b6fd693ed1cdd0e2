"""What the image keeps of AWS's data is enough for each source of AWS credentials.

The library is a copy whose data was cut as the image's is; each source is asked in a process that
has only that one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import botocore
import pytest

from lightkeeper.simulator import Simulator, simulate
from lightkeeper.simulator.settings import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from tests.adapters.lightsail.asking import in_a_process, saying, serving
from tests.deploy.rendering import DEPLOY
from tests.environment import say_nothing_of_aws

ROLE = "arn:aws:iam::123456789012:role/push"
PAIR = f"aws_access_key_id = {ACCESS_KEY_ID}\naws_secret_access_key = {SECRET_ACCESS_KEY}\n"
SSO_WORD = "simulated-sso-word"
SERVICES = ("lightsail", "signin", "sso", "sso-oidc", "sts")
REGIONS = ("eu-central-1", "us-east-1", "cn-north-1", "us-gov-west-1")

Env = pytest.MonkeyPatch


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the path, whose botocore has the image's data."""
    folder = tmp_path_factory.mktemp("site")
    junk = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(botocore.__file__).parent, folder / "botocore", ignore=junk)
    data = folder / "botocore" / "data"
    subprocess.run([sys.executable, DEPLOY / "image" / "cut.py", data], check=True, timeout=60)
    return folder


def prelude(site: Path) -> str:
    """Python that lets the rest of a process have the cut one."""
    taken = f"import sys; sys.path.insert(0, {str(site)!r}); import botocore"
    return f"{taken}; assert botocore.__file__.startswith({str(site)!r})"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: Env, tmp_path: Path) -> None:
    say_nothing_of_aws(monkeypatch, tmp_path)


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with simulate() as running:
        yield running


def write(env: Env, folder: Path, text: str, name: str = "AWS_CONFIG_FILE") -> None:
    path = folder / name.lower()
    path.write_text(text)
    env.setenv(name, str(path))


def variables(env: Env, _: Path, __: str) -> None:
    env.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
    env.setenv("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)


def shared_file(env: Env, folder: Path, _: str) -> None:
    write(env, folder, f"[default]\n{PAIR}", "AWS_SHARED_CREDENTIALS_FILE")


def profile(env: Env, folder: Path, _: str) -> None:
    write(env, folder, f"[profile build]\n{PAIR}")
    env.setenv("AWS_PROFILE", "build")


def role(env: Env, folder: Path, url: str) -> None:
    text = f"[profile base]\n{PAIR}[default]\nrole_arn = {ROLE}\nsource_profile = base\n"
    write(env, folder, text)
    env.setenv("AWS_ENDPOINT_URL_STS", url)


def web_identity(env: Env, folder: Path, url: str) -> None:
    write(env, folder, "e30.e30.e30", "AWS_WEB_IDENTITY_TOKEN_FILE")
    env.setenv("AWS_ROLE_ARN", ROLE)
    env.setenv("AWS_ENDPOINT_URL_STS", url)


def container(env: Env, _: Path, url: str) -> None:
    env.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{url}/container")


def instance_metadata(env: Env, _: Path, url: str) -> None:
    env.setenv("AWS_EC2_METADATA_DISABLED", "false")
    env.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)


def credential_process(env: Env, folder: Path, _: str) -> None:
    said = {"Version": 1, "AccessKeyId": ACCESS_KEY_ID, "SecretAccessKey": SECRET_ACCESS_KEY}
    program = folder / "process.py"
    program.write_text(f"print({json.dumps(said)!r})")
    write(env, folder, f"[default]\ncredential_process = {sys.executable} -S {program}\n")


def write_sso(env: Env, folder: Path, token: dict[str, str]) -> None:
    """A login by IAM Identity Center, with what was kept of it."""
    cache = folder / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True)
    text = "[default]\nsso_session = ours\nsso_account_id = 123456789012\nsso_role_name = push\n"
    text += "[sso-session ours]\nsso_region = eu-central-1\nsso_start_url = https://ours.test/s\n"
    name = hashlib.sha1(b"ours", usedforsecurity=False).hexdigest()
    (cache / f"{name}.json").write_text(json.dumps({"region": "eu-central-1", **token}))
    write(env, folder, text)


def sso(env: Env, folder: Path, url: str) -> None:
    write_sso(env, folder, {"accessToken": SSO_WORD, "expiresAt": "2099-01-01T00:00:00Z"})
    env.setenv("AWS_ENDPOINT_URL_SSO", url)


SOURCES = (
    *(variables, shared_file, profile, role, web_identity),
    *(container, instance_metadata, credential_process, sso),
)


@pytest.mark.parametrize("prepare", SOURCES, ids=[one.__name__ for one in SOURCES])
async def test_a_source_of_aws_credentials(
    simulator: Simulator,
    site: Path,
    monkeypatch: Env,
    tmp_path: Path,
    prepare: Callable[[Env, Path, str], None],
) -> None:
    prepare(monkeypatch, tmp_path, simulator.endpoint_url)

    (said,) = await in_a_process(simulator.endpoint_url, "", prelude=prelude(site))

    assert said == {"registry": simulator.registry}


async def test_a_login_of_sso_that_is_renewed(
    simulator: Simulator, site: Path, monkeypatch: Env, tmp_path: Path
) -> None:
    """By the service that hands out its tokens."""
    lasting = {"clientId": "c", "clientSecret": "fake", "refreshToken": "fake"}
    lasting["registrationExpiresAt"] = "2099-01-01T00:00:00Z"
    ended = {"accessToken": "fake", "expiresAt": "2020-01-01T00:00:00Z"}
    write_sso(monkeypatch, tmp_path, lasting | ended)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SSO", simulator.endpoint_url)
    token = json.dumps({"accessToken": SSO_WORD, "expiresIn": 28800, "tokenType": "Bearer"})
    heard = bytearray()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(token)}"
    async with serving(saying(f"{head}\r\n\r\n{token}".encode(), heard)) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSO_OIDC", f"http://{address}")

        (said,) = await in_a_process(simulator.endpoint_url, "", prelude=prelude(site))

    assert said == {"registry": simulator.registry}
    assert heard.startswith(b"POST /token ")


CLIENTS = f"""
import asyncio, json
from aiobotocore.session import AioSession
from lightkeeper.adapters.lightsail import AwsSource, SharedAws

async def main():
    shared, said = SharedAws(), dict()
    session = shared.open(AwsSource(region="eu-central-1"))
    for service in {SERVICES!r}:
        for region in {REGIONS!r}:
            async with session.create_client(service, region_name=region) as client:
                operations = sorted(client.meta.service_model.operation_names)
                said[service + " " + region] = [client.meta.endpoint_url, operations]
    print(json.dumps(said))

asyncio.run(main())
"""


def clients(before: str) -> dict[str, list[object]]:
    """Where each service is asked, and for what, in a process of its own."""
    keys = {"AWS_ACCESS_KEY_ID": "fake", "AWS_SECRET_ACCESS_KEY": "fake"}
    done = subprocess.run(
        [sys.executable, "-c", before + CLIENTS],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        env={**os.environ, **keys, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, list[object]] = json.loads(done.stdout)
    return told


def test_every_service_is_asked_where_it_was(site: Path) -> None:
    """`signin` among them: a login by it needs a library that is not shipped."""
    cut, whole = clients(prelude(site)), clients("")

    assert cut == whole
    assert len(cut) == len(SERVICES) * len(REGIONS)


def test_little_is_left(site: Path) -> None:
    data = site / "botocore" / "data"

    assert {one.name for one in data.iterdir() if one.is_dir()} == set(SERVICES)
    assert sum(one.stat().st_size for one in data.rglob("*") if one.is_file()) < 3 * 2**20


def test_data_of_another_form_is_no_image(tmp_path: Path) -> None:
    """A library that keeps its data otherwise must not make an image that finds nothing."""
    for service in SERVICES:
        (tmp_path / service / "2020-01-01").mkdir(parents=True)
        (tmp_path / service / "2020-01-01" / "service-2.json").touch()

    done = subprocess.run(
        [sys.executable, DEPLOY / "image" / "cut.py", tmp_path], capture_output=True, check=False
    )

    assert done.returncode == 1
    assert b"has no endpoint-rule-set-1.json.gz" in done.stderr
