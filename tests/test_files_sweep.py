"""What a crash left beside a file: ours is removed, somebody's edit is kept."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from lightkeeper.ports import Stat
from tests.fakes.disk import UID, Disk
from tests.filing import HOME, PREFIX, a_disk, a_writer, fail, litter, mode_of, the_file


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
def test_what_is_ours_is_removed_at_first_sight_6_51(named: Callable[[Stat], str]) -> None:
    disk = a_disk()
    move(disk, "x", named)
    writer = a_writer(disk)

    writer.read(the_file(disk))

    assert litter(disk) == []
    assert writer.edits_kept(the_file(disk)) == 0


@pytest.mark.parametrize("label", ["ffff-1-eeee", "ffff", "x"])
def test_an_edit_that_a_crash_caught_is_kept_for_its_owner_alone(label: str) -> None:
    disk = a_disk()
    plant(disk, label)
    writer = a_writer(disk)
    assert writer.edits_kept(the_file(disk)) == 0

    writer.read(the_file(disk))

    assert disk.content(f"{HOME}/{PREFIX}{label}") == b"secret"
    assert mode_of(disk, f"{HOME}/{PREFIX}{label}") == 0o600
    assert writer.edits_kept(the_file(disk)) == 1


def test_an_edit_with_the_number_of_the_old_file_but_a_later_time_is_kept() -> None:
    disk = a_disk()
    name = move(disk, "x", lambda found: f"{found.ino:x}-{found.mtime_ns - 1:x}-ffff")

    a_writer(disk).read(the_file(disk))

    assert litter(disk) == [name]


def test_what_belongs_to_another_user_is_left_as_it_is_and_an_edit_is_told() -> None:
    disk = a_disk()
    plant(disk, "new-1", uid=UID + 1)
    plant(disk, "ffff-1-eeee", uid=UID + 1)
    writer = a_writer(disk)

    writer.read(the_file(disk))

    assert [mode_of(disk, f"{HOME}/{name}") for name in litter(disk)] == [0o644, 0o644]
    assert writer.edits_kept(the_file(disk)) == 1


def test_an_edit_that_is_a_link_is_kept_and_its_target_is_not_touched() -> None:
    disk = a_disk()
    disk.add_dir("/etc")
    disk.add_file("/etc/shadow", b"root", mode=0o644)
    disk.add_link(f"{HOME}/{PREFIX}ffff-1-eeee", "/etc/shadow")
    writer = a_writer(disk)

    writer.read(the_file(disk))

    assert writer.edits_kept(the_file(disk)) == 1
    assert mode_of(disk, "/etc/shadow") == 0o644


@pytest.mark.parametrize(
    "name",
    ["config.json123", ".tmp-config.json123", ".config.json", ".auth.json.lightkeeper.new-1"],
)
def test_what_others_left_is_not_ours_to_remove_6_51(name: str) -> None:
    disk = a_disk()
    disk.add_file(f"{HOME}/{name}", b"secret")

    a_writer(disk).read(the_file(disk))

    assert name in disk.names_in(HOME)


@pytest.mark.parametrize("call", ["names", "unlink", "chmod", "open"])
def test_a_sweep_that_fails_hinders_nothing_and_is_made_again(call: str) -> None:
    disk = a_disk(b"ours ")
    plant(disk, "new-1")
    plant(disk, "ffff-1-eeee")
    writer = a_writer(disk)
    fail(disk, call, errno.EIO)
    assert writer.read(the_file(disk)).data == b"ours "

    writer.read(the_file(disk))

    assert litter(disk) == [f"{PREFIX}ffff-1-eeee"]
    assert writer.edits_kept(the_file(disk)) == 1
