#!/usr/bin/env python3
"""Take some packages out of a lock file: `locked.py LOCK NAME...`.

What is printed is a lock of its own, each package with its version and hashes. A name that the lock
does not have is an error.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path


def taken(lock: str, names: list[str]) -> str:
    """The entries of `names`, as they stand in the text of `lock`."""
    entries = re.split(r"^(?=[^\s#])", lock, flags=re.MULTILINE)[1:]
    found = {entry.partition("==")[0]: entry for entry in entries}
    if missing := [name for name in names if name not in found]:
        sys.exit(f"locked.py: not in the lock: {', '.join(missing)}")
    return "".join(found[name] for name in names)


if __name__ == "__main__":
    sys.stdout.write(taken(Path(sys.argv[1]).read_text(encoding="utf-8"), sys.argv[2:]))
