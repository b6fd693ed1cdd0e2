"""Others who write at the same time: who is waited for, and what is told of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lightkeeper.files import Replaced
from tests.fakes.disk import Disk
from tests.filing import HOME, PATH, a_disk, a_writer, adding, before, edit, litter, put, the_file

READY = ["config.json1234567890", ".tmp-config.json42"]


def replaced(disk: Disk, *, in_place: bool = False) -> Replaced:
    return a_writer(disk).replace(the_file(disk), adding(b"ours "), in_place=in_place)


# Who has a new file ready is let rename it.


@pytest.mark.parametrize("ready", READY)
def test_whoever_is_about_to_rename_is_waited_for_and_nothing_is_swapped_for_an_undo(
    ready: str,
) -> None:
    disk = a_disk()
    looks = list[int]()

    def hook(name: str) -> None:
        if name == "fsync" and not looks:
            looks.append(disk.calls.count("names"))
            disk.add_file(f"{HOME}/{ready}", b"theirs more ")
        if name == "names" and looks and disk.calls.count("names") == looks[0] + 3:
            disk.add_dir(HOME).names["config.json"] = disk.add_dir(HOME).names.pop(ready)

    disk.before = hook

    assert put(disk)
    assert disk.content(PATH) == b"theirs more ours "
    assert disk.calls.count("exchange") == 1


@pytest.mark.parametrize("ready", READY)
def test_what_a_crash_of_theirs_left_ready_is_not_waited_for_for_long(ready: str) -> None:
    disk = a_disk()
    disk.add_file(f"{HOME}/{ready}", b"theirs more ")

    assert put(disk)
    assert disk.content(PATH) == b"theirs ours "
    assert 10 < disk.calls.count("names") < 100


@pytest.mark.parametrize(
    "name", ["config.json.bak", "xconfig.json1", "config_json1", "config.json1~"]
)
def test_other_files_of_the_directory_are_not_waited_for(name: str) -> None:
    disk = a_disk()
    disk.add_file(f"{HOME}/{name}", b"")

    assert put(disk)
    assert disk.calls.count("names") == len(("sweep", "swap"))


# Whether it was our doing alone.


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("data", [None, b"theirs "])
def test_what_nobody_else_touched_was_changed_alone(data: bytes | None, *, in_place: bool) -> None:
    disk = a_disk(data)
    was = None if data is None else disk.lstat(PATH)

    done = replaced(disk, in_place=in_place)

    assert (done.before, done.after, done.alone) == (was, disk.lstat(PATH), True)


def test_what_was_right_already_was_changed_by_nobody() -> None:
    disk = a_disk(b"ours ")

    done = replaced(disk)

    assert (done.before, done.after, done.alone) == (disk.lstat(PATH), disk.lstat(PATH), True)


@pytest.mark.parametrize(
    ("call", "time"), [("create", 1), ("exchange", 1), ("unlink", 1), ("read", 3)]
)
def test_an_edit_at_any_point_is_not_taken_for_ours(call: str, time: int) -> None:
    disk = a_disk()
    before(disk, call, lambda: edit(disk, b"more "), time=time)

    assert not replaced(disk).alone
    assert b"more" in (disk.content(PATH) or b"")
    assert litter(disk) == []


@pytest.mark.parametrize(
    "act",
    [
        lambda disk: edit(disk, b"more "),
        lambda disk: disk.write(disk.open(disk.open_dir(HOME), "config.json"), b"THEIRS "),
    ],
    ids=["renamed", "written over"],
)
def test_in_place_an_edit_right_after_ours_is_not_taken_for_ours(
    act: Callable[[Disk], None],
) -> None:
    disk = a_disk()
    before(disk, "read", lambda: act(disk), time=2)

    assert not replaced(disk, in_place=True).alone
