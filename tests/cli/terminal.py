"""A terminal that a test looks at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import BytesIO, TextIOWrapper

import pytest


class Terminal(TextIOWrapper):
    """What is written to it, as if somebody watched."""

    def __init__(self, encoding: str = "utf-8") -> None:
        self._written = BytesIO()
        super().__init__(self._written, encoding=encoding, write_through=True)

    def isatty(self) -> bool:
        return True

    @property
    def shown(self) -> str:
        """What stands there; not in which style."""
        self.flush()
        return re.sub(r"\x1b\[[0-9;]*m", "", self._written.getvalue().decode(self.encoding))


@contextmanager
def terminal(
    environment: pytest.MonkeyPatch,
    *,
    columns: int = 80,
    encoding: str = "utf-8",
    kind: str = "xterm-256color",
) -> Iterator[Terminal]:
    """Let output go to one, without colours."""
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLORTERM"):
        environment.delenv(name, raising=False)
    environment.setenv("NO_COLOR", "1")
    environment.setenv("COLUMNS", str(columns))
    environment.setenv("TERM", kind)
    shown = Terminal(encoding)
    with redirect_stdout(shown):
        yield shown
