"""Turns, deadlines, caps and headers of what is sent."""

from __future__ import annotations

import asyncio
import gzip
import json
from datetime import timedelta

import httpx2

from lightkeeper import __version__
from lightkeeper.adapters.kubernetes.gate import Gate
from lightkeeper.adapters.kubernetes.transport import MAX_BODY_BYTES, GuardedTransport
from lightkeeper.cluster import SecretSeen
from lightkeeper.core.reasons import Reason
from lightkeeper.ports import Failed
from tests.adapters.kubernetes.api import (
    MANIFEST,
    SECRET,
    Asked,
    HandClock,
    Nothing,
    Reply,
    access,
    client_of,
    first,
    listed,
    saying,
    serving,
    status,
    talking,
)
from tests.simulator.asking import until


async def test_a_request_says_who_we_are_and_takes_no_encoding() -> None:
    async with talking(Reply(body=SECRET)) as (api, cluster):
        await cluster.read_secret("ci", "login")

    headers = api.asked[0].headers
    assert headers["user-agent"] == f"lightkeeper/{__version__}"
    assert headers["accept-encoding"] == "identity"
    assert "authorization" not in headers


async def test_no_answer_ends_in_a_time_out_that_leaves_open_whether_it_was_done() -> None:
    async with talking(Nothing(), deadline_seconds=0.2) as (api, cluster):
        outcome = await cluster.apply_secret("ci", MANIFEST, "")

    assert outcome == Failed(
        reason=Reason.TIMEOUT,
        detail="no whole answer came within 0.2 s; it may have been done all the same",
    )
    assert len(api.asked) == 1


async def test_half_an_answer_ends_in_a_time_out() -> None:
    half = Reply(body=b"{", headers={"Content-Length": "100"})
    async with talking(half, deadline_seconds=0.2) as (_, cluster):
        outcome = await cluster.read_secret("ci", "login")

    assert isinstance(outcome, Failed)
    assert outcome.reason is Reason.TIMEOUT


async def test_a_time_out_gives_its_turn_and_its_connection_back() -> None:
    """As many as may be out at a time fail first."""
    hanging = [Nothing()] * 8
    async with talking(*hanging, Reply(body=SECRET), deadline_seconds=1.0) as (_, cluster):
        failed = await asyncio.gather(*(cluster.read_secret("ci", "login") for _ in range(8)))
        outcome = await cluster.read_secret("ci", "login")

    assert all(isinstance(one, Failed) for one in failed)
    assert isinstance(outcome, SecretSeen)


async def test_a_large_answer_is_not_read_to_its_end() -> None:
    large = Reply(body=b" " * (MAX_BODY_BYTES + 1))
    async with talking(large, Reply(body=SECRET)) as (_, cluster):
        outcome = await cluster.read_secret("ci", "login")
        again = await cluster.read_secret("ci", "login")

    assert outcome == Failed(
        reason=Reason.TOO_LARGE, detail=f"sent more than {MAX_BODY_BYTES} bytes"
    )
    assert isinstance(again, SecretSeen)


async def test_a_large_refusal_is_not_read_to_its_end() -> None:
    async with talking(Reply(status=500, body=b" " * (MAX_BODY_BYTES + 1))) as (_, cluster):
        outcome = await cluster.read_secret("ci", "login")

    assert isinstance(outcome, Failed)
    assert outcome.reason is Reason.TOO_LARGE


async def test_a_small_answer_cannot_blow_itself_up() -> None:
    """What is compressed, though we asked for it plain, stays so."""
    body = gzip.compress(json.dumps(SECRET).encode())
    async with talking(Reply(body=body, headers={"Content-Encoding": "gzip"})) as (_, cluster):
        outcome = await cluster.read_secret("ci", "login")

    assert isinstance(outcome, Failed)
    assert outcome.reason is Reason.SERVICE_ERROR


async def test_no_redirect_is_followed() -> None:
    async with serving(saying(Reply(body=SECRET))) as elsewhere:
        away = Reply(status=302, body=b"", headers={"Location": elsewhere.url})
        async with talking(away) as (_, cluster):
            outcome = await cluster.read_secret("ci", "login")

    assert isinstance(outcome, Failed)
    assert outcome.detail == (
        "the API server answered 302, not as an API server does: it leads elsewhere, which is"
        " not followed"
    )
    assert elsewhere.asked == []


async def test_at_most_eight_are_out_at_a_time() -> None:
    async with talking(Reply(body=SECRET)) as (api, cluster):
        outcomes = await asyncio.gather(*(cluster.read_secret("ci", "login") for _ in range(60)))

    assert all(isinstance(one, SecretSeen) for one in outcomes)
    assert api.connections <= 8


async def test_connections_are_used_again() -> None:
    async with talking(Reply(body=SECRET)) as (api, cluster):
        for _ in range(5):
            await cluster.read_secret("ci", "login")

    assert api.connections == 1


