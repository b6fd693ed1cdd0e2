#!/usr/bin/env python3
"""Leave of AWS's data files what Lightkeeper reads: `cut.py SITE-PACKAGES/botocore/data`.

botocore brings the model of each of AWS's 400 services. Lightsail's is read, and those of whoever
hands out AWS credentials; of them the newest version, without what only other programs use.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

SERVICES = frozenset({"lightsail", "signin", "sso", "sso-oidc", "sts"})
"""Folders. In `endpoints.json` two of them go by other names."""

KEPT = frozenset({"endpoint-rule-set-1.json.gz", "service-2.json.gz"})
"""Of a service. Paginators, waiters and examples are for calls that nobody makes here."""


def cut(data: Path) -> None:
    """Remove the rest of `data`; complain where it is not what it was."""
    for service in SERVICES:
        *_, newest = sorted((data / service).iterdir())
        if missing := KEPT - {file.name for file in newest.iterdir()}:
            sys.exit(f"cut.py: {newest} has no {', '.join(sorted(missing))}")
    for folder in [entry for entry in data.iterdir() if entry.is_dir()]:
        if folder.name not in SERVICES:
            shutil.rmtree(folder)
            continue
        *older, newest = sorted(folder.iterdir())
        for version in older:
            shutil.rmtree(version)
        for file in newest.iterdir():
            if file.name not in KEPT:
                file.unlink()


if __name__ == "__main__":
    cut(Path(sys.argv[1]))
