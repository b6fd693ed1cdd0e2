"""The namespaces that there are, then what changes: a list, watches from its version, and again.

lightkube's own loop asks again without a pause, loses what was deleted in between, and hangs on a
connection that died in silence.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from http import HTTPStatus
from random import Random
from typing import Final

from lightkube.core.async_client import AsyncClient
from lightkube.core.client import LabelSelector
from lightkube.core.exceptions import ApiError
from lightkube.resources.core_v1 import Namespace

from lightkeeper.adapters.kubernetes.failures import EXPECTED, failed
from lightkeeper.adapters.kubernetes.objects import namespace_seen
from lightkeeper.adapters.kubernetes.trouble import (
    AnsweredError,
    AnswerTooLargeError,
    WatchEndedError,
)
from lightkeeper.cluster import Listed, NamespaceGone, NamespaceSeen
from lightkeeper.pace import pause
from lightkeeper.ports import Clock, Failed

PAGE: Final = 500
"""A page of many annotations may be larger than any answer that is read; then it is halved."""
_TIMEOUT_SECONDS: Final = (240, 300)
_LONGEST_SECONDS: Final = 8.0
"""A namespace that is made while nobody answers has its Secret within 10 s of the first answer."""
_LASTED: Final = timedelta(seconds=10)
"""A watch that lasted so long was one, though nothing happened."""
_LISTED: Final = timedelta(minutes=15)
"""A list so old is followed by another when its watch has ended, and not by a watch: one from a
version that etcd has forgotten, since it was restored, tells nothing and fails never. So what was
missed is found within 20 minutes; ten thousand namespaces are 5 MB each time."""

_Change = NamespaceSeen | NamespaceGone


class Namespaces:
    """Watches, each for whoever asks."""

    def __init__(self, client: AsyncClient, clock: Clock, random: Random) -> None:
        self._client = client
        self._clock = clock
        self._random = random
        self._page = PAGE

    async def watch(self, selector: str) -> AsyncIterator[Listed | _Change | Failed]:
        """For ever; after a failure, which is told, it begins with a list after a pause.

        Also each quarter of an hour, or somewhat more.
        """
        waiting = _BackOff(self._random)
        version: str | None = None
        listed_at = timedelta(0)
        while True:
            began = self._clock.monotonic()
            try:
                if version is None:
                    listed, version = await self._list(selector)
                    yield listed
                    listed_at = began = self._clock.monotonic()
                async with aclosing(self._changes(selector, version)) as changes:
                    async for at, change in changes:
                        version = at
                        waiting.reset()
                        if change is not None:
                            yield change
            except WatchEndedError:
                if self._clock.monotonic() - listed_at >= _LISTED:
                    version = None
                if self._clock.monotonic() - began >= _LASTED:
                    waiting.reset()
                    continue
            except EXPECTED as exc:
                version = None
                if not _is_expired(exc):
                    yield failed(exc)
            await pause(timedelta(seconds=waiting.next_seconds()))

    async def _list(self, selector: str) -> tuple[Listed, str]:
        page = self._page
        while True:
            pages = self._client.list(Namespace, labels=_labels(selector), chunk_size=page)
            try:
                found = tuple([namespace_seen(one) async for one in pages])
            except AnswerTooLargeError:
                if page == 1:
                    raise
                page //= 2
            else:
                self._page = page
                return Listed(found), pages.resourceVersion

    async def _changes(
        self, selector: str, version: str
    ) -> AsyncGenerator[tuple[str, _Change | None], None]:
        """Until the API server ends it, with an exception."""
        events = self._client.watch(
            Namespace,
            labels=_labels(selector),
            server_timeout=self._random.randint(*_TIMEOUT_SECONDS),
            resource_version=version,
        )
        assert isinstance(events, AsyncGenerator)  # noqa: S101 - typed as less than it is
        async with aclosing(events):
            async for kind, found in events:
                seen = namespace_seen(found)
                at = (found.metadata and found.metadata.resourceVersion) or version
                match kind:
                    case "ADDED" | "MODIFIED":
                        yield at, seen
                    case "DELETED":
                        yield at, NamespaceGone(seen.name)
                    case _:
                        yield at, None


class _BackOff:
    """1, 2, 4, 8 s, each between its half and its whole."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._seconds = 1.0

    def reset(self) -> None:
        self._seconds = 1.0

    def next_seconds(self) -> float:
        longest, self._seconds = self._seconds, min(self._seconds * 2, _LONGEST_SECONDS)
        return self._random.uniform(longest / 2, longest)


def _labels(selector: str) -> LabelSelector | None:
    """The selector as it is: lightkube writes a label that is to exist as its name alone."""
    return {selector: None} if selector else None


def _is_expired(exc: Exception) -> bool:
    """Whether the version is older than what the API server remembers: nobody's failure."""
    if isinstance(exc, ApiError):
        return exc.status.code == HTTPStatus.GONE
    return isinstance(exc, AnsweredError) and exc.code == HTTPStatus.GONE
