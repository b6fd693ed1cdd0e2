"""The bearer token of a call: as it stands, from a file that is kept fresh, or from a command."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from lightkeeper.adapters.kubernetes.access import Access, Plugin, TokenFile
from lightkeeper.adapters.kubernetes.command import Run, begun
from lightkeeper.adapters.kubernetes.trouble import NoTokenError
from lightkeeper.core.credential import Secret
from lightkeeper.core.moment import utc
from lightkeeper.ports import Clock

_FRESH: Final = timedelta(seconds=60)
"""How long a file is taken to hold what it held; client-go's figure."""
COMMAND_SECONDS: Final = 30.0
"""For a command, which may call services of its own."""
_EARLY: Final = timedelta(seconds=30)
"""A command is run this long ahead of the expiry of its token."""
_AGAIN: Final = timedelta(seconds=10)
"""From one run ahead of expiry to the next, if it gave no token, or none that lasts longer."""
_KIND: Final = "ExecCredential"
_ASKING: Final = "KUBERNETES_EXEC_INFO"
"""The variable in which a command finds what it is asked for."""
_ODD: Final = "what the file holds is none"
_MAX_TOKEN_BYTES: Final = 64 * 1024


class Bearer(Protocol):
    """Who has the token. Where there is to be one and there is none, each raises `NoTokenError`."""

    async def ready(self) -> None:
        """Wait until there is one, if it takes a wait."""
        ...

    def token(self) -> str | None:
        """The one to come with, after `ready`; it may have got old since.

        None if the API server knows us by certificate, or not at all.
        """
        ...

    async def has_other_than(self, refused: str, /) -> bool:
        """Whether there is another than was just refused, if need be after a wait."""
        ...

    async def close(self) -> None:
        """Wait for nothing any more."""
        ...


def bearer_of(access: Access, clock: Clock, *, command_seconds: float = COMMAND_SECONDS) -> Bearer:
    """Whoever has the tokens for this API server."""
    match access.bearer:
        case TokenFile(path):
            return _FromFile(path, clock)
        case Plugin() as plugin:
            return _FromPlugin(plugin, clock, command_seconds)
        case known:
            return _Known(known)


class _AtHand:
    """What needs neither a wait nor an end."""

    async def ready(self) -> None:
        pass

    async def close(self) -> None:
        pass


class _Known(_AtHand):
    def __init__(self, secret: Secret | None) -> None:
        self._secret = secret

    def token(self) -> str | None:
        return None if self._secret is None else self._secret.reveal()

    async def has_other_than(self, _: str) -> bool:
        return False


class _FromFile(_AtHand):
    """kubelet swaps the file long before the token in it expires."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._secret: Secret | None = None
        self._read_at = timedelta(0)

    def token(self) -> str | None:
        why = ""
        if self._secret is None or self._clock.monotonic() - self._read_at > _FRESH:
            why = self._read()
        if self._secret is None:
            message = f"there is no token: {self._path}: {why}"
            raise NoTokenError(message)
        return self._secret.reveal()

    async def has_other_than(self, refused: str) -> bool:
        self._read()
        return self._secret not in {None, Secret(refused)}

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
    """One run at a time, however many calls wait for its token; it goes on if they do not."""

    def __init__(self, plugin: Plugin, clock: Clock, command_seconds: float) -> None:
        self._plugin = plugin
        self._label = f"{plugin.label} ({Path(plugin.command).name})"
        told = {"kind": _KIND, "apiVersion": plugin.version, "spec": {"interactive": False}}
        self._asked = msgspec.json.encode(told).decode()
        self._clock = clock
        self._deadline = command_seconds
        self._beginning = asyncio.Lock()
        self._run: Run | None = None
        self._begun_at = timedelta(0)
        self._secret: Secret | None = None
        self._expires: datetime | None = None

    async def ready(self) -> None:
        if self._secret is None or self._is_late(timedelta(0)):
            await self._renew()
        elif self._is_late(_EARLY) and self._clock.monotonic() - self._begun_at > _AGAIN:
            # What is held is good for a while yet: a Lease cannot wait for a slow command.
            with suppress(NoTokenError):
                await self._begin()

    def token(self) -> str | None:
        assert self._secret is not None  # noqa: S101 - it was waited for
        return self._secret.reveal()

    async def has_other_than(self, refused: str) -> bool:
        if self._secret == Secret(refused):
            await self._renew()
        return self._secret != Secret(refused)

    async def close(self) -> None:
        if self._run is not None:
            await self._run.stop()

    def _is_late(self, ahead: timedelta) -> bool:
        return self._expires is not None and self._clock.now().wall + ahead > self._expires

    async def _renew(self) -> None:
        run = await self._begin()
        await run.over.wait()
        if run.why:
            message = f"{self._label} {run.why}"
            raise NoTokenError(message)

    async def _begin(self) -> Run:
        """The run that is under way; a new one if none is."""
        async with self._beginning:
            if self._run is None or self._run.over.is_set():
                self._begun_at, asked = self._clock.monotonic(), {_ASKING: self._asked}
                try:
                    self._run = await begun(self._plugin, asked, self._take, self._deadline)
                except OSError as exc:
                    message = f"{self._label} cannot be run: {exc.strerror}"
                    raise NoTokenError(message) from exc
            return self._run

    def _take(self, printed: bytes) -> str:
        """Hold the token; or what is wrong with it."""
        try:
            answer = msgspec.json.decode(printed, type=_Credential)
            told = answer.status
            expires = utc(told.expirationTimestamp) if told.expirationTimestamp else None
        except (ValueError, RecursionError, OverflowError):  # a DecodeError is a ValueError
            return f"printed no {_KIND}"
        if (answer.kind, answer.apiVersion) != (_KIND, self._plugin.version):
            return f"printed no {_KIND} of {self._plugin.version}, as it was asked to"
        if not told.token.isascii() or not told.token.isprintable() or not told.token:
            return "gave no token; certificates from a command are not supported"
        self._secret, self._expires = Secret(told.token), expires
        return ""
