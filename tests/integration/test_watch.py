"""Real deliveries under a real inotify: ours cause no look, and nothing of others goes unseen."""

# ruff: noqa: ASYNC240 - nobody but the test waits for its loop

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random

import pytest

from lightkeeper.adapters.docker_file import FileOptions, FileWriters
from lightkeeper.adapters.posix import Posix
from lightkeeper.adapters.watch import InotifyWatch
from lightkeeper.adapters.workers import Threads
from lightkeeper.files import Files
from lightkeeper.paths import Paths
from lightkeeper.ports import Put
from tests.core.making import FIRST, SECOND_ONE
from tests.filing import a_delivery
from tests.integration.process import command, daemon, simulator

FOREIGN = {"ghcr.io": {"auth": "dTpw"}}
_LONG = timedelta(seconds=10)


@dataclass
class Host:
    """Writers and a watch, as a daemon has them."""

    path: Path
    proof: Path
    looks: list[str] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        fs = Posix()
        files = Files(fs, uid=os.getuid(), random=Random(0))  # noqa: S311 - names, not secrets
        self.workers = Threads()
        self.writers = FileWriters(files, Paths(fs, uid=os.getuid()))
        self.watch = InotifyWatch(
            self.workers,
            is_news=self.writers.is_news,
            end_of=self.writers.end_of,
            touched=self._touched,
            blind=pytest.fail,
        )

    def _touched(self, path: str) -> None:
        self.looks.append(path)
        self._changed.set()

    async def deliver(self, *, in_place: bool = False) -> None:
        """Deliver two credentials, one after the other."""
        for held in (FIRST, SECOND_ONE):
            options = FileOptions(in_place=in_place)
            work = partial(self.writers.deliver, str(self.path), a_delivery(held), options)
            done = await self.workers.run("deliver", work, _LONG)
            assert isinstance(done, Put)
            assert done.changed

    async def is_looked_at(self, path: Path) -> None:
        async with asyncio.timeout(10):
            while str(path) not in self.looks:
                self._changed.clear()
                await self._changed.wait()

    async def had_no_look(self) -> None:
        """Up to and including a proof that it listens."""
        self.proof.write_text("proof")
        await self.is_looked_at(self.proof)
        # What was heard of before the proof has been answered with it at the latest.
        await self.workers.drain(_LONG)
        for _ in range(10):
            await asyncio.sleep(0)
        assert self.looks.count(str(self.path)) == 0


@asynccontextmanager
async def watching(path: Path) -> AsyncIterator[Host]:
    proof = path.parent.parent / "proof" / "proof"
    proof.parent.mkdir()
    host = Host(path, proof)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(host.watch.run(), name="watch")
        await asyncio.sleep(0)
        host.watch.look_at([str(path), str(proof)])
        await asyncio.sleep(0)
        await host.workers.drain(_LONG)
        try:
            yield host
        finally:
            task.cancel()


def write(path: Path, auths: dict[str, dict[str, str]]) -> None:
    """What docker login and docker logout do."""
    new = path.with_name(f"{path.name}123")
    new.write_text(json.dumps({"auths": auths}))
    new.rename(path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "docker"
    folder.mkdir()
    path = folder / "config.json"
    write(path, FOREIGN)
    return path


@pytest.fixture
def link(tmp_path: Path, file: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    path = folder / "config.json"
    path.symlink_to(file)
    return path


@pytest.mark.parametrize("in_place", [False, True])
async def test_a_delivery_causes_no_look(file: Path, *, in_place: bool) -> None:
    async with watching(file) as host:
        await host.deliver(in_place=in_place)

        await host.had_no_look()


async def test_a_delivery_that_makes_the_file_causes_no_look(file: Path) -> None:
    file.unlink()

    async with watching(file) as host:
        await host.deliver()

        await host.had_no_look()


async def test_a_delivery_through_a_link_causes_no_look(link: Path) -> None:
    async with watching(link) as host:
        await host.deliver()

        await host.had_no_look()


async def test_a_logout_right_after_a_delivery_that_made_the_directory_causes_one(
    tmp_path: Path,
) -> None:
    path = tmp_path / "made" / "config.json"

    async with watching(path) as host:
        await host.deliver()
        write(path, {})
        host.looks.clear()
        await host.is_looked_at(path)


EDITS: dict[str, Callable[[Path], object]] = {
    "another login": lambda path: write(path, {**json.loads(path.read_text())["auths"], **FOREIGN}),
    "a logout": lambda path: write(path, FOREIGN),
    "a removal": lambda path: path.unlink(),
    "an edit in place": lambda path: path.write_text(path.read_text() + " "),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
@pytest.mark.parametrize("in_place", [False, True])
async def test_an_edit_right_after_a_delivery_causes_one(
    file: Path, edit: Callable[[Path], object], *, in_place: bool
) -> None:
    async with watching(file) as host:
        await host.deliver(in_place=in_place)
        edit(file)

        await host.is_looked_at(file)


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
async def test_an_edit_right_after_a_delivery_through_a_link_causes_one(
    file: Path, link: Path, edit: Callable[[Path], object]
) -> None:
    async with watching(link) as host:
        await host.deliver()
        edit(file)

        await host.is_looked_at(link)


async def test_an_edit_that_a_delivery_was_put_over_causes_one(file: Path) -> None:
    """Of two logins in a file the one may deliver before the other knows that its entry is gone."""
    async with watching(file) as host:
        await host.deliver()
        write(file, FOREIGN)
        host.writers.deliver(str(file), a_delivery(FIRST), FileOptions())

        await host.is_looked_at(file)


def test_of_all_that_happens_to_a_file_a_daemon_is_told_what_others_do(tmp_path: Path) -> None:
    folder = tmp_path / "host"
    path = folder / "config.json"
    with (
        simulator(tmp_path, "--lifetime", "20") as lightsail,
        daemon(
            folder,
            lightsail.environment,
            *("--docker-config", str(path), "--log-level", "debug"),
        ) as running,
    ):
        running.wait_for("credential_delivered")
        asked = ("renew", "--socket", str(folder / "control.sock"))
        assert command(folder, lightsail.environment, *asked).returncode == 0
        running.wait_for("credential_delivered", 2)
        write(path, {**json.loads(path.read_text())["auths"], **FOREIGN})
        running.wait_for("place_touched")

        assert len(running.events("place_touched")) == 1
