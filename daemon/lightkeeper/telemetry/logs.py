"""One pipeline for every log line, ours and the libraries'. Knows no event.

Nothing here prints local variables: a frame of AWS's library holds the password.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from typing import Any, Final, Literal, TextIO

# Importing structlog imports rich where it is installed, which costs the daemon 280 ms and 5 MB.
_rich = sys.modules.get("rich")
sys.modules["rich"] = None  # type: ignore[assignment]  # what makes an import fail

import msgspec  # noqa: E402
import structlog  # noqa: E402
from structlog.typing import EventDict, Processor  # noqa: E402

if _rich is None:
    del sys.modules["rich"]
else:
    sys.modules["rich"] = _rich

_LONGEST: Final = 2000
_LONGEST_TRACEBACK: Final = 8000
_LIBRARIES: Final[Mapping[str, int]] = {
    # At DEBUG some print passwords and session tokens, at INFO two lines for each call or bell.
    "aiobotocore": logging.WARNING,
    "aiohttp": logging.WARNING,
    "apscheduler": logging.WARNING,
    "asyncio": logging.WARNING,
    "botocore": logging.WARNING,
    "urllib3": logging.WARNING,
}
_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

Format = Literal["auto", "console", "json"]


def configure(form: Format, level: str, stream: TextIO) -> None:
    """Log to `stream` from now on; may be called again.

    `auto` is for people on a terminal, where NO_COLOR is respected, and JSON elsewhere.
    """
    is_console = form == "console" or (form == "auto" and stream.isatty())
    render = _console(stream) if is_console else _json()
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _capped,
    ]
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,  # a reload may change the level
    )
    _bridge(shared, render, _LEVELS[level], stream)


def _bridge(shared: list[Processor], render: Processor, level: int, stream: TextIO) -> None:
    """Lead what libraries log by way of `logging` through the same pipeline."""
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _exception,
            render,
        ],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, least in _LIBRARIES.items():
        logging.getLogger(name).setLevel(max(least, level))


def _console(stream: TextIO) -> Processor:
    colors = stream.isatty() and not os.environ.get("NO_COLOR")
    plain = structlog.dev.plain_traceback
    return structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)


def _json() -> Processor:
    encode = msgspec.json.Encoder(enc_hook=str).encode
    return lambda _, __, event: encode(event).decode()


_FRAMES: Final = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=20)
)


def _exception(logger: Any, name: str, event: EventDict) -> EventDict:  # noqa: ANN401
    """A traceback as fields, without local variables; its messages may quote what came."""
    return _capped(logger, name, dict(_FRAMES(logger, name, event)))


def _capped(_: Any, __: str, event: EventDict) -> EventDict:  # noqa: ANN401
    """No field longer than a person reads."""
    for key, value in event.items():
        if isinstance(value, str):
            longest = _LONGEST_TRACEBACK if key == "traceback" else _LONGEST
            if len(value) > longest:
                event[key] = f"{value[:longest]}…"
    return event
