"""AWS identities: each has one session that finds its AWS credentials, and one thread to call in.

Few calls begin at once: a thousand would starve one another of the processor, and all be late. A
call costs tens of milliseconds of it, nearly all before its request is sent, so that it has its
place for a moment and not to its end: calls that hang do not keep others from theirs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from datetime import timedelta
from typing import Final, TypeVar
from weakref import WeakValueDictionary

from aiobotocore.session import AioSession
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import NoCredentialsError

from lightkeeper.adapters.lightsail.lane import Lane, Work
from lightkeeper.adapters.lightsail.source import AwsSource, SharedAws

T = TypeVar("T")

AT_ONCE: Final = 4
HEAD_START_SECONDS: Final = 1.0


class Callers:
    """The identities of a process; one is forgotten with the last login that calls by it."""

    def __init__(self, shared: SharedAws) -> None:
        self._shared = shared
        self._places = asyncio.Semaphore(AT_ONCE)
        self._callers = WeakValueDictionary[AwsSource, Caller]()

    def of(self, source: AwsSource) -> Caller:
        """Who asks for `source`: the same for all logins of one identity."""
        caller = self._callers.get(source.identity)
        if caller is None:
            caller = Caller(source, self._shared, self._places)
            self._callers[source.identity] = caller
        return caller


class Caller:
    """One identity. Its session keeps AWS credentials as long as they live."""

    def __init__(self, source: AwsSource, shared: SharedAws, places: asyncio.Semaphore) -> None:
        self._source = source
        self._shared = shared
        self._places = places
        self._lane = Lane()
        self._session: AioSession | None = None

    async def run(self, work: Work[T], deadline: timedelta) -> T:
        """Do `work` in the thread; `TimeoutError` when it takes longer than `deadline`."""
        async with self._place():
            return await self._lane.run(work, deadline)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        await self._places.acquire()
        with ExitStack() as place:
            place.callback(self._places.release)
            early = asyncio.get_running_loop().call_later(HEAD_START_SECONDS, place.close)
            place.callback(early.cancel)
            yield

    def session(self) -> AioSession:
        """The session; one that is opened now reads configuration and AWS credentials anew."""
        if self._session is None:
            self._session = self._shared.open(self._source)
        return self._session

    def forget(self, session: AioSession) -> None:
        """Read anew next time, unless that was done since `session` was given out."""
        if self._session is session:
            self._session = None


async def keys_of(session: AioSession) -> ReadOnlyCredentials:
    """AWS credentials that are good for a call now; whatever the library raises if there are none.

    Not for two tasks of a loop at once: what the library locks with is then tied to that loop, and
    a session outlives it.
    """
    found = await session.get_credentials()
    if found is None:
        raise NoCredentialsError
    return await found.get_frozen_credentials()
