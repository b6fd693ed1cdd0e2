"""Where a path leads, and why it leads nowhere."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from lightkeeper.core.file_failure import FileFailure
from lightkeeper.core.reasons import DELIVERY, Reason
from lightkeeper.paths import REASONS, NotYet, Paths, RealFile, told
from tests.fakes.disk import UID, Disk
from tests.filing import HOME, PATH, a_disk, before, fail

ROOT = 0


def find(disk: Disk, path: str = PATH, *, uid: int = UID) -> RealFile | None:
    return Paths(disk, uid=uid).find(path)


def make(disk: Disk, path: str = PATH, *, uid: int = UID) -> RealFile:
    return Paths(disk, uid=uid).make(path)


def where(file: RealFile | None) -> str:
    assert file is not None
    return f"{file.directory}/{file.name}"


def refused(look: Callable[[], object]) -> tuple[Reason, str]:
    with pytest.raises(FileFailure) as failure:
        look()
    return failure.value.reason, failure.value.detail


# Finding.


@pytest.mark.parametrize(
    "path", [PATH, f"/{PATH}", "/home/./ci/.docker/config.json", f"{HOME}/../.docker/config.json"]
)
def test_a_path_leads_to_its_file_however_it_is_spelled(path: str) -> None:
    assert where(find(a_disk(), path)) == PATH


def test_a_file_that_is_missing_has_its_place_all_the_same() -> None:
    assert where(find(a_disk(None))) == PATH


def test_nothing_is_found_while_a_directory_is_missing() -> None:
    disk = a_disk()

    assert find(disk, "/home/ci/.config/containers/auth.json") is None
    assert disk.names_in("/home/ci") == [".docker"]


def test_two_paths_to_one_file_have_one_key_6_34() -> None:
    disk = a_disk()
    disk.add_dir("/srv")
    disk.add_link("/srv/docker", HOME)
    disk.add_link("/srv/config", PATH)

    keys = {find(disk, path) for path in (PATH, "/srv/docker/config.json", "/srv/config")}

    assert len(keys) == 1


def test_two_files_have_two_keys() -> None:
    disk = a_disk()
    disk.add_file(f"{HOME}/other.json", b"")

    assert find(disk) != find(disk, f"{HOME}/other.json")


# Links.


@pytest.mark.parametrize(
    "target", ["/srv/dotfiles/docker.json", "../../../srv/dotfiles/docker.json"]
)
def test_a_link_leads_to_its_target_and_a_relative_one_from_where_it_is_6_41_6_42(
    target: str,
) -> None:
    disk = a_disk(None)
    disk.add_dir("/srv/dotfiles")
    disk.add_file("/srv/dotfiles/docker.json", b"{}")
    disk.add_link(PATH, target)

    assert where(find(disk)) == "/srv/dotfiles/docker.json"


def test_a_directory_may_be_a_link_6_45() -> None:
    disk = a_disk()
    disk.add_link("/home/ci/docker", ".docker")

    assert where(find(disk, "/home/ci/docker/config.json")) == PATH


def test_a_link_to_a_missing_file_leads_to_where_it_is_to_be_6_43() -> None:
    disk = a_disk(None)
    disk.add_link(PATH, "real.json")

    assert where(make(disk)) == f"{HOME}/real.json"


def test_a_link_whose_directory_is_missing_is_refused_and_nothing_is_made_6_43() -> None:
    disk = a_disk(None)
    disk.add_link(PATH, "/mnt/usb/docker/config.json")

    reason, detail = refused(lambda: make(disk))

    assert reason is Reason.UNSAFE_PATH
    assert detail == ("a link leads to /mnt/usb/docker/config.json, whose directory is missing")
    assert "mkdir" not in disk.calls


def test_links_that_lead_in_a_circle_are_refused_6_44() -> None:
    disk = a_disk(None)
    disk.add_link(PATH, "other.json")
    disk.add_link(f"{HOME}/other.json", "config.json")

    reason, detail = refused(lambda: find(disk))

    assert reason is Reason.UNSAFE_PATH
    assert detail == f"{PATH}: links lead in a circle"


def test_as_many_links_are_followed_as_the_kernel_follows() -> None:
    disk = a_disk()
    for number in range(40):
        disk.add_link(f"/home/link{number}", f"link{number + 1}" if number < 39 else PATH)

    assert where(find(disk, "/home/link0")) == PATH


# Making.


def test_missing_directories_are_made_for_their_owner_alone_and_synced_6_1() -> None:
    disk = a_disk(None)

    file = make(disk, "/home/ci/.config/containers/auth.json")

    assert where(file) == "/home/ci/.config/containers/auth.json"
    for path in ("/home/ci/.config", "/home/ci/.config/containers"):
        assert disk.lstat(path).mode & 0o777 == 0o700
    assert disk.pending == []


def test_a_directory_that_somebody_else_makes_first_is_taken() -> None:
    disk = a_disk(None)

    def make_it() -> None:
        disk.add_dir("/home/ci/late")

    before(disk, "mkdir", make_it)

    assert where(make(disk, "/home/ci/late/config.json")) == "/home/ci/late/config.json"


@pytest.mark.parametrize("run", ["/run", "/var/run"])
@pytest.mark.parametrize(("there", "awaited"), [("", "/user"), ("/user", "/user/1000")])
def test_a_runtime_directory_is_waited_for_and_never_made(
    run: str, there: str, awaited: str
) -> None:
    disk = a_disk()
    disk.add_dir(run + there)

    for look in (find, make):
        with pytest.raises(NotYet, match=f"^{run}{awaited}$"):
            look(disk, f"{run}/user/1000/containers/auth.json")


def test_below_a_runtime_directory_that_is_there_directories_are_made() -> None:
    disk = a_disk()
    disk.add_dir("/run/user/1000")

    assert where(make(disk, "/run/user/1000/containers/auth.json"))


# Root.


def test_root_is_not_led_through_what_belongs_to_others_6_45() -> None:
    disk = a_disk()

    reason, detail = refused(lambda: find(disk, uid=ROOT))

    assert reason is Reason.OTHER_OWNER
    assert detail == f"/home belongs to uid {UID} and this runs as root"


def test_root_is_not_led_by_a_link_of_another_user_6_45() -> None:
    disk = a_disk()
    for path in ("/home", "/home/ci", HOME):
        disk.add_dir(path).uid = ROOT
    disk.add_file("/secret", b"", uid=ROOT)
    disk.add_link(PATH, "/secret")

    assert refused(lambda: find(disk, uid=ROOT))[0] is Reason.OTHER_OWNER


def test_root_finds_what_is_roots() -> None:
    disk = Disk()
    disk.add_dir("/root").uid = ROOT
    disk.add_file("/root/config.json", b"", uid=ROOT)

    assert where(find(disk, "/root/config.json", uid=ROOT)) == "/root/config.json"


def test_another_user_may_be_led_through_what_is_roots_as_the_kernel_lets_it() -> None:
    disk = a_disk()
    disk.add_dir("/home").uid = ROOT

    assert where(find(disk)) == PATH


# Failures.


@pytest.mark.parametrize(("number", "reason"), REASONS.items())
def test_a_call_that_fails_has_its_reason(number: int, reason: Reason) -> None:
    disk = a_disk()
    fail(disk, "lstat", number)

    assert refused(lambda: find(disk))[0] is reason
    assert reason in DELIVERY


@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE, errno.ESTALE])
def test_any_other_failure_is_one_of_input_and_output(number: int) -> None:
    disk = a_disk()
    fail(disk, "lstat", number)

    assert refused(lambda: find(disk))[0] is Reason.IO_ERROR


def test_an_error_without_a_number_is_one_of_input_and_output() -> None:
    def raise_it() -> None:
        with told("/a"):
            raise OSError

    assert refused(raise_it) == (Reason.IO_ERROR, "/a: Input/output error")


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("/b/c", "/b/c: Permission denied"),
        (".c.lightkeeper.new-1", "/a: Permission denied"),
        (None, "/a: Permission denied"),
        (7, "/a: Permission denied"),
    ],
)
def test_a_failure_names_what_it_is_about(name: str | int | None, detail: str) -> None:
    def raise_it() -> None:
        with told("/a"):
            raise OSError(errno.EACCES, "Permission denied", name)

    assert refused(raise_it) == (Reason.PERMISSION_DENIED, detail)


def test_no_descriptor_is_left_open_by_a_failure() -> None:
    disk = a_disk(None)
    fail(disk, "fsync", errno.EIO)

    refused(lambda: make(disk, "/home/ci/new/config.json"))

    assert disk.calls.count("open_dir") == disk.calls.count("close") == 1
