"""The judge of what is shown: no password of this world may be in it, in any of its forms."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import msgspec
from prometheus_client import CollectorRegistry, generate_latest

from lightkeeper.core.facts import ClockStepped, LoginFact
from lightkeeper.core.report import Report, unready
from lightkeeper.serve.control import Line
from lightkeeper.telemetry.events import EVENTS
from lightkeeper.telemetry.series import Series
from tests.simulation.world import MARK

if TYPE_CHECKING:
    from tests.simulation.machine import Machine


def forms_of(mark: str) -> list[bytes]:
    """The text plain, in hex, and as base64 shows it wherever it begins within three bytes."""
    raw = mark.encode()
    forms = [raw, raw.hex().encode()]
    for ahead in range(3):
        encoded = base64.b64encode(bytes(ahead) + raw)
        # Characters at the edges are made of neighbours as well.
        forms.append(encoded[-(-ahead * 8 // 6) : (ahead + len(raw)) * 8 // 6])
    return forms


is_seen = re.compile(b"|".join(re.escape(form) for form in forms_of(MARK))).search
_encode = msgspec.json.Encoder(enc_hook=str).encode


def line_of(fact: LoginFact | ClockStepped) -> bytes:
    """What the log has of a fact, by telemetry's table."""
    return _encode(EVENTS[type(fact)].fields(fact))


class Secrecy:
    """Reads all that people get to see."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def told(self, fact: LoginFact | ClockStepped) -> None:
        """A fact goes to the log, as telemetry's table has it."""
        if is_seen(line_of(fact)):
            self._blame(f"the line of {type(fact).__name__}")

    def scraped(self, report: Report) -> None:
        """The text that Prometheus gets."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(Series(report))
        self.shown("/metrics", generate_latest(registry))

    def answered(self, report: Report) -> None:
        """What probes and commands get."""
        self.shown("/readyz", _encode(unready(report, every_place=True)))
        assert self._machine.desk is not None
        for line in _at_once(self._machine.desk.answer({"ask": "status"})):
            self.shown("status", json.dumps(line).encode())

    def shown(self, what: str, data: bytes) -> None:
        """Something can be seen."""
        if is_seen(data):
            self._blame(what)

    def _blame(self, where: str) -> None:
        self._machine.judge.blame(f"secret: a password is seen in {where}")


def _at_once(lines: AsyncIterator[Line]) -> list[Line]:
    """The lines of an answer that waits for nothing."""
    got: list[Line] = []
    while True:
        try:
            anext(lines).__await__().__next__()
        except StopAsyncIteration:
            return got
        except StopIteration as stop:
            got.append(stop.value)
