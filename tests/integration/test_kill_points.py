"""A real process, killed before each system call of a delivery and of a state save."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.integration import one_write
from tests.integration.writing import Writing

_CALL = re.compile(r"^(\w+)\(")
_ATTACHED = re.compile(r"Process \d+ attached")
_FOREIGN = '{"auths": {"ghcr.io": {"auth": "dTpw"}}}'


class Point(NamedTuple):
    """A system call: its name, and which of that name since the tracer came."""

    call: str
    time: int


@dataclass(frozen=True)
class Work:
    """What the process does, in a directory of its own."""

    what: str
    file: str
    old: str | None

    def prepare(self, home: Path) -> None:
        home.mkdir(mode=0o700)
        if self.old is not None:
            (home / self.file).write_text(self.old)

    def argument(self, home: Path) -> str:
        return str(home if self.what == "save" else home / self.file)

    def content(self, home: Path) -> str | None:
        file = home / self.file
        return file.read_text() if file.exists() else None

    def do_here(self, home: Path) -> None:
        """Do it again as a process that has just started would."""
        if self.what == "save":
            one_write.save(str(home))
        else:
            one_write.deliver(self.argument(home))


WORKS = {
    "delivery": Work("deliver", "config.json", _FOREIGN),
    "delivery of a new file": Work("deliver", "config.json", None),
    "state save": Work("save", "prod.json", "the state before"),
}


def traced(work: Work, home: Path, *options: str) -> tuple[int, str]:
    """The status and the trace of a process that does it."""
    work.prepare(home)
    trace = home.with_suffix(".trace")
    process = Writing(work.what, work.argument(home))
    tracer = subprocess.Popen(
        ["strace", "-p", str(process.pid), "-o", str(trace), *options],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert tracer.stderr is not None
    first = tracer.stderr.readline()
    status, _ = process.let_go()
    tracer.communicate(timeout=30)
    if not _ATTACHED.search(first):
        pytest.skip(f"strace cannot trace here: {first.strip()}")
    return status, trace.read_text()


def points(trace: str) -> list[Point]:
    """Every system call between the marks."""
    found = list[Point]()
    counts, within = Counter[str](), False
    for line in trace.splitlines():
        call = _CALL.match(line)
        if call is None:
            continue
        counts[call[1]] += 1
        if one_write.END in line:
            return found
        if within:
            found.append(Point(call[1], counts[call[1]]))
        within = within or one_write.BEGIN in line
    pytest.fail("the trace has no end mark")


def killed(work: Work, home: Path, point: Point) -> str | None:
    """What the file holds after the kill; then that a next start finds all in order."""
    inject = f"inject={point.call}:signal=SIGKILL:when={point.time}"
    status, _ = traced(work, home, "-e", f"trace={point.call}", "-e", inject)
    assert status == -signal.SIGKILL, point
    content = work.content(home)
    work.do_here(home)
    assert [path.name for path in home.iterdir()] == [work.file], point
    return content


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("work", WORKS.values(), ids=WORKS)
def test_a_kill_before_any_system_call_leaves_old_or_new_and_a_next_start_tidies_up(
    work: Work, tmp_path: Path
) -> None:
    _, trace = traced(work, tmp_path / "whole")
    new = work.content(tmp_path / "whole")
    found = points(trace)
    assert {"pwrite64", "fsync", "renameat2"} <= {point.call for point in found}

    with ThreadPoolExecutor(2) as pool:
        kills = [
            pool.submit(killed, work, tmp_path / str(number), point)
            for number, point in enumerate(found)
        ]
        contents = Counter(kill.result() for kill in kills)

    assert set(contents) == {work.old, new}
    told = f"{len(found)} points: {contents[work.old]} old, {contents[new]} new, 0 torn\n"
    sys.stdout.write(told)
