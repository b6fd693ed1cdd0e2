"""AWS identities: each has a session that finds its AWS credentials, and a thread to call in."""

from __future__ import annotations

import shlex
from datetime import timedelta
from pathlib import PurePath
from typing import Final, TypeVar
from weakref import WeakValueDictionary

from aiobotocore.session import AioSession
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, NoCredentialsError

from lightkeeper.adapters.lightsail.details import one_line
from lightkeeper.adapters.lightsail.source import AwsSource, SharedAws
from lightkeeper.lane import Lane, Work
from lightkeeper.pace import Pace

T = TypeVar("T")

AT_ONCE: Final = 4
"""Calls that begin; each takes tens of milliseconds of processor time until its request is sent."""


class Callers:
    """The identities of a process; one is forgotten with the last login that calls by it."""

    def __init__(self, shared: SharedAws) -> None:
        self._shared = shared
        self._pace = Pace(AT_ONCE)
        self._callers = WeakValueDictionary[AwsSource, Caller]()

    def of(self, source: AwsSource) -> Caller:
        """Who asks for `source`: the same for all logins of one identity."""
        caller = self._callers.get(source.identity)
        if caller is None:
            caller = Caller(source, self._shared, self._pace)
            self._callers[source.identity] = caller
        return caller


class Caller:
    """One identity. Its session keeps AWS credentials as long as they live."""

    def __init__(self, source: AwsSource, shared: SharedAws, pace: Pace) -> None:
        self._source = source
        self._shared = shared
        self._pace = pace
        self._lane = Lane()
        self._session: AioSession | None = None

    async def run(self, work: Work[T], deadline: timedelta) -> T:
        """Do `work` in the thread; `TimeoutError` when it takes longer than `deadline`."""
        async with self._pace.turn():
            return await self._lane.run(work, deadline)

    def session(self) -> AioSession:
        """The session; one that is opened now reads configuration and AWS credentials anew."""
        if self._session is None:
            self._session = self._shared.open(self._source)
        return self._session

    def forget(self, session: AioSession) -> None:
        """Read anew next time, unless that was done since `session` was given out."""
        if self._session is session:
            self._session = None


def named_source(session: AioSession) -> str:
    """Where AWS credentials come from, if that is a program that may hang; empty if it is not."""
    try:
        program, *_ = shlex.split(session.get_scoped_config()["credential_process"])
    except (BotoCoreError, LookupError, ValueError):
        return ""
    # Its arguments may be secret, and its directories look as if they were.
    return f" from the credential_process {one_line(PurePath(program).name)}"


async def keys_of(session: AioSession) -> ReadOnlyCredentials:
    """AWS credentials that are good for a call now; whatever the library raises if there are none.

    Not for two tasks of a loop at once: what the library locks with is then tied to that loop, and
    a session outlives it.
    """
    found = await session.get_credentials()
    if found is None:
        raise NoCredentialsError
    return await found.get_frozen_credentials()
