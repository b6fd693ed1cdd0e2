"""A host with two addresses, of which the one that is tried first swallows what is sent to it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from lightkeeper.simulator import Simulator
from tests.adapters.lightsail.asking import BRIEF, CUT, in_a_process

pytestmark = pytest.mark.usefixtures("_keys")

RESOLVER = """\
import socket

def getaddrinfo(host, port, *_, **__):
    assert host == "lightsail.test", host
    known = {{"::1": (socket.AF_INET6, (port, 0, 0)), "127.0.0.1": (socket.AF_INET, (port,))}}
    found = [(known[name][0], (name, *known[name][1])) for name in {addresses}]
    return [(family, socket.SOCK_STREAM, 6, "", address) for family, address in found]

socket.getaddrinfo = getaddrinfo
"""
"""For a process of its own: nothing is patched in this one."""

LESS_THAN_TO_CONNECT = 4
"""Seconds; that of a connection alone is 5."""


@contextmanager
def _black_hole(port: int) -> Iterator[None]:
    """On ::1: the queue of its listener is full, so that the next SYN is not answered."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_INET6))
        try:
            listener.bind(("::1", port))
        except OSError as exc:
            pytest.skip(f"::1 cannot be listened on: {exc.strerror}")
        listener.listen(0)
        for _ in range(4):
            one = stack.enter_context(socket.socket(socket.AF_INET6))
            one.setblocking(False)  # noqa: FBT003 - so it is spelt
            one.connect_ex(listener.getsockname())
        yield


async def _outcome(simulator: Simulator, *addresses: str, seconds: float) -> dict[str, str]:
    """Of a call to a name that leads to `addresses`, in that order."""
    _, _, port = simulator.registry.rpartition(":")
    prelude = RESOLVER.format(addresses=addresses)
    with _black_hole(int(port)):
        url = f"http://lightsail.test:{port}"
        (outcome,) = await in_a_process(url, "", seconds=seconds, prelude=prelude)
    return outcome


async def test_ipv4_is_tried_before_ipv6_has_failed(simulator: Simulator) -> None:
    outcome = await _outcome(simulator, "::1", "127.0.0.1", seconds=LESS_THAN_TO_CONNECT)

    assert outcome == {"registry": simulator.registry}
    assert simulator.requests.count() == 1


async def test_ipv6_alone_is_cut(simulator: Simulator) -> None:
    """Which also shows that the hole is one."""
    outcome = await _outcome(simulator, "::1", seconds=BRIEF.total_seconds())

    assert outcome == {"reason": "timeout", "detail": CUT}
    assert simulator.requests.count() == 0
