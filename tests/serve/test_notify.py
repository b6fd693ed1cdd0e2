"""What systemd is told, over a real socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from lightkeeper.serve.notify import Notifier

TELL = [
    (Notifier.ready, "READY=1"),
    (Notifier.stopping, "STOPPING=1"),
    (Notifier.watchdog, "WATCHDOG=1"),
    (lambda it: it.status("2 logins,\nall delivered"), "STATUS=2 logins, all delivered"),
    (lambda it: it.reloading(timedelta(seconds=1.5)), "RELOADING=1\nMONOTONIC_USEC=1500000"),
]


@pytest.fixture(params=["path", "abstract"])
def heard(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """An address as NOTIFY_SOCKET has it, and who listens there."""
    address = str(tmp_path / "notify")
    if request.param == "abstract":
        address = f"@lightkeeper-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address.replace("@", "\0", 1) if address[0] == "@" else address)
        listener.setblocking(False)  # noqa: FBT003 - the argument's name is `flag`
        yield address, listener


@pytest.mark.parametrize(("tell", "message"), TELL, ids=[message[:8] for _, message in TELL])
def test_each_word_arrives_as_the_protocol_has_it(
    heard: tuple[str, socket.socket], tell: object, message: str
) -> None:
    address, listener = heard
    assert callable(tell)

    tell(Notifier.from_environ({"NOTIFY_SOCKET": address}))

    assert listener.recv(4096).decode() == message


def test_a_status_is_one_line_of_bounded_length(heard: tuple[str, socket.socket]) -> None:
    address, listener = heard

    Notifier.from_environ({"NOTIFY_SOCKET": address}).status("x\nREADY=1 " + "ü" * 1000)

    status = listener.recv(4096).decode()
    assert "\n" not in status
    assert len(status) == len("STATUS=") + 300


def test_bytes_that_are_no_text_are_told_as_well_as_may_be(
    heard: tuple[str, socket.socket],
) -> None:
    address, listener = heard

    Notifier.from_environ({"NOTIFY_SOCKET": address}).status(os.fsdecode(b"/a\xff"))

    assert listener.recv(4096) == b"STATUS=/a?"


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"NOTIFY_SOCKET": ""},
        {"NOTIFY_SOCKET": "vsock:2:1234"},
        {"NOTIFY_SOCKET": "/nowhere/notify"},
        {"NOTIFY_SOCKET": "/" + "x" * 200},
    ],
    ids=["none", "empty", "unknown", "gone", "too long"],
)
def test_nobody_who_listens_is_no_failure(environ: dict[str, str]) -> None:
    notifier = Notifier.from_environ(environ)

    notifier.ready()
    notifier.status("all delivered")


def test_a_listener_that_reads_nothing_holds_nobody_up(heard: tuple[str, socket.socket]) -> None:
    """Its queue is full after some datagrams: the next would block."""
    address, listener = heard
    notifier = Notifier.from_environ({"NOTIFY_SOCKET": address})

    for _ in range(3000):
        notifier.watchdog()

    assert listener.recv(4096) == b"WATCHDOG=1"
