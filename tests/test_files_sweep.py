"""What a crash left beside a file: ours is removed, somebody's edit is kept."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from lightkeeper.ports import Stat
from tests.fakes.disk import UID, Disk
from tests.filing import (
    HOME,
    PREFIX,
    a_disk,
    a_writer,
    adding,
    before,
    fail,
    litter,
    mode_of,
    the_file,
)

WRITES = frozenset({"unlink", "chmod", "create", "write", "rename", "exchange", "fsync", "open"})


def plant(disk: Disk, label: str, data: bytes = b"secret", uid: int = UID) -> Stat:
    """Something under a name of ours."""
    disk.add_file(f"{HOME}/{PREFIX}{label}", data, mode=0o644, uid=uid)
    return disk.lstat(f"{HOME}/{PREFIX}{label}")


def move(disk: Disk, label: str, named: Callable[[Stat], str]) -> str:
    """Give what was planted the name that a crash would have left it under."""
    found = plant(disk, label)
    names = disk.add_dir(HOME).names
    name = PREFIX + named(found)
    names[name] = names.pop(PREFIX + label)
    return name


@pytest.mark.parametrize(
    "named",
    [
        lambda found: "new-0123456789abcdef",
        lambda found: f"0-0-{found.ino:x}",
        lambda found: f"ffff-1-{found.ino:x}",
        lambda found: f"{found.ino:x}-{found.mtime_ns:x}-ffff",
    ],
    ids=["unready", "for no file", "not swapped in or swapped back", "the old file"],
)
def test_what_is_ours_is_swept_away_6_51(named: Callable[[Stat], str]) -> None:
    disk = a_disk()
    move(disk, "x", named)
    writer = a_writer(disk)

    assert writer.sweep(the_file(disk))

    assert litter(disk) == []
    assert not writer.has_kept_edits(the_file(disk))


@pytest.mark.parametrize("label", ["ffff-1-eeee", "ffff", "x"])
def test_an_edit_that_a_crash_caught_is_kept_for_its_owner_alone(label: str) -> None:
    disk = a_disk()
    plant(disk, label)
    writer = a_writer(disk)

    assert writer.sweep(the_file(disk))

    assert disk.content(f"{HOME}/{PREFIX}{label}") == b"secret"
    assert mode_of(disk, f"{HOME}/{PREFIX}{label}") == 0o600
    assert writer.has_kept_edits(the_file(disk))


def test_an_edit_with_the_number_of_the_old_file_but_a_later_time_is_kept() -> None:
    disk = a_disk()
    name = move(disk, "x", lambda found: f"{found.ino:x}-{found.mtime_ns - 1:x}-ffff")

    assert a_writer(disk).sweep(the_file(disk))

    assert litter(disk) == [name]


def test_what_belongs_to_another_user_is_left_as_it_is_and_an_edit_is_told() -> None:
    disk = a_disk()
    plant(disk, "new-1", uid=UID + 1)
    plant(disk, "ffff-1-eeee", uid=UID + 1)
    writer = a_writer(disk)

    assert writer.sweep(the_file(disk))

    assert [mode_of(disk, f"{HOME}/{name}") for name in litter(disk)] == [0o644, 0o644]
    assert writer.has_kept_edits(the_file(disk))


def test_an_edit_that_is_a_link_is_kept_and_its_target_is_not_touched() -> None:
    disk = a_disk()
    disk.add_dir("/etc")
    disk.add_file("/etc/shadow", b"root", mode=0o644)
    disk.add_link(f"{HOME}/{PREFIX}ffff-1-eeee", "/etc/shadow")
    writer = a_writer(disk)

    assert writer.sweep(the_file(disk))

    assert writer.has_kept_edits(the_file(disk))
    assert mode_of(disk, "/etc/shadow") == 0o644


@pytest.mark.parametrize(
    "name",
    ["config.json123", ".tmp-config.json123", ".config.json", ".auth.json.lightkeeper.new-1"],
)
def test_what_others_left_is_not_ours_to_remove_6_51(name: str) -> None:
    disk = a_disk()
    disk.add_file(f"{HOME}/{name}", b"secret")

    assert a_writer(disk).sweep(the_file(disk))

    assert name in disk.names_in(HOME)


@pytest.mark.parametrize("call", ["names", "stat", "unlink", "chmod", "open"])
def test_a_sweep_that_fails_hinders_no_delivery_and_is_made_again(call: str) -> None:
    disk = a_disk(b"ours ")
    plant(disk, "new-1")
    plant(disk, "ffff-1-eeee")
    writer = a_writer(disk)
    fail(disk, call, errno.EIO)
    assert not writer.replace(the_file(disk), adding(b"ours ")).changed
    fail(disk, call, errno.EIO)
    assert not writer.sweep(the_file(disk)) or litter(disk) == [f"{PREFIX}ffff-1-eeee"]

    writer.replace(the_file(disk), adding(b"ours "))

    assert litter(disk) == [f"{PREFIX}ffff-1-eeee"]
    assert mode_of(disk, f"{HOME}/{PREFIX}ffff-1-eeee") == 0o600


def test_whoever_only_looks_changes_nothing_and_sees_an_edit_that_was_kept() -> None:
    disk = a_disk(b"ours ")
    plant(disk, "new-1")
    plant(disk, "ffff-1-eeee")
    writer = a_writer(disk)
    disk.calls.clear()

    assert writer.read(the_file(disk)).data == b"ours "
    assert writer.has_kept_edits(the_file(disk))

    assert WRITES.isdisjoint(disk.calls)
    assert len(litter(disk)) == 2


@pytest.mark.parametrize("call", ["names", "stat"])
def test_where_a_directory_cannot_be_listed_no_edit_is_told(call: str) -> None:
    disk = a_disk(b"ours ")
    plant(disk, "ffff-1-eeee")
    file = the_file(disk)
    fail(disk, call, errno.EACCES)

    assert not a_writer(disk).has_kept_edits(file)


def test_what_its_writer_takes_away_meanwhile_is_no_edit() -> None:
    disk = a_disk(b"ours ")
    plant(disk, "ffff-1-eeee")
    before(disk, "stat", disk.add_dir(HOME).names.clear)

    assert not a_writer(disk).has_kept_edits(the_file(disk))


def test_a_file_that_is_removed_is_gone_with_its_litter_and_for_good() -> None:
    disk = a_disk(b"ours ")
    plant(disk, "new-1")
    writer = a_writer(disk)

    for _ in range(2):
        writer.remove(the_file(disk))

        assert disk.names_in(HOME) == []
        assert disk.pending == []
