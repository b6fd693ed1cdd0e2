"""Real inotify on real directories: what is noticed, and what is said when nothing can be."""

# ruff: noqa: ASYNC240 - nobody but the test waits for its loop

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import pytest

from lightkeeper.adapters.watch import InotifyWatch
from lightkeeper.core.reasons import Reason
from lightkeeper.ports import Failed

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")


class Inline:
    """Workers that do the work where they stand; what is `late` times out."""

    late = ""

    async def run(self, name: str, work: Callable[[], T], deadline: timedelta) -> T | Failed:
        if self.late and self.late in name:
            return Failed(reason=Reason.TIMEOUT, detail="no answer in 5 s")
        return work()


class Slow(Inline):
    """Workers that say when they begin with some work, and wait until they may."""

    def __init__(self) -> None:
        self.before = dict[str, tuple[asyncio.Event, asyncio.Event]]()

    async def run(self, name: str, work: Callable[[], T], deadline: timedelta) -> T | Failed:
        outcome = await super().run(name, work, deadline)
        if name in self.before:
            started, go_on = self.before[name]
            started.set()
            await go_on.wait()
        return outcome


@dataclass
class Listener:
    """What the watch told, and a wait for it."""

    touched: list[str] = field(default_factory=list)
    blind: list[str] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    workers: Inline = field(default_factory=Inline)
    is_news: Callable[[str], bool] = lambda _: True
    ends: dict[str, object] = field(default_factory=dict)
    pause: timedelta = timedelta(0)

    def watch(self) -> InotifyWatch:
        return InotifyWatch(
            self.workers,
            is_news=self.is_news,
            end_of=self.ends.get,
            touched=self._touched,
            blind=self._blind,
            pause=self.pause,
        )

    def _touched(self, path: str) -> None:
        self.touched.append(path)
        self._changed.set()

    def _blind(self, detail: str) -> None:
        self.blind.append(detail)
        self._changed.set()

    async def until_touched(self, *paths: Path) -> None:
        async with asyncio.timeout(10):
            while not {str(path) for path in paths} <= set(self.touched):
                self._changed.clear()
                await self._changed.wait()

    async def nothing_but(self, *paths: Path, proof: Path) -> None:
        """These were touched and no others, up to and including a proof that it listens."""
        proof.write_text("proof")
        await self.until_touched(proof)
        assert set(self.touched) - {str(proof)} == {str(path) for path in paths}

    def forget(self) -> None:
        self.touched.clear()


async def look_at(watch: InotifyWatch, *paths: Path) -> None:
    """Have these watched, and wait until they are."""
    watch.look_at([str(path) for path in paths])
    await turns()


@asynccontextmanager
async def watching(
    *paths: Path,
    is_news: Callable[[str], bool] = lambda _: True,
    workers: Inline | None = None,
    pause: timedelta = timedelta(0),
) -> AsyncIterator[Listener]:
    listener = Listener(is_news=is_news, workers=workers or Inline(), pause=pause)
    watch = listener.watch()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(watch.run(), name="watch")
        await asyncio.sleep(0)
        await look_at(watch, *paths)
        try:
            yield listener
        finally:
            task.cancel()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "docker"
    folder.mkdir()
    path = folder / "config.json"
    path.write_text("{}")
    return path


@pytest.fixture
def proof(tmp_path: Path) -> Path:
    """A file in a directory of its own, touched last to show that nothing is still to come."""
    folder = tmp_path / "proof"
    folder.mkdir()
    return folder / "proof"


def rename_over(path: Path, text: str = "{}") -> None:
    """What docker login does."""
    new = path.with_name("config.json123")
    new.write_text(text)
    new.rename(path)


