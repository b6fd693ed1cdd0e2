"""What is shipped can be had as wheels, by hash, for each kind of machine that runs images."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.11", "3.13")
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
LOCKS = sorted(path.name for path in ROOT.glob("requirements*.lock") if "-dev" not in path.name)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("lock", LOCKS)
def test_each_package_has_a_wheel(lock: str, machine: str, python: str) -> None:
    """Resolved as pip would install it there; nothing is installed."""
    pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--ignore-installed"]
    pip += ["--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    pip += [f"--python-version={python}", "--target=unused"]
    for glibc in ("17", "28", "36"):
        pip.append(f"--platform=manylinux_2_{glibc}_{MACHINES[machine]}")
    pip.append(f"--platform=manylinux2014_{MACHINES[machine]}")
    done = subprocess.run(
        [*pip, f"--requirement={ROOT / lock}"],
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )

    if "Failed to establish a new connection" in done.stderr:
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr
