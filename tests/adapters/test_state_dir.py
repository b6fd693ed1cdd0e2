"""The state directory: what is kept comes back, what cannot be read is said, one daemon owns it."""

# ruff: noqa: ASYNC240 - nobody but the test waits for its loop

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lightkeeper.adapters.posix import Posix
from lightkeeper.adapters.state_dir import StateDir
from lightkeeper.core.credential import Digest, RegistryHost, Secret
from lightkeeper.core.facts import LoginName
from lightkeeper.core.file_failure import FileFailure
from lightkeeper.core.reasons import RENEWAL, Reason
from lightkeeper.core.saved import Saved, SavedCredential, SavedFailure, put_down
from lightkeeper.core.state import Known
from lightkeeper.files import Files
from lightkeeper.paths import Paths
from lightkeeper.ports import Failed
from tests.core.making import HERE, LOGIN, at, holding
from tests.fakes.disk import UID, Disk
from tests.filing import a_writer, fail

T = TypeVar("T")

IN_PLACE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


class Inline:
    """Workers that do the work where they stand."""

    async def run(self, name: str, work: Callable[[], T], deadline: timedelta) -> T | Failed:
        return work()


def a_store(folder: Path) -> StateDir:
    """The store of a process that has just started."""
    fs, uid = Posix(), os.geteuid()
    random = Random(1)  # noqa: S311 - names, not secrets
    return StateDir(
        str(folder),
        fs=fs,
        files=Files(fs, uid=uid, random=random),
        paths=Paths(fs, uid=uid),
        workers=Inline(),
    )


def on_disk(disk: Disk) -> StateDir:
    """The same, in `/state` of a disk that can fail."""
    files, paths = a_writer(disk), Paths(disk, uid=UID)
    return StateDir("/state", fs=disk, files=files, paths=paths, workers=Inline())


SAVED = put_down(holding(HERE), fingerprint="f", boot_id="b", now=at())
OLDEST: dict[str, object] = {
    "login": "prod",
    "fingerprint": "f",
    "boot_id": "b",
    "wall": "2026-01-01T00:00:00Z",
    "boot": "PT1H",
    "credential": None,
    "known": [],
    "attempts": 1,
    "last_attempt": "PT1H",
    "next_attempt": None,
    "refused_attempt": None,
    "last_success": None,
    "places": [],
}
"""What the first Lightkeeper kept of a login: it must load as long as the format's number is 1."""
NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)
SPANS = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=9999))
INSTANTS = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - `timezones` makes it aware
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
CREDENTIALS = st.builds(
    SavedCredential,
    registry=st.just("registry.test"),
    username=st.text(st.characters(codec="ascii", exclude_categories=["C"]), min_size=1).filter(
        lambda name: ":" not in name
    ),
    password=st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1).map(
        Secret
    ),
    issued_at=INSTANTS,
    expires_at=INSTANTS.map(lambda instant: instant + timedelta(days=40_000)),
    server_at=INSTANTS,
    seen_wall=INSTANTS,
    seen_boot=SPANS,
    draw=st.floats(0, 1, exclude_max=True),
    once_accepted=st.booleans(),
    is_odd=st.booleans(),
)
KNOWN = st.builds(
    Known,
    digest=TEXT.map(Digest),
    registry=st.just(RegistryHost("registry.test")),
    expires_at=INSTANTS,
)
FAILURES = st.builds(
    SavedFailure,
    reason=st.sampled_from(sorted(RENEWAL)),
    detail=TEXT,
    since=INSTANTS,
    count=st.integers(1, 1_000_000),
)
ANY_SAVED = st.builds(
    Saved,
    login=NAMES,
    fingerprint=TEXT,
    boot_id=TEXT,
    wall=INSTANTS,
    boot=SPANS,
    credential=st.none() | CREDENTIALS,
    known=st.lists(KNOWN, max_size=8).map(tuple),
    attempts=st.integers(0, 1_000_000),
    last_attempt=st.none() | SPANS,
    next_attempt=st.none() | SPANS,
    refused_attempt=st.none() | SPANS,
    last_success=st.none() | INSTANTS,
    places=st.lists(st.tuples(TEXT, TEXT), max_size=5).map(lambda all_: tuple(sorted(all_))),
    failure=st.none() | FAILURES,
)


