from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path

import pytest

from lightkeeper.simulator import Settings, SetupError, Validity, simulate
from lightkeeper.simulator.account import Account, new_account
from lightkeeper.simulator.clock import Clock
from tests.simulator.asking import ask, login, until
from tests.simulator.test_htpasswd import is_right, needs_htpasswd


def _account(settings: Settings) -> Account:
    return new_account(settings, registry="127.0.0.1:5000", clock=Clock())


def _users(file: Path) -> list[str]:
    return [line.partition(":")[0] for line in file.read_text().splitlines()]


async def test_a_draft_is_accepted_by_nobody() -> None:
    account = _account(Settings())

    draft = account.draft()

    assert draft.registry == "127.0.0.1:5000"
    assert not account.credentials.accepts(draft.username, draft.password, draft.issued_at)


async def test_a_temporary_aws_key_lives_as_long_as_was_set() -> None:
    account = _account(Settings(aws_lifetime=timedelta(minutes=15)))

    key = account.issue_aws_key()

    assert key.expires_at is not None
    left = key.expires_at - account.clock.now()
    assert timedelta(minutes=14) < left <= timedelta(minutes=15)


@needs_htpasswd
async def test_each_credential_is_a_user_of_its_own_in_the_htpasswd_file(tmp_path: Path) -> None:
    file = tmp_path / "htpasswd"
    file.write_text("alice:x\n")
    async with simulate(Settings(htpasswd=file)) as simulator:
        issued = [await login(simulator), await login(simulator)]

        assert _users(file) == ["alice", *(one["username"] for one in issued)]
        assert issued[0]["username"] != issued[1]["username"]
        assert await is_right(file, issued[1]["username"], issued[1]["password"])
        assert not await is_right(file, issued[0]["username"], issued[1]["password"])


@needs_htpasswd
async def test_credentials_asked_for_at_once_all_reach_the_htpasswd_file(tmp_path: Path) -> None:
    file = tmp_path / "htpasswd"
    async with simulate(Settings(htpasswd=file)) as simulator:
        answers = await asyncio.gather(*(ask(simulator) for _ in range(5)))

        issued = {answer.json["registryLogin"]["username"] for answer in answers}
        assert set(_users(file)) == issued
        assert len(issued) == 5


@needs_htpasswd
async def test_a_credential_that_is_ended_leaves_the_htpasswd_file(tmp_path: Path) -> None:
    file = tmp_path / "htpasswd"
    async with simulate(Settings(htpasswd=file)) as simulator:
        older, _ = await login(simulator), await login(simulator)

        simulator.end_newest()
        assert _users(file) == [older["username"]]

        simulator.end_all()
        assert _users(file) == []


@needs_htpasswd
async def test_a_predecessor_leaves_the_htpasswd_file_where_it_is_ended(tmp_path: Path) -> None:
    file = tmp_path / "htpasswd"
    settings = Settings(htpasswd=file, validity=Validity.END_PREDECESSOR)
    async with simulate(settings) as simulator:
        await login(simulator)
        newer = await login(simulator)

        assert _users(file) == [newer["username"]]


@needs_htpasswd
async def test_an_expired_credential_leaves_the_htpasswd_file_by_itself(tmp_path: Path) -> None:
    file = tmp_path / "htpasswd"
    settings = Settings(htpasswd=file, lifetime=timedelta(seconds=0.5))
    async with simulate(settings) as simulator:
        credential = await login(simulator)
        assert _users(file) == [credential["username"]]

        await until(lambda: _users(file) == [])

        assert not simulator.accepts(credential["username"], credential["password"])


@needs_htpasswd
async def test_a_clock_that_is_set_back_brings_an_expired_user_back(tmp_path: Path) -> None:
    file = tmp_path / "htpasswd"
    async with simulate(Settings(htpasswd=file)) as simulator:
        credential = await login(simulator)

        simulator.move_clock(timedelta(hours=13))
        assert _users(file) == []

        simulator.move_clock(timedelta(0))
        assert _users(file) == [credential["username"]]


@needs_htpasswd
async def test_nothing_is_left_in_the_htpasswd_file_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "htpasswd"
    file.write_text("alice:x\nAWS_7:from a run that was killed\n")
    async with simulate(Settings(htpasswd=file)) as simulator:
        assert _users(file) == ["alice"]
        await login(simulator)

    assert _users(file) == ["alice"]
    assert os.listdir(tmp_path) == [file.name]  # noqa: PTH208 - in a coroutine


async def test_an_htpasswd_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"cannot write .*/missing/htpasswd: No such file"):
        _account(Settings(htpasswd=tmp_path / "missing" / "htpasswd"))
