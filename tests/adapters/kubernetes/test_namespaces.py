"""The list+watch loop, against a server that does what servers do on bad days."""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing
from datetime import timedelta
from random import Random
from urllib.parse import parse_qs, urlsplit

import pytest

from lightkeeper.adapters.kubernetes.transport import MAX_BODY_BYTES
from lightkeeper.cluster import NamespaceGone, NamespaceSeen
from lightkeeper.core.reasons import Reason
from lightkeeper.ports import Failed
from tests.adapters.kubernetes.api import (
    Asked,
    HandClock,
    Lines,
    Nothing,
    Reply,
    client_of,
    first,
    listed,
    namespace,
    saying,
    seen,
    serving,
    status,
    talking,
)

EXPIRED = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}


def event(kind: str, name: str, version: int, **extra: object) -> dict[str, object]:
    return {"type": kind, "object": namespace(name, version, **extra)}


def asked_for(asked: Asked, key: str) -> str:
    """A parameter of a request."""
    return parse_qs(urlsplit(asked.target).query).get(key, [""])[0]


async def test_what_there_is_then_what_changes() -> None:
    events = (
        event("ADDED", "b", 11),
        event("MODIFIED", "b", 12, deletionTimestamp="2026-01-01T00:00:00Z"),
        {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "13"}}},
        event("DELETED", "b", 14),
    )
    async with talking(listed("a"), Lines(events, is_silent=True)) as (api, cluster):
        told = await first(4, cluster.watch_namespaces(""))

    assert told == [
        seen("a"),
        NamespaceSeen(name="b", is_ending=False),
        NamespaceSeen(name="b", is_ending=True),
        NamespaceGone("b"),
    ]
    page, watch = api.asked
    assert asked_for(page, "limit") == "500"
    assert asked_for(watch, "resourceVersion") == "10"
    assert 240 <= int(asked_for(watch, "timeoutSeconds")) <= 300


async def test_a_long_list_comes_in_pages() -> None:
    replies = (listed("a", more="next"), listed("b", version=11), Lines(is_silent=True))
    async with talking(*replies) as (api, cluster):
        told = await first(1, cluster.watch_namespaces(""))

    assert told == [seen("a", "b")]
    assert asked_for(api.asked[1], "continue") == "next"


async def test_a_selector_is_sent_as_it_is() -> None:
    selector = "ci=true,team in (a,b),!old"
    events = Lines([event("DELETED", "a", 11)])
    async with talking(listed("a"), events) as (api, cluster):
        told = await first(2, cluster.watch_namespaces(selector))

    assert told[1] == NamespaceGone("a")
    assert {asked_for(one, "labelSelector") for one in api.asked[:2]} == {selector}


async def test_after_its_end_a_watch_goes_on_where_it_was() -> None:
    """And not from the beginning, where lightkube would begin once its version is gone."""
    clock = HandClock()

    def say(asked: Asked) -> Reply | Lines:
        if "watch=true" not in asked.target:
            return listed("a")
        clock.at += timedelta(seconds=270)
        version = int(asked_for(asked, "resourceVersion")) + 1
        return Lines([event("MODIFIED", "a", version)])

    async with serving(say) as api, client_of(api.url, clock=clock) as cluster:
        told = await first(4, cluster.watch_namespaces(""))

    assert [type(one).__name__ for one in told] == ["Listed", *["NamespaceSeen"] * 3]
    versions = [asked_for(one, "resourceVersion") for one in api.asked[1:4]]
    assert versions == ["10", "11", "12"]


