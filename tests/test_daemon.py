"""One running daemon, in this process: what all logins share breaks, and they are kept on."""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
from msgspec import structs

from lightkeeper.adapters.workers import Threads
from lightkeeper.config.load import Loaded
from lightkeeper.config.model import Config, Login
from lightkeeper.config.problem import Problem
from lightkeeper.daemon import Daemon
from lightkeeper.edge import Edge
from lightkeeper.ports import Failed, Output
from lightkeeper.reaching import Served
from lightkeeper.serve.notify import Notifier
from lightkeeper.telemetry.journal import Journal
from tests.config.loading import loaded
from tests.environment import say_nothing_of_aws
from tests.serve.asking import LOOPBACK, ask
from tests.telemetry.reading import Line, Stream, logging_to

T = TypeVar("T")

SUCCESSFUL = "lightkeeper_config_last_reload_successful"


@pytest.fixture(autouse=True)
def _aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    say_nothing_of_aws(monkeypatch, tmp_path)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "simulated")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "simulated")


class Said(Stream):
    """What the daemon says, and a bell for whoever waits for a line."""

    def __init__(self) -> None:
        super().__init__()
        self._more = asyncio.Event()

    def write(self, text: str) -> int:
        self._more.set()
        return super().write(text)

    def of(self, event: str) -> list[Line]:
        return [line for line in self.lines if line["event"] == event]

    async def until(self, event: str, count: int = 1) -> Line:
        async with asyncio.timeout(20):
            while len(self.of(event)) < count:
                self._more.clear()
                await self._more.wait()
        return self.of(event)[count - 1]


class NameServerDown(Threads):
    """No name is resolved before the test says so; all else runs."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.is_up = asyncio.Event()

    async def run(self, name: str, work: Callable[[], T], deadline: timedelta) -> T | Failed:
        if name == "listener":
            self.asked.set()
            await self.is_up.wait()
        return await super().run(name, work, deadline)


class Torn(Threads):
    """Workers with a bug in some of their work, until it is mended."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self._names = names
        self.is_mended = False
        self.is_watching = asyncio.Event()
        self.has_heard = asyncio.Event()

    async def run(self, name: str, work: Callable[[], T], deadline: timedelta) -> T | Failed:
        if name.startswith(self._names) and not self.is_mended:
            raise LookupError
        outcome = await super().run(name, work, deadline)
        if name.startswith("watch"):
            self.is_watching.set()
        if name.startswith("heard"):
            self.has_heard.set()
        return outcome


@dataclass
class Running:
    """A daemon whose Lightsail refuses connections, and what it says."""

    daemon: Daemon
    said: Said = field(default_factory=Said)
    next_load: Callable[[], Loaded] | None = None

    async def reload(self, load: Callable[[], Loaded], event: str, count: int = 1) -> Line:
        self.next_load = load
        signal.raise_signal(signal.SIGHUP)
        return await self.said.until(event, count)

    async def metric(self, name: str) -> float:
        port = int(self.daemon.address.rpartition(":")[2])
        lines = (await ask(port, "/metrics")).text.splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def configured(
    folder: Path,
    *,
    listen: str = "127.0.0.1:0",
    names: tuple[str, ...] = ("prod",),
    place: str = "config.json",
    lightsail: int = 0,
) -> Loaded:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = lightsail or free.getsockname()[1]
    logins = "".join(
        f"  - {{name: {name}, region: eu-{name}-1, endpoint_url: 'http://127.0.0.1:{port}',"
        f" outputs: [{{type: docker_config, path: {folder}/{place}}}]}}\n"
        for name in names
    )
    return loaded(
        f"web: {{listen: '{listen}'}}\n"
        f"state_dir: {folder}/state\n"
        f"socket: {folder}/control.sock\n"
        "log: {format: json}\n"
        f"logins:\n{logins}"
    )


@asynccontextmanager
async def running(first: Loaded, edge: Callable[[Config], Edge] = Edge) -> AsyncIterator[Running]:
    said = Said()

    def load() -> Loaded:
        assert here.next_load is not None
        return here.next_load()

    with logging_to(said):
        daemon = Daemon(
            first,
            {},
            load=load,
            edge=edge(first.config),
            journal=Journal(said),
            notifier=Notifier("@nobody-listens"),
        )
        here = Running(daemon, said)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(daemon.run(), name="daemon")
            try:
                yield here
            finally:
                daemon.stop()
    gc.unfreeze()


def breaks() -> Loaded:
    msg = "simulated-secret"
    raise LookupError(msg)


