"""A kubeconfig, or several merged as kubectl does: the context that is asked for, and its parts.

Every mistake is a sentence with file and key, and without what stands there.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NoReturn

import yaml
from msgspec import Struct, field

from lightkeeper.cluster import ClusterConfig
from lightkeeper.core.credential import Secret

_MAX_BYTES: Final = 4 * 1024 * 1024
_V1: Final = "client.authentication.k8s.io/v1"
_V1BETA1: Final = "client.authentication.k8s.io/v1beta1"


class ClusterConfigError(Exception):
    """A cluster cannot be asked with this configuration. The words are for people."""


class Material(Struct, frozen=True, kw_only=True):
    """A certificate or key: in a file that may be renewed, or in the kubeconfig."""

    label: str
    """Where it is named, for people."""
    path: Path | None = None
    data: Secret | None = None
    """PEM."""


class Plugin(Struct, frozen=True, kw_only=True):
    """A command that prints a token; printed, it shows neither arguments nor variables."""

    __repr__ = object.__repr__

    label: str
    version: str
    """The apiVersion in which it is asked and answers."""
    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


class Entry(Struct, frozen=True, kw_only=True):
    """One named context, cluster or user."""

    __repr__ = object.__repr__

    label: str
    file: Path
    values: Mapping[str, object]

    def has(self, key: str) -> bool:
        """Whether anything stands under a key."""
        return self.values.get(key) not in (None, "", {}, [])

    def text(self, key: str) -> str | None:
        """What stands there; None if nothing does."""
        value = self.values.get(key)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            self.refuse(key, "must be text")
        return value

    def flag(self, key: str) -> bool:
        """Whether it is set."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, bool):
            self.refuse(key, "must be true or false")
        return bool(value)

    def path(self, key: str) -> Path | None:
        """A file, beside the kubeconfig unless it begins with a slash."""
        text = self.text(key)
        return None if text is None else self.file.parent / text

    def material(self, key: str) -> Material | None:
        """Data in place before a file, as with kubectl."""
        label = f"{self.file}: {self.label}.{key}"
        coded = self.text(f"{key}-data")
        if coded is not None:
            pem = _decoded(coded)
            if pem is None:
                self.refuse(f"{key}-data", "is not PEM in base64")
            return Material(label=f"{label}-data", data=Secret(pem))
        path = self.path(key)
        return None if path is None else Material(label=label, path=path)

    def plugin(self) -> Plugin | None:
        """What `exec` says."""
        value = self.values.get("exec")
        if value is None:
            return None
        if not isinstance(value, dict):
            self.refuse("exec", "must be a mapping")
        told = Entry(label=f"{self.label}.exec", file=self.file, values=value)
        version = told.text("apiVersion")
        if version not in {_V1, _V1BETA1}:
            told.refuse("apiVersion", f"is neither {_V1} nor {_V1BETA1}; others are not supported")
        mode = told.text("interactiveMode")
        if mode == "Always":
            told.refuse("interactiveMode", "is Always, and a daemon has no terminal")
        if mode is None and version == _V1:
            told.refuse("interactiveMode", f"is missing, which {_V1} does not allow")
        if mode not in {None, "Never", "IfAvailable"}:
            told.refuse("interactiveMode", "is neither Never nor IfAvailable")
        command = told.text("command")
        if command is None:
            told.refuse("command", "is missing")
        if "/" in command:
            command = str(self.file.parent / command)
        return Plugin(
            label=f"{self.file}: {told.label}",
            version=version,
            command=command,
            args=told._args(),
            env=told._env(),
        )

    def _args(self) -> tuple[str, ...]:
        args = self.values.get("args") or []
        if not isinstance(args, list) or not all(isinstance(arg, str) for arg in args):
            self.refuse("args", "must be a list of texts")
        return tuple(args)

    def _env(self) -> dict[str, str]:
        pairs = self.values.get("env") or []
        found = {}
        for pair in pairs if isinstance(pairs, list) else [None]:
            if not isinstance(pair, dict) or not isinstance(pair.get("name"), str):
                self.refuse("env", "must be a list of name and value")
            found[pair["name"]] = str(pair.get("value") or "")
        return found

    def refuse(self, key: str, what: str) -> NoReturn:
        """Say what is wrong with it."""
        message = f"{self.file}: {self.label}.{key} {what}"
        raise ClusterConfigError(message)