@IN_PLACE
@given(saved=ANY_SAVED)
async def test_what_is_kept_comes_back(tmp_path: Path, saved: Saved) -> None:
    folder = tmp_path / saved.login
    folder.mkdir(exist_ok=True)

    assert await a_store(folder).save(saved) is None

    assert a_store(folder).load() == ({LoginName(saved.login): saved}, [])


@IN_PLACE
@given(data=st.data())
async def test_a_damaged_file_costs_its_login_alone(tmp_path: Path, data: st.DataObject) -> None:
    """Cut off, overwritten or garbled: said, and never a surprise."""
    store = a_store(tmp_path)
    await store.save(SAVED)
    await store.save(replace(SAVED, login="other"))
    whole = the_file(tmp_path).read_bytes()
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    patch = data.draw(st.binary(max_size=20) | st.sampled_from([b'"', b"{", b"1e999", b"null"]))

    the_file(tmp_path).write_bytes(whole[:start] + patch + whole[end:])
    saved, unreadable = a_store(tmp_path).load()

    assert "other" in saved
    assert LOGIN in saved or [one.login for one in unreadable] == [LOGIN]


DAMAGED = {
    "empty": b"",
    "no JSON": b"\x00\xff",
    "no object": b"[]",
    "no version": b'{"state":{}}',
    "no state": b'{"version":1}',
    "deep": b'{"version":1,"state":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a time too long": json.dumps({"version": 1, "state": {"boot": "P9999999999D"}}).encode(),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
async def test_what_is_no_state_is_damaged_and_replaced_by_the_next_save(
    tmp_path: Path, content: bytes
) -> None:
    the_file(tmp_path).write_bytes(content)
    store = a_store(tmp_path)

    saved, (unreadable,) = store.load()

    assert saved == {}
    assert (unreadable.login, unreadable.detail) == (LOGIN, "the saved state is damaged")
    assert await store.save(SAVED) is None
    assert LOGIN in a_store(tmp_path).load()[0]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("expires_at", "2020-01-01T00:00:00Z"),
        ("username", "a:b"),
        ("password", "a\nb"),
        ("registry", "not a host"),
        ("seen_wall", "2026-01-01T00:00:00"),
    ],
)
async def test_a_credential_that_could_not_have_been_held_is_damage(
    tmp_path: Path, field: str, value: str
) -> None:
    await a_store(tmp_path).save(SAVED)
    document = json.loads(the_file(tmp_path).read_bytes())
    document["state"]["credential"][field] = value
    the_file(tmp_path).write_text(json.dumps(document))

    saved, unreadable = a_store(tmp_path).load()

    assert saved == {}
    assert len(unreadable) == 1


async def test_a_file_under_the_name_of_another_login_is_not_believed(tmp_path: Path) -> None:
    await a_store(tmp_path).save(SAVED)
    the_file(tmp_path).rename(tmp_path / "other.json")

    saved, (unreadable,) = a_store(tmp_path).load()

    assert saved == {}
    assert unreadable.detail == "the saved state is of another login, 'prod'"


NEWER = b'{"version":2,"state":{"what":"nobody here knows"}}'


async def test_a_newer_version_is_said_and_left_untouched(tmp_path: Path) -> None:
    the_file(tmp_path).write_bytes(NEWER)
    store = a_store(tmp_path)

    _, (unreadable,) = store.load()
    failed = await store.save(SAVED)

    assert "newer Lightkeeper (format 2)" in unreadable.detail
    assert isinstance(failed, Failed)
    assert failed.reason is Reason.MALFORMED
    assert the_file(tmp_path).read_bytes() == NEWER


async def test_a_newer_version_is_not_deleted_with_its_login_either(tmp_path: Path) -> None:
    the_file(tmp_path).write_bytes(NEWER)
    store = a_store(tmp_path)
    store.load()

    assert await store.forget(LOGIN) is None

    assert the_file(tmp_path).read_bytes() == NEWER


async def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        await a_store(tmp_path).save(SAVED)
    finally:
        os.umask(before)

    assert stat.S_IMODE(the_file(tmp_path).stat().st_mode) == 0o600


