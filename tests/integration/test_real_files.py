"""Deliveries into files as this machine's kernel has them: links, mounts, owners, full disks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.core.making import SECOND_ONE
from tests.integration.edits import in_memory
from tests.integration.one_write import deliver
from tests.integration.writing import ROOT, told

FOREIGN = '{"auths": {"ghcr.io": {"auth": "dTpw"}}}'
BOTH = {"ghcr.io", SECOND_ONE.registry}
NOBODY = 65534

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root may mount, chown and chattr")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    path.mkdir(mode=0o700)
    return path


def config_in(directory: Path, text: str = FOREIGN, *, mode: int = 0o600) -> Path:
    path = directory / "config.json"
    path.write_text(text)
    path.chmod(mode)
    return path


def hosts(path: Path) -> set[str]:
    return set(json.loads(path.read_text())["auths"])


def mounted(script: str, *arguments: str) -> dict[str, Any]:
    """What came of a delivery after, and before, what `script` does in a mount namespace."""
    if subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        pytest.skip("mount namespaces are not to be had here")
    within = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script, "sh"]
    return told("deliver", *arguments, within=within)


def is_refused(outcome: dict[str, Any], reason: str) -> bool:
    return (outcome["outcome"], outcome.get("reason")) == ("Failed", reason)


# Links.


def test_a_link_to_another_file_system_stays_and_its_target_is_replaced_6_41(home: Path) -> None:
    """The new file is made beside the target: beside the link, the rename would fail."""
    if in_memory() is None:
        pytest.skip("there is no second file system")
    with tempfile.TemporaryDirectory(dir=in_memory()) as other:
        target = config_in(Path(other))
        link = home / "config.json"
        link.symlink_to(target)

        assert told("deliver", str(link))["outcome"] == "Put"

        assert link.is_symlink()
        assert hosts(target) == BOTH
        assert os.listdir(home) == ["config.json"]  # noqa: PTH208 - the names, as they are


def test_a_relative_link_leads_from_where_it_is_6_42(home: Path) -> None:
    (home / "dotfiles").mkdir()
    target = config_in(home / "dotfiles")
    (home / "docker").mkdir()
    (home / "docker" / "config.json").symlink_to("../dotfiles/config.json")

    assert told("deliver", str(home / "docker" / "config.json"))["outcome"] == "Put"
    assert hosts(target) == BOTH


def test_a_hard_link_keeps_the_old_content_and_that_is_told_6_56(home: Path) -> None:
    path = config_in(home)
    os.link(path, home / "copy.json")

    outcome = told("deliver", str(path))

    assert outcome["notices"] == ["hard_link"]
    assert hosts(home / "copy.json") == {"ghcr.io"}


def test_a_fifo_is_refused_at_once_6_46(home: Path) -> None:
    os.mkfifo(home / "config.json")

    assert is_refused(told("deliver", str(home / "config.json")), "unsafe_path")


def test_attributes_survive_a_delivery_6_57(home: Path) -> None:
    path = config_in(home)
    try:
        os.setxattr(path, "user.origin", b"us")
    except OSError as exc:
        pytest.skip(f"this file system has no attributes: {exc.strerror}")

    assert told("deliver", str(path))["outcome"] == "Put"
    assert os.getxattr(path, "user.origin") == b"us"


def test_a_mode_and_a_group_survive_a_delivery_6_53(home: Path) -> None:
    path = config_in(home, mode=0o640)
    if os.getuid() == 0:
        os.chown(path, -1, NOBODY)
    was = path.stat()

    assert told("deliver", str(path))["notices"] == ["wide_mode"]
    assert (path.stat().st_mode, path.stat().st_gid) == (was.st_mode, was.st_gid)


# Mounts.


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file that is mounted over the one in the home."""
    (tmp_path / "outside").mkdir()
    return config_in(tmp_path / "outside")


@as_root
def test_a_file_that_is_mounted_alone_is_refused_by_name_6_48(home: Path, outside: Path) -> None:
    inside = config_in(home)
    bind = f'mount --bind {outside} {inside}; exec "$@"'

    assert is_refused(mounted(bind, str(inside)), "single_file_mount")
    assert outside.read_text() == FOREIGN
    assert [path.name for path in home.iterdir()] == ["config.json"]


@as_root
def test_a_file_that_is_mounted_alone_is_written_in_place_if_asked_6_48(
    home: Path, outside: Path
) -> None:
    inside = config_in(home)
    bind = f'mount --bind {outside} {inside}; exec "$@"'

    assert mounted(bind, str(inside), "in-place")["outcome"] == "Put"
    assert hosts(outside) == BOTH


@as_root
def test_a_mounted_file_that_was_replaced_outside_is_not_written_in_vain_6_49(
    home: Path, outside: Path
) -> None:
    inside = config_in(home)
    later = outside.with_name("later.json")
    later.write_text("{}")
    bind = f'mount --bind {outside} {inside}; mv {later} {outside}; exec "$@"'

    assert is_refused(mounted(bind, str(inside), "in-place"), "single_file_mount")
    assert outside.read_text() == "{}"


@as_root
def test_a_read_only_mount_is_told_and_changes_nothing_6_47(home: Path) -> None:
    path = config_in(home)
    mount = f'mount --bind {home} {home}; mount -o remount,ro,bind {home}; exec "$@"'

    assert is_refused(mounted(mount, str(path)), "read_only")
    assert path.read_text() == FOREIGN


