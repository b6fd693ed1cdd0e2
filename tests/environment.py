"""An environment that says nothing about AWS, proxies and certificates, within this process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def say_nothing_of_aws(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """No variable, no file and no metadata service gives AWS credentials."""
    for name in os.environ:
        if name.startswith("AWS_") or name.lower().endswith(("_proxy", "_ca_bundle")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(home))
