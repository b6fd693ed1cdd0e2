"""An output of one file on its workers, and what is kept of files meanwhile."""

from __future__ import annotations

import asyncio
import errno
from datetime import timedelta
from threading import Event

from lightkeeper.adapters.docker_file import DockerFile, FileOptions, FileWriters
from lightkeeper.adapters.workers import Threads
from lightkeeper.core.facts import LoginName, OutputName, Place
from lightkeeper.core.reasons import Reason
from lightkeeper.ports import Failed, Found, Put
from tests.adapters.test_docker_file import (
    FOREIGN,
    OTHER,
    deliver,
    holding,
    read,
    together,
    writers_of,
)
from tests.core.making import FIRST, LOGIN, SECOND_ONE
from tests.fakes.disk import Disk, failing
from tests.filing import HOME, PATH, PREFIX, a_delivery, a_disk, before, fail, litter


def output(
    disk: Disk,
    workers: Threads,
    login: LoginName = LOGIN,
    writers: FileWriters | None = None,
) -> DockerFile:
    return DockerFile(
        login,
        OutputName("docker_config"),
        PATH,
        replaces_foreign=True,
        options=FileOptions(),
        writers=writers or writers_of(disk),
        workers=workers,
    )


async def test_an_output_has_its_one_file_as_its_place() -> None:
    disk = a_disk(FOREIGN, mode=0o600)
    one = output(disk, Threads())
    place = Place(OutputName("docker_config"), PATH)

    assert list(one.places()) == [place]
    assert await one.deliver(place, a_delivery()) == Put(changed=True, notices=frozenset())
    assert await one.read(place, FIRST, None) == Found(digest=FIRST.digest, settled=True)


async def test_the_login_whose_credential_is_there_keeps_the_place_over_a_restart() -> None:
    """It has nothing to deliver, and the other one must not take its place for that."""
    disk, workers = holding(FIRST), Threads()
    writers = writers_of(disk)
    place = Place(OutputName("docker_config"), PATH)
    one, other = output(disk, workers, writers=writers), output(disk, workers, OTHER, writers)
    assert isinstance(await other.read(place, SECOND_ONE, None), Found)
    assert isinstance(await one.read(place, FIRST, None), Found)

    outcome = await other.deliver(place, a_delivery(SECOND_ONE, login=OTHER))

    assert isinstance(outcome, Failed)
    assert outcome.reason is Reason.CONFLICT
    assert f"{LOGIN} keeps this place" in outcome.detail


async def test_what_a_crash_left_goes_with_the_first_look_of_whoever_keeps_the_place() -> None:
    """No delivery may be needed for hours. A look by a command changes nothing."""
    disk = holding(FIRST)
    disk.add_file(f"{HOME}/{PREFIX}new-1", b"secret")
    place = Place(OutputName("docker_config"), PATH)
    one = output(disk, Threads())
    assert isinstance(read(disk), Found)
    assert litter(disk) == [f"{PREFIX}new-1"]

    await one.read(place, FIRST, None)
    assert litter(disk) == []

    disk.calls.clear()
    await one.read(place, FIRST, None)
    assert disk.calls.count("names") == 1
    assert "unlink" not in disk.calls


async def test_what_could_not_be_swept_away_goes_with_the_next_look() -> None:
    disk = holding(FIRST)
    disk.add_file(f"{HOME}/{PREFIX}new-1", b"secret")
    place = Place(OutputName("docker_config"), PATH)
    one = output(disk, Threads())
    fail(disk, "unlink", errno.EIO)

    assert isinstance(await one.read(place, FIRST, None), Found)
    assert litter(disk) != []
    await one.read(place, FIRST, None)

    assert litter(disk) == []


