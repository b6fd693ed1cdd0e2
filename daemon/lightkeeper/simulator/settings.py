"""What a simulator is started with. The control route changes most of it while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum, unique
from pathlib import Path
from typing import Final, TypeVar

ACCESS_KEY_ID: Final = "AKIASIMULATEDKEY0001"
SECRET_ACCESS_KEY: Final = "simulated-" + "0" * 30


class SetupError(Exception):
    """The simulator cannot start as it was asked to; the message says what to do."""


Word = TypeVar("Word", bound=StrEnum)


def word_of(kind: type[Word], name: str, value: object) -> Word:
    """The member of `kind` that a text says; else `ValueError` with all of them."""
    if isinstance(value, str) and value in list(kind):
        return kind(value)
    *others, last = (f'"{one.value}"' for one in kind)
    message = f"{name} is {', '.join(others)} or {last}"
    raise ValueError(message)


@unique
class Validity(StrEnum):
    """What a new credential does to those before it. Lightsail's own answer is not documented."""

    KEEP = "keep"
    END_PREDECESSOR = "end_predecessor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """A token bucket: so many calls at once, so many a second in the long run."""

    burst: int
    per_second: float

    def __post_init__(self) -> None:
        if self.burst < 0 or self.per_second < 0:
            message = "burst and per_second are zero or more"
            raise ValueError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A simulator's start; every default is what Lightsail does, as far as is known."""

    host: str = "127.0.0.1"
    port: int = 0
    """0 takes a free one."""
    region: str = "eu-central-1"
    """The one region that requests may be signed for."""
    lifetime: timedelta = timedelta(hours=12)
    validity: Validity = Validity.KEEP
    service_present: bool = True
    """Whether the account has a container service; without one no credential is issued."""
    throttle: Throttle | None = None
    clock_offset: timedelta = timedelta(0)
    """How far the simulator's clock is ahead of this machine's."""
    aws_lifetime: timedelta = timedelta(hours=1)
    """Of the temporary AWS credentials that the companion endpoints hand out."""
    registry: str = ""
    """HOST:PORT to name in answers; by default the simulator's own, which asks nobody else."""
    htpasswd: Path | None = None
    """A real registry's htpasswd file, to be kept in step with what is issued."""
    tls: Path | None = None
    """A folder with, or for, a test CA and a certificate; https is served with it."""