async def test_a_bug_in_a_reload_rejects_it_and_everything_runs_on(tmp_path: Path) -> None:
    first = configured(tmp_path)
    async with running(first) as here:
        await here.said.until("daemon_ready")
        rejected = await here.reload(breaks, "config_rejected")
        surprised = await here.said.until("daemon_surprised")
        assert await here.metric(SUCCESSFUL) == 0
        assert await here.metric("lightkeeper_daemon_surprises_total") == 1

        await here.reload(lambda: configured(tmp_path, place="other.json"), "config_reloaded")
        assert await here.metric(SUCCESSFUL) == 1

    assert rejected["problems"] == ["a bug in Lightkeeper; its traceback is in the log"]
    assert surprised["doing"] == "reload"
    assert "in breaks" in surprised["traceback"]
    assert surprised["traceback"].endswith("LookupError")
    assert "simulated-secret" not in here.said.getvalue()


async def test_a_login_that_cannot_be_taken_over_leaves_all_as_it_was(tmp_path: Path) -> None:
    """The listener, too: it has moved by then."""
    first = configured(tmp_path)

    class Torn(Edge):
        def outputs(self, login: Login, served: Served) -> list[Output]:
            return [Unplaced()] if here_breaks else super().outputs(login, served)  # type: ignore[list-item]

    here_breaks = False
    async with running(first, Torn) as here:
        await here.said.until("daemon_ready")
        before = here.daemon.address
        here_breaks = True
        await here.reload(lambda: configured(tmp_path, listen="127.0.0.2:0"), "config_rejected")

        assert here.daemon.address == before
        assert await here.metric(SUCCESSFUL) == 0
        assert here.daemon.config == first.config


class Unplaced:
    """An output with a bug."""

    name = "unplaced"
    replaces_foreign = True
    is_unlisted = False

    def places(self) -> list[object]:
        raise LookupError


async def test_a_reload_moves_the_listener_to_every_address_at_the_same_port(
    tmp_path: Path,
) -> None:
    async with running(configured(tmp_path)) as here:
        await here.said.until("daemon_ready")
        port = here.daemon.address.rpartition(":")[2]
        everywhere = f"0.0.0.0:{port}"
        await here.reload(lambda: configured(tmp_path, listen=everywhere), "config_reloaded")

        assert here.daemon.address == everywhere
        assert await here.metric(SUCCESSFUL) == 1


async def test_a_listener_that_cannot_be_had_is_a_problem_of_the_configuration(
    tmp_path: Path,
) -> None:
    async with running(configured(tmp_path)) as here:
        await here.said.until("daemon_ready")
        listen = "192.0.2.1:9"
        rejected = await here.reload(lambda: configured(tmp_path, listen=listen), "config_rejected")
        assert await here.metric(SUCCESSFUL) == 0

    (problem,) = rejected["problems"]
    assert problem.startswith("web.listen: 192.0.2.1:9 cannot be listened on: ")
    assert here.said.of("daemon_surprised") == []


async def test_renewals_do_not_wait_for_a_name_that_nobody_resolves(tmp_path: Path) -> None:
    workers = NameServerDown()

    first = configured(tmp_path, listen="localhost:0")
    async with running(first, edge_with(workers)) as here:
        await workers.asked.wait()
        await here.said.until("renewal_failed")
        assert here.said.of("daemon_ready") == []
        workers.is_up.set()
        ready = await here.said.until("daemon_ready")

    assert ready["metrics"].startswith("http://localhost:")


def edge_with(workers: Threads) -> Callable[[Config], Edge]:
    def edge(config: Config) -> Edge:
        made = Edge(config)
        made.workers = workers
        return made

    return edge


async def test_bugs_in_listening_and_watching_keep_no_login_from_being_kept(
    tmp_path: Path,
) -> None:
    first = configured(tmp_path, listen="localhost:0")
    async with running(first, edge_with(Torn("listener", "watch"))) as here:
        await here.said.until("renewal_failed")
        await here.said.until("daemon_surprised", 2)
        ready = await here.said.until("daemon_ready")

    assert ready["metrics"] == "not served"
    assert {line["doing"] for line in here.said.of("daemon_surprised")} == {"listen", "watch"}


async def test_a_bug_in_hearing_of_a_change_keeps_no_login_from_being_kept(
    tmp_path: Path,
) -> None:
    workers = Torn("heard")
    async with running(configured(tmp_path), edge_with(workers)) as here:
        await workers.is_watching.wait()
        (tmp_path / "config.json").write_text("{}")
        surprised = await here.said.until("daemon_surprised")
        await here.reload(lambda: configured(tmp_path), "config_reloaded")

    assert surprised["doing"] == "watch"