async def test_a_restored_etcd_is_found_although_its_watches_are_silent() -> None:
    """They are asked from a version that it does not know any more, and tell nothing until then."""
    clock = HandClock()
    restored_after, minutes = 3, 5

    def say(asked: Asked) -> Reply | Lines:
        watches = [one for one in api.asked if "watch=true" in one.target]
        if "watch=true" not in asked.target:
            is_restored = len(watches) >= restored_after
            return listed("b", "new", version=7) if is_restored else listed("a", "b", version=90)
        if asked_for(asked, "resourceVersion") == "7":
            return Lines([event("ADDED", "newer", 8)], is_silent=True)
        clock.at += timedelta(minutes=minutes)
        return Lines()

    async with serving(say) as api, client_of(api.url, clock=clock) as cluster:
        began = clock.at
        told = await first(3, cluster.watch_namespaces(""))

    assert told[:2] == [seen("a", "b"), seen("b", "new")]
    assert told[2] == NamespaceSeen(name="newer", is_ending=False)
    assert clock.at - began <= timedelta(minutes=20)


async def test_a_long_watch_is_not_followed_by_a_list_each_time() -> None:
    """Ten thousand namespaces are five megabytes."""
    clock = HandClock()

    def say(asked: Asked) -> Reply | Lines:
        if "watch=true" not in asked.target:
            return listed("a")
        clock.at += timedelta(minutes=4)
        return Lines()

    async with serving(say) as api, client_of(api.url, clock=clock) as cluster:
        await first(3, cluster.watch_namespaces(""))

    watches = [one for one in api.asked if "watch=true" in one.target]
    assert len(watches) == 8


async def test_a_version_that_is_too_old_is_a_new_list_and_no_failure() -> None:
    """What was deleted in between is not in it; lightkube would tell of all as new instead."""
    replies = (listed("a", "b"), Lines([EXPIRED]), listed("b", version=99), Lines(is_silent=True))
    async with talking(*replies) as (api, cluster):
        told = await first(2, cluster.watch_namespaces(""))

    assert told == [seen("a", "b"), seen("b")]
    assert len(api.asked) <= 4


async def test_a_list_that_expires_between_its_pages_begins_anew() -> None:
    replies = (listed("a", more="x"), status(410, "Expired"), listed("b"), Lines(is_silent=True))
    async with talking(*replies) as (_, cluster):
        assert await first(1, cluster.watch_namespaces("")) == [seen("b")]


async def test_a_failure_is_told_and_then_comes_a_list() -> None:
    """A read on a connection that was kept and is cut is sent once more, by a new one."""
    replies = (
        status(403, "Forbidden"),
        listed("a"),
        Nothing(is_cut=True),
        Nothing(is_cut=True),
        listed("b"),
        Lines(is_silent=True),
    )
    async with talking(*replies) as (_, cluster):
        told = await first(4, cluster.watch_namespaces(""))

    failures = [one.reason for one in told if isinstance(one, Failed)]
    assert failures == [Reason.ACCESS_DENIED, Reason.NETWORK]
    assert [told[1], told[3]] == [seen("a"), seen("b")]


@pytest.mark.parametrize(
    "event_",
    [
        {"type": "ERROR", "object": {"kind": "Status", "code": 500, "reason": "InternalError"}},
        {"type": "ADDED", "object": []},
        "no event",
    ],
)
async def test_an_event_that_is_none_is_a_failure(event_: object) -> None:
    async with talking(listed("a"), Lines([event_]), listed("b")) as (_, cluster):
        told = await first(3, cluster.watch_namespaces(""))

    assert isinstance(told[1], Failed)
    assert told[1].reason is Reason.SERVICE_ERROR
    assert told[2] == seen("b")


async def test_an_event_that_is_too_large_is_not_read_to_its_end() -> None:
    large = [event("ADDED", "b", 11), event("ADDED", "x" * (MAX_BODY_BYTES + 1), 12)]
    async with talking(listed("a"), Lines(large), listed("c")) as (_, cluster):
        told = await first(4, cluster.watch_namespaces(""))

    assert isinstance(told[1], NamespaceSeen)
    assert isinstance(told[2], Failed)
    assert told[2].reason is Reason.TOO_LARGE
    assert told[3] == seen("c")


