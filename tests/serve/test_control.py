"""The control socket: whom it answers, what it bears, what it leaves alone."""

# ruff: noqa: ASYNC240 - nobody but the test waits for its loop

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lightkeeper.serve.control import Control, ControlSocketTakenError, Line, Request

STRANGER = 65534

Answer = Callable[[Request], AsyncIterator[Line]]


@pytest.fixture
def path() -> Iterator[Path]:
    """Short enough for a socket, in a directory that strangers may enter."""
    folder = Path(tempfile.mkdtemp(prefix="lk-"))
    folder.chmod(0o755)
    yield folder / "control.sock"
    shutil.rmtree(folder)


async def echo(request: Request) -> AsyncIterator[Line]:
    """Two lines: what was asked, and the end."""
    yield {"asked": request}
    yield {"end": True}


@asynccontextmanager
async def serving(path: Path, answer: Answer = echo) -> AsyncIterator[Control]:
    control = Control(path, answer)
    await control.start()
    try:
        yield control
    finally:
        await control.close()


async def told(path: Path, request: bytes) -> list[object]:
    """The lines that come back for these bytes."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    try:
        writer.write(request)
        await writer.drain()
        answer = await reader.read()
    except ConnectionError:
        return []
    finally:
        writer.close()
    return [json.loads(line) for line in answer.splitlines()]


async def test_a_request_is_answered_line_by_line(path: Path) -> None:
    async with serving(path):
        lines = await told(path, b'{"ask":"status"}\n')

    assert lines == [{"asked": {"ask": "status"}}, {"end": True}]


async def test_everybody_else_has_a_turn_between_two_lines(path: Path) -> None:
    """However long the answer is."""
    turned = list[int]()
    had = list[list[int]]()

    async def long(_: Request) -> AsyncIterator[Line]:
        for number in range(3):
            asyncio.get_running_loop().call_soon(turned.append, number)
            yield {"line": number}
            had.append([*turned])

    async with serving(path, long):
        await told(path, b"{}\n")

    assert had == [[0], [0, 1], [0, 1, 2]]


async def test_nobody_else_may_open_the_socket(path: Path) -> None:
    before = os.umask(0)
    try:
        async with serving(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert os.umask(0) == 0, "the umask is as it was"
    finally:
        os.umask(before)


async def test_its_directory_is_made_for_its_owner_alone(path: Path) -> None:
    inner = path.parent / "run" / "control.sock"

    async with serving(inner):
        assert stat.S_IMODE(inner.parent.stat().st_mode) == 0o700


ASK_AS_A_STRANGER = """
import socket, sys
with socket.socket(socket.AF_UNIX) as client:
    client.connect(sys.argv[1])
    try:
        client.sendall(b'{"ask":"status"}\\n')
        print(client.recv(4096))
    except ConnectionError:
        print(b"")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
async def test_a_stranger_is_not_answered_even_where_the_mode_lets_one_in(path: Path) -> None:
    async with serving(path):
        path.chmod(0o666)
        asking = await asyncio.create_subprocess_exec(
            "/usr/bin/python3", "-c", ASK_AS_A_STRANGER, str(path), user=STRANGER, stdout=-1
        )
        out, _ = await asking.communicate()

        assert out == b"b''\n"
        assert await told(path, b"{}\n"), "we still are"


BAD = {
    "no JSON": b"status\n",
    "no object": b'["status"]\n',
    "no text": b'{"ask":"\xff"}\n',
    "nothing": b"\n",
    "too deep": b"[" * 60_000 + b"\n",
    "too long": b'{"ask":"' + b"x" * 70_000 + b'"}\n',
    "too long, no end": b"x" * 200_000,
}