async def test_nothing_is_written_when_nothing_changed(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    await store.save(SAVED)
    before = the_file(tmp_path).stat()

    await store.save(SAVED)

    assert the_file(tmp_path).stat() == before


async def test_what_is_forgotten_keeps_no_credential_and_knows_its_entries(tmp_path: Path) -> None:
    """The command that takes our entries out must know them by their digests."""
    store = a_store(tmp_path)
    await store.save(SAVED)

    assert await store.forget(LOGIN) is None

    saved, _ = a_store(tmp_path).load()
    assert saved[LOGIN] == replace(SAVED, credential=None)
    assert b"simulated-1" not in the_file(tmp_path).read_bytes()


async def test_what_is_damaged_is_forgotten_whole(tmp_path: Path) -> None:
    the_file(tmp_path).write_bytes(b"simulated-1")

    assert await a_store(tmp_path).forget(LOGIN) is None

    assert list(tmp_path.iterdir()) == []


async def test_what_is_removed_is_gone_and_may_be_gone_already(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    await store.save(SAVED)

    assert store.remove(LOGIN) is None
    assert store.remove(LOGIN) is None
    assert await store.forget(LOGIN) is None

    assert store.load() == ({}, [])


async def test_what_cannot_be_removed_is_told_with_its_reason(tmp_path: Path) -> None:
    disk = Disk()
    disk.add_dir("/state")
    disk.add_file("/state/prod.json", b"simulated-1", mode=0o600)
    store = on_disk(disk)
    fail(disk, "unlink", errno.EACCES)

    failed = store.remove(LOGIN)

    detail = "/state/prod.json: Permission denied"
    assert failed == Failed(reason=Reason.PERMISSION_DENIED, detail=detail)
    assert disk.content("/state/prod.json") == b"simulated-1"


async def test_what_is_told_to_be_removed_does_not_come_back_after_a_power_cut() -> None:
    disk = Disk()
    disk.add_dir("/state")
    store = on_disk(disk)
    await store.save(SAVED)

    assert store.remove(LOGIN) is None

    disk.cut_power(lambda: False)
    assert disk.names_in("/state") == []


async def test_what_a_crash_left_of_a_save_is_swept_away_and_by_no_look(tmp_path: Path) -> None:
    """Of logins that are gone as well."""
    await a_store(tmp_path).save(SAVED)
    left = {tmp_path / f".{name}.json.lightkeeper.new-1" for name in (LOGIN, "gone")}
    theirs = tmp_path / ".prod.json.bak"
    for file in (*left, theirs):
        file.touch()

    a_store(tmp_path).load()
    assert all(file.exists() for file in left)

    a_store(tmp_path).sweep()

    assert set(tmp_path.iterdir()) == {the_file(tmp_path), theirs}


def test_there_may_be_nothing_to_sweep(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    for path in (tmp_path, tmp_path / "missing", file):
        a_store(path).sweep()

    assert list(tmp_path.iterdir()) == [file]


async def test_a_directory_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert a_store(tmp_path / "missing").load() == ({}, [])


async def test_a_directory_that_cannot_be_read_is_told_with_its_path(tmp_path: Path) -> None:
    folder = tmp_path / "file"
    folder.write_text("")
    store = a_store(folder)

    with pytest.raises(FileFailure) as caught:
        store.load()
    failed = await store.save(SAVED)
    removed = store.remove(LOGIN)

    assert str(folder) in caught.value.detail
    assert isinstance(failed, Failed)
    assert removed == Failed(
        reason=Reason.UNSAFE_PATH, detail=f"{folder}/prod.json: Not a directory"
    )


def test_what_the_first_lightkeeper_kept_is_taken_up(tmp_path: Path) -> None:
    (tmp_path / "prod.json").write_text(json.dumps({"version": 1, "state": OLDEST}))

    saved, unreadable = a_store(tmp_path).load()

    assert unreadable == []
    assert (saved[LoginName("prod")].attempts, saved[LoginName("prod")].failure) == (1, None)


async def test_a_state_that_another_user_put_there_is_not_believed() -> None:
    """It would have us deliver what that user likes."""
    disk = Disk()
    disk.add_dir("/state")
    store = on_disk(disk)
    await store.save(SAVED)
    disk.add_file("/state/prod.json", disk.content("/state/prod.json") or b"", uid=UID + 1)

    saved, (unreadable,) = store.load()

    assert saved == {}
    assert unreadable.detail == f"/state/prod.json belongs to uid {UID + 1}"


async def test_what_others_put_there_is_left_alone(tmp_path: Path) -> None:
    for name in ("lock", "notes.txt", ".prod.json.lightkeeper.1", ".hidden.json"):
        (tmp_path / name).write_text("theirs")

    assert a_store(tmp_path).load() == ({}, [])
    assert len(list(tmp_path.iterdir())) == 4


def the_file(folder: Path) -> Path:
    return folder / f"{LOGIN}.json"
