"""What the tests of the file writer share: a disk with a home, and somebody else who writes too.

Files hold words here. `adding` is the change of a writer that wants its own word in and every other
word kept, as a delivery does with entries.
"""

from __future__ import annotations

import errno
import stat
from collections.abc import Callable
from random import Random

from lightkeeper.core.credential import Credential, Digest, RegistryHost
from lightkeeper.core.facts import LoginName
from lightkeeper.core.file_failure import FileFailure
from lightkeeper.core.reasons import Reason
from lightkeeper.files import Change, Files
from lightkeeper.paths import Paths, RealFile
from lightkeeper.ports import Delivery, IfForeign
from tests.core.making import FIRST, LOGIN
from tests.fakes.disk import UID, Disk, failing

HOME = "/home/ci/.docker"
PATH = f"{HOME}/config.json"
PREFIX = ".config.json.lightkeeper."


def a_disk(data: bytes | None = b"theirs ", *, mode: int = 0o640) -> Disk:
    """A disk with a home and, unless `data` is None, a file in it."""
    disk = Disk()
    disk.add_dir(HOME)
    if data is not None:
        disk.add_file(PATH, data, mode=mode)
    return disk


def a_writer(disk: Disk, *, seed: int = 1) -> Files:
    """The file writer of a process that has just started."""
    return Files(disk, uid=UID, random=Random(seed))  # noqa: S311 - names, not secrets


def the_file(disk: Disk) -> RealFile:
    return Paths(disk, uid=UID).make(PATH)


def adding(word: bytes) -> Change:
    """Put `word` behind what is there, unless it is there already."""

    def change(data: bytes | None) -> bytes | None:
        before = data or b""
        return None if word in before else before + word

    return change


def edit(disk: Disk, word: bytes) -> None:
    """Do what docker login does: read, write a new file, rename it over the old one."""
    disk.add_file(PATH, (disk.content(PATH) or b"") + word)


def before(disk: Disk, call: str, act: Callable[[], None], *, time: int = 1) -> None:
    """Do `act` once, just before the call of that name, the next one or a later `time`."""
    left = [time]

    def hook(name: str) -> None:
        if name == call:
            left[0] -= 1
            if left[0] == 0:
                act()

    disk.before = hook


def fail(disk: Disk, call: str, number: int, *, time: int = 1) -> None:
    """Let a call of that name fail."""

    def act() -> None:
        raise failing(number)

    before(disk, call, act, time=time)


def mode_of(disk: Disk, path: str = PATH) -> int:
    return stat.S_IMODE(disk.lstat(path).mode)


def a_delivery(
    credential: Credential = FIRST,
    *,
    login: LoginName = LOGIN,
    kin: frozenset[Digest] = frozenset(),
    former: frozenset[RegistryHost] = frozenset(),
    if_foreign: IfForeign = IfForeign.REPLACE,
) -> Delivery:
    """A credential on its way, of a login that wrote `FIRST` before."""
    return Delivery(
        login=login,
        credential=credential,
        ours=frozenset({FIRST.digest, credential.digest}),
        kin=kin,
        former=former,
        if_foreign=if_foreign,
    )


def put(disk: Disk, *, in_place: bool = False, word: bytes = b"ours ") -> bool:
    """Whether it took a write to have our word in the file."""
    writer = a_writer(disk)
    return writer.replace(the_file(disk), adding(word), in_place=in_place).changed


def refused(disk: Disk, *, in_place: bool = False) -> Reason:
    """Why our word could not be put there."""
    try:
        put(disk, in_place=in_place)
    except FileFailure as failure:
        return failure.reason
    message = "it was put there"
    raise AssertionError(message)


def never(disk: Disk, *calls: str, number: int = errno.EINVAL) -> None:
    """Let every call of these names fail."""

    def hook(name: str) -> None:
        if name in calls:
            raise failing(number)

    disk.before = hook


def litter(disk: Disk) -> list[str]:
    """The names of ours that lie beside the file."""
    return [name for name in disk.names_in(HOME) if name.startswith(PREFIX)]
