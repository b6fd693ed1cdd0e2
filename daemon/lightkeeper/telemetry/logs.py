"""One pipeline for every log line, ours and the libraries'. Knows no event.

Nothing here prints local variables: a frame of AWS's library holds the password.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, Literal, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, Processor

from lightkeeper.telemetry.console import ConsoleLines
from lightkeeper.telemetry.writer import Writer

_LONGEST: Final = 2000
_LONG: Final[Mapping[str, int]] = {"traceback": 8000, "exception": 8000}
"""In characters."""
_MANY: Final = 50
"""Items of a list."""
_LIBRARIES: Final[Mapping[str, int]] = {
    # At DEBUG some print passwords and session tokens, at INFO two lines for each call or bell;
    # and this one warns of AWS credentials that it could not refresh by quoting what came instead.
    "aiobotocore": logging.ERROR,
    "aiohttp": logging.WARNING,
    "apscheduler": logging.WARNING,
    "asyncio": logging.WARNING,
    "botocore": logging.WARNING,
    "httpx2": logging.WARNING,
    "urllib3": logging.WARNING,
}
_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

Format = Literal["auto", "console", "json"]

Stream = TextIO | Writer


def configure(form: Format, level: str, stream: Stream) -> None:
    """Log to `stream` from now on; may be called again.

    `auto` is for people on a terminal, where NO_COLOR is respected, and JSON elsewhere.
    """
    lines = _Lines(stream)
    is_console = form == "console" or (form == "auto" and stream.isatty())
    renderers = _console(stream) if is_console else _json()
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=False,  # a reload may change the level
    )
    _bridge(shared, renderers, _LEVELS[level], lines)


def _bridge(shared: list[Processor], renderers: list[Processor], level: int, lines: _Lines) -> None:
    """Lead what libraries log by way of `logging` through the same pipeline, from INFO on."""
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
    )
    handler = logging.StreamHandler(lines)
    handler.terminator = ""
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(logging.INFO, level))
    for name, least in _LIBRARIES.items():
        logging.getLogger(name).setLevel(max(least, level))


class _Lines:
    """Writes a line at a time; a full disk or a reader that is gone stops no renewal."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._encoding = stream.encoding or "utf-8"

    def write(self, line: str) -> None:
        known = line.encode(self._encoding, "backslashreplace").decode(self._encoding)
        with suppress(OSError):
            self._stream.write(known + "\n")
            self._stream.flush()

    debug = info = warning = error = write


def _console(stream: Stream) -> list[Processor]:
    is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    lines = ConsoleLines(colors=stream.isatty() and not is_plain)
    return [structlog.processors.format_exc_info, _bounded, lines]


def _json() -> list[Processor]:
    encode = msgspec.json.Encoder(enc_hook=str).encode
    return [_FRAMES, _bounded, lambda _, __, event: encode(event).decode()]


_FRAMES: Final = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=20)
)


def _bounded(_: Any, __: str, event: EventDict) -> EventDict:  # noqa: ANN401
    """No field longer than a person reads, and nothing in it that is no text."""
    return {key: _fit(value, _LONG.get(key, _LONGEST)) for key, value in event.items()}


def _fit(value: Any, longest: int) -> Any:  # noqa: ANN401 - a field may hold anything
    match value:
        case str():
            # A path may hold bytes that are no UTF-8, and an encoder that refuses them.
            text = value.encode(errors="backslashreplace").decode()
            return text if len(text) <= longest else f"{text[:longest]}…"
        case list() | tuple():
            return [_fit(one, longest) for one in value[:_MANY]]
        case dict():
            return {key: _fit(one, longest) for key, one in value.items()}
        case _:
            return value
