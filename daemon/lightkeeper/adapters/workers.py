"""Threads for what blocks: one at a time for each name, none that exit would wait for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from lightkeeper.core.reasons import Reason
from lightkeeper.ports import Failed

if TYPE_CHECKING:
    from concurrent.futures import Future

    from lightkeeper.pace import Pace

T = TypeVar("T")

_AT_ONCE: Final = 8
"""Threads that begin; most are done before the next one could."""


class Threads:
    """Workers of a thread each.

    Not a pool: its threads are joined at exit, and one that hangs in a dead mount would keep the
    process alive for ever.
    """

    def __init__(self) -> None:
        self._running: dict[str, Future[Any]] = {}
        self._pace: Pace | None = None

    async def run(self, name: str, work: Callable[[], T], deadline: timedelta) -> T | Failed:
        """The result of `work`, or `timeout`."""
        # Whoever gets here runs a loop; a command that only reads has none to pay for.
        import asyncio  # noqa: PLC0415
        from concurrent.futures import Future  # noqa: PLC0415

        from lightkeeper.pace import Pace  # noqa: PLC0415

        if self._pace is None:
            self._pace = Pace(_AT_ONCE)
        if name in self._running:
            return _BUSY
        async with self._pace.turn():
            if name in self._running:  # begun while this one waited for its turn
                return _BUSY
            done = Future[T]()
            Thread(target=_work, args=(work, done), name=name[:15], daemon=True).start()
            self._running[name] = done
            done.add_done_callback(lambda _: self._running.pop(name))
            try:
                async with asyncio.timeout(deadline.total_seconds()):
                    # A write that has begun is let finish, whoever is cancelled meanwhile.
                    return await asyncio.shield(asyncio.wrap_future(done))
            except TimeoutError:
                return _late(f"no answer in {deadline.total_seconds():g} s")

    async def drain(self, deadline: timedelta) -> None:
        """Wait until all work is done, `deadline` at the longest."""
        import asyncio  # noqa: PLC0415 - as above

        left = [asyncio.wrap_future(done) for done in list(self._running.values())]
        if left:
            await asyncio.wait(left, timeout=deadline.total_seconds())


def in_time(work: Callable[[], T], deadline: timedelta) -> T | Failed:
    """The result of `work`, waited for right here, or `timeout`; for commands, which run no loop.

    Work that is not done by then is left behind.
    """
    done = _Done[T]()
    thread = Thread(target=_work, args=(work, done), daemon=True)
    thread.start()
    thread.join(deadline.total_seconds())
    if done.broke is not None:
        raise done.broke
    return (
        done.results[0] if done.results else _late(f"no answer in {deadline.total_seconds():g} s")
    )


class _Done(Generic[T]):
    """What a Future is to a thread, without what that costs to import."""

    def __init__(self) -> None:
        self.results = list[T]()
        self.broke: BaseException | None = None

    def set_result(self, result: T) -> None:
        self.results.append(result)

    def set_exception(self, broke: BaseException) -> None:
        self.broke = broke


def _work(work: Callable[[], T], done: Future[T] | _Done[T]) -> None:
    try:
        done.set_result(work())
    except BaseException as exc:  # handed on: it is raised where the result is awaited
        done.set_exception(exc)
        if not isinstance(exc, Exception):
            raise


def _late(detail: str) -> Failed:
    return Failed(reason=Reason.TIMEOUT, detail=detail)


_BUSY: Final = _late("the call before this one has not returned yet")
