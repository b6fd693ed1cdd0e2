"""The system calls on files: the fake disk and this machine answer alike."""

from __future__ import annotations

import errno
import os
import resource
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lightkeeper.adapters.posix import Posix
from lightkeeper.ports import Fs
from tests.fakes.disk import Disk


class Place:
    """A directory of a file system, opened."""

    def __init__(self, fs: Fs, path: str) -> None:
        self.fs = fs
        self.path = path
        self.directory = fs.open_dir(path)

    def put(self, name: str, data: bytes) -> None:
        file = self.fs.create(self.directory, name)
        self.fs.write(file, data)
        self.fs.close(file)

    def get(self, name: str) -> bytes:
        return self.fs.read(self.directory, name, 1000)[0]


def _on_a_fake(tmp_path: Path) -> Place:
    disk = Disk()
    disk.add_dir("/home")
    return Place(disk, "/home")


@pytest.fixture(params=[_on_a_fake, lambda path: Place(Posix(), str(path))], ids=["fake", "real"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    make: Callable[[Path], Place] = request.param
    made = make(tmp_path)
    yield made
    made.fs.close(made.directory)


@contextmanager
def refused(number: int) -> Iterator[None]:
    with pytest.raises(OSError, match=r".") as failure:
        yield
    assert failure.value.errno == number


# What holds for both.


def test_a_new_file_is_its_owners_alone_and_holds_what_was_written(place: Place) -> None:
    place.put("a", b"text")

    data, found = place.fs.read(place.directory, "a", 1000)

    assert data == b"text"
    assert (stat.S_IMODE(found.mode), found.size, found.nlink) == (0o600, 4, 1)
    assert found == place.fs.stat(place.directory, "a") == place.fs.lstat(f"{place.path}/a")
    assert place.fs.names(place.directory) == ["a"]


def test_a_name_that_is_taken_is_not_created_again(place: Place) -> None:
    place.put("a", b"")

    with refused(errno.EEXIST):
        place.fs.create(place.directory, "a")


def test_no_more_is_read_than_was_asked_for(place: Place) -> None:
    place.put("a", b"text")

    assert place.fs.read(place.directory, "a", 3)[0] == b"tex"


def test_what_is_not_there_is_not_found(place: Place) -> None:
    fs, at = place.fs, place.directory
    for call in (
        lambda: fs.lstat(f"{place.path}/a"),
        lambda: fs.stat(at, "a"),
        lambda: fs.read(at, "a", 1),
        lambda: fs.open(at, "a"),
        lambda: fs.unlink(at, "a"),
        lambda: fs.rename(at, "a", "b"),
        lambda: fs.rename_new(at, "a", "b"),
        lambda: fs.exchange(at, "a", "b"),
        lambda: fs.open_dir(f"{place.path}/a"),
    ):
        with refused(errno.ENOENT):
            call()


def test_writing_over_a_file_leaves_what_is_behind_until_it_is_cut_off(place: Place) -> None:
    place.put("a", b"long text")
    file = place.fs.open(place.directory, "a")

    place.fs.write(file, b"new")
    assert place.get("a") == b"newg text"
    place.fs.truncate(file, 3)
    place.fs.fsync(file)

    assert place.get("a") == b"new"
    assert place.fs.fstat(file).size == 3
    place.fs.close(file)


def test_a_mode_is_changed(place: Place) -> None:
    place.put("a", b"")
    file = place.fs.open(place.directory, "a")

    place.fs.chmod(file, 0o640)
    place.fs.chgrp(file, place.fs.fstat(file).gid)
    place.fs.close(file)

    assert stat.S_IMODE(place.fs.stat(place.directory, "a").mode) == 0o640


def test_a_rename_takes_the_place_of_another(place: Place) -> None:
    place.put("a", b"new")
    place.put("b", b"old")

    place.fs.rename(place.directory, "a", "b")

    assert place.fs.names(place.directory) == ["b"]
    assert place.get("b") == b"new"


def test_a_rename_to_a_free_name_never_takes_anothers_place(place: Place) -> None:
    place.put("a", b"new")
    place.put("b", b"old")

    with refused(errno.EEXIST):
        place.fs.rename_new(place.directory, "a", "b")
    place.fs.rename_new(place.directory, "a", "c")

    assert sorted(place.fs.names(place.directory)) == ["b", "c"]


def test_two_names_are_swapped(place: Place) -> None:
    place.put("a", b"1")
    place.put("b", b"2")

    place.fs.exchange(place.directory, "a", "b")

    assert (place.get("a"), place.get("b")) == (b"2", b"1")


def test_a_directory_is_made_opened_and_read_as_nothing(place: Place) -> None:
    place.fs.mkdir(f"{place.path}/d", 0o700)

    data, found = place.fs.read(place.directory, "d", 10)

    assert data == b""
    assert stat.S_ISDIR(found.mode)
    place.fs.fsync(place.directory)
    with refused(errno.EEXIST):
        place.fs.mkdir(f"{place.path}/d", 0o700)


def test_a_link_is_told_and_not_followed(tmp_path: Path) -> None:
    disk = Disk()
    disk.add_dir("/home")
    disk.add_link("/home/a", "/etc/passwd")
    (tmp_path / "a").symlink_to("/etc/passwd")
    for one in (Place(disk, "/home"), Place(Posix(), str(tmp_path))):
        assert one.fs.readlink(f"{one.path}/a") == "/etc/passwd"
        assert stat.S_ISLNK(one.fs.lstat(f"{one.path}/a").mode)
        assert stat.S_ISLNK(one.fs.stat(one.directory, "a").mode)
        with refused(errno.ELOOP):
            one.fs.read(one.directory, "a", 10)
        one.fs.close(one.directory)


# What only a real one can show.


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Place]:
    made = Place(Posix(), str(tmp_path))
    yield made
    made.fs.close(made.directory)


def test_a_state_tells_when_content_and_file_changed_last(real: Place, tmp_path: Path) -> None:
    """Whoever sets the time of the content back cannot do so with that of the file."""
    real.put("a", b"text")
    os.utime(tmp_path / "a", ns=(1, 1))

    found, kernels = real.fs.stat(real.directory, "a"), (tmp_path / "a").stat()

    assert (found.mtime_ns, found.ctime_ns) == (1, kernels.st_ctime_ns)
    assert found.ctime_ns > 1


def test_a_fifo_is_not_waited_for_6_46(real: Place) -> None:
    os.mkfifo(f"{real.path}/a")

    data, found = real.fs.read(real.directory, "a", 10)

    assert data == b""
    assert stat.S_ISFIFO(found.mode)


def test_a_socket_is_not_opened_6_46(real: Place) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"/proc/self/fd/{real.directory}/a")  # a socket's path is short

        with refused(errno.ENXIO):
            real.fs.read(real.directory, "a", 10)


