"""Tests with pods, on a node of their own: `python -m tests.pods [ARGUMENT OF PYTEST...]`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.pods.images import write_images
from tests.pods.node import ARCHIVE, lacking_node
from tests.real.starting import HERE


def main(arguments: list[str]) -> int:
    """Make the images, which takes an index of packages; then run the tests where there is none."""
    if why := lacking_node():
        print(why)
        return 1
    with tempfile.TemporaryDirectory(prefix="node-") as folder:
        write_images(Path(folder) / ARCHIVE)
        pytest = [sys.executable, "-m", "pytest", "--numprocesses=0", "tests/pods", *arguments]
        return subprocess.run([HERE / "kube-node", folder, *pytest], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
