"""A thread with a loop of its own: whatever blocks in there holds up nobody else.

The AWS library reads credential files, token files and certificates where it happens to need them,
in the middle of asynchronous calls; on a hung network home each read would stop the whole daemon.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
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
        runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        loop, self._ended = runner.get_loop(), Future()
        self._ended.set_running_or_notify_cancel()  # whoever waits for it cannot cancel it
        self._thread = Thread(target=_serve, args=(runner, self._ended), name="aws", daemon=True)
        self._thread.start()
        result = asyncio.run_coroutine_threadsafe(work(), loop)
        result.add_done_callback(lambda _: loop.call_soon_threadsafe(loop.stop))
        return await asyncio.wrap_future(result)

    async def _see_off(self) -> None:
        """Let the thread end: one that the interpreter's exit catches at work can crash it."""
        if self._ended is None or self._thread is None:
            return
        await asyncio.wait({asyncio.wrap_future(self._ended)}, timeout=_PARTING_SECONDS)
        if self._ended.done():
            self._thread.join()


def _serve(runner: asyncio.Runner, ended: Future[None]) -> None:
    """Run until stopped; then the runner cancels what is left and closes the loop."""
    try:
        with runner:
            runner.get_loop().run_forever()
    finally:
        ended.set_result(None)
