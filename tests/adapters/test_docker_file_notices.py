"""What is said about a file beside how it stands: by every look at it, and to whom it concerns."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from lightkeeper.adapters.docker_file import DockerFile, FileOptions, FileWriters
from lightkeeper.adapters.workers import Threads
from lightkeeper.core.credential import Credential
from lightkeeper.core.facts import LoginName, OutputName
from lightkeeper.core.notices import Notice
from lightkeeper.paths import Paths
from lightkeeper.ports import Found, Put
from tests.adapters.test_docker_file import together
from tests.core.making import FIRST, LOGIN, a_credential
from tests.fakes.disk import UID, Disk
from tests.filing import HOME, PATH, PREFIX, a_delivery, a_disk, a_writer

OTHER = LoginName("other")
ELSEWHERE = a_credential("simulated-9", registry="other.test")
HELPER = json.dumps({"credHelpers": {FIRST.registry: "ecr-login"}}).encode()
BROKEN = b'{"auths": {"a.test": "text"}, "psFormat": []}'


def writers_of(disk: Disk) -> FileWriters:
    return FileWriters(a_writer(disk), Paths(disk, uid=UID))


def put(
    writers: FileWriters,
    held: Credential = FIRST,
    mode: int = 0o600,
    login: LoginName = LOGIN,
) -> frozenset[Notice]:
    """What a delivery says."""
    done = writers.deliver(PATH, a_delivery(held, login=login), FileOptions(mode=mode))
    assert isinstance(done, Put)
    return done.notices


def seen(writers: FileWriters, held: Credential = FIRST, mode: int = 0o600) -> frozenset[Notice]:
    """What a look says."""
    found = writers.read(PATH, held, None, FileOptions(mode=mode))
    assert isinstance(found, Found)
    return found.notices


@pytest.mark.parametrize(
    ("data", "mode", "expected"),
    [
        (HELPER, 0o600, {Notice.HELPER_SHADOWS}),
        (b'{"credsStore": "ecr-login"}', 0o600, {Notice.STORE_SHADOWS}),
        (BROKEN, 0o600, {Notice.BROKEN_FOREIGN_ENTRY, Notice.UNUSABLE_SECTION}),
        (b'{"auths": {"a.test": {}}}', 0o644, {Notice.WIDE_MODE}),
        (b'{"auths": {"a.test": {}}}', 0o600, set()),
    ],
    ids=["helper", "store", "broken", "wide", "healthy"],
)
def test_what_lasts_is_said_by_a_delivery_and_by_every_look_after_it(
    data: bytes, mode: int, expected: set[Notice]
) -> None:
    writers = writers_of(a_disk(data, mode=mode))

    assert put(writers) == expected
    assert seen(writers) == seen(writers) == expected


def test_what_somebody_writes_or_mends_between_two_deliveries_is_seen() -> None:
    disk = a_disk(b'{"auths": {"a.test": {}}}', mode=0o600)
    writers = writers_of(disk)
    put(writers)
    entries = disk.content(PATH) or b""

    disk.add_file(PATH, b'{"credsStore": "ecr-login", ' + entries.lstrip(b"{"), mode=0o640)
    assert seen(writers) == {Notice.STORE_SHADOWS, Notice.WIDE_MODE}

    disk.add_file(PATH, entries, mode=0o600)
    assert seen(writers) == set()


def test_what_a_delivery_would_mend_is_not_said_to_be_mended_by_a_look() -> None:
    alias = f'{{"Auths": {{"https://{FIRST.registry}": {{}}}}}}'.encode()

    assert seen(writers_of(a_disk(b"\xef\xbb\xbf" + alias, mode=0o600))) == set()
    assert seen(writers_of(a_disk(None))) == set()


def test_a_mode_that_was_asked_for_is_not_complained_of() -> None:
    writers = writers_of(a_disk(b'{"auths": {"a.test": {}}}', mode=0o640))

    assert put(writers, mode=0o640) == seen(writers, mode=0o640) == set()
    assert put(writers) == seen(writers, mode=0o604) == {Notice.WIDE_MODE}


async def test_an_output_looks_with_the_mode_that_it_writes_with() -> None:
    disk = a_disk(b'{"auths": {"a.test": {}}}', mode=0o640)
    output = DockerFile(
        LoginName("prod"),
        OutputName("files"),
        PATH,
        replaces_foreign=True,
        options=FileOptions(mode=0o640),
        writers=writers_of(disk),
        workers=Threads(),
    )
    (place,) = output.places()

    found = await output.read(place, FIRST, None)

    assert isinstance(found, Found)
    assert found.notices == set()


def test_logins_whose_entries_go_by_one_write_are_told_of_their_own_registry() -> None:
    disk = a_disk(HELPER, mode=0o600)
    writers = writers_of(disk)
    said = dict[LoginName, frozenset[Notice]]()

    def delivering(login: LoginName, held: Credential) -> Callable[[], None]:
        return lambda: said.update({login: put(writers, held, login=login)})

    third = a_credential("simulated-3", registry="third.test")
    together(
        disk,
        delivering(LoginName("third"), third),
        delivering(LOGIN, FIRST),
        delivering(OTHER, ELSEWHERE),
    )

    assert said[LOGIN] == {Notice.HELPER_SHADOWS}
    assert said[OTHER] == set()
    assert disk.calls.count("exchange") == 2


def test_an_edit_that_a_crash_kept_is_said_by_every_look() -> None:
    disk = a_disk(b'{"auths": {"a.test": {}}}', mode=0o600)
    disk.add_file(f"{HOME}/{PREFIX}ffff-1-eeee", b"{}")
    writers = writers_of(disk)

    assert put(writers) == seen(writers) == {Notice.EDIT_KEPT}
