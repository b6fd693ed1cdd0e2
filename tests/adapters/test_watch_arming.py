"""What is armed, when it is armed anew, and what is let go of."""

# ruff: noqa: ASYNC240 - nobody but the test waits for its loop

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from lightkeeper.adapters.watch import InotifyWatch
from lightkeeper.ports import Failed
from tests.adapters.test_watch import QUEUE, Inline, Listener, look_at, rename_over, turns

T = TypeVar("T")


class Noting(Inline):
    """Workers that note their names; those of `hung` never return."""

    def __init__(self) -> None:
        self.names = list[str]()
        self.hung = frozenset[str]()
        self.held = list[Callable[[], object]]()
        """What hangs, for the test to do in its own time."""

    async def run(self, name: str, work: Callable[[], T], deadline: timedelta) -> T | Failed:
        self.names.append(name)
        if name in self.hung:
            self.held.append(work)
            await asyncio.Event().wait()
        return await super().run(name, work, deadline)


@asynccontextmanager
async def watching(
    *paths: Path, pause: timedelta = timedelta(0)
) -> AsyncIterator[tuple[InotifyWatch, Listener, Noting]]:
    workers = Noting()
    listener = Listener(workers=workers, pause=pause)
    watch = listener.watch()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(watch.run(), name="watch")
        await turns()
        await look_at(watch, *paths)
        try:
            yield watch, listener, workers
        finally:
            task.cancel()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return a_file(tmp_path, "docker")


def a_file(parent: Path, folder: str) -> Path:
    """A file in a directory of its own."""
    path = parent / folder / "config.json"
    path.parent.mkdir()
    path.write_text("{}")
    return path


def watched() -> int:
    """How many watches the kernel has for this process."""
    infos = list(Path("/proc/self/fdinfo").iterdir())
    return sum(info.read_text().count("inotify wd:") for info in infos if info.exists())


async def test_what_is_watched_costs_nothing_at_the_next_heartbeats(file: Path) -> None:
    async with watching(file) as (watch, _, workers):
        for _ in range(3):
            await look_at(watch, file)

        assert workers.names == [f"watch:{file}"]


async def test_paths_that_hang_hold_up_no_other_and_get_one_worker_each(
    tmp_path: Path, file: Path
) -> None:
    async with watching() as (watch, listener, workers):
        hung = [tmp_path / f"a{number}" for number in range(20)]
        workers.hung = frozenset(f"watch:{path}" for path in hung)

        for _ in range(2):
            await look_at(watch, *hung, file)
        rename_over(file)
        await listener.until_touched(file)

        assert sorted(workers.names[:21]) == sorted(f"watch:{path}" for path in (*hung, file))
        assert workers.names[21:] == [f"heard:{file}"]


async def test_what_could_not_be_watched_is_tried_again_at_each_heartbeat(file: Path) -> None:
    async with watching(file) as (watch, listener, workers):
        workers.late = "other"
        other = file.with_name("other.json")

        await look_at(watch, other)
        await look_at(watch, other)
        workers.late = ""
        await look_at(watch, other)

        assert workers.names.count(f"watch:{other}") == 3
        assert listener.blind == [f"{other}: no answer in 5 s"] * 2
        rename_over(other)
        await listener.until_touched(other)


async def test_a_path_that_leads_elsewhere_is_watched_there(tmp_path: Path, file: Path) -> None:
    """A link further up was turned, of which no event tells; whoever reads the place finds it."""
    link, other = tmp_path / "link", a_file(tmp_path, "other")
    link.symlink_to(file.parent)
    path = link / "config.json"
    async with watching(path) as (watch, listener, _):
        link.unlink()
        link.symlink_to(other.parent)
        listener.ends[str(path)] = "elsewhere"

        await look_at(watch, path)
        rename_over(other)
        await listener.until_touched(path)
        await look_at(watch, path)

        assert watched() == 1


async def test_directories_of_paths_that_are_served_no_more_are_let_go_of(
    tmp_path: Path, file: Path
) -> None:
    others = [a_file(tmp_path, f"other{number}") for number in range(5)]
    async with watching(file, *others) as (watch, listener, _):
        assert watched() == 6

        await look_at(watch, file)

        assert watched() == 1
        rename_over(file)
        await listener.until_touched(file)
        await look_at(watch, *others)
        assert watched() == 5
        rename_over(others[0])
        await listener.until_touched(others[0])


async def test_a_directory_that_two_paths_share_stays_watched_for_the_other(file: Path) -> None:
    other = file.with_name("auth.json")
    async with watching(file, other) as (watch, listener, _):
        await look_at(watch, other)

        rename_over(other)
        await listener.until_touched(other)
        assert watched() == 1


async def test_directories_on_the_way_are_let_go_of_once_the_whole_way_is_there(
    tmp_path: Path,
) -> None:
    path = tmp_path / "later" / "and" / "deeper" / "config.json"
    async with watching(path) as (watch, listener, _):
        path.parent.mkdir(parents=True)
        await listener.until_touched(path)
        await turns()

        await look_at(watch, path)

        assert watched() == 1


@pytest.mark.parametrize("how", ["moved", "deleted"])
async def test_what_was_lost_is_armed_anew_where_nobody_could_ask_about_it(
    tmp_path: Path, file: Path, how: str
) -> None:
    async with watching(file) as (watch, listener, workers):
        workers.late = "heard"
        if how == "moved":
            file.parent.rename(tmp_path / "old")
        else:
            file.unlink()
            file.parent.rmdir()
        await listener.until_touched(file)
        a_file(tmp_path, "docker")
        await turns()

        await look_at(watch, file)
        listener.forget()
        workers.late = ""
        rename_over(file)
        await listener.until_touched(file)


async def test_what_was_lost_is_armed_anew_though_the_last_question_was_a_moment_ago(
    file: Path,
) -> None:
    async with watching(file, pause=timedelta(hours=1)) as (watch, listener, workers):
        workers.late = "heard"
        file.unlink()
        file.parent.rmdir()
        await listener.until_touched(file)
        await turns()

        await look_at(watch, file)

        assert workers.names.count(f"watch:{file}") == 2


async def test_logins_called_as_the_watch_calls_its_work_share_no_worker_with_it(
    file: Path,
) -> None:
    """What is delivered has a worker by its login and place."""
    async with watching(file) as (_, listener, workers):
        rename_over(file)
        await listener.until_touched(file)

    assert len(workers.names) >= 2
    assert {f"watch {file}", f"heard {file}"}.isdisjoint(workers.names)


async def test_after_a_queue_that_overflowed_all_is_armed_anew(file: Path) -> None:
    """That a directory was replaced may have been among what was lost."""
    if int(QUEUE.read_text()) > 100_000:
        pytest.skip("the queue of this machine is too long to fill in a test")

    async with watching(file) as (watch, listener, workers):
        for number in range(int(QUEUE.read_text()) // 2 + 1):
            noise = file.with_name(f"noise{number % 2}")
            noise.touch()
            noise.unlink()
        await listener.until_touched(file)
        await look_at(watch, file)

        assert workers.names.count(f"watch:{file}") == 2


async def test_what_is_still_being_armed_at_the_end_fails_of_nothing(file: Path) -> None:
    async with watching() as (watch, listener, workers):
        workers.hung = frozenset({f"watch:{file}"})
        await look_at(watch, file)

    assert [work() for work in workers.held] == [""]
    assert listener.blind == []
