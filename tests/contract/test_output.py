"""What the fake output of keepers does is what a file does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final, Protocol, TypeVar

import pytest

from lightkeeper.adapters.docker_file import DockerFile, FileOptions, FileWriters
from lightkeeper.core.credential import Credential
from lightkeeper.core.facts import LoginName
from lightkeeper.paths import Paths
from lightkeeper.ports import Foreign, Found, IfForeign, Output, Put
from tests.core.making import FIRST, LOGIN, OUTPUT, SECOND_ONE, a_credential
from tests.fakes.disk import UID, Disk
from tests.fakes.edge import FakeOutput
from tests.filing import PATH, a_delivery, a_disk, a_writer

T = TypeVar("T")

THEIRS: Final = a_credential("theirs")
OURS: Final = frozenset({FIRST.digest, SECOND_ONE.digest})


class Stage(Protocol):
    """A place, and somebody else who writes there."""

    @property
    def output(self) -> Output:
        """Of the one place."""
        ...

    def put(self, credential: Credential) -> None:
        """Somebody puts this there."""
        ...


class Fake:
    """The one that keepers are tested with."""

    def __init__(self) -> None:
        self.output = FakeOutput(names=(PATH,))

    def put(self, credential: Credential) -> None:
        self.output.held[PATH] = credential.digest


class Inline:
    """Workers that are done at once."""

    async def run(self, name: str, work: Callable[[], T], deadline: timedelta) -> T:
        return work()


class File:
    """A file on a disk."""

    def __init__(self) -> None:
        self._disk = a_disk(None)
        self.output = DockerFile(
            LOGIN,
            OUTPUT,
            PATH,
            replaces_foreign=True,
            options=FileOptions(),
            writers=_writers(self._disk),
            workers=Inline(),
        )

    def put(self, credential: Credential) -> None:
        theirs = a_delivery(credential, login=LoginName("somebody"))
        _writers(self._disk).deliver(PATH, theirs, FileOptions())


def _writers(disk: Disk) -> FileWriters:
    return FileWriters(a_writer(disk), Paths(disk, uid=UID))


@pytest.fixture(params=[Fake, File], ids=["fake", "adapter"])
def stage(request: pytest.FixtureRequest) -> Stage:
    made: Stage = request.param()
    return made


async def looked(stage: Stage, *, spares: bool) -> Found:
    [place] = stage.output.places()
    found = await stage.output.read(place, SECOND_ONE, OURS if spares else None)
    assert isinstance(found, Found)
    return found


async def delivered(stage: Stage, if_foreign: IfForeign) -> Put | Foreign:
    [place] = stage.output.places()
    done = await stage.output.deliver(place, a_delivery(SECOND_ONE, if_foreign=if_foreign))
    assert isinstance(done, Put | Foreign)
    return done


@pytest.mark.parametrize("spares", [True, False])
@pytest.mark.parametrize("there", [None, FIRST, SECOND_ONE, THEIRS])
async def test_a_look_finds_what_is_there_and_whether_it_is_what_is_held(
    stage: Stage, there: Credential | None, *, spares: bool
) -> None:
    """A credential that is to stay leaves nothing settled either: it is not the one held."""
    if there is not None:
        stage.put(there)

    found = await looked(stage, spares=spares)

    assert found.digest == (there.digest if there else None)
    assert found.settled is (there is SECOND_ONE)


@pytest.mark.parametrize("if_foreign", list(IfForeign))
@pytest.mark.parametrize("there", [None, FIRST, SECOND_ONE])
async def test_a_delivery_over_nothing_or_ours_is_read_back(
    stage: Stage, there: Credential | None, if_foreign: IfForeign
) -> None:
    if there is not None:
        stage.put(there)

    done = await delivered(stage, if_foreign)

    assert isinstance(done, Put)
    assert done.changed is (there is not SECOND_ONE)
    assert (await looked(stage, spares=False)).settled


@pytest.mark.parametrize("if_foreign", list(IfForeign))
async def test_a_delivery_over_what_is_not_ours_depends_on_what_it_may(
    stage: Stage, if_foreign: IfForeign
) -> None:
    stage.put(THEIRS)

    done = await delivered(stage, if_foreign)
    found = await looked(stage, spares=False)

    if if_foreign is IfForeign.REPLACE:
        assert isinstance(done, Put)
        assert found.digest == SECOND_ONE.digest
    else:
        assert done == Foreign(digest=THEIRS.digest)
        assert found.digest == THEIRS.digest