@as_root
def test_a_full_disk_is_told_and_keeps_the_old_file_6_50(home: Path, tmp_path: Path) -> None:
    path = config_in(home)
    after = tmp_path / "after"
    mount = (
        f"mount -t tmpfs -o size=16k tmpfs {home}; echo '{FOREIGN}' > {path}; "
        f"dd if=/dev/zero of={home}/rest 2>/dev/null || true; "
        f'"$@"; mkdir {after}; cp {path} {after}; ls -A {home} > {after}/names'
    )

    assert is_refused(mounted(mount, str(path)), "no_space")
    assert (after / "config.json").read_text() == FOREIGN + "\n"
    assert (after / "names").read_text().split() == ["config.json", "rest"]


@as_root
def test_a_directory_that_is_mounted_twice_holds_one_file_6_34(home: Path, tmp_path: Path) -> None:
    config_in(home)
    twice = tmp_path / "twice"
    twice.mkdir()
    if subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        pytest.skip("mount namespaces are not to be had here")
    code = (
        f"import sys; sys.path[:0] = [{str(ROOT / 'daemon')!r}]\n"
        "from lightkeeper.adapters.posix import Posix\n"
        "from lightkeeper.paths import Paths\n"
        "find = Paths(Posix(), uid=0).find\n"
        "print(len({find(path + '/config.json').key for path in sys.argv[1:]}))"
    )
    script = f'mount --bind {home} {twice}; exec "$@"'
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script, "sh"]
    command += [sys.executable, "-c", code, str(home), str(twice)]

    done = subprocess.run(command, check=True, capture_output=True, text=True)

    assert done.stdout == "1\n"


@as_root
@pytest.mark.parametrize("what", ["config.json", "."])
def test_what_is_immutable_is_told_and_changes_nothing_6_47(home: Path, what: str) -> None:
    path = config_in(home)
    if shutil.which("chattr") is None:
        pytest.skip("chattr is not installed")
    if subprocess.run(["chattr", "+i", home / what], check=False, capture_output=True).returncode:
        pytest.skip("this file system has no immutable files")
    try:
        outcome = told("deliver", str(path))
        names = [each.name for each in home.iterdir()]
    finally:
        subprocess.run(["chattr", "-i", home / what], check=True)

    assert is_refused(outcome, "permission_denied")
    assert path.read_text() == FOREIGN
    assert names == ["config.json"]


# Owners.


@as_root
def test_root_writes_nothing_in_a_directory_of_somebody_else_6_45(home: Path) -> None:
    path = config_in(home)
    os.chown(home, NOBODY, NOBODY)

    outcome = told("deliver", str(path))

    assert is_refused(outcome, "other_owner")
    assert outcome["detail"] == f"{home} belongs to uid {NOBODY} and this runs as root"
    assert path.read_text() == FOREIGN


@pytest.fixture
def nobodys() -> Iterator[Path]:
    """A directory of the user nobody, below directories that anybody may pass."""
    with tempfile.TemporaryDirectory(dir=in_memory()) as path:
        Path(path).chmod(0o755)
        home = Path(path) / "home"
        home.mkdir()
        os.chown(home, NOBODY, NOBODY)
        yield home


def as_nobody(path: Path) -> dict[str, Any]:
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed")
    ids = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    needed = (("-r", __file__, "this checkout"), ("-x", sys.executable, "this interpreter"))
    for test, path_of_ours, what in needed:
        if subprocess.run(["setpriv", *ids, "test", test, path_of_ours], check=False).returncode:
            pytest.skip(f"other users may not enter where {what} is")
    return told("deliver", str(path), within=["setpriv", *ids])


@as_root
def test_a_user_delivers_into_a_file_of_their_own(nobodys: Path) -> None:
    path = config_in(nobodys)
    os.chown(path, NOBODY, NOBODY)

    assert as_nobody(path)["outcome"] == "Put"
    assert hosts(path) == BOTH
    assert path.stat().st_uid == NOBODY


@as_root
def test_a_file_of_another_owner_is_left_to_them_6_55(nobodys: Path) -> None:
    path = config_in(nobodys, mode=0o644)

    assert is_refused(as_nobody(path), "other_owner")
    assert path.stat().st_uid == 0


@as_root
@pytest.mark.parametrize("mode", [0o555, 0o000])
def test_a_directory_that_the_user_may_not_write_is_told_6_47(nobodys: Path, mode: int) -> None:
    path = config_in(nobodys)
    os.chown(path, NOBODY, NOBODY)
    nobodys.chmod(mode)

    assert is_refused(as_nobody(path), "permission_denied")
    assert path.read_text() == FOREIGN


@as_root
def test_a_group_that_could_not_read_any_more_is_not_shut_out_6_55(nobodys: Path) -> None:
    path = config_in(nobodys, mode=0o640)
    os.chown(path, NOBODY, 0)

    assert is_refused(as_nobody(path), "other_owner")
    assert path.stat().st_gid == 0


def test_no_descriptor_is_left_open(home: Path) -> None:
    before = os.listdir("/proc/self/fd")  # noqa: PTH208 - the names, as they are

    deliver(str(config_in(home)))
    deliver(str(config_in(home, "{")))

    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208
