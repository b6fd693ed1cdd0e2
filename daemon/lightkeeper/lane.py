"""A thread with a loop of its own: whatever blocks in there holds up nobody else.

The AWS library reads credential files, token files and certificates where it happens to need them,
in the middle of asynchronous calls; on a hung network home each read would stop the whole daemon.
A name that no server resolves blocks too, and a loop's own threads for that are joined at exit.
"""

from __future__ import annotations

import asyncio
from asyncio.subprocess import Process
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future
from contextlib import suppress
from contextvars import ContextVar
from datetime import timedelta
from threading import Lock, Thread
from typing import Any, Final, TypeVar

T = TypeVar("T")

Work = Callable[[asyncio.Lock], Coroutine[Any, Any, T]]
"""What a lane runs; it is given the lock that all work in the thread shares."""

_PARTING_SECONDS: Final = 0.5
"""For closing connections; what takes longer blocks, and is left behind."""


class Lane:
    """Runs calls side by side in one thread, which ends with the last of them."""

    def __init__(self) -> None:
        self._crew: _Crew | None = None

    async def run(self, work: Work[T], deadline: timedelta) -> T:
        """The result of `work`; `TimeoutError` past `deadline`, and the work is cancelled.

        Work that cannot be cancelled because it blocks is left behind, and blocks whatever else
        runs here until its own deadline. The process does not wait for it at exit.
        """
        try:
            async with asyncio.timeout(deadline.total_seconds()):
                return await (await self._joined()).carry_out(work)
        finally:
            if self._crew is not None:
                await self._crew.see_off()

    async def _joined(self) -> _Crew:
        """The thread that runs, and waits for us; a new one where none does."""
        while (crew := self._crew) is None or not crew.join():
            if crew is not None:
                await asyncio.wrap_future(crew.ended)
            if self._crew is crew:
                self._crew = _Crew()
                return self._crew
        return crew


class _Crew:
    """One thread's life: from the call that it is made for to the end of the last that joined."""

    def __init__(self) -> None:
        self.ended = _uncancellable()
        self._loop = _LaneLoop()
        self._turn = asyncio.Lock()
        self._guard = Lock()
        self._members = 1
        self._thread = Thread(target=self._serve, name="lane", daemon=True)
        self._thread.start()

    def join(self) -> bool:
        """Be counted in, with one call to `carry_out`; False if the last one is out already."""
        with self._guard:
            if self._members > 0:
                self._members += 1
            return self._members > 0

    async def carry_out(self, work: Work[T]) -> T:
        """Do `work` in the thread, for one who was counted in."""
        left = _uncancellable()
        result = asyncio.run_coroutine_threadsafe(self._work(work, left), self._loop)
        done = _uncancellable()
        result.add_done_callback(lambda _: done.set_result(None))
        try:
            await asyncio.wrap_future(done)
        except asyncio.CancelledError:
            # Cancelled from here, it would call a loop that may have closed in this very moment.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(result.cancel)
            await asyncio.wait({asyncio.wrap_future(left)}, timeout=_PARTING_SECONDS)
            raise
        return result.result()

    async def see_off(self) -> None:
        """Let the thread end: one that the interpreter's exit catches at work can crash it."""
        if self._members > 0:
            return
        await asyncio.wait({asyncio.wrap_future(self.ended)}, timeout=_PARTING_SECONDS)
        if self.ended.done():
            self._thread.join()

    async def _work(self, work: Work[T], left: Future[None]) -> T:
        started = list[_Program]()
        _started.set(started)
        try:
            return await work(self._turn)
        finally:
            try:
                await _end(started)
            finally:
                self._leave()
                left.set_result(None)

    def _leave(self) -> None:
        with self._guard:
            self._members -= 1
            if self._members == 0:
                # Ahead of whoever waits for our result, who is told all the same.
                self._loop.call_soon(self._loop.stop)

    def _serve(self) -> None:
        """Run until stopped; then the runner cancels what is left and closes the loop."""
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.get_loop().run_forever()
        finally:
            self.ended.set_result(None)


_Program = tuple[asyncio.SubprocessTransport, Process]

_started: ContextVar[list[_Program]] = ContextVar("_started")
"""The programs that the work at hand has started."""


async def _end(programs: list[_Program]) -> None:
    for transport, program in programs:
        transport.close()  # kills what still runs
        await program.wait()


class _LaneLoop(asyncio.SelectorEventLoop):
    """The loop within: it may be blocked, and tells which programs were started."""

    async def run_in_executor(  # type: ignore[override]  # it is only ever awaited
        self, _: Executor | None, func: Callable[..., T], *args: object
    ) -> T:
        """Block right here; exit would wait for an executor's threads, however long these hang."""
        return func(*args)

    async def subprocess_exec(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as inherited
        """Remember what was started: nobody else ends a credential_process that hangs."""
        transport, protocol = await super().subprocess_exec(*args, **kwargs)
        _started.get().append((transport, Process(transport, protocol, self)))
        return transport, protocol


def _uncancellable() -> Future[None]:
    """A future that whoever waits for it cannot cancel."""
    future = Future[None]()
    future.set_running_or_notify_cancel()
    return future