CHANGES: dict[str, Callable[[Path], object]] = {
    "renamed over": rename_over,
    "written in place": lambda path: path.write_text("{ }"),
    "deleted": Path.unlink,
    "moved away": lambda path: path.rename(path.with_name("old")),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_a_change_is_told(file: Path, change: Callable[[Path], object]) -> None:
    async with watching(file) as listener:
        change(file)
        await listener.until_touched(file)

    assert listener.blind == []


async def test_a_file_that_comes_later_is_told(file: Path) -> None:
    file.unlink()

    async with watching(file) as listener:
        file.write_text("{}")
        await listener.until_touched(file)


async def test_what_happens_beside_the_file_is_nobodys_news(file: Path, proof: Path) -> None:
    async with watching(file, proof) as listener:
        file.with_name("config.lock").write_text("")
        file.with_name("config.lock").unlink()

        await listener.nothing_but(proof=proof)


async def test_a_reader_is_no_change(file: Path, proof: Path) -> None:
    async with watching(file, proof) as listener:
        file.read_text()
        file.stat()

        await listener.nothing_but(proof=proof)


async def test_what_is_no_news_is_not_told(file: Path, proof: Path) -> None:
    async with watching(file, proof, is_news=lambda path: path == str(proof)) as listener:
        rename_over(file)

        await listener.nothing_but(proof=proof)


async def test_it_asks_about_a_link_only_once_it_watches_where_it_leads_now(
    file: Path, tmp_path: Path
) -> None:
    """What changes there after the answer is heard."""
    link, other = tmp_path / "config.json", tmp_path / "other"
    link.symlink_to(file)
    other.mkdir()
    answers = list[str]()

    def is_news(path: str) -> bool:
        if not answers:
            rename_over(other / "config.json")
        answers.append(path)
        return len(answers) > 1

    async with watching(link, is_news=is_news) as listener:
        new_link = tmp_path / "new"
        new_link.symlink_to(other / "config.json")
        new_link.rename(link)
        await listener.until_touched(link)


async def test_what_is_heard_while_it_asks_is_asked_about_again(file: Path) -> None:
    """The answer may be older than the event."""
    workers, started, go_on = Slow(), asyncio.Event(), asyncio.Event()
    workers.before = {f"heard:{file}": (started, go_on)}
    answers = [False, True]

    async with watching(file, is_news=lambda _: answers.pop(0), workers=workers) as listener:
        rename_over(file)
        await started.wait()
        rename_over(file)
        await turns()
        go_on.set()
        await listener.until_touched(file)


async def test_whoever_writes_without_rest_costs_one_question_for_each_pause(file: Path) -> None:
    """And what was written last is still asked about."""
    pause = timedelta(milliseconds=100)
    asked = list[float]()
    found = list[str]()

    def is_news(path: str) -> bool:
        asked.append(asyncio.get_running_loop().time())
        found.append(Path(path).read_text())
        return found[-1] == "last"

    async with watching(file, is_news=is_news, pause=pause) as listener:
        for number in range(200):
            rename_over(file, str(number))
            await turns()
        rename_over(file, "last")
        await listener.until_touched(file)

    between = [later - before for before, later in pairwise(asked)]
    assert between
    assert min(between) >= pause.total_seconds() * 0.99


async def test_a_path_that_hangs_is_told_and_holds_up_no_other(file: Path, proof: Path) -> None:
    hung = file.with_name("hung")
    workers, started, go_on = Slow(), asyncio.Event(), asyncio.Event()
    workers.before = {f"heard:{hung}": (started, go_on)}
    workers.late = f"heard:{hung}"

    async with watching(hung, proof, workers=workers) as listener:
        hung.touch()
        await started.wait()
        await listener.nothing_but(proof=proof)
        go_on.set()
        await listener.until_touched(hung)


async def test_two_files_of_a_directory_are_told_apart(file: Path) -> None:
    other = file.with_name("auth.json")

    async with watching(file, other) as listener:
        other.write_text("{}")
        await listener.until_touched(other)
        assert str(file) not in listener.touched
        rename_over(file)
        await listener.until_touched(file)


async def test_a_file_behind_a_link_is_watched_where_it_is(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "config.json"
    link.symlink_to(file)

    async with watching(link) as listener:
        rename_over(file)
        await listener.until_touched(link)


async def test_a_link_that_leads_elsewhere_is_told_and_followed(file: Path, tmp_path: Path) -> None:
    link, other = tmp_path / "config.json", tmp_path / "other"
    link.symlink_to(file)
    other.mkdir()

    async with watching(link) as listener:
        new_link = tmp_path / "new"
        new_link.symlink_to(other / "config.json")
        new_link.rename(link)
        await listener.until_touched(link)
        listener.forget()
        (other / "config.json").write_text("{}")
        await listener.until_touched(link)


@pytest.mark.parametrize("how", ["moved", "deleted"])
async def test_a_directory_that_is_replaced_is_watched_again(file: Path, how: str) -> None:
    folder = file.parent

    async with watching(file) as listener:
        if how == "moved":
            new = folder.with_name("new")
            new.mkdir()
            folder.rename(folder.with_name("old"))
            new.rename(folder)
        else:
            file.unlink()
            folder.rmdir()
            folder.mkdir()
        await listener.until_touched(file)
        await turns()
        listener.forget()
        file.write_text("{}")
        await listener.until_touched(file)


async def test_a_directory_that_comes_later_is_found_by_the_next_look(
    file: Path, tmp_path: Path
) -> None:
    """Each heartbeat looks."""
    later = tmp_path / "later" / "config.json"
    listener = Listener()
    watch = listener.watch()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(watch.run(), name="watch")
        await asyncio.sleep(0)
        await look_at(watch, later)
        later.parent.mkdir()
        await look_at(watch, later)
        later.write_text("{}")
        await listener.until_touched(later)
        task.cancel()

    assert listener.blind == []


@pytest.mark.parametrize("way", ["later", "later/and/deeper"])
async def test_a_directory_that_comes_later_is_watched_at_once(tmp_path: Path, way: str) -> None:
    """A delivery makes it, and a job may log out a second after."""
    later = tmp_path / way / "config.json"

    async with watching(later) as listener:
        later.parent.mkdir(parents=True)
        await listener.until_touched(later)
        await turns()
        listener.forget()
        later.write_text("{}")
        await listener.until_touched(later)

    assert listener.blind == []


async def test_a_directory_that_a_link_leads_nowhere_for_is_waited_for(tmp_path: Path) -> None:
    link = tmp_path / "docker"
    link.symlink_to(tmp_path / "missing")
    path = link / "config.json"

    async with watching(path) as listener:
        (tmp_path / "missing").mkdir()
        await listener.until_touched(path)

    assert listener.blind == []


async def test_a_file_that_is_looked_at_no_more_is_nobodys_news(file: Path, proof: Path) -> None:
    listener = Listener()
    watch = listener.watch()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(watch.run(), name="watch")
        await asyncio.sleep(0)
        await look_at(watch, file, proof)
        await look_at(watch, proof)
        rename_over(file)
        await listener.nothing_but(proof=proof)
        task.cancel()


async def test_what_is_to_be_watched_may_be_known_before_it_begins(file: Path) -> None:
    listener = Listener()
    watch = listener.watch()
    await look_at(watch, file)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(watch.run(), name="watch")
        await turns()
        rename_over(file)
        await listener.until_touched(file)
        task.cancel()


async def test_a_queue_that_overflowed_has_every_file_looked_at(file: Path, proof: Path) -> None:
    if int(QUEUE.read_text()) > 100_000:
        pytest.skip("the queue of this machine is too long to fill in a test")

    async with watching(file, proof) as listener:
        for number in range(int(QUEUE.read_text()) // 2 + 1):
            noise = file.with_name(f"noise{number % 2}")
            noise.touch()
            noise.unlink()
        await listener.until_touched(file, proof)


async def test_a_directory_that_may_not_be_watched_is_said(file: Path, tmp_path: Path) -> None:
    """What is no directory stands for every refusal of the kernel: its text is handed on."""
    async with watching(file / "config.json") as listener:
        assert listener.blind == [f"{file}: {os.strerror(errno.ENOTDIR)}"]


async def test_a_directory_that_hangs_is_said_and_the_others_are_watched(
    file: Path, proof: Path
) -> None:
    listener = Listener()
    listener.workers.late = "docker"
    watch = listener.watch()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(watch.run(), name="watch")
        await asyncio.sleep(0)
        await look_at(watch, file, proof)
        await listener.nothing_but(proof=proof)
        task.cancel()

    assert listener.blind == [f"{file}: no answer in 5 s"]


def test_without_descriptors_the_poll_is_left_and_that_is_said() -> None:
    """EMFILE: the daemon goes on without a watch."""
    code = """
import asyncio, os, resource
from tests.adapters.test_watch import Listener
async def main():
    listener = Listener()
    resource.setrlimit(resource.RLIMIT_NOFILE, (os.dup(0), 4096))
    await listener.watch().run()
    print(listener.blind)
asyncio.run(main())
"""
    paths = os.pathsep.join([str(ROOT / "daemon"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    assert done.stdout == f"['{os.strerror(errno.EMFILE)}']\n"


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)
