from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from lightkeeper.simulator.door import Door
from lightkeeper.simulator.faults import FAULTS


@contextmanager
def _knock_at(*faults: str) -> Iterator[tuple[Door, socket.socket]]:
    """A door with one client before it, that is to meet `faults`, then none."""
    strikes = [FAULTS[name] for name in faults]
    with Door("127.0.0.1", 0, lambda _: strikes.pop(0) if strikes else None) as door:
        door.listen()
        with socket.create_connection(door.getsockname(), timeout=5) as client:
            yield door, client


def _accept(door: Door) -> socket.socket:
    door.settimeout(5)
    return door.accept()[0]


def test_lets_in_whom_nothing_strikes() -> None:
    with _knock_at() as (door, client), _accept(door) as inside:
        inside.sendall(b"welcome")

        assert client.recv(100) == b"welcome"


def test_closes_in_the_face_of_whom_a_close_strikes() -> None:
    with _knock_at("close_on_accept") as (door, client):
        with pytest.raises(BlockingIOError):
            _accept(door)

        assert client.recv(100) == b""


def test_resets_whom_a_reset_strikes() -> None:
    with _knock_at("reset_on_accept") as (door, client):
        with pytest.raises(BlockingIOError):
            _accept(door)

        with pytest.raises(ConnectionResetError):
            client.recv(100)


def test_holds_whom_a_hang_strikes_until_it_is_closed() -> None:
    with _knock_at("hang_on_accept") as (door, client):
        with pytest.raises(BlockingIOError):
            _accept(door)
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.recv(100)

        door.close()

        assert client.recv(100) == b""


def test_a_strike_is_for_one_connection() -> None:
    with _knock_at("close_on_accept") as (door, _):
        with pytest.raises(BlockingIOError):
            _accept(door)

        with socket.create_connection(door.getsockname()), _accept(door) as inside:
            assert inside.fileno() >= 0


@pytest.mark.parametrize(
    ("said", "is_control"),
    [
        (b"DELETE /_simulator/faults HTTP/1.1\r\n", True),
        (b"GET /v2/ HTTP/1.1\r\n", False),
        (b"\x16\x03\x01", False),
        (b"", False),
    ],
)
def test_it_can_tell_who_asks_for_the_control_route(said: bytes, *, is_control: bool) -> None:
    told = list[bool]()

    def strike(asks_for_control: Callable[[], bool]) -> None:
        told.append(asks_for_control())

    with Door("127.0.0.1", 0, strike) as door:
        door.listen()
        with socket.create_connection(door.getsockname(), timeout=5) as client:
            client.sendall(said)
            with _accept(door) as inside:
                assert told == [is_control]
                assert not said or inside.recv(100) == said, "it stays unread"


def test_a_port_that_is_taken_raises_and_leaks_nothing() -> None:
    with _knock_at() as (door, _):
        host, port = door.getsockname()

        with pytest.raises(OSError, match="in use"):
            Door(host, port, lambda _: None)
