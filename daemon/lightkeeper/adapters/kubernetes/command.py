"""One run of the command that a kubeconfig names: what it printed is taken, or it is told why not.

Who waits for it may go away: it ends by itself, or at its deadline.
"""

from __future__ import annotations

import asyncio
import os
from asyncio import BaseTransport, SubprocessProtocol, SubprocessTransport, TimerHandle
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable, Mapping
from contextlib import suppress
from signal import SIGKILL
from typing import Final

from lightkeeper.adapters.kubernetes.kubeconfig import Plugin

_MAX_PRINTED_BYTES: Final = 1024 * 1024
"""Certificates, which some print beside the token, are a few KiB."""
_LEAVING_SECONDS: Final = 1.0
"""What is killed is gone at once, unless a disk or network file system holds it."""
_LATE: Final = "did not end within {:g} s; run it by hand to see what it waits for"
_STDOUT: Final = 1


class Run(SubprocessProtocol):
    """It is over when the command has ended and nobody holds its pipe any more, or when told so."""

    def __init__(self, taken: Callable[[bytes], str], deadline_seconds: float) -> None:
        """`taken` is given what was printed, and says what is wrong with it, if anything is."""
        self.why = ""
        """Why there is nothing of it; empty if there is."""
        self.over = asyncio.Event()
        self._taken = taken
        self._deadline = deadline_seconds
        self._printed = bytearray()
        self._timer: TimerHandle | None = None
        self._gone = asyncio.get_running_loop().create_future()
        self._transport: SubprocessTransport | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        """It has begun."""
        assert isinstance(transport, SubprocessTransport)  # noqa: S101 - of a command it is
        self._transport = transport
        loop, why = asyncio.get_running_loop(), _LATE.format(self._deadline)
        self._timer = loop.call_later(self._deadline, self._give_up, why)

    def pipe_data_received(self, fd: int, data: bytes) -> None:  # noqa: ARG002 - there is one pipe
        """It printed something."""
        self._printed += data
        if len(self._printed) > _MAX_PRINTED_BYTES:
            self._give_up(f"printed more than {_MAX_PRINTED_BYTES} bytes")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - of a command, none
        """It has ended, and its pipe is closed."""
        assert self._transport is not None  # noqa: S101 - it has begun
        status = self._transport.get_returncode()
        self._transport.close()
        self._gone.set_result(None)
        if not self.over.is_set():
            printed = bytes(self._printed)
            self._end(f"ended with status {status}" if status else self._taken(printed))

    async def stop(self) -> None:
        """End it, if it is not over, with all that it has begun itself."""
        self._give_up("was stopped")
        await asyncio.wait((self._gone,), timeout=_LEAVING_SECONDS)

    def _give_up(self, why: str) -> None:
        if self.over.is_set() or self._transport is None:
            return
        self._end(why)
        if self._transport.get_returncode() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._transport.get_pid(), SIGKILL)
        # What left the command's session lives on, and may never close the pipe.
        if (pipe := self._transport.get_pipe_transport(_STDOUT)) is not None:
            pipe.close()

    def _end(self, why: str) -> None:
        self.why = why
        self._printed.clear()
        self.over.set()
        if self._timer is not None:
            self._timer.cancel()


async def begun(
    plugin: Plugin,
    environ: Mapping[str, str],
    taken: Callable[[bytes], str],
    deadline_seconds: float,
) -> Run:
    """The command, under way. `OSError` if it cannot be run."""
    _, run = await asyncio.get_running_loop().subprocess_exec(
        lambda: Run(taken, deadline_seconds),
        plugin.command,
        *plugin.args,
        env={**os.environ, **plugin.env, **environ},
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=DEVNULL,  # it might tell secrets; who runs it by hand sees it
        start_new_session=True,  # so that what it has begun itself ends with it
    )
    return run
