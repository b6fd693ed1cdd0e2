"""The one way a file is replaced: whole or old, and nobody's edit lost."""

from __future__ import annotations

import errno
import stat

import pytest

from lightkeeper.core.file_failure import FileFailure
from lightkeeper.core.reasons import Reason
from lightkeeper.files import Seen
from lightkeeper.paths import Paths
from tests.fakes.disk import GID, UID, Disk, failing
from tests.filing import (
    HOME,
    PATH,
    a_disk,
    a_writer,
    adding,
    before,
    edit,
    fail,
    litter,
    mode_of,
    never,
    put,
    refused,
    the_file,
)

WRITES = {"create", "write", "truncate", "rename", "rename_new", "exchange", "unlink", "open"}


# Reading and writing.


def test_reads_what_a_file_holds() -> None:
    disk = a_disk(b"theirs ")

    assert a_writer(disk).read(the_file(disk)).data == b"theirs "


def test_reads_none_where_there_is_no_file() -> None:
    disk = a_disk(None)

    assert a_writer(disk).read(the_file(disk)) == Seen(None, None)


def test_a_missing_file_is_made_for_its_owner_alone_6_2() -> None:
    disk = a_disk(None)

    done = a_writer(disk).replace(the_file(disk), adding(b"ours "))

    assert (done.changed, done.before) == (True, None)
    assert a_writer(disk).read(the_file(disk)).data == b"ours "
    assert mode_of(disk) == 0o600


def test_a_new_file_gets_the_mode_that_was_asked_for_6_53() -> None:
    disk = a_disk(None)

    a_writer(disk).replace(the_file(disk), adding(b"ours "), mode=0o640)

    assert mode_of(disk) == 0o640


def test_a_file_that_is_there_keeps_its_mode_and_its_group_6_53() -> None:
    disk = a_disk(mode=0o644)
    disk.add_dir(HOME).names["config.json"].gid = 7

    done = a_writer(disk).replace(the_file(disk), adding(b"ours "), mode=0o600)

    assert disk.content(PATH) == b"theirs ours "
    assert (mode_of(disk), disk.lstat(PATH).gid) == (0o644, 7)
    assert done.before is not None
    assert stat.S_IMODE(done.before.mode) == 0o644


def test_nothing_is_written_when_nothing_changes_6_26() -> None:
    disk = a_disk(b"ours ")
    was = disk.lstat(PATH)

    assert not put(disk)

    assert disk.lstat(PATH) == was
    assert WRITES.isdisjoint(disk.calls)


def test_at_no_instant_is_the_file_empty_or_missing_6_4() -> None:
    disk = a_disk()
    seen = set[bytes | None]()
    disk.changed = lambda _: seen.add(disk.content(PATH))

    put(disk)

    assert seen == {b"theirs ", b"theirs ours "}


def test_the_new_file_is_nobody_elses_before_it_has_content_6_52() -> None:
    disk = a_disk(mode=0o644)
    modes: list[int] = []
    before(disk, "write", lambda: modes.extend(mode_of(disk, f"{HOME}/{n}") for n in litter(disk)))

    put(disk)

    assert modes == [0o600]


def test_the_file_is_on_the_disk_before_its_name_and_the_name_before_it_is_told_6_50() -> None:
    disk = a_disk()

    put(disk)

    calls = [call for call in disk.calls if call in {"write", "fsync", "exchange"}]
    assert calls == ["write", "fsync", "exchange", "fsync"]


def test_what_a_former_process_may_not_have_synced_is_synced_before_it_is_told() -> None:
    """It can have died between the swap and the fsync of the directory."""
    disk = a_disk(b"ours ")

    assert not put(disk)

    assert disk.calls.count("fsync") == 1


def test_each_write_of_a_process_is_synced_in_full() -> None:
    disk = a_disk()
    writer = a_writer(disk)
    writer.replace(the_file(disk), adding(b"ours "))
    disk.calls.clear()

    writer.replace(the_file(disk), adding(b"later "))

    assert disk.calls.count("fsync") == 2
    assert disk.pending == []


