"""An API server of loopback that says what a test wants, byte for byte, and a client of it."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from lightkeeper.adapters.clock import SystemClock
from lightkeeper.adapters.kubernetes.access import Access
from lightkeeper.adapters.kubernetes.client import KubernetesCluster
from lightkeeper.cluster import Listed, NamespaceGone, NamespaceSeen
from lightkeeper.core.moment import Moment
from lightkeeper.ports import Clock, Failed

PASSWORD = "fake-password-of-a-test"
TOKEN = "fake-token-of-a-test"
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "login", "namespace": "ci", "uid": "u1", "resourceVersion": "7"},
    "type": "kubernetes.io/dockerconfigjson",
    "data": {".dockerconfigjson": base64.b64encode(PASSWORD.encode()).decode()},
}
MANIFEST = {
    "metadata": {"name": "login"},
    "type": "kubernetes.io/dockerconfigjson",
    "data": SECRET["data"],
}


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    serial: str = ""
    """Of the client's certificate."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer."""

    status: int = 200
    body: object = None
    """JSON, unless it is bytes."""
    kind: str | None = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Lines:
    """The events of a watch; then it ends, or falls silent."""

    events: Sequence[object] = ()
    is_silent: bool = False


@dataclass(frozen=True)
class Nothing:
    """No answer; the connection stays, or is cut."""

    is_cut: bool = False


Say = Callable[[Asked], Reply | Lines | Nothing]


def status(code: int, reason: str = "", message: str = "", **details: object) -> Reply:
    """A Status object as API servers send it."""
    told: dict[str, object] = {"kind": "Status", "status": "Failure", "code": code}
    told |= {"message": message, "details": details} | ({"reason": reason} if reason else {})
    return Reply(status=code, body=told)


def cause(reason: str, message: str, field_: str) -> dict[str, str]:
    """One of the details' causes."""
    return {"reason": reason, "message": message, "field": field_}


def namespace(name: str, version: int = 1, **extra: object) -> dict[str, Any]:
    """A namespace as API servers send it."""
    metadata = {"name": name, "resourceVersion": str(version), "labels": {"name": name}}
    return {"metadata": metadata | extra, "status": {"phase": "Active"}}


def listed(*names: str, version: int = 10, more: str = "") -> Reply:
    """A page of namespaces."""
    metadata = {"resourceVersion": str(version)} | ({"continue": more} if more else {})
    return Reply(body={"metadata": metadata, "items": [namespace(name) for name in names]})


class FakeApi:
    """What came, and what is said to it."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self.asked: list[Asked] = []
        self.url = ""
        self.connections = 0
        """Made so far."""
        self._open: set[StreamWriter] = set()

    async def meet(self, reader: StreamReader, writer: StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        self._open.add(writer)
        shown = writer.get_extra_info("peercert") or {}
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            while True:
                asked = replace(await _asked(reader), serial=shown.get("serialNumber", ""))
                self.asked.append(asked)
                if not await _answer(self.say(asked), writer):
                    break
        writer.close()

    def hang_up(self) -> None:
        """Cut all connections."""
        for writer in self._open:
            writer.close()


async def _asked(reader: StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Asked(method, target, headers, body)


async def _answer(reply: Reply | Lines | Nothing, writer: StreamWriter) -> bool:
    """Whether the connection is good for another one."""
    match reply:
        case Nothing(is_cut):
            if not is_cut:
                await asyncio.Event().wait()
            return False
        case Lines(events, is_silent):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
            writer.write(b"Transfer-Encoding: chunked\r\n\r\n")
            for event in events:
                line = json.dumps(event).encode() + b"\n"
                writer.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
            await writer.drain()
            if is_silent:
                await asyncio.Event().wait()
            writer.write(b"0\r\n\r\n")
        case Reply(status=code, body=body, kind=kind, headers=headers):
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            head = {"Content-Length": str(len(raw)), **headers}
            head |= {"Content-Type": kind} if kind is not None else {}
            lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
            writer.write(f"HTTP/1.1 {code} Said\r\n{lines}\r\n".encode() + raw)
    await writer.drain()
    return True


@asynccontextmanager
async def serving(say: Say, tls: ssl.SSLContext | None = None) -> AsyncIterator[FakeApi]:
    """A fake API server on loopback."""
    api = FakeApi(say)
    server = await asyncio.start_server(api.meet, "127.0.0.1", 0, ssl=tls, limit=2**20)
    port = server.sockets[0].getsockname()[1]
    api.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{port}"
    try:
        yield api
    finally:
        server.close()
        api.hang_up()


@asynccontextmanager
async def client_of(
    url_or_access: str | Access,
    *,
    clock: Clock | None = None,
    deadline_seconds: float = 5.0,
    watch_margin_seconds: float = 30.0,
    command_seconds: float = 20.0,
    per_second: float | None = None,
    random: Random | None = None,
) -> AsyncIterator[KubernetesCluster]:
    """A client, closed at the end."""
    cluster = KubernetesCluster(
        access(url_or_access) if isinstance(url_or_access, str) else url_or_access,
        clock or SystemClock(),
        random or Random(1),  # noqa: S311 - a seed must give the same waits again
        per_second=per_second,
        deadline_seconds=deadline_seconds,
        watch_margin_seconds=watch_margin_seconds,
        command_seconds=command_seconds,
    )
    try:
        yield cluster
    finally:
        await cluster.close()


@asynccontextmanager
async def talking(
    *replies: Reply | Lines | Nothing, deadline_seconds: float = 5.0
) -> AsyncIterator[tuple[FakeApi, KubernetesCluster]]:
    """A server that says one reply after the other, the last for ever, and its client."""
    async with (
        serving(saying(*replies)) as api,
        client_of(api.url, deadline_seconds=deadline_seconds) as cluster,
    ):
        yield api, cluster


def saying(*replies: Reply | Lines | Nothing) -> Say:
    """One after the other, the last for ever."""
    left = list(replies)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def access(url: str, **changes: Any) -> Access:  # noqa: ANN401 - whichever field
    """How to reach a server that knows everyone."""
    return Access(**{"server": url, "namespace": "ci"} | changes)


Told = Listed | NamespaceSeen | NamespaceGone | Failed


async def first(count: int, changes: AsyncIterator[Told]) -> list[Told]:
    """So many of a watch's values."""
    found = []
    async with asyncio.timeout(10), aclosing(changes) as told:  # type: ignore[type-var]
        async for one in told:
            found.append(one)
            if len(found) == count:
                break
    return found


def seen(*names: str) -> Listed:
    """What a list of these comes to."""
    return Listed(tuple(NamespaceSeen(name=one, is_ending=False) for one in names))


class HandClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = timedelta(hours=1)

    def now(self) -> Moment:
        return Moment(wall=datetime(2026, 1, 1, tzinfo=UTC) + self.at, boot=self.at)

    def monotonic(self) -> timedelta:
        return self.at


def tokens_of(asked: Iterable[Asked]) -> list[str]:
    """Who came, one request after the other."""
    return [one.headers.get("authorization", "").removeprefix("Bearer ") for one in asked]


def path_of(folder: Path, name: str, text: str) -> Path:
    """A file with a text, put in its place as kubelet does: at once."""
    made = folder / f".{name}.new"
    made.write_text(text)
    made.replace(folder / name)
    return folder / name