@pytest.mark.parametrize("request_", BAD.values(), ids=BAD)
async def test_what_is_no_request_is_not_answered_and_harms_nobody(
    path: Path, request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(path):
        assert await told(path, request_) == []
        assert await told(path, b"{}\n") == [{"asked": {}}, {"end": True}]

    assert caplog.records == []


async def test_sixty_four_talk_at_once_and_one_more_is_told_so(path: Path) -> None:
    async with serving(path):
        waiting = [await asyncio.open_unix_connection(str(path)) for _ in range(64)]
        assert await told(path, b"") == [
            {"error": "64 others ask the daemon and wait; end some of them, or ask again later"}
        ]
        reader, writer = waiting.pop()
        writer.write(b"{}\n")
        assert await reader.readline() == b'{"asked": {}}\n'
        writer.close()
        await reader.read()
        assert await told(path, b"{}\n") == [{"asked": {}}, {"end": True}]
        for _, writer in waiting:
            writer.close()


async def test_many_that_wait_for_the_same_shut_out_nobody_who_asks_something_else(
    path: Path,
) -> None:
    """Each job of a host may wait for all to settle, which can take minutes."""

    async def slow(request: Request) -> AsyncIterator[Line]:
        yield {"begun": True}
        if request["ask"] == "settle":
            await asyncio.Event().wait()

    async with serving(path, slow):
        waiting = [await asyncio.open_unix_connection(str(path)) for _ in range(16)]
        for reader, writer in waiting:
            writer.write(b'{"ask":"settle"}\n')
            assert await reader.readline() == b'{"begun": true}\n'

        refused = await told(path, b'{"ask":"settle"}\n')
        answered = [await told(path, b'{"ask":"renew"}\n') for _ in range(20)]
        for _, writer in waiting:
            writer.close()

    error = "16 others ask the same of the daemon and wait; end some of them, or ask again later"
    assert refused == [{"error": error}]
    assert answered == [[{"begun": True}]] * 20


async def test_one_who_leaves_in_the_middle_is_no_failure(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(path):
        _, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b"{}\n")
        writer.close()
        assert await told(path, b"{}\n") != []

    assert caplog.records == []


async def test_one_who_leaves_while_the_answer_takes_its_time_is_waited_for_no_more(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Else sixteen of them would shut out everybody who asks the same."""
    ended: list[bool] = []
    left = asyncio.Event()

    async def slow(request: Request) -> AsyncIterator[Line]:
        yield {"begun": True}
        if request:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(True)
                if len(ended) == 16:
                    left.set()

    async with serving(path, slow):
        waiting = [await asyncio.open_unix_connection(str(path)) for _ in range(16)]
        for reader, writer in waiting:
            writer.write(b'{"ask":"renew"}\nand more\n')
            assert await reader.readline() == b'{"begun": true}\n'
        assert "error" in str(await told(path, b'{"ask":"renew"}\n'))
        for _, writer in waiting:
            writer.close()
        async with asyncio.timeout(5):
            await left.wait()
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b'{"ask":"renew"}\n')
        assert await reader.readline() == b'{"begun": true}\n'
        writer.close()

    assert caplog.records == []


async def test_a_second_daemon_is_told_that_the_socket_is_taken(path: Path) -> None:
    async with serving(path):
        with pytest.raises(ControlSocketTakenError, match=str(path)):
            await Control(path, echo).start()
        assert await told(path, b"{}\n") != []


async def test_a_socket_that_a_crash_left_behind_is_taken_over(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    async with serving(path):
        assert await told(path, b"{}\n") != []


async def test_a_file_that_is_no_socket_is_not_deleted(path: Path) -> None:
    """A path that was mistyped in the configuration costs nobody a file."""
    path.write_text("precious")

    with pytest.raises(OSError, match="in use"):
        await Control(path, echo).start()

    assert path.read_text() == "precious"


@pytest.mark.parametrize("whole", [False, True], ids=["socket", "directory"])
async def test_a_socket_that_was_taken_away_is_made_anew(path: Path, *, whole: bool) -> None:
    """Whoever tidies /run, or logs out, takes it away."""
    path = path.parent / "run" / path.name
    async with serving(path) as control:
        assert await control.start_again() == ""
        if whole:
            shutil.rmtree(path.parent)
        else:
            path.unlink()

        assert await control.start_again() == ""

        assert await told(path, b'{"ask":"status"}\n')
    assert not path.exists()


async def test_one_that_another_daemon_has_taken_is_left_to_it(path: Path) -> None:
    async with serving(path) as control:
        path.unlink()
        async with serving(path):
            said = await control.start_again()
            await control.close()

            assert said == f"another daemon answers at {path}"
            assert await told(path, b'{"ask":"status"}\n')


async def test_what_keeps_it_from_being_made_anew_is_told(path: Path) -> None:
    async with serving(path) as control:
        shutil.rmtree(path.parent)
        path.parent.touch()

        assert await control.start_again() == f"{path.parent}: File exists"

        path.parent.unlink()
        path.parent.mkdir()


async def test_at_the_end_the_socket_is_gone(path: Path) -> None:
    async with serving(path):
        assert path.exists()

    assert not path.exists()


async def test_closing_what_never_listened_is_no_failure(path: Path) -> None:
    await Control(path, echo).close()


STOP_IN_THE_MIDDLE = """
import asyncio, sys
from pathlib import Path
from lightkeeper.serve.control import Control

async def forever(request):
    yield {"begun": True}
    await asyncio.Event().wait()

async def main():
    control = Control(Path(sys.argv[1]), forever)
    await control.start()
    reader, writer = await asyncio.open_unix_connection(sys.argv[1])
    writer.write(b"{}\\n")
    print(await reader.readline())
    await control.close()

asyncio.run(main())
"""


def test_a_daemon_that_stops_in_the_middle_of_an_answer_prints_no_traceback(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STOP_IN_THE_MIDDLE, str(path)],
        capture_output=True,
        check=True,
        timeout=30,
    )

    assert done.stdout == b"b'{\"begun\": true}\\n'\n"
    assert done.stderr == b""
