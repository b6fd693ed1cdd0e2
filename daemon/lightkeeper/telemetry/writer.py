"""Writes the log beside the daemon: whoever reads it slowly, or not at all, holds up nobody.

A terminal that is halted, or a container's log driver that is, takes nothing for as long as it
likes, and a write to it blocks. That costs lines, and so does a full disk; they are counted.
"""

from __future__ import annotations

import os
import select
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition, Thread
from typing import Final, TextIO

BOUND: Final = 1 << 20
"""In bytes, for what waits to be written; thousands of lines."""
_PATIENCE_SECONDS: Final = 1.0
"""At the end, for what still waits."""


@contextmanager
def writing_to(
    stream: TextIO, tell: Callable[[int], None], *, patience: float = _PATIENCE_SECONDS
) -> Iterator[Writer]:
    """What writes to `stream` until the end, and `patience` seconds longer if it has to.

    `tell` logs how many lines were lost, in the writer's own thread.
    """
    writer = Writer(stream, tell)
    try:
        yield writer
    finally:
        writer.end(patience)


class Writer:
    """A stream of text for lines; each comes whole or not at all, unless a disk is full by then.

    It writes to the file descriptor: a thread that hangs in `stream` would hold a lock that the
    interpreter's exit wants.
    """

    def __init__(self, stream: TextIO, tell: Callable[[int], None]) -> None:
        stream.flush()
        self.encoding = stream.encoding
        self._stream = stream
        self._tell = tell
        self._fd = os.dup(stream.fileno())  # whoever closes the stream frees the number of its own
        self._lines = deque[bytes]()
        self._size = 0
        self._lost = 0
        self._told = 0
        self._is_full = False
        self._is_torn = False
        self._works = True
        self._ends = False
        self._is_over = False
        self._changed = Condition()
        self._thread = Thread(target=self._serve, name="log", daemon=True)
        self._thread.start()

    def isatty(self) -> bool:
        """Whether people watch."""
        return self._stream.isatty()

    def write(self, line: str) -> None:
        """Have `line` written soon; it is lost if too much waits already.

        Those behind it are lost too until all that waits is out, so that they are missing in one
        place, and told of there.
        """
        data = line.encode(self.encoding)
        with self._changed:
            if not self._is_over:
                if self._is_full or self._size + len(data) > BOUND:
                    self._is_full = bool(self._lines)
                    self._lost += 1
                    return
                self._lines.append(data)
                self._size += len(data)
                self._changed.notify_all()
                return
        self._stream.write(line)  # what the interpreter still says, when all of ours is out
        self._stream.flush()

    def flush(self) -> None:
        """Nothing: what waits is written as soon as it can be."""

    def end(self, patience: float) -> None:
        """Let what waits be written, for so many seconds; the process need wait for no more."""
        with self._changed:
            self._ends = True
            self._changed.notify_all()
        self._thread.join(patience)

    def _serve(self) -> None:
        try:
            while self._is_wanted():
                if self._lines:
                    self._put(self._lines[0])
                else:
                    self._tell_lost()
        finally:
            os.close(self._fd)

    def _is_wanted(self) -> bool:
        """Wait until there is something to do; False if there never will be."""
        with self._changed:
            self._changed.wait_for(lambda: self._has_work() or self._ends)
            self._is_over = not self._has_work()
            return not self._is_over

    def _has_work(self) -> bool:
        """A loss is told once it can be: of a full disk, or a reader that is gone, it cannot."""
        return bool(self._lines or (self._lost and self._works))

    def _put(self, data: bytes) -> None:
        self._works = self._is_written(data)
        with self._changed:
            self._lines.popleft()
            self._size -= len(data)
            self._is_full = self._is_full and bool(self._lines)
            if not self._works:
                self._lost += self._told or 1  # it was the line that told of so many
            self._told = 0

    def _is_written(self, data: bytes) -> bool:
        """Write a line, on a new one if the one before was torn; False if it cannot be."""
        left = memoryview(b"\n" + data if self._is_torn else data)
        while left:
            try:
                count = os.write(self._fd, left)
            except BlockingIOError:  # whoever shares the stream made it so
                self._await_room()
            except OSError:
                return False
            else:
                self._is_torn = left[count - 1] != ord("\n")
                left = left[count:]
        return True

    def _await_room(self) -> None:
        """Wait as a write would that blocks."""
        room = select.poll()
        room.register(self._fd, select.POLLOUT)
        room.poll()

    def _tell_lost(self) -> None:
        with self._changed:
            self._told, self._lost = self._lost, 0
        self._tell(self._told)
