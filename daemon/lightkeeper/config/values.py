"""Texts that mean more than their letters: each is parsed from the form in which it is printed."""

from __future__ import annotations

from datetime import timedelta
from typing import Self


class Share(float):
    """A part of a lifetime, written as a percentage."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """`50%` is a half."""
        return cls(float(text.removesuffix("%")) / 100)

    def __str__(self) -> str:
        return f"{self * 100:g}%"


class Duration(timedelta):
    """A time that something takes, written in seconds or minutes."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """`30s` are seconds, `2m` minutes."""
        return cls(seconds=int(text[:-1]) * (60 if text.endswith("m") else 1))

    def __str__(self) -> str:
        seconds = int(self.total_seconds())
        return f"{seconds}s" if seconds % 60 else f"{seconds // 60}m"


class Rate(int):
    """How many a second, written as a number."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """`20` is twenty."""
        return cls(text)


class FileMode(int):
    """The permission bits of a file, written in octal."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """`0600` is read and write for the owner alone."""
        return cls(text, 8)

    def __str__(self) -> str:
        return f"{int(self):04o}"


class Listen(str):
    """Where to listen, written as HOST:PORT."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """The text as it is."""
        return cls(text)

    @property
    def host(self) -> str:
        """A name or an address; an IPv6 address without its brackets."""
        return self.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """From 0, which is any free port, to 65535."""
        return int(self.rpartition(":")[2])


class ObjectName(str):
    """An object of a cluster, written as NAMESPACE/NAME."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """The text as it is."""
        return cls(text)

    @property
    def namespace(self) -> str:
        """Where it is."""
        return self.partition("/")[0]

    @property
    def name(self) -> str:
        """What it is called there."""
        return self.partition("/")[2]
