"""Tells systemd how the daemon is: readiness, watchdog and a line of status."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Final, Self

_LONGEST: Final = 300


class Notifier:
    """Speaks the protocol of sd_notify(3); silent where nobody listens."""

    def __init__(self, address: str) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """For the socket that NOTIFY_SOCKET names."""
        address = environ.get("NOTIFY_SOCKET", "")
        return cls(address if address.startswith(("/", "@")) else "")

    @property
    def is_heard(self) -> bool:
        """Whether anybody listens."""
        return bool(self._address)

    def ready(self) -> None:
        """Start-up, or a reload, is over."""
        self._send("READY=1")

    def reloading(self, monotonic: timedelta) -> None:
        """A reload begins."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={monotonic // timedelta(microseconds=1)}")

    def stopping(self) -> None:
        """The end begins."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send("STATUS=" + " ".join(text.split())[:_LONGEST])

    def watchdog(self) -> None:
        """The core has made progress."""
        self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # Whoever listened is gone, or its queue is full: neither is ours to mend.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.setblocking(False)  # noqa: FBT003 - the argument's name is `flag`
            out.sendto(message.encode(errors="replace"), self._address)