async def test_after_retry_after_nothing_is_sent_for_so_long() -> None:
    """And the calls that wait for it in vain say why; they are not sent later on."""
    clock = HandClock()
    patience = Reply(status=429, body=b"later", kind="text/plain", headers={"Retry-After": "7"})
    async with (
        serving(saying(patience, Reply(body=SECRET))) as api,
        client_of(api.url, clock=clock, deadline_seconds=0.2) as cluster,
    ):
        first = await cluster.read_secret("ci", "login")
        second = await cluster.read_secret("ci", "login")
        clock.at += timedelta(seconds=7)
        third = await cluster.read_secret("ci", "login")

    assert isinstance(first, Failed)
    assert first.reason is Reason.THROTTLED
    assert second == Failed(
        reason=Reason.THROTTLED,
        detail="not sent within 0.2 s: the API server asked for patience",
    )
    assert isinstance(third, SecretSeen)
    assert len(api.asked) == 2


async def test_a_server_that_stops_may_ask_for_patience_too() -> None:
    stopping = Reply(status=503, body=status(503).body, headers={"Retry-After": "100000"})
    clock = HandClock()
    async with (
        serving(saying(stopping, Reply(body=SECRET))) as api,
        client_of(api.url, clock=clock, deadline_seconds=0.2) as cluster,
    ):
        await cluster.read_secret("ci", "login")
        clock.at += timedelta(seconds=60)
        outcome = await cluster.read_secret("ci", "login")

    assert isinstance(outcome, SecretSeen), "a minute of patience is the most"


async def test_to_wait_for_others_of_ours_costs_no_call_its_time() -> None:
    """Of a hundred logins that all begin at once the last waits longer than a call may take."""
    async with (
        serving(saying(Reply(body=SECRET))) as api,
        client_of(api.url, per_second=20.0, deadline_seconds=2.0) as cluster,
    ):
        outcomes = await asyncio.gather(*(cluster.read_secret("ci", "login") for _ in range(60)))

    assert all(isinstance(one, SecretSeen) for one in outcomes)
    assert len(api.asked) == 60


async def test_a_call_that_is_given_up_gives_its_turn_back() -> None:
    async with talking(*([Nothing()] * 8), Reply(body=SECRET)) as (api, cluster):
        async with asyncio.TaskGroup() as tasks:
            calls = [
                tasks.create_task(cluster.read_secret("ci", "login"), name=f"read {number}")
                for number in range(8)
            ]
            await until(lambda: len(api.asked) == 8)
            for call in calls:
                call.cancel()
        outcome = await cluster.read_secret("ci", "login")

    assert isinstance(outcome, SecretSeen)


async def test_what_others_wait_for_goes_first_and_writers_before_readers_and_dry_runs() -> None:
    """A second has two turns: once the first ten are taken they come one by one."""

    def say(asked: Asked) -> Reply:
        return listed("a") if "namespaces?" in asked.target else Reply(body=SECRET)

    async with serving(say) as api, client_of(api.url, per_second=2.0) as cluster:
        for _ in range(10):
            await cluster.read_secret("ci", "login")
        await asyncio.gather(
            cluster.apply_secret("ci", MANIFEST, "", dry_run=True),
            cluster.read_secret("ci", "login"),
            cluster.apply_secret("ci", MANIFEST, ""),
            cluster.read_lease("ci", "l"),
            first(1, cluster.watch_namespaces("")),
        )

    later = [one.target.partition("?")[0].rpartition("/")[2] for one in api.asked[10:]]
    assert later[:2] in (["l", "namespaces"], ["namespaces", "l"])
    assert [one.method for one in api.asked[12:]] == ["PATCH", "PATCH", "GET"]
    assert ["dryRun" in one.target for one in api.asked[12:]] == [False, True, False]


class SlowFirst:
    """A bearer that has its token late for whoever asks first."""

    def __init__(self) -> None:
        self.is_asked = asyncio.Event()
        self.is_there = asyncio.Event()

    async def ready(self) -> None:
        if not self.is_asked.is_set():
            self.is_asked.set()
            await self.is_there.wait()

    def token(self) -> str | None:
        return None

    async def has_other_than(self, _: str) -> bool:
        return False

    async def close(self) -> None:
        pass


async def test_who_waits_for_a_token_has_no_turn() -> None:
    bearer, gate = SlowFirst(), Gate(HandClock(), None, at_once=1)
    async with serving(saying(Reply(body=SECRET))) as api:
        transport = GuardedTransport(access(api.url), bearer, gate)
        request = httpx2.Request("GET", f"{api.url}/api")
        async with asyncio.TaskGroup() as tasks:
            slow = tasks.create_task(transport.handle_async_request(request), name="slow")
            await bearer.is_asked.wait()
            async with asyncio.timeout(10):
                quick = await transport.handle_async_request(request)
            assert not slow.done()
            bearer.is_there.set()
        await transport.aclose()

    assert (quick.status_code, slow.result().status_code) == (200, 200)
