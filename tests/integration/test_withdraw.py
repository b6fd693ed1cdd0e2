"""Entries are taken out of files that can only be written in place, as long as they are named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.process import Simulated, clean_environment, command, simulator

FOREIGN = {"ghcr.io": {"auth": "dTpw"}}


@dataclass
class Host:
    """A host whose file holds what `once` has delivered."""

    folder: Path
    lightsail: Simulated

    @property
    def file(self) -> Path:
        return self.folder / "config.json"

    @property
    def hosts(self) -> set[str]:
        return set(json.loads(self.file.read_text())["auths"])

    @property
    def everything(self) -> dict[Path, tuple[int, int, int]]:
        """Every file that is there: which one, its mode, when it was written."""
        stats = {file: file.stat() for file in self.folder.rglob("*") if file.is_file()}
        return {file: (one.st_ino, one.st_mode, one.st_mtime_ns) for file, one in stats.items()}

    def configure(self, *names: str, in_place: bool = False) -> None:
        how = f"in_place: {str(in_place).lower()}"
        outputs = ", ".join(
            f"{{type: docker_config, path: {self.folder}/{name}, {how}}}"
            for name in names or ("config.json",)
        )
        (self.folder / "config.yaml").write_text(
            f"state_dir: {self.folder}/state\nsocket: {self.folder}/control.sock\nlogins:\n"
            f"  - {{name: prod, region: eu-central-1, outputs: [{outputs}]}}\n"
        )

    def run(self, word: str, *, within: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        arguments = (word, "--config", str(self.folder / "config.yaml"))
        if not within:
            return command(self.folder, self.lightsail.environment, *arguments)
        return subprocess.run(
            [*within, sys.executable, "-m", "lightkeeper", *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**clean_environment(self.folder), **self.lightsail.environment},
        )


@pytest.fixture(scope="module")
def lightsail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulated]:
    with simulator(tmp_path_factory.mktemp("simulator")) as running:
        yield running


@pytest.fixture
def host(lightsail: Simulated, tmp_path: Path) -> Host:
    one = Host(tmp_path, lightsail)
    one.file.write_text(json.dumps({"auths": FOREIGN}))
    one.file.chmod(0o600)
    one.configure(in_place=True)
    assert one.run("once").returncode == 0
    assert one.hosts == {*FOREIGN, lightsail.registry}
    return one


@pytest.mark.parametrize("in_place", [False, True])
def test_a_file_is_written_in_place_if_its_output_says_so(host: Host, *, in_place: bool) -> None:
    was = host.file.stat().st_ino
    host.configure(in_place=in_place)

    done = host.run("withdraw")

    assert done.stdout == f"prod: {host.file}: taken out\n"
    assert done.returncode == 0
    assert host.hosts == {*FOREIGN}
    assert (host.file.stat().st_ino == was) is in_place


@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount")
def test_a_file_that_is_mounted_alone_is_left_with_advice_until_it_is_named(host: Host) -> None:
    if subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        pytest.skip("mount namespaces are not to be had here")
    bind = f'mount --bind {host.file} {host.file}; exec "$@"'
    within = ("unshare", "--mount", "--propagation", "private", "sh", "-ec", bind, "sh")
    host.configure("another.json", in_place=True)

    failed = host.run("withdraw", within=within)

    assert failed.returncode == 1
    assert f"prod: {host.file}: failed, single_file_mount: " in failed.stdout
    assert "set in_place: true" in failed.stdout
    assert host.lightsail.registry in host.hosts

    host.configure(in_place=True)

    done = host.run("withdraw", within=within)

    assert done.stdout == f"prod: {host.file}: taken out\n"
    assert host.hosts == {*FOREIGN}


@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount")
def test_a_password_that_stays_in_the_state_directory_is_a_failure_that_is_told(host: Host) -> None:
    """A mount on a file keeps even root from removing it."""
    if subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        pytest.skip("mount namespaces are not to be had here")
    state = host.folder / "state" / "prod.json"
    bind = f'mount --bind {state} {state}; exec "$@"'
    within = ("unshare", "--mount", "--propagation", "private", "sh", "-ec", bind, "sh")

    failed = host.run("withdraw", within=within)

    assert failed.returncode == 1
    said, advice = failed.stdout.splitlines()[1:]
    kept = f"prod: what is kept of it stays in {host.folder}/state, with its password: failed,"
    assert said.startswith(f"{kept} single_file_mount: ")
    assert advice.startswith("  The file is a mount of its own and cannot be replaced")
    assert state.exists()

    assert host.run("withdraw").stdout == f"prod: {host.file}: was not there\n"
    assert not state.exists()


def test_a_login_that_never_came_stays_known_if_it_cannot_be_forgotten(
    lightsail: Simulated, tmp_path: Path
) -> None:
    host = Host(tmp_path, lightsail)
    host.configure(in_place=False)
    lightsail.order("faults", {"name": "AccessDeniedException"})
    host.run("once")
    state = tmp_path / "state" / "prod.json"
    if subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        pytest.skip("mount namespaces are not to be had here")
    bind = f'mount --bind {state} {state}; exec "$@"'
    within = ("unshare", "--mount", "--propagation", "private", "sh", "-ec", bind, "sh")

    done = host.run("withdraw", within=within)

    assert done.returncode == 1
    assert "forgotten" not in done.stdout
    assert "single_file_mount" in done.stdout


@pytest.mark.parametrize("word", ["check", "status"])
def test_whoever_only_looks_changes_nothing_at_all(host: Host, word: str) -> None:
    """Not even what a crash left, which may be another process at work."""
    edit = host.folder / ".config.json.lightkeeper.1-1-1"
    litter = host.folder / ".config.json.lightkeeper.new-1"
    saving = host.folder / "state" / ".prod.json.lightkeeper.new-1"
    for file in (edit, litter, saving):
        file.write_text("{}")
        file.chmod(0o644)
    before = host.everything

    done = host.run(word)

    assert done.returncode == 0, done.stderr
    assert host.everything == before
    assert "A crash caught somebody's edit" in done.stdout

    host.run("once")

    assert set(before) - set(host.everything) == {litter, saving}
    assert edit.stat().st_mode & 0o777 == 0o600


def test_a_place_that_is_served_no_more_is_told_with_what_takes_our_entry_out(host: Host) -> None:
    host.configure("another.json")

    done = host.run("once")

    said = f"lightkeeper once: prod serves {host.file} no more, and its entries stay there until "
    assert done.stderr.partition(said)[2].startswith("lightkeeper withdraw prod --state-dir")


def test_a_place_that_came_between_two_renewals_is_taken_out_of_as_well(host: Host) -> None:
    host.configure("config.json", "second.json")
    assert host.run("once").returncode == 0
    second = host.folder / "second.json"
    assert host.lightsail.registry in second.read_text()

    assert host.run("withdraw").returncode == 0

    assert host.lightsail.registry not in second.read_text()


def test_a_second_time_there_is_nothing_to_take_out_and_that_is_said(host: Host) -> None:
    host.run("withdraw")

    again = host.run("withdraw")

    assert again.returncode == 0
    assert again.stdout.endswith("/state, so nothing is to be taken out\n")


def test_a_login_that_never_came_is_forgotten_with_true_words(
    lightsail: Simulated, tmp_path: Path
) -> None:
    host = Host(tmp_path, lightsail)
    host.configure(in_place=False)
    lightsail.order("faults", {"name": "AccessDeniedException"})
    host.run("once")

    done = host.run("withdraw")

    assert done.stdout == "prod: nothing was ever delivered; it is forgotten\n"
    assert done.returncode == 0


@pytest.mark.skipif(os.getuid() != 0, reason="takes root")
@pytest.mark.parametrize("word", ["withdraw", "status", "check", "once"])
def test_root_is_told_how_to_be_the_user_whose_state_it_is(host: Host, word: str) -> None:
    os.chown(host.folder / "state", 65534, 65534)

    done = host.run(word)

    assert done.returncode == 1
    assert "run it as that " in done.stderr
    assert host.lightsail.registry in host.hosts
    if word != "once":
        assert f"sudo -u nobody lightkeeper {word} --state-dir {host.folder}/state" in done.stderr


def test_a_place_under_another_name_is_not_left(host: Host) -> None:
    """What would be taken out there is what is served."""
    (host.folder / "link").symlink_to(".")
    host.configure("link/config.json")
    host.run("once")
    host.configure("config.json")

    assert "serves" not in host.run("once").stderr
    assert host.lightsail.registry in host.hosts
