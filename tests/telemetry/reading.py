"""Log lines as tests read them: written as the daemon does, decoded one by one."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any, TextIO

import structlog

from lightkeeper.telemetry import logs

Line = dict[str, Any]


class Stream(StringIO):
    """Where lines go; a terminal if the test says so."""

    def __init__(self, *, is_terminal: bool = False) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal

    @property
    def lines(self) -> list[Line]:
        """What was written as JSON."""
        return [json.loads(line) for line in self.getvalue().splitlines()]


@contextmanager
def logging_to(stream: TextIO, form: logs.Format = "json", level: str = "debug") -> Iterator[None]:
    """Log there while the block lasts."""
    with logging_kept():
        logs.configure(form, level, stream)
        yield


@contextmanager
def logging_kept() -> Iterator[None]:
    """Leave both libraries as they were, whatever the block makes of them."""
    root = logging.getLogger()
    handlers, levels = root.handlers[:], _levels()
    try:
        yield
    finally:
        structlog.reset_defaults()
        root.handlers[:] = handlers
        for name in _levels():
            logging.getLogger(name).setLevel(levels.get(name, logging.NOTSET))


def _levels() -> dict[str, int]:
    known = logging.Logger.manager.loggerDict
    return {name: logging.getLogger(name).level for name in ("root", *known)}
