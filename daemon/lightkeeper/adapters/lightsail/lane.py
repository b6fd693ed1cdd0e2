"""A thread with a loop of its own: whatever blocks in there holds up nobody else.

The AWS library reads credential files, token files and certificates where it happens to need them,
in the middle of asynchronous calls; on a hung network home each read would stop the whole daemon.
"""

from __future__ import annotations

import asyncio
from asyncio.subprocess import Process
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future
from contextlib import suppress
from datetime import timedelta
from threading import Thread
from typing import Any, Final, TypeVar

T = TypeVar("T")

_PARTING_SECONDS: Final = 0.5
"""For closing connections; what takes longer blocks, and is left behind."""


class Lane:
    """Runs one call at a time, each in a fresh thread that ends with it."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._ended: Future[None] | None = None
        self._thread: Thread | None = None

    async def run(self, work: Callable[[], Coroutine[Any, Any, T]], deadline: timedelta) -> T:
        """The result of `work`; `TimeoutError` past `deadline`, and the work is cancelled.

        Work that cannot be cancelled because it blocks is left behind; the next call waits for its
        end, within that call's own deadline. The process does not wait for it at exit.
        """
        async with self._turn:
            try:
                async with asyncio.timeout(deadline.total_seconds()):
                    return await self._start(work)
            finally:
                await self._see_off()

    async def _start(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        if self._ended is not None:
            await asyncio.wrap_future(self._ended)
        loop, self._ended = _LaneLoop(), _uncancellable()
        self._thread = Thread(target=_serve, args=(loop, self._ended), name="aws", daemon=True)
        self._thread.start()
        result = asyncio.run_coroutine_threadsafe(loop.carry_out(work), loop)
        done = _uncancellable()
        result.add_done_callback(lambda _: done.set_result(None))
        try:
            await asyncio.wrap_future(done)
        except asyncio.CancelledError:
            # Cancelled from here, it would call a loop that may have closed in this very moment.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(result.cancel)
            raise
        return result.result()

    async def _see_off(self) -> None:
        """Let the thread end: one that the interpreter's exit catches at work can crash it."""
        if self._ended is None or self._thread is None:
            return
        await asyncio.wait({asyncio.wrap_future(self._ended)}, timeout=_PARTING_SECONDS)
        if self._ended.done():
            self._thread.join()


class _LaneLoop(asyncio.SelectorEventLoop):
    """The loop within: it may be blocked, and ends the programs that it started."""

    def __init__(self) -> None:
        super().__init__()
        self._programs: list[tuple[asyncio.SubprocessTransport, Process]] = []

    async def carry_out(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do `work`, and stop the loop behind it."""
        try:
            return await work()
        finally:
            await self._end_programs()
            self.call_soon(self.stop)  # ahead of whoever waits for us, who is told all the same

    async def run_in_executor(  # type: ignore[override]  # it is only ever awaited
        self, _: Executor | None, func: Callable[..., T], *args: object
    ) -> T:
        """Block right here; exit would wait for an executor's threads, however long these hang."""
        return func(*args)

    async def subprocess_exec(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as inherited
        """Remember what was started: nobody else ends a credential_process that hangs."""
        transport, protocol = await super().subprocess_exec(*args, **kwargs)
        self._programs.append((transport, Process(transport, protocol, self)))
        return transport, protocol

    async def _end_programs(self) -> None:
        for transport, program in self._programs:
            transport.close()  # kills what still runs
            await program.wait()


def _uncancellable() -> Future[None]:
    """A future that whoever waits for it cannot cancel."""
    future = Future[None]()
    future.set_running_or_notify_cancel()
    return future


def _serve(loop: _LaneLoop, ended: Future[None]) -> None:
    """Run until stopped; then the runner cancels what is left and closes the loop."""
    try:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.get_loop().run_forever()
    finally:
        ended.set_result(None)
