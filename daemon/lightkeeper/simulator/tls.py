"""A test CA and a certificate for loopback addresses, so that https can be rehearsed."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lightkeeper.simulator.settings import SetupError

_COMMAND: Final = "openssl"
_DAYS: Final = 365
_CONFIG: Final = """\
[req]
distinguished_name = name
[name]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:localhost, IP:127.0.0.1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """The files in PEM: what clients are to trust, and what the server shows."""

    ca: Path
    server: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        """For listening. Raises SetupError if the files are no certificate and its key."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.server, self.key)
        except (ssl.SSLError, OSError) as exc:
            message = f"{self.server} and {self.key} are no certificate and key: {exc}"
            raise SetupError(message) from exc
        return context


async def find_certificate(folder: Path) -> Certificate:
    """The certificate in `folder`, made there if none is: ca.pem, server.pem and server.key.

    Raises SetupError if it has to be made and cannot be.
    """
    found = Certificate(
        ca=folder / "ca.pem", server=folder / "server.pem", key=folder / "server.key"
    )
    if not all(path.is_file() for path in (found.ca, found.server, found.key)):
        await _make(found, folder)
    return found


async def _make(wanted: Certificate, folder: Path) -> None:
    if shutil.which(_COMMAND) is None:
        message = f"openssl is not installed, and {folder} has no ca.pem, server.pem and server.key"
        raise SetupError(message)
    config = str(_write_config(folder))
    ca_key = folder / "ca.key"
    usual = (
        *("req", "-x509", "-new", "-nodes", "-newkey", "ec", "-pkeyopt"),
        *("ec_paramgen_curve:P-256", "-days", str(_DAYS), "-config", config),
    )
    await _openssl(
        *(*usual, "-extensions", "ca", "-subj", "/CN=Lightkeeper simulator test CA"),
        *("-keyout", str(ca_key), "-out", str(wanted.ca)),
    )
    await _openssl(
        *(*usual, "-extensions", "server", "-subj", "/CN=localhost"),
        *("-CA", str(wanted.ca), "-CAkey", str(ca_key)),
        *("-keyout", str(wanted.key), "-out", str(wanted.server)),
    )


def _write_config(folder: Path) -> Path:
    config = folder / "openssl.cnf"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        config.write_text(_CONFIG)
    except OSError as exc:
        message = f"cannot write to {folder}: {exc.strerror}"
        raise SetupError(message) from exc
    return config


async def _openssl(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(_COMMAND, *arguments), stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE
    )
    _, complaint = await process.communicate()
    if process.returncode:
        lines = complaint.decode(errors="replace").strip().splitlines()
        message = f"openssl ended with status {process.returncode}: {lines[-1] if lines else ''}"
        raise SetupError(message)
