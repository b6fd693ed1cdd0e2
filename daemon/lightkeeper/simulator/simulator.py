"""Starts a simulator, and is its handle for whoever runs it in their own process."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from aiohttp import web

from lightkeeper.simulator.account import Account, new_account
from lightkeeper.simulator.clock import Clock, utc_now
from lightkeeper.simulator.door import Door, Strike
from lightkeeper.simulator.faults import Script
from lightkeeper.simulator.htpasswd import check_command
from lightkeeper.simulator.requests import Endpoint, Requests
from lightkeeper.simulator.server import Front
from lightkeeper.simulator.settings import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Settings, SetupError
from lightkeeper.simulator.tls import Certificate, find_certificate

_GOODBYE_SECONDS: Final = 0.1
"""For answers under way when the simulator ends; those that hang are cut off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulator:
    """A running simulator. Its methods take effect with the next request."""

    endpoint_url: str
    """Of Lightsail, and of every companion endpoint."""
    registry: str
    """HOST:PORT that credentials name."""
    account: Account
    """What answers depend on: `lifetime`, `keys`, `credentials`, `service_present` and more."""
    script: Script
    requests: Requests
    certificate: Certificate | None = field(default=None)
    """Served with; a client is to trust its CA. None without TLS."""

    def fail(self, name: str, *, times: int = 1, at: Endpoint = Endpoint.LIGHTSAIL) -> None:
        """Let the next `times` requests to `at` meet the fault `name`, after those already waiting.

        Raises ValueError for an unknown name and for `times` out of 1 to 10,000.
        """
        self.script.add(name, times=times, at=at)

    def stop_failing(self) -> None:
        """Drop the faults that wait."""
        self.script.clear()

    def accepts(self, username: str, password: str) -> bool:
        """Whether the registry takes this pair now."""
        return self.account.credentials.accepts(username, password, self.account.clock.now())

    def end_newest(self) -> None:
        """End the newest valid credential before its time."""
        self.account.end_newest()

    def end_all(self) -> None:
        """End every credential before its time."""
        self.account.end_all()

    def move_clock(self, offset: timedelta) -> None:
        """Let the simulator's clock be ahead of its source by `offset`."""
        self.account.move_clock(offset)

    def environment(self) -> dict[str, str]:
        """The variables with which an AWS client comes here and may call."""
        variables = {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": self.account.region,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        }
        if self.certificate is not None:
            variables["AWS_CA_BUNDLE"] = str(self.certificate.ca)
        return variables


@asynccontextmanager
async def simulate(
    settings: Settings | None = None, *, now: Callable[[], datetime] = utc_now
) -> AsyncIterator[Simulator]:
    """Run a simulator on the current loop, with `now` as the source of its clock.

    Raises SetupError if it cannot start as `settings` ask. At the end every credential is ended,
    and connections that a fault left hanging are cut.
    """
    settings = settings or Settings()
    if settings.htpasswd is not None:
        check_command()
    certificate = None if settings.tls is None else await find_certificate(settings.tls)
    clock = Clock(source=now, offset=settings.clock_offset)
    account = new_account(settings, registry=settings.registry, clock=clock)
    front = Front(account, Script(), Requests())
    tls = None if certificate is None else certificate.server_context()
    try:
        async with (
            _listening(front, settings.host, settings.port, front.strike, tls) as port,
            _listening(front, settings.host, 0, lambda _: None, tls) as port_elsewhere,
        ):
            scheme = "http" if tls is None else "https"
            front.elsewhere = f"{scheme}://{settings.host}:{port_elsewhere}"
            account.registry = settings.registry or f"{settings.host}:{port}"
            yield Simulator(
                endpoint_url=f"{scheme}://{settings.host}:{port}",
                registry=account.registry,
                account=account,
                script=front.script,
                requests=front.requests,
                certificate=certificate,
            )
    finally:
        account.close()


@asynccontextmanager
async def _listening(
    front: Front,
    host: str,
    port: int,
    strike: Strike,
    tls: ssl.SSLContext | None,
) -> AsyncIterator[int]:
    """Let `front` answer on a port, whose number is yielded."""
    try:
        door = Door(host, port, strike)
    except OSError as exc:
        message = f"cannot listen on {host}:{port}: {exc.strerror}; choose another, or 0 for any"
        raise SetupError(message) from exc
    # Without cancellation a fault that hangs would outlive its client.
    server = web.Server(front.answer, handler_cancellation=True, access_log=None)
    listener = await asyncio.get_running_loop().create_server(server, sock=door, ssl=tls)
    try:
        yield door.getsockname()[1]
    finally:
        listener.close()
        await server.shutdown(_GOODBYE_SECONDS)
