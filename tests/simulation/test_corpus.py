"""The same seed gives the same life, on any Python and with any order of hashes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.corpus import FILE, REPLICAS, SEEDS

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_the_seeds_of_the_corpus_give_their_digests(hash_seed: str) -> None:
    """`make test-all` asks this of every Python that is here.

    If the daemon was meant to behave otherwise, `python -m tests.simulation.corpus` writes them
    anew.
    """
    told = subprocess.run(
        [sys.executable, "-m", "tests.simulation.corpus", "-"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        check=True,
        capture_output=True,
    )

    assert len(json.loads(told.stdout)) == len(SEEDS) + len(REPLICAS)
    assert json.loads(told.stdout) == json.loads(FILE.read_text())
