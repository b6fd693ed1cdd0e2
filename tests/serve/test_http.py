"""What is answered over HTTP, to whom, and in which form."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest
from msgspec.structs import replace

from lightkeeper.core.facts import LoginName
from lightkeeper.serve.http import Web
from tests.core.making import HERE, HOUR, THERE, after, not_delivered
from tests.serve.asking import (
    LOOPBACK,
    SECURITY,
    Daemon,
    ask,
    connected,
    head_of,
    rest_of,
    say,
    serving,
)
from tests.telemetry.scrape import SERVED, an_hour_later, keeping, served

EVERYWHERE = "0.0.0.0"  # noqa: S104 - what such a listener keeps to itself is the test

ROUTES = [
    ("/metrics", 200, "text/plain; version=0.0.4; charset=utf-8"),
    ("/livez", 200, "application/json; charset=utf-8"),
    ("/readyz", 200, "application/json; charset=utf-8"),
    ("/readyz?places=all", 200, "application/json; charset=utf-8"),
    ("/status", 200, "application/json; charset=utf-8"),
    ("/", 200, "text/plain; charset=utf-8"),
    ("/metrics/", 404, "text/plain; charset=utf-8"),
    ("/favicon.ico", 404, "text/plain; charset=utf-8"),
    ("/%2e%2e/etc/passwd", 404, "text/plain; charset=utf-8"),
]


@pytest.mark.parametrize(("path", "status", "content_type"), ROUTES)
async def test_each_route_answers_get_and_head(path: str, status: int, content_type: str) -> None:
    async with serving(Daemon()) as port:
        got = await ask(port, path)
        head = await ask(port, path, method="HEAD")

    assert (got.status, got.headers["Content-Type"]) == (status, content_type)
    assert (head.status, head.headers["Content-Type"], head.body) == (status, content_type, b"")
    assert got.body
    assert got.headers["Connection"] == "close"
    assert SECURITY.items() <= dict(got.headers).items()
    assert SECURITY.items() <= dict(head.headers).items()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PURGE"])
async def test_nothing_can_be_changed(method: str) -> None:
    async with serving(Daemon()) as port:
        got = await ask(port, "/metrics", method=method)

    assert (got.status, got.headers["Allow"]) == (405, "GET, HEAD")
    assert SECURITY.items() <= dict(got.headers).items()


async def test_metrics_are_those_of_the_moment() -> None:
    async with serving(Daemon()) as port:
        got = await ask(port, "/metrics")

    assert 'lightkeeper_login_valid{login="prod"} 1.0' in got.text


async def test_open_metrics_are_served_when_asked_for() -> None:
    accept = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
    async with serving(Daemon()) as port:
        got = await ask(port, "/metrics", headers=accept)

    assert got.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert got.text.endswith("# EOF\n")


@pytest.mark.parametrize("accepted", ["gzip", "deflate, gzip", "br, GZIP;q=0.8"])
async def test_metrics_are_compressed_when_asked_for(accepted: str) -> None:
    async with serving(Daemon()) as port:
        got = await ask(port, "/metrics", headers={"Accept-Encoding": accepted})

    assert got.headers["Content-Encoding"] == "gzip"
    assert b"lightkeeper_login_valid" in gzip.decompress(got.body)


@pytest.mark.parametrize("accepted", ["identity", "deflate", "br"])
async def test_metrics_are_plain_for_whoever_does_not_ask_for_gzip(accepted: str) -> None:
    async with serving(Daemon()) as port:
        got = await ask(port, "/metrics", headers={"Accept-Encoding": accepted})

    assert "Content-Encoding" not in got.headers
    assert b"lightkeeper_login_valid" in got.body


class Rendering:
    """A scrape that sees who renders it."""

    def __init__(self, body: bytes = b"x 1\n") -> None:
        self.thread: threading.Thread | None = None
        self._body = body

    def render(self, accept: str) -> tuple[Iterator[bytes], str]:
        return self._rendered(), "text/plain"

    def _rendered(self) -> Iterator[bytes]:
        self.thread = threading.current_thread()
        yield self._body


async def test_metrics_are_rendered_off_the_loop() -> None:
    scrape = Rendering()
    async with serving(Daemon(scrape=scrape)) as port:
        got = await ask(port, "/metrics")

    assert got.body == b"x 1\n"
    assert scrape.thread is not threading.main_thread()


@pytest.mark.parametrize("path", ["/status", "/readyz"])
async def test_reports_are_made_off_the_loop(path: str) -> None:
    daemon = Daemon()
    async with serving(daemon) as port:
        await ask(port, path)

    assert daemon.viewed_by not in (None, threading.main_thread())


async def test_a_large_scrape_comes_whole_and_compressed() -> None:
    text = b"".join(b'x{n="%d"} 1\n' % n for n in range(200_000))
    async with serving(Daemon(scrape=Rendering(text))) as port:
        got = await ask(port, "/metrics", headers={"Accept-Encoding": "gzip"})

    assert gzip.decompress(got.body) == text
    assert len(got.body) < len(text) / 3


class Meeting:
    """A scrape that sees whether it is rendered twice at a time."""

    def __init__(self) -> None:
        self.met = False
        self._barrier = threading.Barrier(2)

    def render(self, accept: str) -> tuple[list[bytes], str]:
        try:
            self._barrier.wait(timeout=0.1)
        except threading.BrokenBarrierError:
            self._barrier.reset()
        else:
            self.met = True
        return [], "text/plain"


async def test_one_scrape_is_rendered_at_a_time() -> None:
    """The threads that render are those that resolve names for a renewal."""
    scrape = Meeting()
    async with serving(Daemon(scrape=scrape)) as port:
        replies = await asyncio.gather(*(ask(port, "/metrics") for _ in range(4)))

    assert [reply.status for reply in replies] == [200] * 4
    assert not scrape.met


async def test_livez_is_503_when_the_core_stands_still() -> None:
    daemon = Daemon()
    async with serving(daemon) as port:
        alive = await ask(port, "/livez")
        daemon.is_alive = False
        stuck = await ask(port, "/livez")

    assert (alive.status, json.loads(alive.body)) == (200, {"alive": True})
    assert (stuck.status, json.loads(stuck.body)) == (503, {"alive": False})


async def test_readyz_gives_a_reason_for_each_that_fails() -> None:
    failing = after(served(HERE), not_delivered(HOUR))
    empty = replace(keeping(), login=LoginName("test"))
    async with serving(Daemon(report=an_hour_later(failing, SERVED, empty))) as port:
        got = await ask(port, "/readyz")

    assert got.status == 503
    first, second = json.loads(got.body)["failing"]
    assert first.pop("sentence").startswith("prod at /a/config.json: /a: read-only (read_only).")
    assert first == {
        "login": "prod",
        "output": HERE.output,
        "place": HERE.name,
        "reason": "read_only",
    }
    assert second["sentence"] == "test has no valid credential; an attempt is to come."
    assert (second["login"], second["reason"]) == ("test", "pending")


async def test_readyz_asks_for_every_place_only_when_told_to() -> None:
    one_of_two = after(served(HERE, THERE), not_delivered(HOUR))
    async with serving(Daemon(report=an_hour_later(one_of_two))) as port:
        some, every = await ask(port, "/readyz"), await ask(port, "/readyz?places=all")
        other = await ask(port, "/readyz?places=some")

    assert (some.status, every.status, other.status) == (200, 503, 200)
    assert json.loads(some.body) == {"ready": True, "failing": []}
    assert [one["place"] for one in json.loads(every.body)["failing"]] == [HERE.name]


async def test_readyz_is_right_again_at_once() -> None:
    daemon = Daemon(report=an_hour_later(after(SERVED, not_delivered(HOUR))))
    async with serving(daemon) as port:
        before = await ask(port, "/readyz")
        daemon.report = an_hour_later(SERVED)
        now = await ask(port, "/readyz")

    assert (before.status, now.status) == (503, 200)


async def test_status_has_a_line_for_each_login() -> None:
    other = replace(keeping(HERE), login=LoginName("other"))
    async with serving(Daemon(report=an_hour_later(SERVED, other))) as port:
        got = await ask(port, "/status")

    head, *lines, _ = got.text.splitlines()
    assert json.loads(f"{head}]}}") == {"at": "2026-01-01T13:00:00Z", "ready": False, "logins": []}
    assert [json.loads(line.rstrip(","))["login"] for line in lines] == ["prod", "other"]
    assert [one["login"] for one in json.loads(got.body)["logins"]] == ["prod", "other"]


async def test_status_tells_each_login() -> None:
    async with serving(Daemon()) as port:
        got = await ask(port, "/status")

    (login,) = json.loads(got.body)["logins"]
    assert login["sentence"] == "without another renewal the login lasts until 00:00Z (11 h 0 min)"
    assert "simulated-1" not in got.text


@pytest.mark.parametrize(
    ("path", "status"),
    [("/metrics", 200), ("/livez", 200), ("/readyz", 503), ("/status", 404), ("/", 404)],
)
async def test_a_listener_beyond_loopback_tells_less(path: str, status: int) -> None:
    failing = after(SERVED, not_delivered(HOUR))
    async with serving(Daemon(report=an_hour_later(failing)), host=EVERYWHERE) as port:
        got = await ask(port, path, headers={"Host": "node-7.example:9780"})

    assert got.status == status
    assert "read-only" not in got.text
    assert SECURITY.items() <= dict(got.headers).items()


async def test_beyond_loopback_a_probe_names_logins_and_reasons_alone() -> None:
    """Each once, however many places: an output is called after its path, and a path tells."""
    both = after(served(HERE, THERE), not_delivered(HOUR), not_delivered(HOUR, place=THERE))
    async with serving(Daemon(report=an_hour_later(both)), host=EVERYWHERE) as port:
        got = await ask(port, "/readyz?places=all", headers={"Host": "node-7.example:9780"})

    assert json.loads(got.body)["failing"] == [{"login": "prod", "reason": "read_only"}]


HOSTS = [
    *(("localhost", 200), ("LOCALHOST:9780", 200), ("127.0.0.1", 200), ("127.9.9.9:1", 200)),
    *(("[::1]", 200), ("[::1]:9780", 200)),
    *(("evil.test", 421), ("evil.test:9780", 421), ("localhost.evil.test", 421), ("", 421)),
    *(("127.0.0.1.evil.test:1", 421), ("192.0.2.1", 421), ("[::2]:1", 421), ("a:b:c", 421)),
    *((EVERYWHERE, 421), ("[::1", 421), ("localhost:x", 421)),
]


@pytest.mark.parametrize(("host", "status"), HOSTS)
async def test_on_loopback_only_loopback_names_are_answered(host: str, status: int) -> None:
    """A page of another site whose name was made to lead here (DNS rebinding) learns nothing."""
    async with serving(Daemon()) as port:
        answer = await say(port, f"GET /status HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())

    got, headers = head_of(answer)
    assert got == status
    assert (b"prod" in answer) == (status == 200)
    assert SECURITY.items() <= headers.items()


async def test_a_probe_that_names_no_host_is_answered() -> None:
    """Browsers always name one."""
    async with serving(Daemon()) as port:
        status, _ = head_of(await say(port, b"GET /livez HTTP/1.0\r\n\r\n"))

    assert status == 200


async def test_a_bug_is_logged_and_tells_the_client_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(Daemon(is_broken=True)) as port:
        got = await ask(port, "/status")
        alive = await ask(port, "/livez")

    assert (got.status, alive.status) == (500, 200)
    assert "simulated-1" not in got.text
    assert "LookupError" not in got.text
    assert SECURITY.items() <= dict(got.headers).items()
    (line,) = caplog.records
    assert line.exc_info is not None


async def test_a_port_in_use_is_an_os_error() -> None:
    daemon = Daemon()
    async with serving(daemon) as port:
        second = Web(
            look=lambda: daemon.view, scrape=lambda: daemon.scrape, is_alive=lambda: daemon.is_alive
        )
        with pytest.raises(OSError, match="address already in use"):
            await second.start(LOOPBACK, port)
        await second.close()


async def test_closing_lets_go_of_everybody_and_of_the_port() -> None:
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(serving(Daemon()))
        async with connected(port) as (reader, _):
            await stack.aclose()
            assert await rest_of(reader) == b""

    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(LOOPBACK, port)