async def test_what_a_delivery_could_not_take_away_goes_with_the_next_look() -> None:
    disk = holding(FIRST)
    place = Place(OutputName("docker_config"), PATH)
    one = output(disk, Threads())
    await one.read(place, FIRST, None)
    written = (disk.content(PATH) or b"") + b"\n"
    calls = list[str]()

    def hook(name: str) -> None:
        calls.append(name)
        if name == "exchange" and calls.count("exchange") == 1:
            disk.add_file(PATH, written, mode=0o600)  # so that ours is given back, and discarded
        if name == "unlink" and calls.count("unlink") == 1:
            raise failing(errno.EIO)

    disk.before = hook
    await one.deliver(place, a_delivery(SECOND_ONE))
    disk.before = lambda _: None
    assert len(litter(disk)) == 1

    await one.read(place, SECOND_ONE, None)

    assert litter(disk) == []


def test_a_look_waits_for_a_write_under_way() -> None:
    """What it would see might be undone, and its temp files taken for somebody's edit."""
    disk = holding(FIRST)
    writers = writers_of(disk)
    seen = list[object]()

    together(
        disk,
        lambda: deliver(disk, a_delivery(SECOND_ONE), writers=writers),
        lambda: seen.append(writers.read(PATH, SECOND_ONE, None)),
    )

    assert seen == [Found(digest=SECOND_ONE.digest, settled=True)]


def test_of_files_that_no_path_leads_to_any_more_nothing_is_kept() -> None:
    """A runtime directory comes and goes with its user, each time another one."""
    disk = a_disk(FOREIGN)
    writers = writers_of(disk)
    for _ in range(5):
        deliver(disk, writers=writers)
        disk.add_dir("/home/ci").names.pop(".docker")
        disk.add_dir(HOME)
    assert len(writers._queues) == 1  # noqa: SLF001 - what is not kept can only be seen there
    assert writers.end_of(PATH) is not None

    writers.forget_all_but([])

    assert len(writers._queues) == len(writers._known) == 0  # noqa: SLF001
    assert writers.end_of(PATH) is None


def test_where_a_path_leads_is_known_from_whoever_followed_it_last() -> None:
    disk = a_disk(FOREIGN)
    writers = writers_of(disk)
    assert writers.end_of(PATH) is None

    writers.is_news(PATH)
    first = writers.end_of(PATH)
    disk.add_dir("/home/ci").names.pop(".docker")
    writers.is_news(PATH)
    missing = writers.end_of(PATH)
    deliver(disk, writers=writers)

    assert first is not None
    assert missing is None
    assert writers.end_of(PATH) not in (first, None)


async def test_two_logins_look_at_one_file_at_the_same_time() -> None:
    """Neither is told that the other's look has not returned."""
    disk, looking, go_on = a_disk(FOREIGN), Event(), Event()

    def wait() -> None:
        looking.set()
        assert go_on.wait(10)

    before(disk, "open_dir", wait)
    workers = Threads()
    place = Place(OutputName("docker_config"), PATH)
    one, other = output(disk, workers), output(disk, workers, OTHER)

    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(one.read(place, FIRST, None), name="first")
        await asyncio.to_thread(looking.wait, 10)
        second = tasks.create_task(other.read(place, SECOND_ONE, None), name="second")
        await asyncio.sleep(0)
        go_on.set()

    assert isinstance(first.result(), Found)
    assert isinstance(second.result(), Found)


async def test_a_file_system_that_hangs_holds_up_nobody_else() -> None:
    hung, healthy, gone = a_disk(FOREIGN), a_disk(FOREIGN, mode=0o600), Event()

    def hang() -> None:
        gone.wait(20)
        raise failing(errno.EIO)

    before(hung, "open_dir", hang)
    workers = Threads()
    place = Place(OutputName("docker_config"), PATH)
    one, other = output(hung, workers), output(healthy, Threads())

    async with asyncio.TaskGroup() as tasks:
        waits = tasks.create_task(one.deliver(place, a_delivery()), name="hung")
        assert isinstance(await other.deliver(place, a_delivery()), Put)
        second = await one.deliver(place, a_delivery())
        assert not waits.done()
        gone.set()

    assert isinstance(second, Failed)
    assert second.reason is Reason.TIMEOUT
    failed = waits.result()
    assert isinstance(failed, Failed)
    assert failed.reason is Reason.IO_ERROR
    await workers.drain(timedelta(seconds=1))
