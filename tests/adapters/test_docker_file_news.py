"""What of all that happens to a file is news to its logins: all but our own deliveries."""

from __future__ import annotations

import errno
from collections.abc import Callable
from threading import Event, Thread

import pytest

from lightkeeper.adapters.docker_file import FileOptions, FileWriters
from lightkeeper.core.credential import Credential
from lightkeeper.core.facts import LoginName
from lightkeeper.paths import Paths
from lightkeeper.ports import Found, Put
from tests.core.making import FIRST, SECOND_ONE, a_credential
from tests.fakes.disk import UID, Disk
from tests.filing import HOME, PATH, a_delivery, a_disk, a_writer, before, edit, fail

FOREIGN = b'{"auths": {"ghcr.io": {"auth": "dTpw"}}}'
LOGGED_OUT = b'{"auths": {}}'
LINK = "/home/ci/link/config.json"
OTHER = LoginName("other")
ELSEWHERE = a_credential("simulated-9", registry="other.test")


def writers_of(disk: Disk) -> FileWriters:
    return FileWriters(a_writer(disk), Paths(disk, uid=UID))


def deliver(
    writers: FileWriters,
    held: Credential = FIRST,
    *,
    path: str = PATH,
    in_place: bool = False,
    login: LoginName | None = None,
) -> None:
    delivery = a_delivery(held, login=login) if login else a_delivery(held)
    done = writers.deliver(path, delivery, FileOptions(in_place=in_place))
    assert isinstance(done, Put)


def known(disk: Disk, *paths: str) -> FileWriters:
    """Writers whose logins have looked at their places."""
    writers = writers_of(disk)
    for path in paths or (PATH,):
        assert isinstance(writers.read(path, FIRST, None), Found)
    return writers


@pytest.mark.parametrize("data", [None, FOREIGN])
@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("start", [writers_of, known], ids=["unseen", "looked at"])
def test_our_own_deliveries_are_no_news(
    data: bytes | None, start: Callable[[Disk], FileWriters], *, in_place: bool
) -> None:
    writers = start(a_disk(data))

    for held in (FIRST, SECOND_ONE, SECOND_ONE, FIRST):
        deliver(writers, held, in_place=in_place)
        assert not writers.is_news(PATH)


def test_it_is_news_to_a_login_that_another_one_took_its_registry_over() -> None:
    writers = writers_of(a_disk(FOREIGN))
    writers.rank([OTHER])
    deliver(writers)
    assert not writers.is_news(PATH)

    deliver(writers, SECOND_ONE, login=OTHER)

    assert writers.is_news(PATH)
    assert not writers.is_news(PATH)


def test_what_was_looked_at_and_is_still_there_is_no_news() -> None:
    assert not known(a_disk(FOREIGN)).is_news(PATH)
    assert not known(a_disk(None)).is_news(PATH)


def _forge(disk: Disk) -> None:
    """Write as many other bytes over the file and set its time back."""
    inode = disk.add_dir(HOME).names["config.json"]
    was = inode.mtime_ns
    disk.write(disk.open(disk.open_dir(HOME), "config.json"), b"[")
    inode.mtime_ns = was


EDITS: dict[str, Callable[[Disk], object]] = {
    "logged out": lambda disk: disk.add_file(PATH, LOGGED_OUT),
    "removed": lambda disk: disk.add_dir(HOME).names.pop("config.json"),
    "written over": lambda disk: disk.write(disk.open(disk.open_dir(HOME), "config.json"), b"["),
    "written over, its time forged": _forge,
    "no file any more": lambda disk: disk.add_link(PATH, "/nowhere/at/all"),
}


@pytest.mark.parametrize("act", EDITS.values(), ids=EDITS)
def test_what_somebody_else_does_right_after_ours_is_news(act: Callable[[Disk], object]) -> None:
    disk = a_disk(FOREIGN)
    writers = known(disk)
    deliver(writers)

    act(disk)

    assert writers.is_news(PATH)


def test_an_edit_is_news_once_and_what_we_make_of_it_none() -> None:
    disk = a_disk(FOREIGN)
    writers = known(disk)
    disk.add_file(PATH, LOGGED_OUT)
    assert writers.is_news(PATH)
    assert not writers.is_news(PATH)

    deliver(writers)

    assert not writers.is_news(PATH)


def test_an_edit_that_ours_was_faster_than_to_tell_is_still_news() -> None:
    """Another login of this file has not looked at it yet: its entry may be what is gone."""
    disk = a_disk(FOREIGN)
    writers = known(disk)
    deliver(writers, ELSEWHERE, login=OTHER)
    disk.add_file(PATH, LOGGED_OUT)

    deliver(writers)
    deliver(writers, SECOND_ONE)

    assert writers.is_news(PATH)
    deliver(writers, FIRST)
    assert not writers.is_news(PATH)


@pytest.mark.parametrize(
    ("call", "time"), [("create", 1), ("exchange", 1), ("unlink", 1), ("read", 3)]
)
def test_an_edit_amid_our_delivery_is_news(call: str, time: int) -> None:
    disk = a_disk(FOREIGN)
    writers = known(disk)
    before(disk, call, lambda: edit(disk, b"\n"), time=time)

    deliver(writers)

    assert writers.is_news(PATH)


def test_an_edit_between_two_answers_is_told_to_each_path_that_leads_there() -> None:
    disk = a_disk(FOREIGN)
    disk.add_link("/home/ci/link", ".docker")
    writers = known(disk, PATH, LINK)
    deliver(writers)
    assert [writers.is_news(PATH), writers.is_news(LINK)] == [False, False]

    disk.add_file(PATH, LOGGED_OUT)

    assert [writers.is_news(PATH), writers.is_news(LINK)] == [True, True]
    deliver(writers, path=LINK)
    assert [writers.is_news(PATH), writers.is_news(LINK)] == [False, False]


def test_a_link_that_leads_elsewhere_is_news() -> None:
    disk = a_disk(FOREIGN)
    disk.add_dir("/home/ci/elsewhere")
    disk.add_file("/home/ci/elsewhere/config.json", FOREIGN)
    disk.add_link("/home/ci/link", ".docker")
    writers = known(disk, LINK)

    disk.add_link("/home/ci/link", "elsewhere")

    assert writers.is_news(LINK)


def test_what_cannot_be_told_is_news() -> None:
    disk = a_disk(FOREIGN)
    writers = known(disk)
    fail(disk, "open_dir", errno.EIO)
    assert writers.is_news(PATH)

    disk.add_dir("/home/ci").names.pop(".docker")

    assert writers.is_news(PATH)


def test_amid_a_delivery_it_waits_for_its_end() -> None:
    """What was swapped in is not yet known to be ours."""
    disk = a_disk(FOREIGN)
    writers = known(disk)
    swapped, go_on = Event(), Event()
    told = list[bool]()

    def wait() -> None:
        swapped.set()
        assert go_on.wait(10)

    before(disk, "unlink", wait)
    delivering = Thread(target=deliver, args=(writers,))
    asking = Thread(target=lambda: told.append(writers.is_news(PATH)))
    delivering.start()
    assert swapped.wait(10)
    asking.start()
    asking.join(0.1)
    go_on.set()
    for thread in (delivering, asking):
        thread.join(10)

    assert told == [False]
