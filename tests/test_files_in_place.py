"""A file that is written over because it cannot be swapped: not atomic, but careful."""

from __future__ import annotations

import errno

import pytest

from lightkeeper.core.reasons import Reason
from tests.filing import (
    HOME,
    PATH,
    a_disk,
    a_writer,
    before,
    edit,
    fail,
    never,
    put,
    refused,
    the_file,
)


def test_in_place_keeps_the_file_itself_6_48() -> None:
    disk = a_disk(b"theirs, a long text ")
    was = disk.lstat(PATH).ino

    file = the_file(disk)
    done = a_writer(disk).replace(
        file, lambda data: None if data == b"ours" else b"ours", in_place=True
    )

    assert done.changed
    assert a_writer(disk).read(file).data == b"ours"
    assert disk.lstat(PATH).ino == was
    assert "create" not in disk.calls


def test_in_place_writes_first_and_cuts_off_then_6_48() -> None:
    disk = a_disk()
    seen = set[bytes | None]()
    disk.changed = lambda _: seen.add(disk.content(PATH))

    put(disk, in_place=True)

    assert b"" not in seen
    assert disk.calls.index("write") < disk.calls.index("truncate")


def test_in_place_makes_a_missing_file_by_rename() -> None:
    disk = a_disk(None)

    assert put(disk, in_place=True)
    assert disk.content(PATH) == b"ours "


def test_in_place_an_edit_before_the_writing_is_kept() -> None:
    disk = a_disk()
    before(disk, "open", lambda: edit(disk, b"more "))

    assert put(disk, in_place=True)
    assert disk.content(PATH) == b"theirs more ours "


@pytest.mark.parametrize("call", ["write", "truncate", "fsync"])
def test_in_place_what_was_there_is_put_back_when_it_fails(call: str) -> None:
    disk = a_disk()
    fail(disk, call, errno.ENOSPC)

    assert refused(disk, in_place=True) is Reason.NO_SPACE
    assert disk.content(PATH) == b"theirs "


def test_in_place_the_failure_is_told_even_if_nothing_can_be_put_back() -> None:
    disk = a_disk()
    never(disk, "write", number=errno.EIO)

    assert refused(disk, in_place=True) is Reason.IO_ERROR


def test_in_place_a_file_that_nobody_else_sees_any_more_is_not_written_6_49() -> None:
    disk = a_disk()
    disk.add_dir(HOME).names["config.json"].nlink = 0

    assert refused(disk, in_place=True) is Reason.SINGLE_FILE_MOUNT
    assert disk.content(PATH) == b"theirs "