@pytest.mark.parametrize("kind", [stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFDIR])
def test_what_is_no_regular_file_is_refused_6_46(kind: int) -> None:
    disk = a_disk()
    disk.add_dir(HOME).names["config.json"].mode = kind | 0o600

    with pytest.raises(FileFailure, match=f"^{PATH} is not a regular file$") as failure:
        put(disk)

    assert failure.value.reason is Reason.UNSAFE_PATH
    assert WRITES.isdisjoint(disk.calls)


def test_a_link_that_came_meanwhile_is_not_followed() -> None:
    disk = a_disk()
    file = the_file(disk)
    disk.add_link(PATH, "/etc/passwd")

    with pytest.raises(FileFailure) as failure:
        a_writer(disk).replace(file, adding(b"ours "))

    assert failure.value.reason is Reason.UNSAFE_PATH


# Whose file it is.


def test_a_file_of_another_owner_is_left_alone_6_55() -> None:
    disk = a_disk()
    disk.add_file(PATH, b"theirs ", uid=UID + 1)

    with pytest.raises(FileFailure, match=f"^{PATH} belongs to uid {UID + 1}$") as failure:
        put(disk)

    assert failure.value.reason is Reason.OTHER_OWNER
    assert WRITES.isdisjoint(disk.calls)


def test_a_group_that_reads_the_file_is_not_shut_out_6_55() -> None:
    disk = a_disk(mode=0o640)
    disk.add_dir(HOME).names["config.json"].gid = GID + 1
    fail(disk, "chgrp", errno.EPERM)

    assert refused(disk) is Reason.OTHER_OWNER
    assert disk.content(PATH) == b"theirs "
    assert litter(disk) == []


def test_a_group_that_may_not_read_the_file_is_not_missed() -> None:
    disk = a_disk(mode=0o600)
    disk.add_dir(HOME).names["config.json"].gid = GID + 1
    fail(disk, "chgrp", errno.EPERM)

    assert put(disk)
    assert disk.lstat(PATH).gid == GID


# An edit that comes at the same moment.


@pytest.mark.parametrize("call", ["create", "write", "fsync", "rename", "stat", "exchange"])
def test_an_edit_at_any_point_before_the_swap_is_kept_6_61(call: str) -> None:
    disk = a_disk()
    before(disk, call, lambda: edit(disk, b"more "))

    assert put(disk)

    assert disk.content(PATH) == b"theirs more ours "
    assert litter(disk) == []


@pytest.mark.parametrize(("call", "time"), [("stat", 4), ("exchange", 2)])
def test_a_second_edit_between_swap_and_undo_is_the_one_that_stays(call: str, time: int) -> None:
    """Its writer read our file, with the first edit not in it: the later one counts."""
    disk = a_disk()
    calls = list[str]()

    def hook(name: str) -> None:
        calls.append(name)
        if calls.count("exchange") == 1 == (name == "exchange"):
            edit(disk, b"first ")
        if name == call and calls.count(call) == time:
            edit(disk, b"second ")

    disk.before = hook
    put(disk)

    assert disk.content(PATH) == b"theirs ours second "
    assert litter(disk) == []


def test_an_edit_that_came_out_goes_back_even_if_the_name_is_gone_by_then() -> None:
    disk = a_disk()
    acts = [lambda: edit(disk, b"more "), lambda: _remove(disk)]

    def hook(name: str) -> None:
        if name == "exchange" and acts:
            acts.pop(0)()

    disk.before = hook
    assert put(disk)

    assert disk.content(PATH) == b"theirs more ours "
    assert litter(disk) == []


def test_a_file_that_somebody_else_made_first_is_kept() -> None:
    disk = a_disk(None)
    before(disk, "rename_new", lambda: edit(disk, b"more "))

    assert put(disk)
    assert disk.content(PATH) == b"more ours "
    assert litter(disk) == []


@pytest.mark.parametrize("call", ["stat", "exchange"])
def test_a_file_that_somebody_removed_is_made_anew(call: str) -> None:
    disk = a_disk()
    before(disk, call, lambda: _remove(disk))

    assert put(disk)
    assert disk.content(PATH) == b"ours "
    assert litter(disk) == []


def test_an_edit_in_place_before_the_swap_is_seen_by_its_time_or_size() -> None:
    disk = a_disk(b"theirs ")
    before(disk, "exchange", lambda: _write_over(disk, b"THEIRS "))

    assert put(disk)
    assert disk.content(PATH) == b"THEIRS ours "


