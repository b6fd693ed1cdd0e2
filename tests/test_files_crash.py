"""Killed, cut off from power or failed at any point: whole or old, and told only if it lasts.

Every call of a delivery and of a state save is a point. At each the process is killed, or the power
is cut and every subset of what was not forced to the disk survives, or the call fails.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import TypeVar

import pytest

from lightkeeper.adapters.docker_file import FileOptions, FileWriters
from lightkeeper.adapters.state_dir import StateDir
from lightkeeper.core.credential import Credential
from lightkeeper.core.docker_config import parse
from lightkeeper.core.notices import Notice
from lightkeeper.core.reasons import Reason
from lightkeeper.core.saved import Saved, put_down
from lightkeeper.paths import REASONS, Paths
from lightkeeper.ports import Failed, Put
from tests.core.making import FIRST, SECOND_ONE, at, holding
from tests.fakes.disk import UID, Disk, failing
from tests.filing import HOME, PATH, a_delivery, a_disk, a_writer, before, litter

T = TypeVar("T")

STATE = "/var/lib/lightkeeper"
FOREIGN = b'{"auths": {"ghcr.io": {"auth": "dTpw"}}, "psFormat": "x"}'


class Killed(BaseException):
    """The process is gone at this very call."""


class Inline:
    """Workers that do it at once."""

    async def run(self, name: str, work: Callable[[], T], deadline: timedelta) -> T | Failed:
        return work()


def deliver(disk: Disk, credential: Credential = FIRST) -> Put | Failed:
    """What a process that has just started does for a file."""
    writers = FileWriters(a_writer(disk), Paths(disk, uid=UID))
    outcome = writers.deliver(PATH, a_delivery(credential), FileOptions())
    assert isinstance(outcome, Put | Failed)
    return outcome


def saved(hours: int = 0) -> Saved:
    now = at(timedelta(hours=hours))
    return put_down(holding(), fingerprint="f", boot_id="boot-1", now=now)


def save(disk: Disk, state: Saved | None = None) -> Failed | None:
    """What a process that has just started does to save a state."""
    store = StateDir(
        STATE, fs=disk, files=a_writer(disk), paths=Paths(disk, uid=UID), workers=Inline()
    )
    saving = store.save(state or saved(1))
    try:
        saving.send(None)
    except StopIteration as end:
        outcome: Failed | None = end.value
        return outcome
    raise AssertionError("nothing to wait for")  # noqa: EM101, TRY003


def state_disk(hours: int | None) -> Disk:
    disk = Disk()
    disk.add_dir(STATE)
    if hours is not None:
        save(disk, saved(hours))
    disk.calls.clear()
    return disk


@dataclass(frozen=True)
class Work:
    """Something that is done to a file, over a disk made for it."""

    disk: Callable[[], Disk]
    do: Callable[[Disk], object]
    path: str

    def contents(self) -> tuple[bytes | None, bytes | None]:
        """Before and after."""
        disk = self.disk()
        old = self.content(disk)
        self.do(disk)
        return old, self.content(disk)

    def points(self) -> int:
        """How many calls it takes."""
        disk = self.disk()
        disk.calls.clear()
        self.do(disk)
        return len(disk.calls)

    def killed(self, point: int) -> Disk:
        """The disk as it is when the process is killed before its call number `point`."""
        disk = self.disk()
        left = [point]

        def hook(_: str) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Killed

        disk.before = hook
        with pytest.raises(Killed):
            self.do(disk)
        disk.before = lambda _: None
        return disk

    def content(self, disk: Disk) -> bytes | None:
        try:
            return disk.content(self.path)
        except FileNotFoundError:
            return None

    def litter(self, disk: Disk) -> list[str]:
        directory, _, name = self.path.rpartition("/")
        return [each for each in disk.names_in(directory) if each.startswith(f".{name}.")]


def delivering(disk: Callable[[], Disk]) -> Work:
    return Work(disk, lambda disk: deliver(disk, SECOND_ONE), PATH)


def delivered_once() -> Disk:
    disk = a_disk(FOREIGN)
    deliver(disk)
    disk.calls.clear()
    return disk


WORKS = {
    "delivery, first": delivering(lambda: a_disk(FOREIGN)),
    "delivery, next": delivering(delivered_once),
    "delivery, new file": delivering(lambda: a_disk(None)),
    "delivery, new directory": delivering(Disk),
    "save, next": Work(lambda: state_disk(0), save, f"{STATE}/prod.json"),
    "save, first": Work(lambda: state_disk(None), save, f"{STATE}/prod.json"),
}
OF_OLD_DIRECTORIES = {name: work for name, work in WORKS.items() if "directory" not in name}
every_work = pytest.mark.parametrize("work", WORKS.values(), ids=WORKS)


def after_power_cuts(make: Callable[[], Disk]) -> Iterator[Disk]:
    """The disks that a power cut at this point can leave.

    Of what was not forced, each change of names is there or not, and each content not, half or
    wholly, independently of each other.
    """
    kinds = [(0, 1) if change.file is None else (0, 0.5, 1) for change in make().pending]
    for parts in product(*kinds):
        disk = make()
        for change, part in zip(disk.pending, parts, strict=True):
            change.data = change.data[: int(len(change.data) * part)]
        kept = iter(parts)
        disk.cut_power(lambda kept=kept: next(kept) > 0)  # type: ignore[misc]
        yield disk


@every_work
def test_a_kill_before_any_call_leaves_old_or_new_and_no_litter_after_the_next_start(
    work: Work,
) -> None:
    old, new = work.contents()
    seen = set()
    for point in range(work.points()):
        disk = work.killed(point)

        seen.add(work.content(disk))
        work.do(disk)

        assert work.content(disk) == new
        assert work.litter(disk) == []
    assert seen == {old, new}


@every_work
def test_a_power_cut_before_any_call_leaves_old_or_new_and_no_litter_after_the_next_start(
    work: Work,
) -> None:
    old, new = work.contents()
    states = 0
    for point in range(work.points()):
        for disk in after_power_cuts(lambda point=point: work.killed(point)):  # type: ignore[misc]
            states += 1
            assert work.content(disk) in (old, new)
            work.do(disk)
            assert work.content(disk) == new
            assert work.litter(disk) == []
    assert states > work.points()


@every_work
def test_what_was_told_survives_a_power_cut(work: Work) -> None:
    _, new = work.contents()

    def told() -> Disk:
        disk = work.disk()
        work.do(disk)
        return disk

    for disk in after_power_cuts(told):
        assert work.content(disk) == new


@pytest.mark.parametrize("work", OF_OLD_DIRECTORIES.values(), ids=OF_OLD_DIRECTORIES)
def test_what_is_told_after_a_kill_and_a_restart_survives_a_power_cut(work: Work) -> None:
    """The next process finds the file as it is to be, by a name that may not be on the disk.

    A directory that the killed process made is excepted: which ones those are is not known, and
    journals keep the order of names.
    """
    _, new = work.contents()
    for point in range(work.points()):

        def told(point: int = point) -> Disk:
            disk = work.killed(point)
            work.do(disk)
            return disk

        for disk in after_power_cuts(told):
            assert work.content(disk) == new


def test_the_enumeration_finds_a_writer_that_does_not_sync() -> None:
    """A check that cannot fail proves nothing: without any fsync, states are torn and lost."""

    class Careless(Disk):
        def fsync(self, file: int) -> None:
            self._call("fsync")

    def careless() -> Disk:
        disk = Careless()
        disk.add_dir(HOME)
        disk.add_file(PATH, FOREIGN)
        deliver(disk)
        return disk

    _, new = WORKS["delivery, first"].contents()
    contents = {disk.content(PATH) for disk in after_power_cuts(careless)}

    assert FOREIGN in contents
    assert contents - {FOREIGN, new}


@pytest.mark.parametrize("act", ["stat", "exchange"])
def test_an_edit_that_a_kill_catches_in_the_middle_is_in_the_file_or_kept_beside_it(
    act: str,
) -> None:
    kept = 0
    for point in range(60):
        disk = a_disk(FOREIGN)
        edited = FOREIGN.replace(b"ghcr.io", b"edit.io")
        before(disk, act, lambda disk=disk, data=edited: disk.add_file(PATH, data))  # type: ignore[misc]
        _kill_at(disk, point)
        try:
            deliver(disk)
        except Killed:
            disk.before = lambda _: None
            was_edited = "edit.io" in str(_everything(disk))

            done = deliver(disk)

            assert not was_edited or "edit.io" in str(_everything(disk))
            assert isinstance(done, Put)
            assert (Notice.EDIT_KEPT in done.notices) == bool(litter(disk))
            kept += bool(litter(disk))
        else:
            break
    assert kept == (3 if act == "exchange" else 0)


def _kill_at(disk: Disk, point: int) -> None:
    inner, left = disk.before, [point]

    def hook(name: str) -> None:
        inner(name)
        left[0] -= 1
        if left[0] < 0:
            raise Killed

    disk.before = hook


def _everything(disk: Disk) -> list[bytes | None]:
    return [disk.content(f"{HOME}/{name}") for name in disk.names_in(HOME)]


# Each call fails once.

ERRNOS = sorted(
    {*REASONS, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.EINTR}
)
HANDLED = {("mkdir", errno.EEXIST), ("rename_new", errno.EEXIST), ("exchange", errno.EEXIST)}
"""A call that fails so is part of the normal course."""
ABSORBED = {"names", "close", "unlink"}
"""A failure of these at some point changes nothing for the file."""


@pytest.mark.parametrize("number", ERRNOS, ids=lambda number: errno.errorcode[number])
@every_work
def test_any_call_that_fails_leaves_old_or_new_and_the_next_time_repairs_it(
    work: Work, number: int
) -> None:
    old, new = work.contents()
    for point in range(work.points()):
        disk, failed_call = work.disk(), list[str]()

        def hook(name: str, point: int = point, calls: list[str] = failed_call) -> None:
            calls.append(name)
            if len(calls) == point + 1:
                raise failing(number)

        disk.before = hook
        outcome = work.do(disk)
        call = failed_call[point]

        assert work.content(disk) in (old, new)
        assert disk.open_files() == 0
        if not isinstance(outcome, Failed):
            assert call in ABSORBED or (call, number) in HANDLED, call
            assert work.content(disk) == new
        elif (call, number) not in HANDLED:
            assert outcome.reason is REASONS.get(number, Reason.IO_ERROR)
        disk.before = lambda _: None

        assert not isinstance(work.do(disk), Failed)
        assert work.content(disk) == new
        assert work.litter(disk) == []


def test_both_the_old_and_the_new_file_are_whole_documents() -> None:
    for content in WORKS["delivery, next"].contents():
        assert parse(content).holds(FIRST.registry) in {FIRST.digest, SECOND_ONE.digest}
