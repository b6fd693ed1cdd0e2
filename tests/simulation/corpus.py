"""The digests of some seeds, which every Python and every hash seed must give again.

`python -m tests.simulation.corpus` writes them anew after a change that was meant to change what
the daemon does when.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.simulation.replicas.run import HOURS
from tests.simulation.replicas.run import live as live_replicas
from tests.simulation.run import live

SEEDS = range(20)
DAYS = 4.0
REPLICAS = (2, 6)
"""Seeds of replicas that show what each question about newer credentials is for."""
FILE = Path(__file__).with_name("corpus.json")


def lived() -> dict[str, dict[str, str]]:
    """Seed to login to digest, in order of logins; of replicas to that of all."""
    lives = {str(seed): dict(live(seed, DAYS).digests) for seed in SEEDS}
    return lives | {
        f"replicas {seed}": {"all": live_replicas(seed, HOURS).digest} for seed in REPLICAS
    }


def main() -> None:
    """Write the digests to the corpus, or to stdout when asked with `-`."""
    text = json.dumps(lived(), indent=1) + "\n"
    if sys.argv[1:] == ["-"]:
        sys.stdout.write(text)
    else:
        FILE.write_text(text)


if __name__ == "__main__":
    main()
