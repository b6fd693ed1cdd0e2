"""A log whose reader stalls: nobody who logs waits, and what is lost is told."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TextIO

import pytest

from lightkeeper.telemetry.writer import BOUND, Writer, writing_to

_PAGE = 4096
LONG = 30.0
LINE = "x" * 999 + "\n"


@dataclass
class Pipe:
    """Where lines go, and what comes of them once somebody reads."""

    reader: int
    stream: TextIO

    def fill(self) -> None:
        """Leave no room."""
        os.write(self.stream.fileno(), b"-" * _PAGE)

    def read(self, count: int) -> str:
        """So many characters, as they come."""
        read = b""
        while len(read) < count:
            read += os.read(self.reader, count - len(read))
        return read.decode()

    def rest(self) -> str:
        """What comes until nobody writes any more."""
        self.stream.close()
        with os.fdopen(os.dup(self.reader), encoding="utf-8") as lines:
            return lines.read()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """One that is full with a page."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _PAGE)
    with os.fdopen(writer, "w", encoding="ascii") as stream:
        yield Pipe(reader, stream)
    os.close(reader)


@contextmanager
def writing(pipe: Pipe, lost: list[int] | None = None, patience: float = LONG) -> Iterator[Writer]:
    """A writer; once it has ended, all is out and told, unless `patience` seconds were too few."""
    told = list[int]() if lost is None else lost
    with writing_to(pipe.stream, told.append, patience=patience) as writer:
        yield writer


def test_lines_come_in_their_order(pipe: Pipe) -> None:
    with writing(pipe) as writer:
        for number in range(100):
            writer.write(f"{number}\n")

    assert pipe.rest() == "".join(f"{number}\n" for number in range(100))


def test_what_somebody_else_wrote_to_the_stream_before_stands_before(pipe: Pipe) -> None:
    pipe.stream.write("before\n")

    with writing(pipe) as writer:
        writer.write("after\n")

    assert pipe.rest() == "before\nafter\n"


def test_a_line_that_is_longer_than_the_pipe_comes_whole(pipe: Pipe) -> None:
    with writing(pipe) as writer:
        writer.write("y" * 3 * _PAGE + "\n")
        said = pipe.read(3 * _PAGE + 1)

    assert said == "y" * 3 * _PAGE + "\n"


def test_nobody_waits_for_a_reader_that_stalls_nor_does_the_end(pipe: Pipe) -> None:
    pipe.fill()

    with writing(pipe, patience=0) as writer:
        writer.write(LINE)

    assert pipe.read(_PAGE + len(LINE)) == "-" * _PAGE + LINE


def test_what_waits_is_bounded_and_what_is_lost_is_counted(pipe: Pipe) -> None:
    pipe.fill()
    lost = list[int]()
    fits = BOUND // len(LINE)

    with writing(pipe, lost) as writer:
        for _ in range(fits + 7):
            writer.write(LINE)
        writer.write("short\n")  # room for it alone would tear a second hole
        said = pipe.read(_PAGE + fits * len(LINE))

    assert said == "-" * _PAGE + fits * LINE
    assert lost == [8]


def test_the_loss_is_told_where_the_lines_are_missing(pipe: Pipe) -> None:
    """In the thread that writes: a daemon that is quiet from then on says it too."""
    pipe.fill()
    fits = BOUND // len(LINE)

    def tell(lost: int) -> None:
        writer.write(f"{lost} lost\n")

    with writing_to(pipe.stream, tell, patience=LONG) as writer:
        for _ in range(fits + 2):
            writer.write(LINE)
        pipe.read(_PAGE + fits * len(LINE))

    assert pipe.rest() == "2 lost\n"


def test_a_stream_that_somebody_made_non_blocking_costs_no_line(pipe: Pipe) -> None:
    """Such as a shell's other program: what is shared is the description, not the number."""
    os.set_blocking(pipe.stream.fileno(), False)
    lost = list[int]()

    with writing(pipe, lost) as writer:
        for _ in range(10):
            writer.write(LINE)
        said = pipe.read(10 * len(LINE))

    assert said == 10 * LINE
    assert lost == []


@contextmanager
def full_at(size: int) -> Iterator[int]:
    """A disk on which files grow to `size`; a byte can be read for each write that it refuses."""
    refused, wakeup = os.pipe()
    os.set_blocking(wakeup, False)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, lambda *_: None)
    former = signal.set_wakeup_fd(wakeup)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield refused
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.set_wakeup_fd(former)
        signal.signal(signal.SIGXFSZ, handler)
        os.close(refused)
        os.close(wakeup)


def test_a_line_that_a_full_disk_tore_is_ended_and_what_it_cost_is_told(tmp_path: Path) -> None:
    log = tmp_path / "log"
    first = LINE + "x" * 7 + "\nroom again\n3 lost\n"
    told = Event()

    def tell(lost: int) -> None:
        writer.write(f"{lost} lost\n")
        told.set()

    with log.open("w") as stream, writing_to(stream, tell, patience=LONG) as writer:
        with full_at(len(LINE) + 7) as refused:
            for _ in range(4):
                writer.write(LINE)
            for _ in range(3):
                os.read(refused, 1)
        writer.write("room again\n")
        assert told.wait(LONG)
        with full_at(len(first)) as refused:
            writer.write(LINE)
            os.read(refused, 1)
        writer.write("and again\n")

    assert log.read_text() == f"{first}and again\n1 lost\n"


def test_a_loss_that_could_not_be_told_is_told_later(tmp_path: Path) -> None:
    log = tmp_path / "log"
    long = "told at length " * 100

    def tell(lost: int) -> None:
        writer.write(f"{lost} lost {long}\n")

    with log.open("w") as stream, writing_to(stream, tell, patience=LONG) as writer:
        with full_at(len(LINE) + len(long)) as refused:
            writer.write(3 * LINE)
            writer.write(3 * LINE)
            for _ in range(2):
                os.read(refused, 1)
            log.write_text("")
            stream.seek(0)
            writer.write(LINE)
            os.read(refused, 1)
        log.write_text("")
        stream.seek(0)
        writer.write("room\n")

    assert log.read_text() == f"\nroom\n2 lost {long}\n"


def test_a_reader_that_is_gone_ends_nothing(pipe: Pipe) -> None:
    lost = list[int]()
    with writing(pipe, lost) as writer:
        os.close(pipe.reader)
        pipe.reader = os.open(os.devnull, os.O_RDONLY)
        for _ in range(3):
            writer.write(LINE)

    assert lost == []


def test_what_is_written_after_the_end_still_comes(pipe: Pipe) -> None:
    """Such as what the event loop says when it is closed."""
    with writing(pipe) as writer:
        writer.write("before\n")
    writer.write("after\n")

    assert pipe.rest() == "before\nafter\n"
