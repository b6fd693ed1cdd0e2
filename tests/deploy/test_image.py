"""The image: built from the lock by hash, small, and at home on a read-only root as any user."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import tempfile
import threading
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lightkeeper import __version__
from tests.deploy.images import BASE, IMAGE, ROOT, Podman, built
from tests.deploy.tools import CannotBeHadError
from tests.integration.process import eventually, simulator
from tests.real.starting import free_port, lacking

pytestmark = [
    pytest.mark.skipif(
        bool(lacking("podman", "runc", root=True)), reason=lacking("podman", "runc", root=True)
    ),
    pytest.mark.timeout(300),
]

MEBIBYTE = 2**20
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    """One in a short path: podman takes 50 characters and no more."""
    try:
        with tempfile.TemporaryDirectory(prefix="lk-") as folder, built(Path(folder)) as one:
            yield one
    except CannotBeHadError as exc:
        pytest.skip(str(exc))


def inspected(podman: Podman) -> dict[str, Any]:
    (found,) = json.loads(podman.do("image", "inspect", IMAGE))
    config: dict[str, Any] = found["Config"]
    return config


def test_it_adds_little_to_its_base(podman: Podman) -> None:
    below, whole = podman.layers(BASE), podman.layers(IMAGE)

    assert [one["digest"] for one in whole[: len(below)]] == [one["digest"] for one in below]
    added = sum(one["size"] for one in whole[len(below) :])
    assert 5 * MEBIBYTE < added <= 30 * MEBIBYTE


def test_it_says_what_it_is(podman: Podman) -> None:
    labels = inspected(podman)["Labels"]

    of_ours = "org.opencontainers.image."
    assert labels[f"{of_ours}version"] == __version__
    assert labels[f"{of_ours}licenses"] == "Apache-2.0"
    assert labels[f"{of_ours}revision"] == "tested"
    assert labels[f"{of_ours}base.name"] == BASE
    assert labels.keys() >= {f"{of_ours}title", f"{of_ours}description"}


LOOK = """
import importlib.util, json, pathlib
house = pathlib.Path(importlib.util.find_spec("lightkeeper").origin).parent
site = house.parent
print(json.dumps({
    "bare": [str(one) for one in site.rglob("*.py")
             if not pathlib.Path(importlib.util.cache_from_source(str(one))).exists()],
    "data": sorted(one.name for one in (site / "botocore" / "data").iterdir() if one.is_dir()),
    "left": [one for one in ("/src", "/tools", "/wheels") if pathlib.Path(one).exists()],
    "modules": [str(one.relative_to(site)) for one in house.rglob("*.py")],
    "packages": sorted(one.name.split("-")[0] for one in site.glob("*.dist-info")),
    "script": open("/opt/lightkeeper/bin/lightkeeper").readline().strip(),
}))
"""


def test_it_holds_what_is_needed_and_nothing_of_the_build(podman: Podman) -> None:
    """What is there, as its own interpreter sees it."""
    options = ["--entrypoint=/opt/lightkeeper/bin/python"]
    found = json.loads(podman.run("-c", LOOK, options=options))

    assert found["bare"] == []
    assert found["data"] == ["lightsail", "signin", "sso", "sso-oidc", "sts"]
    assert found["left"] == []
    house = ROOT / "daemon"
    assert "lightkeeper/cli/main.py" in found["modules"]
    assert all((house / one).exists() for one in found["modules"])
    assert "lightkeeper" in found["packages"]
    is_extra = "kubernetes" in PYPROJECT["project"].get("optional-dependencies", {})
    assert ("lightkube" in found["packages"]) is is_extra
    assert not {"pip", "setuptools", "hatchling", "pytest"} & set(found["packages"])
    assert found["script"] == "#!/opt/lightkeeper/bin/python"


def test_it_is_nobody_in_particular_and_needs_no_shell(podman: Podman) -> None:
    config = inspected(podman)

    assert config["User"] == "10001:10001"
    assert (config["Entrypoint"], config["Cmd"]) == (["/opt/lightkeeper/bin/lightkeeper"], ["run"])
    assert podman.run("version").strip() == f"lightkeeper {__version__}"


def test_its_user_by_number_alone_has_its_own_group(podman: Podman) -> None:
    """A cluster names no more than the number; whom nobody knows is in root's group."""
    options = ["--user=10001", "--entrypoint=/opt/lightkeeper/bin/python"]

    assert podman.run("-c", "import os; print(os.getgid())", options=options) == "10001\n"


@contextmanager
def sidecar(podman: Podman, *options: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A container of the daemon, and what it says."""
    process = podman.start(*options)
    said: list[str] = []

    def read() -> None:
        assert process.stdout is not None
        said.extend(process.stdout)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield process, said
    finally:
        process.terminate()
        try:
            process.wait(10)
        finally:
            process.kill()
            reader.join()
            assert process.stdout is not None
            process.stdout.close()


def ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return int(answer.status) == 200
    except (urllib.error.URLError, ConnectionError):
        return False


ROOM = ("--tmpfs=/run/lightkeeper:rw,mode=1777", "--env=LIGHTKEEPER_STATE_DIR=/run/lightkeeper/s")


@pytest.mark.parametrize(
    ("user", "room"),
    [
        pytest.param("12345:2000", ROOM, id="any user"),
        pytest.param("10001:2000", ROOM, id="the image's user"),
        pytest.param(
            "10001:2000", ("--env=LIGHTKEEPER_STATE_SECRET=none",), id="no volume for its state"
        ),
    ],
)
def test_as_a_sidecar_it_delivers_and_is_gone_at_once(
    podman: Podman, tmp_path: Path, user: str, room: tuple[str, ...]
) -> None:
    """As `overlays/sidecar` has it: told by variables, and read-only but for the volumes."""
    shared = tmp_path / "docker"
    shared.mkdir()
    shared.chmod(0o3777)  # as the kubelet makes an emptyDir with an fsGroup
    (tmp_path / "seed.json").write_text('{"auths": {"base.test": {"auth": "ZmFrZTpmYWtl"}}}')
    port = free_port()
    with simulator(tmp_path) as lightsail:
        told = {
            **lightsail.environment,
            "LIGHTKEEPER_DOCKER_CONFIG": "/docker/config.json",
            "LIGHTKEEPER_FILE_MODE": "0640",
            "LIGHTKEEPER_SEED": "/seed.json",
            "LIGHTKEEPER_LISTEN": f"0.0.0.0:{port}",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        options = [f"--env={name}={value}" for name, value in told.items()]
        options += [f"--user={user}", f"--volume={shared}:/docker", *room]
        options += [f"--volume={tmp_path}/seed.json:/seed.json:ro"]
        with sidecar(podman, *options) as (process, said):
            eventually("/readyz", lambda: ready(port) or process.poll() is not None, said)
            assert process.poll() is None, "".join(said)
            written = (shared / "config.json").read_text()
            mode = stat.S_IMODE((shared / "config.json").stat().st_mode)
            begun = time.monotonic()
            process.send_signal(signal.SIGTERM)
            status = process.wait(10)
            took = time.monotonic() - begun

    auths = json.loads(written)["auths"]
    assert auths.keys() == {lightsail.registry, "base.test"}
    assert mode == 0o640
    assert (status, "daemon_stopping" in "".join(said)) == (0, True), "".join(said)
    assert took < 3.0  # its own second, and what podman takes to clear up