def _decoded(coded: str) -> str | None:
    """The text; None instead of an exception that would hold it."""
    try:
        return base64.b64decode("".join(coded.split()), validate=True).decode("ascii")
    except (binascii.Error, ValueError):  # a UnicodeDecodeError is a ValueError
        return None


def chosen(where: ClusterConfig, environ: Mapping[str, str]) -> tuple[Entry, Entry, Entry]:
    """Context, cluster and user."""
    files = _files(where, environ)
    documents = [(file, _document(file)) for file in files]
    name = where.context or next(
        (str(told["current-context"]) for _, told in documents if told.get("current-context")), None
    )
    told = ", ".join(map(str, files))
    if name is None:
        message = f"{told}: current-context is not set, and no context is asked for"
        raise ClusterConfigError(message)
    context = _entry(documents, "contexts", "context", name)
    named = {kind: context.text(kind) for kind in ("cluster", "user")}
    if named["cluster"] is None:
        context.refuse("cluster", "is missing")
    cluster = _entry(documents, "clusters", "cluster", named["cluster"])
    if named["user"] is None:
        return context, cluster, Entry(label="no user", file=context.file, values={})
    return context, cluster, _entry(documents, "users", "user", named["user"])


def _files(where: ClusterConfig, environ: Mapping[str, str]) -> list[Path]:
    """Those that are there; at least one."""
    home = environ.get("HOME") or "/"
    if where.kubeconfig:
        named = [where.kubeconfig]
    else:
        several = environ.get("KUBECONFIG", "").split(os.pathsep)
        named = [one for one in several if one] or ["~/.kube/config"]
    paths = [Path(home + one[1:] if one.startswith("~/") else one) for one in named]
    found = [path for path in paths if path.exists()]
    if not found:
        message = f"{', '.join(map(str, paths))}: no such kubeconfig"
        if not where.kubeconfig:
            message += ", and this is no pod (KUBERNETES_SERVICE_HOST is not set)"
        raise ClusterConfigError(message)
    return [path.absolute() for path in found]


def _document(file: Path) -> Mapping[str, object]:
    try:
        with file.open("rb") as opened:
            raw = opened.read(_MAX_BYTES + 1)
    except OSError as exc:
        message = f"{file}: {exc.strerror}"
        raise ClusterConfigError(message) from exc
    if len(raw) > _MAX_BYTES:
        message = f"{file}: is larger than any kubeconfig"
        raise ClusterConfigError(message)
    try:
        told = yaml.safe_load(raw)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as exc:
        mark = getattr(exc, "problem_mark", None)  # what it says besides quotes the file
        place = f", line {mark.line + 1}" if mark is not None else ""
        message = f"{file}{place}: is not YAML"
        raise ClusterConfigError(message) from None
    if not isinstance(told, dict):
        message = f"{file}: is not a kubeconfig"
        raise ClusterConfigError(message)
    return told


def _entry(
    documents: list[tuple[Path, Mapping[str, object]]], kind: str, key: str, name: str
) -> Entry:
    """The first of that name; kubectl merges so as well."""
    for file, told in documents:
        entries = told.get(kind) or []
        if not isinstance(entries, list):
            message = f"{file}: {kind} must be a list"
            raise ClusterConfigError(message)
        for entry in entries:
            if isinstance(entry, dict) and entry.get("name") == name:
                values = entry.get(key) or {}
                if not isinstance(values, dict):
                    message = f"{file}: {kind}[{name}].{key} must be a mapping"
                    raise ClusterConfigError(message)
                return Entry(label=f"{kind}[{name}].{key}", file=file, values=values)
    message = f"{', '.join(str(file) for file, _ in documents)}: {kind} has none named {name}"
    raise ClusterConfigError(message)
