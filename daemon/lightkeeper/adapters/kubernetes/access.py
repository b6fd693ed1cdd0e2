"""Which API server, whom to trust there and as whom to come: a kubeconfig, or the pod we run in.

Reads what the files say; knows neither TLS nor HTTP, nor the library that speaks them.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from lightkeeper.adapters.kubernetes.kubeconfig import (
    ClusterConfigError,
    Entry,
    Material,
    Plugin,
    chosen,
)
from lightkeeper.cluster import ClusterConfig
from lightkeeper.core.credential import Secret, is_loopback

__all__ = ["Access", "ClusterConfigError", "Material", "Plugin", "TokenFile", "access_to"]

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_DEFAULT_NAMESPACE: Final = "default"


class TokenFile(Struct, frozen=True):
    """A bearer token that somebody keeps fresh in a file."""

    path: Path


class Access(Struct, frozen=True, kw_only=True):
    """How to reach one API server; printed, it shows no key, no token and no password."""

    server: str
    """Its URL, without a slash at the end."""
    namespace: str
    """The pod's own, or the context's."""
    ca: Material | None = None
    """None: what this host trusts."""
    is_insecure: bool = False
    """Whether its certificate is not checked at all."""
    server_name: str | None = None
    """What its certificate is to name, if that is not the host of the URL."""
    certificate: Material | None = None
    key: Material | None = None
    bearer: Secret | TokenFile | Plugin | None = None
    proxy: Secret | None = None
    """Its URL, which may hold a password."""


def access_to(
    where: ClusterConfig,
    environ: Mapping[str, str],
    service_account: Path = SERVICE_ACCOUNT,
) -> Access:
    """How to reach the cluster that is asked for; `ClusterConfigError` names what is wrong.

    A kubeconfig or a context that is asked for wins in a pod too, where none is asked for the
    pod's own cluster.
    """
    if not where.kubeconfig and not where.context and environ.get("KUBERNETES_SERVICE_HOST"):
        return _of_pod(environ, service_account)
    return _of_kubeconfig(where, environ)


def _of_pod(environ: Mapping[str, str], folder: Path) -> Access:
    host = environ["KUBERNETES_SERVICE_HOST"]
    port = environ.get("KUBERNETES_SERVICE_PORT")
    if not port:
        message = "KUBERNETES_SERVICE_HOST is set and KUBERNETES_SERVICE_PORT is not"
        raise ClusterConfigError(message)
    for name in ("token", "ca.crt"):
        _check_readable(folder / name)
    try:
        namespace = (folder / "namespace").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        namespace = ""
    return Access(
        server=_checked(f"https://{f'[{host}]' if ':' in host else host}:{port}", "the pod"),
        namespace=namespace or _DEFAULT_NAMESPACE,
        ca=Material(label="the pod's ServiceAccount", path=folder / "ca.crt"),
        bearer=TokenFile(folder / "token"),
    )


def _check_readable(path: Path) -> None:
    try:
        is_empty = not path.read_bytes().strip()
    except OSError as exc:
        message = (
            f"{path}: {exc.strerror}; a pod has it unless automountServiceAccountToken is false"
        )
        raise ClusterConfigError(message) from exc
    if is_empty:
        message = f"{path}: is empty"
        raise ClusterConfigError(message)


def _of_kubeconfig(where: ClusterConfig, environ: Mapping[str, str]) -> Access:
    context, cluster, user = chosen(where, environ)
    server = cluster.text("server")
    if server is None:
        cluster.refuse("server", "is missing")
    server = _checked(server, f"{cluster.file}: {cluster.label}.server")
    ca = cluster.material("certificate-authority")
    is_insecure = cluster.flag("insecure-skip-tls-verify")
    if ca and is_insecure:
        cluster.refuse("insecure-skip-tls-verify", "and certificate-authority exclude one another")
    certificate = user.material("client-certificate")
    key = user.material("client-key")
    if (certificate is None) != (key is None):
        user.refuse("client-certificate", "and client-key go together")
    return Access(
        server=server,
        namespace=context.text("namespace") or _DEFAULT_NAMESPACE,
        ca=ca,
        is_insecure=is_insecure,
        server_name=cluster.text("tls-server-name"),
        certificate=certificate,
        key=key,
        bearer=_bearer(user),
        proxy=_proxy(cluster, server, environ),
    )


_UNSUPPORTED: Final = {
    "username": "and password are taken by no API server since Kubernetes 1.19",
    "auth-provider": "is gone since Kubernetes 1.26; use exec or tokenFile",
    "as": "is not supported; name a user that is the one",
    "as-groups": "is not supported; name a user that is the one",
}


def _bearer(user: Entry) -> Secret | TokenFile | Plugin | None:
    """As kubectl ranks them: a file before a token before a plug-in."""
    for key, message in _UNSUPPORTED.items():
        if user.has(key):
            user.refuse(key, message)
    if (path := user.path("tokenFile")) is not None:
        return TokenFile(path)
    if (token := user.text("token")) is not None:
        if not token.isascii() or not token.isprintable() or " " in token:
            user.refuse("token", "holds what no token does")
        return Secret(token)
    return user.plugin()


def _checked(server: str, label: str) -> str:
    """The URL; http:// only on this machine, since Secrets and tokens go there."""
    try:
        parts = urlsplit(server)
        host, _ = parts.hostname or "", parts.port
    except ValueError as exc:
        message = f"{label} is not a URL like https://HOST:PORT"
        raise ClusterConfigError(message) from exc
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment:
        message = f"{label} is not a URL like https://HOST:PORT"
        raise ClusterConfigError(message)
    if "@" in parts.netloc:
        message = f"{label} holds a user name or password"
        raise ClusterConfigError(message)
    if parts.scheme == "http" and not is_loopback(host):
        message = f"{label} is http://, where everyone on the way could read Secrets"
        raise ClusterConfigError(message)
    return server.rstrip("/")


def _proxy(cluster: Entry, server: str, environ: Mapping[str, str]) -> Secret | None:
    """The cluster's own, else the environment's, which a NO_PROXY ends.

    A pod never asks through one: what its environment names leads out of the cluster.
    """
    label, proxy = f"{cluster.file}: {cluster.label}.proxy-url", cluster.text("proxy-url")
    if proxy is None:
        parts = urlsplit(server)
        no_proxy = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
        if is_loopback(parts.hostname or "") or parts.scheme == "http":
            return None
        if _is_spared(parts.hostname or "", no_proxy):
            return None
        label = "HTTPS_PROXY"
        proxy = environ.get("https_proxy") or environ.get("HTTPS_PROXY")
        if not proxy:
            return None
    try:
        parts = urlsplit(proxy)
        is_one = parts.scheme in {"http", "https"} and parts.hostname and (parts.port or 1)
    except ValueError:
        is_one = False
    if not is_one:
        message = f"{label} is not a proxy like http://HOST:PORT (SOCKS is not supported)"
        raise ClusterConfigError(message)
    return Secret(proxy)


def _is_spared(host: str, no_proxy: str) -> bool:
    """Whether a NO_PROXY names the host, a domain above it or a network of its address."""
    for one in (part.strip().lower().lstrip("*").lstrip(".") for part in no_proxy.split(",")):
        if not one:
            if "*" in no_proxy:
                return True
            continue
        if host == one or host.endswith(f".{one}"):
            return True
        try:
            if ip_address(host) in ip_network(one, strict=False):
                return True
        except ValueError:
            continue
    return False
