"""The unix socket that commands reach the daemon by: one request a connection, lines of JSON.

Only the daemon's own user and root are answered. Requests and answers hold no secret.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Final

from lightkeeper.serve.peer import peer_of

Request = Mapping[str, object]
Line = Mapping[str, object]

_LONGEST: Final = 64 * 1024
_PATIENCE: Final = 10.0
_AT_ONCE: Final = 64
_OF_A_KIND: Final = 16
"""Fewer than `_AT_ONCE` for each kind: those that wait for minutes shut out no other."""


class ControlSocketTakenError(Exception):
    """Another daemon answers there."""


class Control:
    """Serves the socket; `answer` gives the lines of an answer to a request."""

    def __init__(self, path: Path, answer: Callable[[Request], AsyncIterator[Line]]) -> None:
        self.path = path
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._inode = 0
        self._open: dict[asyncio.Task[None] | None, asyncio.Timeout] = {}
        self._kinds: dict[asyncio.Task[None] | None, str] = {}

    async def start(self) -> None:
        """Listen. `ControlSocketTakenError` if somebody answers there, `OSError` if it cannot be.

        A socket that nobody answers at is one that a crash left behind.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if await _is_answered(self.path):
            raise ControlSocketTakenError(str(self.path))
        if self.path.is_socket():  # anything else that stands there is not ours to delete
            self.path.unlink()
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(
                self._serve, str(self.path), limit=_LONGEST
            )
            self._inode = self.path.stat().st_ino
        finally:
            os.umask(before)

    async def start_again(self) -> str:
        """Listen anew if somebody took the socket away; empty, or what keeps us from it."""
        try:
            if not self._is_there():
                self._hang_up()
                await self.start()
        except ControlSocketTakenError:
            return f"another daemon answers at {self.path}"
        except OSError as exc:
            return f"{exc.filename or self.path}: {exc.strerror}"
        return ""

    def _is_there(self) -> bool:
        try:
            return self.path.stat().st_ino == self._inode
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _hang_up(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def close(self) -> None:
        """Answer no more, and take the socket away."""
        self._hang_up()
        if self._inode and self._is_there():
            self.path.unlink()
        # Left to the end of the loop they would be cancelled, and 3.12.1 prints that as an error.
        for limit in self._open.values():
            limit.reschedule(0)
        if tasks := [task for task in self._open if task is not None]:
            await asyncio.wait(tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        try:
            async with asyncio.timeout(None) as limit:
                self._open[task] = limit
                if not _is_allowed(writer):
                    return
                if len(self._open) > _AT_ONCE:
                    await _tell(writer, _busy(_AT_ONCE, "the daemon"))
                    return
                request = await _request(reader)
                if request is not None:
                    await self._converse(request, reader, writer)
        except* (OSError, TimeoutError, ValueError, RecursionError):
            pass  # whoever asked is gone, or does not speak this; nobody is left to be told
        finally:
            del self._open[task]
            self._kinds.pop(task, None)
            writer.close()

    async def _converse(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        kind = str(request.get("ask"))
        if list(self._kinds.values()).count(kind) == _OF_A_KIND:
            await _tell(writer, _busy(_OF_A_KIND, "the same of the daemon"))
            return
        self._kinds[asyncio.current_task()] = kind
        async with asyncio.TaskGroup() as tasks:
            leaving = tasks.create_task(_left(reader), name="control:left")
            async for line in self._answer(request):
                await _tell(writer, line)
                await asyncio.sleep(0)  # an answer of many lines is long
            leaving.cancel()


async def _request(reader: asyncio.StreamReader) -> Request | None:
    async with asyncio.timeout(_PATIENCE):
        request = json.loads(await reader.readline())
    return request if isinstance(request, dict) else None


async def _tell(writer: asyncio.StreamWriter, line: Line) -> None:
    writer.write(json.dumps(line).encode() + b"\n")
    async with asyncio.timeout(_PATIENCE):
        await writer.drain()


def _busy(count: int, what: str) -> Line:
    return {"error": f"{count} others ask {what} and wait; end some of them, or ask again later"}


async def _left(reader: asyncio.StreamReader) -> None:
    """Wait until whoever asked is gone, and end the answer by that; more requests are ignored."""
    while await reader.read(_LONGEST):
        pass
    raise ConnectionAbortedError


def _is_allowed(writer: asyncio.StreamWriter) -> bool:
    return peer_of(writer.get_extra_info("socket")).uid in (0, os.geteuid())


async def _is_answered(path: Path) -> bool:
    try:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_unix_connection(str(path))
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
