"""The SSL context of one API server, and whether what it was made of has changed."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from pathlib import Path

from lightkeeper.adapters.kubernetes.access import Access, ClusterConfigError, Material


def ssl_context(access: Access) -> ssl.SSLContext:
    """One that trusts and shows what `access` says; `ClusterConfigError` names the key at fault."""
    if access.is_insecure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif access.ca is None:
        context = ssl.create_default_context()
    else:
        context = _trusting(access.ca)
    if access.certificate is not None and access.key is not None:
        _show(context, access.certificate, access.key)
    return context


def stamp(access: Access) -> tuple[tuple[int, int] | None, ...]:
    """Another one once a file of certificates or keys was written anew."""
    return tuple(_stamp(path) for path in _paths(access))


def _paths(access: Access) -> Iterator[Path]:
    for one in (access.ca, access.certificate, access.key):
        if one is not None and one.path is not None:
            yield one.path


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _trusting(ca: Material) -> ssl.SSLContext:
    pem = ca.data.reveal() if ca.data is not None else _read(ca)
    try:
        context = ssl.create_default_context(cadata=pem)
    except (ssl.SSLError, ValueError) as exc:
        message = f"{_named(ca)}: holds no certificate"
        raise ClusterConfigError(message) from exc
    # From Python 3.13 on this is set; many a cluster's own CA has no key identifiers, and kubectl
    # takes them.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _read(one: Material) -> str:
    path = one.path or Path()
    try:
        return path.read_text(encoding="ascii")
    except OSError as exc:
        message = f"{_named(one)}: {exc.strerror}"
        raise ClusterConfigError(message) from exc
    except UnicodeDecodeError as exc:
        message = f"{_named(one)}: is not PEM"
        raise ClusterConfigError(message) from exc


def _show(context: ssl.SSLContext, certificate: Material, key: Material) -> None:
    """Load a client's certificate by way of the memory: no key is written to a disk."""
    texts = [
        one.data.reveal() if one.data is not None else _read(one) for one in (certificate, key)
    ]
    file = os.memfd_create("lightkeeper-client", os.MFD_CLOEXEC)
    try:
        with open(file, "w", encoding="ascii", closefd=False) as opened:
            opened.write("\n".join(texts))
        # No password is asked for on a terminal that a daemon has not.
        context.load_cert_chain(f"/proc/self/fd/{file}", password="")
    except (OSError, ValueError) as exc:  # an SSLError is an OSError
        message = f"{_named(certificate)} and {_named(key)}: are no pair that can be used"
        raise ClusterConfigError(message) from exc
    finally:
        os.close(file)


def _named(one: Material) -> str:
    return one.label if one.path is None else f"{one.label}: {one.path}"
