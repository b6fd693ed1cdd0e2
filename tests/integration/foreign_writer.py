"""Somebody else who edits a Docker config as fast as they can, and counts which edits got lost.

`python foreign_writer.py PATH EDITS rename|in-place`: by `rename` it does what docker login does:
read, change, new file in the same directory, rename. Each edit gives one of its entries a new
value; at each reading every entry is to hold what was written last.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

_ENTRIES = 20


def main() -> None:
    path, edits, how = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    put = _in_place if how == "in-place" else _by_rename
    written = dict[str, object]()
    lost = unreadable = 0
    for number in range(edits):
        config = _read(path)
        if config is None:
            unreadable += 1
            continue
        lost += _forget_lost(config, written)
        host = f"registry-{number % _ENTRIES}.example"
        config.setdefault("auths", {})[host] = written[host] = {"auth": "", "number": number}
        put(path, json.dumps(config, indent="\t").encode())
    lost += _forget_lost(_read(path) or {}, written)
    sys.stdout.write(json.dumps({"lost": lost, "unreadable": unreadable}))


def _read(path: Path) -> dict[str, dict[str, object]] | None:
    """What is there; None if it cannot be read, as when another is writing in place."""
    try:
        config: dict[str, dict[str, object]] = json.loads(path.read_bytes())
    except ValueError:
        return None
    return config


def _forget_lost(config: dict[str, dict[str, object]], written: dict[str, object]) -> int:
    """How many entries do not hold what was written; each is counted once."""
    entries = config.get("auths", {})
    lost = [host for host, value in written.items() if entries.get(host) != value]
    for host in lost:
        del written[host]
    return len(lost)


def _by_rename(path: Path, data: bytes) -> None:
    temp = f"{path}{os.getpid()}"
    file = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(file, data)
    os.close(file)
    os.rename(temp, path)  # noqa: PTH104 - one call of the system


def _in_place(path: Path, data: bytes) -> None:
    path.write_bytes(data)


if __name__ == "__main__":
    main()
