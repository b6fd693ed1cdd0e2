"""What is shipped: the same wheel at each build, and lock files that say what pyproject says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from lightkeeper import __version__

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SHIPPED = ("daemon", "pyproject.toml", "README.md", "LICENSE", ".gitignore")


def _build(folder: Path, *, umask: int, mtime: int) -> Path:
    """The wheel of a copy of this tree whose files have other modes and times."""
    folder.mkdir()
    for name in SHIPPED:
        if (ROOT / name).is_dir():
            junk = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=junk)
        else:
            shutil.copy(ROOT / name, folder / name)
    for path in folder.rglob("*"):
        path.chmod((0o777 if path.is_dir() else 0o666) & ~umask)
        os.utime(path, (mtime, mtime))
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", "out"],
        cwd=folder,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1577836800"},
        umask=umask,
        check=True,
        capture_output=True,
    )
    (wheel,) = (folder / "out").glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    pytest.importorskip("hatchling", reason="builds a wheel; `make venv` brings hatchling")
    folder = tmp_path_factory.mktemp("wheels")
    return (
        _build(folder / "one", umask=0o022, mtime=1_600_000_000),
        _build(folder / "two", umask=0o077, mtime=1_700_000_000),
    )


def test_two_builds_give_the_same_bytes(wheels: tuple[Path, Path]) -> None:
    """Neither umask nor the times of files leave a trace."""
    first, second = wheels

    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()


def test_the_wheel_holds_only_the_package(wheels: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(wheels[0]) as archive:
        names = archive.namelist()

    tops = {name.split("/")[0] for name in names}
    assert tops == {"lightkeeper", f"lightkeeper-{__version__}.dist-info"}
    modules = {path.relative_to(ROOT / "daemon") for path in (ROOT / "daemon").rglob("*.py")}
    assert modules <= {Path(name) for name in names}


def test_the_wheel_says_its_version_and_licence(wheels: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(wheels[0]) as archive:
        info = f"lightkeeper-{__version__}.dist-info"
        metadata = message_from_bytes(archive.read(f"{info}/METADATA"))
        licence = archive.read(f"{info}/licenses/LICENSE")

    assert metadata["Version"] == __version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert licence == (ROOT / "LICENSE").read_bytes()


def _normalised(requirement: str) -> str:
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name, requirement
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def _locked(lock: str) -> dict[str, str]:
    """Each locked package with its version."""
    text = (ROOT / lock).read_text()
    return {
        _normalised(name): version
        for name, version in re.findall(r"^(\S+)==(\S+)", text, re.MULTILINE)
    }


def _required() -> set[str]:
    return {_normalised(requirement) for requirement in PYPROJECT["project"]["dependencies"]}


def _required_for_development() -> set[str]:
    groups = PYPROJECT["dependency-groups"]
    parts = [part["include-group"] for part in groups["dev"]]
    return {_normalised(requirement) for part in parts for requirement in groups[part]}


def test_locks_hold_what_pyproject_names() -> None:
    assert _required() <= _locked("requirements.lock").keys()
    assert _required() | _required_for_development() <= _locked("requirements-dev.lock").keys()


def test_development_uses_the_versions_that_are_shipped() -> None:
    shipped, extra = _locked("requirements.lock"), _locked("requirements-kubernetes.lock")
    assert shipped.items() <= extra.items() <= _locked("requirements-dev.lock").items()


@pytest.mark.parametrize(
    "lock", ["requirements.lock", "requirements-kubernetes.lock", "requirements-dev.lock"]
)
def test_every_locked_package_has_hashes_and_no_address(lock: str) -> None:
    """Where packages come from is the business of whoever installs them."""
    text = (ROOT / lock).read_text()

    assert "://" not in text
    assert "index-url" not in text
    entries = re.split(r"^(?=\S+==)", text, flags=re.MULTILINE)[1:]
    assert entries
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_botocore_is_left_to_aiobotocore() -> None:
    """A bound of our own would only contradict the few releases that aiobotocore allows."""
    assert "botocore" not in _required() | _required_for_development()


def test_pyproject_names_the_supported_pythons_once_each() -> None:
    listed = re.findall(r"Python :: (3\.\d+)", " ".join(PYPROJECT["project"]["classifiers"]))
    tried = re.findall(r"3\.\d+", (ROOT / "tools" / "pythons").read_text().split("do", 1)[0])

    assert listed == tried
    assert PYPROJECT["project"]["requires-python"] == f">={listed[0]}"
