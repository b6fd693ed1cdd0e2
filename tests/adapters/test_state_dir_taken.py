"""Whose the state directory is: one process owns it, and no other user may have a say in it."""

from __future__ import annotations

import fcntl
import os
import re
import resource
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lightkeeper.adapters.state_dir import StateDirTakenError, exposed, taken
from lightkeeper.core.file_failure import FileFailure
from lightkeeper.core.reasons import Reason

HOLD = """
import sys
from lightkeeper.adapters.state_dir import taken
with taken(sys.argv[1]):
    print("taken", flush=True)
    sys.stdin.read()
"""


def test_a_second_daemon_is_told_who_holds_the_directory(tmp_path: Path) -> None:
    """And the hold ends with its holder, however that ends."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"taken\n"

        with pytest.raises(StateDirTakenError, match=f"^{holder.pid}$"), taken(str(tmp_path)):
            pass
        holder.kill()
    with taken(str(tmp_path)):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_one_run_says_that_it_ends_soon(tmp_path: Path) -> None:
    with (
        taken(str(tmp_path), ends_soon=True),
        pytest.raises(StateDirTakenError, match=f"^{os.getpid()}$") as told,
        taken(str(tmp_path)),
    ):
        pass
    assert told.value.ends_soon

    with taken(str(tmp_path)), pytest.raises(StateDirTakenError) as told, taken(str(tmp_path)):
        pass
    assert not told.value.ends_soon


def test_who_looks_while_the_holder_writes_its_name_finds_it_whole(tmp_path: Path) -> None:
    """It is written over the former one's, of which the end may still be there."""
    with (tmp_path / "lock").open("w") as lock:
        lock.write("77 once\n9 once\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StateDirTakenError, match=r"^77$") as told, taken(str(tmp_path)):
            pass

    assert told.value.ends_soon


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root")
def test_root_leaves_nothing_in_the_directory_of_another_user(tmp_path: Path) -> None:
    """The lock would be root's, and the daemon of that user could not begin."""
    folder = tmp_path / "state"
    folder.mkdir()
    os.chown(folder, 65534, 65534)

    said = f"^{folder} belongs to uid 65534 and this runs as root; run it as that user$"
    with pytest.raises(FileFailure, match=said) as told, taken(str(folder)):
        pass

    assert told.value.reason is Reason.OTHER_OWNER
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root")
def test_root_makes_nothing_in_the_home_of_another_user(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)

    said = f"^{home} belongs to uid 65534 and this runs as root; run it as that user$"
    for missing in (home / "state", home / "state" / "lightkeeper"):
        with pytest.raises(FileFailure, match=said), taken(str(missing)):
            pass

    assert list(home.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root")
def test_root_is_told_of_the_daemon_that_owns_the_directory_of_another_user(
    tmp_path: Path,
) -> None:
    with taken(str(tmp_path)):
        os.chown(tmp_path, 65534, 65534)
        with pytest.raises(StateDirTakenError, match=f"^{os.getpid()}$"), taken(str(tmp_path)):
            pass
    with pytest.raises(FileFailure, match="run it as that user"), taken(str(tmp_path)):
        pass


@pytest.mark.parametrize(("mode", "is_said"), [(0o777, True), (0o1777, False), (0o770, False)])
def test_a_directory_where_all_may_exchange_what_is_there_is_said(
    tmp_path: Path, mode: int, *, is_said: bool
) -> None:
    tmp_path.chmod(mode)

    said = f"state_dir {tmp_path} may be written by every user: chmod o-w {tmp_path}"
    assert exposed(str(tmp_path)) == (said if is_said else None)
    assert exposed(str(tmp_path / "missing")) is None


def test_a_directory_that_is_missing_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "var" / "lib" / "lightkeeper"
    before = os.umask(0)
    try:
        with taken(str(folder)):
            for made in (folder, folder.parent, folder.parent.parent):
                assert stat.S_IMODE(made.stat().st_mode) == 0o700
            assert stat.S_IMODE((folder / "lock").stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_a_directory_that_cannot_be_had_is_told_with_its_reason(tmp_path: Path) -> None:
    file = tmp_path / "state"
    file.touch()
    (tmp_path / "locked" / "lock").mkdir(parents=True)

    for path, said in [
        (file, f"{file}/lock: Not a directory"),
        (file / "below", f"{file}/below: Not a directory"),
        (tmp_path / "locked", f"{tmp_path}/locked/lock: Is a directory"),
    ]:
        with pytest.raises(FileFailure, match=f"^{re.escape(said)}$"), taken(str(path)):
            pass


def test_a_full_disk_keeps_nobody_from_owning_the_directory(tmp_path: Path) -> None:
    """The kernel's lock takes no room; only the holder's process id does."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    kept = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with taken(str(tmp_path)), pytest.raises(StateDirTakenError), taken(str(tmp_path)):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, kept)

    assert (tmp_path / "lock").read_text() == ""


def test_a_shorter_process_id_leaves_nothing_of_a_longer_one(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("12345678901234567890\n")

    with taken(str(tmp_path)):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