async def test_after_a_bug_in_hearing_of_a_change_the_next_heartbeat_hears_again(
    tmp_path: Path,
) -> None:
    workers = Torn("heard")
    async with running(configured(tmp_path), edge_with(workers)) as here:
        await here.said.until("daemon_ready")
        await workers.is_watching.wait()
        (tmp_path / "config.json").write_text("{}")
        await here.said.until("daemon_surprised")
        workers.is_mended = True
        workers.is_watching.clear()
        here.daemon.beat()
        await workers.is_watching.wait()
        async with asyncio.timeout(20):
            while not workers.has_heard.is_set():
                (tmp_path / "config.json").write_text("{ }")
                await asyncio.sleep(0)


async def test_a_bug_after_a_reload_has_been_taken_does_not_call_it_rejected(
    tmp_path: Path,
) -> None:
    class Unsayable(Problem, frozen=True):
        def __str__(self) -> str:
            raise LookupError

    def warned() -> Loaded:
        return structs.replace(configured(tmp_path), warnings=(Unsayable("", 0, "", ""),))

    async with running(configured(tmp_path)) as here:
        await here.said.until("daemon_ready")
        surprised = await here.reload(warned, "daemon_surprised")
        is_successful = await here.metric(SUCCESSFUL)

    assert surprised["doing"] == "reload"
    assert is_successful == 1
    assert here.said.of("config_rejected") == []


async def test_a_command_that_waits_for_a_login_is_told_that_a_reload_took_it_out(
    tmp_path: Path,
) -> None:
    with socket.create_server((LOOPBACK, 0)) as silent, ExitStack() as calls:
        silent.settimeout(0)
        lightsail = silent.getsockname()[1]
        first = configured(tmp_path, names=("prod", "other"), lightsail=lightsail)
        after = configured(tmp_path, names=("other",), lightsail=lightsail)
        async with running(first) as here:
            for _ in first.config.logins:  # from here on nothing happens to either
                call, _ = await asyncio.get_running_loop().sock_accept(silent)
                calls.enter_context(call)
            reader, writer = await asyncio.open_unix_connection(f"{tmp_path}/control.sock")
            writer.write(b'{"ask":"renew","logins":["prod"]}\n')
            waits = json.loads(await reader.readline())
            await here.reload(lambda: after, "config_reloaded")
            async with asyncio.timeout(5):
                last = json.loads(await reader.readline())
            writer.close()

    assert waits["login"] == "prod"
    assert last == {"error": "prod was taken out of the configuration"}


async def test_a_bug_in_what_a_heartbeat_tells_stops_no_heartbeat(tmp_path: Path) -> None:
    async with running(configured(tmp_path)) as here:
        await here.said.until("daemon_ready")
        whole, here.daemon.config = here.daemon.config, None  # type: ignore[assignment]
        here.daemon.beat()
        surprised = await here.said.until("daemon_surprised")
        here.daemon.config = whole
        await here.reload(lambda: configured(tmp_path), "config_reloaded")

    assert surprised["doing"] == "tell"


# What lives on is spared collections.


async def test_once_all_logins_have_settled_what_lives_is_spared_collections(
    tmp_path: Path,
) -> None:
    """After each reload again, whatever it began."""
    first = configured(tmp_path)
    async with running(first) as here, asyncio.timeout(20):
        await here.said.until("renewal_failed")
        for count in (1, 2):
            gc.unfreeze()
            await here.reload(lambda: first, "config_reloaded", count)
            while gc.get_freeze_count() == 0:
                await here.metric(SUCCESSFUL)


async def test_while_a_login_has_not_settled_nothing_is_spared_collections(tmp_path: Path) -> None:
    workers = Torn()
    with socket.create_server((LOOPBACK, 0)) as silent:
        port = silent.getsockname()[1]
        first = configured(tmp_path, lightsail=port)
        second = configured(tmp_path, lightsail=port, place="other.json")
        async with running(first, edge_with(workers)) as here:
            await workers.is_watching.wait()
            gc.unfreeze()
            workers.is_watching.clear()
            await here.reload(lambda: second, "config_reloaded")
            await workers.is_watching.wait()
            await here.metric(SUCCESSFUL)

            assert gc.get_freeze_count() == 0


async def test_what_needs_a_restart_is_told_until_it_is_as_this_daemon_runs(tmp_path: Path) -> None:
    first = configured(tmp_path)
    moved = structs.replace(first.config, state_dir=tmp_path / "other")
    told = []
    async with running(first) as here:
        await here.said.until("daemon_ready")
        for number, config in enumerate((moved, moved, first.config), 1):
            await here.reload(partial(Loaded, config, ()), "config_reloaded", number)
            told.append(len(here.said.of("restart_needed")))

    assert told == [1, 2, 2]