def paged(asked: Asked, *, most: int) -> Reply | Lines:
    """Twenty namespaces, of which no more than `most` fit into an answer."""
    if "watch=true" in asked.target:
        return Lines()
    began, limit = int(asked_for(asked, "continue") or 0), int(asked_for(asked, "limit"))
    names = [f"n{number}" for number in range(20)][began : began + limit]
    if len(names) > most:
        return listed("x" * (MAX_BODY_BYTES + 1))
    end = began + len(names)
    return listed(*names, more=str(end) if end < 20 else "")


async def test_a_page_that_is_too_large_is_asked_for_in_smaller_ones() -> None:
    """Annotations of 8.4 KiB each are enough."""
    clock = HandClock()

    def say(asked: Asked) -> Reply | Lines:
        clock.at += timedelta(minutes=20)
        return paged(asked, most=8)

    async with serving(say) as api, client_of(api.url, clock=clock) as cluster:
        told = await first(2, cluster.watch_namespaces(""))

    assert told == [seen(*(f"n{number}" for number in range(20)))] * 2
    limits = [asked_for(one, "limit") for one in api.asked if "watch" not in one.target]
    assert limits[:6] == ["500", "250", "125", "62", "31", "15"]
    assert limits[6:12] == ["7"] * 6, "the next list begins so"


async def test_what_is_too_large_for_a_page_of_one_is_told_and_not_remembered() -> None:
    """As where something else answers for a while."""
    is_odd = True

    def say(asked: Asked) -> Reply | Lines:
        return paged(asked, most=0 if is_odd else 20)

    async with serving(say) as api, client_of(api.url) as cluster:
        watch = cluster.watch_namespaces("")
        failed = await anext(watch)
        is_odd = False
        told = await anext(watch)

    assert isinstance(failed, Failed)
    assert failed.reason is Reason.TOO_LARGE
    assert told == seen(*(f"n{number}" for number in range(20)))
    limits = [asked_for(one, "limit") for one in api.asked if "watch" not in one.target]
    assert limits == ["500", "250", "125", "62", "31", "15", "7", "3", "1", "500"]


class _Lowest(Random):
    def randint(self, a: int, b: int) -> int:
        return a


async def test_a_watch_that_fell_silent_is_found() -> None:
    """Its time is over and nothing came, not even its end."""
    silent = Lines([event("ADDED", "b", 11)], is_silent=True)
    replies = saying(listed("a"), silent, listed("c"), Lines(is_silent=True))
    async with (
        serving(replies) as api,
        client_of(api.url, watch_margin_seconds=-239.7, random=_Lowest(1)) as cluster,
    ):
        told = await first(4, cluster.watch_namespaces(""))

    assert told[1] == NamespaceSeen(name="b", is_ending=False)
    assert told[2] == Failed(
        reason=Reason.TIMEOUT, detail="the watch fell silent and did not end in time"
    )
    assert told[3] == seen("c")


async def test_a_server_that_ends_each_watch_at_once_is_not_asked_without_a_pause() -> None:
    """As fast as it can, which is what lightkube does."""
    async with (
        talking(listed("a"), Lines()) as (api, cluster),
        aclosing(cluster.watch_namespaces("")) as told,  # type: ignore[type-var]
    ):
        await anext(told)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.2):
                await anext(told)

    assert len(api.asked) <= 4


async def test_two_watches_and_eight_calls_do_not_hold_one_another_up() -> None:
    def say(asked: Asked) -> Reply | Lines:
        if "watch=true" in asked.target:
            return Lines(is_silent=True)
        return (
            listed("a")
            if re.search(r"/namespaces\?", asked.target)
            else status(404, kind="secrets")
        )

    async with (
        serving(say) as api,
        client_of(api.url) as cluster,
        asyncio.timeout(5),
        aclosing(cluster.watch_namespaces("")) as one,  # type: ignore[type-var]
        aclosing(cluster.watch_namespaces("")) as other,  # type: ignore[type-var]
    ):
        for watch in (one, other):
            await anext(watch)
        outcomes = await asyncio.gather(*(cluster.read_secret("ci", "x") for _ in range(40)))

    assert outcomes == [None] * 40
