"""What comes between two steps of arming a path: a heartbeat, a directory."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.adapters.test_watch import look_at
from tests.adapters.test_watch_arming import watched, watching

AtMiss = list[Callable[[], object]]


@pytest.fixture
def at_miss() -> Iterator[AtMiss]:
    """What is done each time that a directory is not there to be watched, before the next is tried.

    That is when asyncinotify asks which error it was, and an audit hook hears of the question.
    """
    acts: AtMiss = []

    def hear(event: str, _: object) -> None:
        if event == "ctypes.get_errno":
            for act in tuple(acts):
                act()

    sys.addaudithook(hear)  # there for good; it does nothing more once the list is empty
    yield acts
    acts.clear()


async def test_nothing_is_let_go_of_while_something_is_being_armed(
    tmp_path: Path, at_miss: AtMiss
) -> None:
    """A heartbeat that comes once the one end of a link is watched does not end that."""
    link, there = tmp_path / "here" / "link", tmp_path / "there"
    link.parent.mkdir()
    there.mkdir()
    link.symlink_to(there / "missing")
    path = link / "config.json"
    beats = list[int]()
    async with watching() as (watch, _, _):

        def beat() -> None:
            beats.append(watched())
            watch.look_at([str(path)])

        at_miss.append(beat)
        await look_at(watch, path)

        assert 1 in beats
        assert watched() == 2


async def test_a_heartbeat_between_the_loss_of_a_directory_and_its_return_stops_no_later_one(
    tmp_path: Path,
) -> None:
    path, other = tmp_path / "docker" / "config.json", tmp_path / "other.json"
    path.parent.mkdir()
    async with watching(path) as (watch, listener, workers):
        workers.late = "heard"
        path.parent.rmdir()
        await listener.until_touched(path)
        path.parent.mkdir()

        for _ in range(3):
            await look_at(watch, path)
        await look_at(watch, path, other)

        other.write_text("{}")
        await listener.until_touched(other)


async def test_a_directory_that_comes_before_the_one_above_is_watched_is_watched_itself(
    tmp_path: Path, at_miss: AtMiss
) -> None:
    """It was missing when it was tried, and there when its coming would have been heard."""
    path = tmp_path / "later" / "config.json"
    at_miss.append(lambda: path.parent.mkdir(exist_ok=True))

    async with watching(path) as (_, listener, _):
        path.write_text("{}")
        await listener.until_touched(path)