def test_a_write_that_comes_short_is_gone_on_with(real: Place) -> None:
    """At a limit the first call writes a part, and only the next one fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    file = real.fs.create(real.directory, "a")
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with refused(errno.EFBIG):
            real.fs.write(file, b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert real.fs.fstat(file).size == 4096
    real.fs.close(file)


def test_a_file_larger_than_a_piece_is_read_whole(real: Place) -> None:
    data = os.urandom(200_000)
    real.put("a", data)

    assert real.fs.read(real.directory, "a", 1 << 20)[0] == data


def test_attributes_and_acl_are_taken_over_as_far_as_they_can_be_6_57(real: Place) -> None:
    real.put("a", b"")
    real.put("b", b"")
    acl = bytes.fromhex(
        "02000000 0100 0600 ffffffff 0200 0400 e7030000 0400 0000 ffffffff"
        "1000 0400 ffffffff 2000 0000 ffffffff"
    )
    try:
        os.setxattr(f"{real.path}/a", "user.origin", b"us")
        os.setxattr(f"{real.path}/a", "system.posix_acl_access", acl)
    except OSError as exc:
        pytest.skip(f"this file system has no attributes: {exc.strerror}")
    file = real.fs.open(real.directory, "b")

    real.fs.copy_attributes(file, real.directory, "a")
    real.fs.close(file)

    assert os.getxattr(f"{real.path}/b", "user.origin") == b"us"
    assert os.getxattr(f"{real.path}/b", "system.posix_acl_access") == acl


def test_attributes_of_what_is_gone_or_no_file_are_not_missed(real: Place) -> None:
    real.put("b", b"")
    os.mkfifo(f"{real.path}/fifo")
    file = real.fs.open(real.directory, "b")

    for name in ("gone", "fifo"):
        real.fs.copy_attributes(file, real.directory, name)

    real.fs.close(file)


def test_a_descriptor_is_not_handed_to_programs_that_are_started(real: Place) -> None:
    file = real.fs.create(real.directory, "a")

    assert not os.get_inheritable(file)
    assert not os.get_inheritable(real.directory)
    real.fs.close(file)


def test_what_may_not_be_written_is_told_with_the_reason_of_the_system(real: Place) -> None:
    real.put("a", b"")
    for name in (".", "a"):
        real.fs.check_writable(real.directory, name)

    with refused(errno.ENOENT):
        real.fs.check_writable(real.directory, "gone")


def test_without_the_call_a_swap_is_unsupported(real: Place) -> None:
    """As with an old libc."""

    class Old(Posix):
        def __init__(self) -> None:
            super().__init__()
            self._renameat2 = None

    with refused(errno.ENOSYS):
        Old().exchange(real.directory, "a", "b")