def test_an_edit_that_only_its_content_tells_from_the_old_file_is_kept() -> None:
    """File systems give a number again at once, and clocks tick slower than clients write."""
    disk = a_disk(b"theirs ")
    was = disk.add_dir(HOME).names["config.json"].mtime_ns
    before(disk, "exchange", lambda: _write_over(disk, b"THEIRS ", mtime_ns=was))

    assert put(disk)
    assert disk.content(PATH) == b"THEIRS ours "


def test_an_edit_in_place_by_a_writer_that_opened_the_file_before_the_swap_is_lost() -> None:
    """No look can tell that somebody still has the old file open: why clients rename instead."""
    disk = a_disk(b"theirs ")
    theirs = disk.open(disk.open_dir(HOME), "config.json")

    put(disk)
    disk.write(theirs, b"THEIRS ")

    assert disk.content(PATH) == b"theirs ours "


def test_against_a_writer_that_is_always_faster_it_gives_up_for_now() -> None:
    disk = a_disk()

    def hook(name: str) -> None:
        if name == "create":
            disk.pending.clear()  # or each edit would look through them all
            edit(disk, b"+")

    disk.before = hook

    assert refused(disk) is Reason.CONTENDED
    assert disk.content(PATH) == b"theirs " + 3000 * b"+"
    assert litter(disk) == []


def test_a_sweep_of_another_process_that_takes_our_new_file_only_delays_it() -> None:
    disk = a_disk()
    before(disk, "rename", lambda: _remove(disk, f"{HOME}/{litter(disk)[0]}"))

    assert put(disk)
    assert disk.content(PATH) == b"theirs ours "


# Where two names cannot be swapped.


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP])
@pytest.mark.parametrize("data", [None, b"theirs "])
def test_where_there_is_no_swap_it_is_a_rename_after_a_second_look(
    number: int, data: bytes | None
) -> None:
    disk = a_disk(data)
    never(disk, "exchange", "rename_new", number=number)

    assert put(disk)
    assert disk.content(PATH) == (data or b"") + b"ours "
    assert litter(disk) == []


@pytest.mark.parametrize("data", [None, b"theirs "])
def test_where_there_is_no_swap_an_edit_before_the_second_look_is_kept(data: bytes | None) -> None:
    disk = a_disk(data)
    edits = [b"more "]

    def hook(name: str) -> None:
        if name in {"exchange", "rename_new"}:
            if edits:
                edit(disk, edits.pop())
            raise failing(errno.EINVAL)

    disk.before = hook

    assert put(disk)
    assert disk.content(PATH) == (data or b"") + b"more ours "
    assert litter(disk) == []


# What only looks.


@pytest.mark.parametrize("in_place", [False, True])
def test_a_probe_fails_as_a_write_would_and_writes_nothing(*, in_place: bool) -> None:
    disk = a_disk()
    writer, file = a_writer(disk), the_file(disk)

    assert writer.probe(file, in_place=in_place).data == b"theirs "
    fail(disk, "check_writable", errno.EROFS)
    with pytest.raises(FileFailure, match=f"^{PATH}: ") as failure:
        writer.probe(file, in_place=in_place)

    assert failure.value.reason is Reason.READ_ONLY
    assert WRITES.isdisjoint(disk.calls)
    assert disk.open_files() == 0


def test_a_file_of_another_owner_can_only_be_written_in_place() -> None:
    disk = a_disk()
    disk.add_file(PATH, b"theirs ", uid=UID + 1)
    writer, file = a_writer(disk), the_file(disk)

    assert writer.probe(file, in_place=True).data == b"theirs "
    with pytest.raises(FileFailure, match="belongs to uid"):
        writer.probe(file, in_place=False)


# When a call fails.


def test_a_swap_that_is_refused_leaves_nothing_behind_6_48() -> None:
    disk = a_disk()
    fail(disk, "exchange", errno.EBUSY)

    assert refused(disk) is Reason.SINGLE_FILE_MOUNT
    assert disk.content(PATH) == b"theirs "
    assert litter(disk) == []


