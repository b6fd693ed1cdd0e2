"""An image built and run with podman, from the machine's own packages: no registry is asked."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.deploy.tools import CACHE, CannotBeHadError, alone
from tests.real.starting import HERE

ROOT: Final = Path(__file__).parents[2]
BASE: Final = "localhost/python-base:1"
IMAGE: Final = "localhost/lightkeeper:1"

_SETTINGS = """[containers]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
_HARDENED: Final = (
    *("--read-only", "--read-only-tmpfs=false", "--cap-drop=all"),
    *("--security-opt=no-new-privileges", "--network=host"),
    *("--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"),
)


def base_python() -> str:
    """The version of the interpreter that the base image gets: this machine's own."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    said = subprocess.run(["/usr/bin/python3", "-c", code], capture_output=True, check=True)
    return said.stdout.decode().strip()


def wheels() -> Path:
    """A folder with what the image is made of, fetched once for each state of the lock files."""
    locks = sorted(ROOT.glob("requirements*.lock"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in locks)).hexdigest()[:12]
    folder = CACHE / "wheels" / f"{base_python()}-{digest}"
    with alone(folder.parent):
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
                _download(Path(scratch) / "wheels")
                (Path(scratch) / "wheels").rename(folder)
    return folder


def _download(folder: Path) -> None:
    build = ROOT / "deploy" / "image" / "locked.py"
    tools = ("hatchling", "packaging", "pathspec", "pluggy", "trove-classifiers")
    taken = subprocess.run(
        [sys.executable, build, ROOT / "requirements-dev.lock", *tools],
        stdout=subprocess.PIPE,
        check=True,
    )
    with tempfile.NamedTemporaryFile(suffix=".lock") as lock:
        lock.write(taken.stdout)
        lock.flush()
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        pip += ["--no-deps", "--only-binary=:all:", "--require-hashes", f"--dest={folder}"]
        pip += [f"--python-version={base_python()}", f"--requirement={lock.name}"]
        shipped = [one for one in ROOT.glob("requirements*.lock") if "-dev" not in one.name]
        done = subprocess.run(
            [*pip, *(f"--requirement={one}" for one in shipped)],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    if done.returncode:
        *_, why = done.stderr.strip().splitlines() or ["pip says nothing"]
        raise CannotBeHadError(folder.name, why)


@dataclass(frozen=True)
class Podman:
    """One with a storage of its own."""

    folder: Path

    def command(self, *arguments: str | Path) -> list[str]:
        """The whole command line."""
        where = [f"--{name}={self.folder / name}" for name in ("root", "runroot", "tmpdir")]
        # An overlay cannot lie on another; copies of every layer do without, and take their time.
        kind = ["stat", "--file-system", "--format=%T", str(self.folder)]
        on_overlay = subprocess.run(kind, capture_output=True, check=True).stdout == b"overlayfs\n"
        settings = [f"--storage-driver={'vfs' if on_overlay else 'overlay'}", "--runtime=runc"]
        return ["podman", *where, *settings, *map(str, arguments)]

    @property
    def environment(self) -> dict[str, str]:
        settings = self.folder / "containers.conf"
        settings.write_text(_SETTINGS)
        return {**os.environ, "CONTAINERS_CONF": str(settings)}

    def do(self, *arguments: str | Path, timeout_seconds: float = 300) -> str:
        """Run it to its end; what it printed."""
        done = subprocess.run(
            self.command(*arguments),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
            env=self.environment,
        )
        assert done.returncode == 0, f"podman {arguments[0]}: {done.stderr}"
        return done.stdout

    def run(self, *arguments: str, options: Sequence[str] = ()) -> str:
        """What a container of the image prints, hardened as one in a cluster."""
        return self.do("run", "--rm", *_HARDENED, *options, IMAGE, *arguments, timeout_seconds=60)

    def start(self, *options: str) -> subprocess.Popen[str]:
        """A container that runs on: the daemon."""
        return subprocess.Popen(
            self.command("run", "--rm", *_HARDENED, *options, IMAGE),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment,
        )

    def layers(self, image: str) -> list[dict[str, Any]]:
        """As they would be pushed, compressed."""
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            self.do("push", "--quiet", image, f"oci:{scratch}/oci:1")
            blobs = Path(scratch) / "oci" / "blobs"
            index = json.loads((Path(scratch) / "oci" / "index.json").read_text())
            algorithm, _, digest = index["manifests"][0]["digest"].partition(":")
            layers = json.loads((blobs / algorithm / digest).read_text())["layers"]
        return list(layers)


@contextmanager
def built(folder: Path) -> Iterator[Podman]:
    """The image, built from this tree and a folder of wheels; no index is asked."""
    podman = Podman(folder)
    base = folder / "base"
    subprocess.run([HERE / "python-base", base], check=True, timeout=120, capture_output=True)
    archive = folder / "base.tar"
    subprocess.run(["tar", "-C", base, "-cf", archive, "."], check=True, timeout=60)
    podman.do("import", "--quiet", archive, BASE)
    podman.do(
        *("build", "--quiet", "--layers=false", "--isolation=chroot", "--network=host"),
        *(f"--build-arg=BASE={BASE}", "--build-arg=REVISION=tested"),
        *("--build-arg=PIP_NO_INDEX=1", "--build-arg=PIP_FIND_LINKS=/wheels"),
        *(f"--volume={wheels()}:/wheels:ro", f"--file={ROOT}/deploy/Containerfile"),
        *(f"--tag={IMAGE}", ROOT),
    )
    try:
        yield podman
    finally:
        podman.do("rmi", "--all", "--force")
