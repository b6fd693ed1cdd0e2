"""What the tests of the configuration share: a machine of values, and one call."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import pytest

from lightkeeper.config.environment import Host
from lightkeeper.config.flags import Flags
from lightkeeper.config.load import Loaded, load
from lightkeeper.config.model import FileOutput, KubernetesSecret, Login
from lightkeeper.config.problem import ConfigErrors

FILE = "c.yaml"


def a_host(
    *,
    home: str | None = "/home/ci",
    uid: int = 1000,
    directories: Collection[str] = (),
    regions: Mapping[str | None, str] | None = None,
    owned: Collection[str] = (),
) -> Host:
    return Host(
        home=None if home is None else Path(home),
        uid=uid,
        is_directory=lambda path: str(path) in directories,
        profile_region=(regions or {}).get,
        owns=lambda path: path in owned,
    )


def loaded(
    document: str | bytes | None = None,
    *,
    flags: Flags | None = None,
    environ: Mapping[str, str] | None = None,
    host: Host | None = None,
) -> Loaded:
    raw = document.encode() if isinstance(document, str) else document
    return load(
        document=raw,
        filename=FILE,
        flags=flags or {},
        environ=environ or {},
        host=host or a_host(),
    )


def refusal(
    document: str | bytes | None = None,
    *,
    flags: Flags | None = None,
    environ: Mapping[str, str] | None = None,
    host: Host | None = None,
) -> str:
    with pytest.raises(ConfigErrors) as caught:
        loaded(document, flags=flags, environ=environ, host=host)
    return str(caught.value)


def files(login: Login) -> list[FileOutput]:
    """The outputs of a login that has no others."""
    found: list[FileOutput] = [output for output in login.outputs if isinstance(output, FileOutput)]
    assert len(found) == len(login.outputs)
    return found


def secrets(login: Login) -> list[KubernetesSecret]:
    """The outputs of a login that are Secrets."""
    return [output for output in login.outputs if isinstance(output, KubernetesSecret)]