def test_a_new_file_that_cannot_be_removed_is_removed_by_the_next_delivery() -> None:
    disk = a_disk()
    never(disk, "exchange", "unlink", number=errno.EIO)
    writer = a_writer(disk)
    with pytest.raises(FileFailure):
        writer.replace(the_file(disk), adding(b"ours "))
    assert len(litter(disk)) == 1
    never(disk)

    writer.replace(the_file(disk), adding(b"ours "))

    assert disk.content(PATH) == b"theirs ours "
    assert litter(disk) == []


def test_what_came_out_of_the_swap_is_dealt_with_later_if_it_cannot_be_looked_at() -> None:
    disk = a_disk()
    fail(disk, "stat", errno.EIO, time=3)
    writer = a_writer(disk)
    with pytest.raises(FileFailure) as failure:
        writer.replace(the_file(disk), adding(b"ours "))
    assert failure.value.reason is Reason.IO_ERROR
    assert len(litter(disk)) == 1

    done = writer.replace(the_file(disk), adding(b"ours "))

    assert not done.changed
    assert disk.content(PATH) == b"theirs ours "
    assert litter(disk) == []
    assert disk.pending == []


def test_a_name_that_could_not_be_synced_is_synced_by_the_next_delivery() -> None:
    disk = a_disk()
    fail(disk, "fsync", errno.EIO, time=2)
    writer = a_writer(disk)
    with pytest.raises(FileFailure):
        writer.replace(the_file(disk), adding(b"ours "))
    assert disk.content(PATH) == b"theirs ours "
    assert disk.pending

    assert not writer.replace(the_file(disk), adding(b"ours ")).changed
    assert disk.pending == []


def test_a_directory_that_cannot_be_synced_at_all_is_no_failure() -> None:
    """Some network and FUSE file systems answer EINVAL to an fsync of a directory."""
    disk = a_disk(b"ours ")
    never(disk, "fsync")

    assert not put(disk)


def test_a_directory_that_cannot_be_closed_is_no_failure() -> None:
    disk = a_disk(b"ours ")
    fail(disk, "close", errno.EIO)

    assert not put(disk)


def _remove(disk: Disk, path: str = PATH) -> None:
    directory, _, name = path.rpartition("/")
    disk.add_dir(directory).names.pop(name, None)


def _write_over(disk: Disk, data: bytes, *, mtime_ns: int = 1000) -> None:
    inode = disk.add_dir(HOME).names["config.json"]
    inode.data = data
    inode.mtime_ns = mtime_ns


def test_what_is_kept_is_believed_only_if_it_is_our_own() -> None:
    disk = a_disk()
    writer, file = a_writer(disk), the_file(disk)
    assert writer.read_own(file).data == b"theirs "
    disk.add_file(PATH, b"planted ", uid=UID + 1)

    with pytest.raises(FileFailure, match="belongs to uid") as failure:
        writer.read_own(file)

    assert failure.value.reason is Reason.OTHER_OWNER
    assert a_writer(a_disk(None)).read_own(the_file(a_disk(None))).data is None


def test_what_could_never_be_read_again_is_not_written() -> None:
    disk = a_disk()

    with pytest.raises(FileFailure, match="over 4 MiB") as failure:
        a_writer(disk).replace(the_file(disk), lambda _: bytes((4 << 20) + 1))

    assert failure.value.reason is Reason.TOO_LARGE
    assert disk.content(PATH) == b"theirs "


def test_a_file_that_is_not_there_yet_is_probed_where_it_would_be() -> None:
    disk = a_disk(None)
    writer = a_writer(disk)
    assert writer.probe(the_file(disk), in_place=False) == Seen(None, None)

    for probe in (lambda: writer.probe(the_file(disk), in_place=True), lambda: deepest(disk)):
        fail(disk, "check_writable", errno.EACCES)
        with pytest.raises(FileFailure) as failure:
            probe()
        assert failure.value.reason is Reason.PERMISSION_DENIED


def deepest(disk: Disk) -> None:
    """Probe the deepest directory on the way to a file in ones that are missing."""
    path = Paths(disk, uid=UID).deepest(f"{HOME}/missing/config.json")
    assert path == HOME
    a_writer(disk).probe_dir(path)
