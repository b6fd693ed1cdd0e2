"""The bearer token of a call: as it stands, from a file that is kept fresh, or from a command."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from lightkeeper.adapters.kubernetes.access import Access, Plugin, TokenFile
from lightkeeper.adapters.kubernetes.command import begun
from lightkeeper.adapters.kubernetes.trouble import NoTokenError
from lightkeeper.core.credential import Secret
from lightkeeper.core.moment import utc
from lightkeeper.ports import Clock

_FRESH: Final = timedelta(seconds=60)
"""How long a file is taken to hold what it held; client-go's figure."""
_EARLY: Final = timedelta(seconds=30)
"""A command's token is renewed this long ahead of its expiry."""
_KIND: Final = "ExecCredential"
_ASKING: Final = "KUBERNETES_EXEC_INFO"
"""The variable in which a command finds what it is asked for."""
_ODD: Final = "what the file holds is none"
_MAX_TOKEN_BYTES: Final = 64 * 1024


class Bearer(Protocol):
    """Who has the token."""

    async def token(self) -> str | None:
        """The one to come with; None if the API server knows us by certificate, or not at all.

        `NoTokenError` if there is to be one and there is none.
        """
        ...

    async def other_than(self, refused: str, /) -> str | None:
        """Another one than the API server has just refused; None if there is none."""
        ...


def bearer_of(access: Access, clock: Clock) -> Bearer:
    """Whoever has the tokens for this API server."""
    match access.bearer:
        case TokenFile(path):
            return _FromFile(path, clock)
        case Plugin() as plugin:
            return _FromPlugin(plugin, clock)
        case known:
            return _Known(known)


class _Known:
    def __init__(self, secret: Secret | None) -> None:
        self._secret = secret

    async def token(self) -> str | None:
        return None if self._secret is None else self._secret.reveal()

    async def other_than(self, _: str) -> str | None:
        return None


class _FromFile:
    """kubelet swaps the file long before the token in it expires."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._secret: Secret | None = None
        self._read_at = timedelta(0)

    async def token(self) -> str | None:
        why = ""
        if self._secret is None or self._clock.monotonic() - self._read_at > _FRESH:
            why = self._read()
        if self._secret is None:
            message = f"there is no token: {self._path}: {why}"
            raise NoTokenError(message)
        return self._secret.reveal()

    async def other_than(self, refused: str) -> str | None:
        self._read()
        found = None if self._secret is None else self._secret.reveal()
        return None if found == refused else found

    def _read(self) -> str:
        """Why there is none; what was held stays then: it may be good for a while yet."""
        self._read_at = self._clock.monotonic()
        try:
            with self._path.open("rb") as opened:
                text = opened.read(_MAX_TOKEN_BYTES).decode("ascii").strip()
        except OSError as exc:
            return exc.strerror or type(exc).__name__
        except UnicodeDecodeError:
            return _ODD
        if not text:
            return "the file is empty"
        if not text.isprintable() or " " in text:
            return _ODD
        self._secret = Secret(text)
        return ""


class _Told(Struct):
    token: str = ""
    expirationTimestamp: str = ""  # noqa: N815 - as the plug-in writes it


class _Credential(Struct):
    """What a plug-in prints."""

    status: _Told
    apiVersion: str = ""  # noqa: N815
    kind: str = ""


class _FromPlugin:
    """One run at a time, however many calls wait for its token."""

    def __init__(self, plugin: Plugin, clock: Clock) -> None:
        self._plugin = plugin
        told = {"kind": _KIND, "apiVersion": plugin.version, "spec": {"interactive": False}}
        self._asked = msgspec.json.encode(told).decode()
        self._clock = clock
        self._running = asyncio.Lock()
        self._secret: Secret | None = None
        self._expires: datetime | None = None

    async def token(self) -> str | None:
        async with self._running:
            if self._secret is None or self._is_late():
                await self._renew()
            assert self._secret is not None  # noqa: S101 - it was renewed, or that raised
            return self._secret.reveal()

    async def other_than(self, refused: str) -> str | None:
        async with self._running:
            if self._secret is None or self._secret.reveal() == refused:
                await self._renew()
            found = None if self._secret is None else self._secret.reveal()
        return None if found == refused else found

    def _is_late(self) -> bool:
        return self._expires is not None and self._clock.now().wall > self._expires - _EARLY

    async def _renew(self) -> None:
        label = f"{self._plugin.label} ({Path(self._plugin.command).name})"
        try:
            printed = await self._run()
            answer = msgspec.json.decode(printed, type=_Credential)
            told = answer.status
            expires = utc(told.expirationTimestamp) if told.expirationTimestamp else None
        except OSError as exc:
            message = f"{label} cannot be run: {exc.strerror}"
            raise NoTokenError(message) from exc
        except ValueError:  # quotes what was printed; a DecodeError is one too
            message = f"{label} printed no {_KIND}"
            raise NoTokenError(message) from None
        if (answer.kind, answer.apiVersion) != (_KIND, self._plugin.version):
            message = f"{label} printed no {_KIND} of {self._plugin.version}, as it was asked to"
            raise NoTokenError(message)
        if not told.token.isascii() or not told.token.isprintable() or not told.token:
            message = f"{label} gave no token; certificates from a command are not supported"
            raise NoTokenError(message)
        self._secret, self._expires = Secret(told.token), expires

    async def _run(self) -> bytes:
        """What it prints; it does not outlive the call that waits for it."""
        run = await begun(self._plugin, {_ASKING: self._asked})
        try:
            await run.over.wait()
        finally:
            await run.stop()
        if run.why:
            message = f"{self._plugin.label} ({Path(self._plugin.command).name}) {run.why}"
            raise NoTokenError(message)
        return bytes(run.printed)
