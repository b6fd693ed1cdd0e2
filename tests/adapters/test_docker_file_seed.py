"""What a file begins with when it is made: a static Docker config, by a path of its own."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightkeeper.adapters.docker_file import FileOptions, FileWriters
from lightkeeper.core.docker_config import parse
from lightkeeper.core.facts import LoginName
from lightkeeper.core.json_document import Member
from lightkeeper.core.notices import Notice
from lightkeeper.core.reasons import Reason
from lightkeeper.paths import Paths
from lightkeeper.ports import Failed, Foreign, IfForeign, Pending, Put
from tests.core.making import FIRST, SECOND_ONE, a_credential
from tests.core.test_docker_config_properties import Sample, samples
from tests.fakes.disk import UID, Disk
from tests.filing import PATH, a_delivery, a_disk, a_writer, before, fail, litter

SEED = "/seed/config.json"
BASE = b"""{
    "auths": {
        "base.test": { "auth" : "dTpw" }
    },
    "credHelpers": {"ecr.test": "ecr-login"},
    "HttpHeaders": {"A": "b"}
}
"""
ELSEWHERE = a_credential("simulated-9", registry="other.test")
OPTIONS = FileOptions(seed=SEED)


def seeded(data: bytes | None, *, there: bytes | None = None) -> Disk:
    """A disk with a seed, as a Secret's volume has it, and perhaps the file itself."""
    disk = a_disk(there, mode=0o600)
    disk.add_dir("/seed/..2026_11_30")
    disk.add_link("/seed/..data", "..2026_11_30")
    disk.add_link(SEED, "..data/config.json")
    if data is not None:
        disk.add_file("/seed/..2026_11_30/config.json", data, mode=0o444, uid=0)
    return disk


def writers_of(disk: Disk) -> FileWriters:
    return FileWriters(a_writer(disk), Paths(disk, uid=UID))


def deliver(
    disk: Disk, if_foreign: IfForeign = IfForeign.REPLACE, options: FileOptions = OPTIONS
) -> Put | Foreign | Pending | Failed:
    return writers_of(disk).deliver(PATH, a_delivery(if_foreign=if_foreign), options)


def tree(disk: Disk) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads(disk.content(PATH) or b"")
    return found


def test_a_file_that_is_made_begins_with_the_seed() -> None:
    disk = seeded(BASE)

    assert deliver(disk) == Put(changed=True, notices=frozenset())

    assert tree(disk) == {
        "auths": {
            "base.test": {"auth": "dTpw"},
            FIRST.registry: tree(disk)["auths"][FIRST.registry],
        },
        "credHelpers": {"ecr.test": "ecr-login"},
        "HttpHeaders": {"A": "b"},
    }
    assert b'"base.test": { "auth" : "dTpw" }' in (disk.content(PATH) or b"")
    assert writers_of(disk).read(PATH, FIRST, None, OPTIONS)
    assert disk.lstat(PATH).mode & 0o777 == 0o600


def test_once_the_file_is_there_the_seed_is_not_read() -> None:
    disk = seeded(BASE)
    deliver(disk)
    disk.add_file("/seed/..2026_11_30/config.json", b"{")
    content = disk.content(PATH)

    assert deliver(disk) == Put(changed=False, notices=frozenset())
    assert disk.content(PATH) == content


@pytest.mark.parametrize("there", [b"", b"{}", b'{"auths": {"ghcr.io": {"auth": "dTpw"}}}'])
def test_a_file_that_exists_is_left_without_it(there: bytes) -> None:
    disk = seeded(b"{", there=there)

    assert isinstance(deliver(disk), Put)
    assert "base.test" not in tree(disk)["auths"]


def test_a_file_that_was_removed_begins_with_it_again() -> None:
    disk = seeded(BASE)
    writers = writers_of(disk)
    assert isinstance(writers.deliver(PATH, a_delivery(), OPTIONS), Put)
    directory = disk.open_dir("/home/ci/.docker")
    disk.unlink(directory, "config.json")

    assert isinstance(writers.deliver(PATH, a_delivery(), OPTIONS), Put)
    assert "base.test" in tree(disk)["auths"]


def test_a_file_that_somebody_makes_meanwhile_is_theirs() -> None:
    """Its maker knew of no seed; what stands in it is kept, and nothing else is added."""
    disk = seeded(BASE)

    def make() -> None:
        disk.add_file(PATH, b'{"auths": {"mine.test": {}}}')

    before(disk, "rename_new", make)

    assert isinstance(deliver(disk), Put)
    assert tree(disk)["auths"].keys() == {"mine.test", FIRST.registry}


@pytest.mark.parametrize("if_foreign", IfForeign)
@pytest.mark.parametrize("key", ["{}", "https://{}", "{}/v2/", "{}/sr"])
def test_what_the_seed_has_for_our_registry_is_ours(key: str, if_foreign: IfForeign) -> None:
    """It is older than any credential of ours, and nobody's doing in this file."""
    theirs = key.format(FIRST.registry)
    disk = seeded(json.dumps({"auths": {theirs: {"auth": "dTpw"}, "base.test": {}}}).encode())

    assert isinstance(deliver(disk, if_foreign), Put)

    assert tree(disk)["auths"].keys() == {"base.test", FIRST.registry}
    assert tree(disk)["auths"][FIRST.registry] != {"auth": "dTpw"}


def test_what_of_it_stands_in_our_way_is_said() -> None:
    disk = seeded(json.dumps({"credHelpers": {FIRST.registry: "ecr-login"}}).encode())

    assert deliver(disk) == Put(changed=True, notices=frozenset({Notice.HELPER_SHADOWS}))


def test_the_second_login_of_a_file_finds_it_made() -> None:
    disk = seeded(BASE)
    writers = writers_of(disk)

    for credential in (SECOND_ONE, ELSEWHERE):
        delivery = a_delivery(credential, login=LoginName(credential.registry))
        assert isinstance(writers.deliver(PATH, delivery, OPTIONS), Put)

    assert tree(disk)["auths"].keys() == {"base.test", FIRST.registry, "other.test"}


def denied(disk: Disk) -> None:
    """The first file that is read is the one to be delivered into, and is not there."""
    fail(disk, "read", errno.EACCES, time=2)


def made_a_directory(disk: Disk) -> None:
    disk.add_dir("/seed/..2026_11_30/config.json")


def in_a_circle(disk: Disk) -> None:
    disk.add_link("/seed/..2026_11_30/config.json", "config.json")


def nothing(_: Disk) -> None:
    pass


BROKEN: list[tuple[bytes | None, Callable[[Disk], None], Reason, str]] = [
    (b"{", nothing, Reason.MALFORMED, ""),
    (b"[]", nothing, Reason.MALFORMED, ""),
    (b'{"auths": []}', nothing, Reason.MALFORMED, "its auths is not an object"),
    (None, nothing, Reason.UNSAFE_PATH, "there is no such file"),
    (
        b" " * (1 << 20) + b"{}",
        nothing,
        Reason.TOO_LARGE,
        "it is, or would be, larger than 1 MiB",
    ),
    (BASE, denied, Reason.PERMISSION_DENIED, ""),
    (None, made_a_directory, Reason.UNSAFE_PATH, ""),
    (None, in_a_circle, Reason.UNSAFE_PATH, ""),
]


@pytest.mark.parametrize(("data", "meet", "reason", "said"), BROKEN)
def test_a_seed_that_cannot_be_used_is_a_failure_and_nothing_is_written(
    data: bytes | None, meet: Callable[[Disk], None], reason: Reason, said: str
) -> None:
    disk = seeded(data)
    meet(disk)

    outcome = deliver(disk)

    assert isinstance(outcome, Failed)
    assert outcome.reason is reason
    assert outcome.detail.startswith(f"its seed {SEED}: {said}")
    assert disk.content(PATH) is None
    assert litter(disk) == []


def test_a_seed_whose_folder_is_missing_is_one_that_is_missing() -> None:
    outcome = deliver(a_disk(None))

    assert outcome == Failed(
        reason=Reason.UNSAFE_PATH, detail=f"its seed {SEED}: there is no such file"
    )


def test_a_seed_and_our_entry_are_together_no_larger_than_a_config() -> None:
    disk = seeded(b'{"auths": {}, "a": "' + b"x" * ((1 << 20) - 30) + b'"}')

    outcome = deliver(disk)

    assert isinstance(outcome, Failed)
    assert outcome.reason is Reason.TOO_LARGE
    assert disk.content(PATH) is None


def test_a_seed_that_cannot_be_used_is_seen_before_it_is_needed() -> None:
    """As `lightkeeper check` looks; a file that is there needs none."""
    told = Failed(reason=Reason.UNSAFE_PATH, detail=f"its seed {SEED}: there is no such file")

    assert writers_of(seeded(None)).obstacle(PATH, OPTIONS) == told
    assert writers_of(seeded(None, there=b"{}")).obstacle(PATH, OPTIONS) is None
    assert writers_of(seeded(BASE)).obstacle(PATH, OPTIONS) is None
    assert writers_of(seeded(BASE)).obstacle("/home/ci/new/config.json", OPTIONS) is None
    assert writers_of(seeded(None)).obstacle("/home/ci/new/config.json", OPTIONS) == told


def test_once_it_is_mended_the_file_is_made() -> None:
    disk = seeded(None)
    writers = writers_of(disk)
    assert isinstance(writers.deliver(PATH, a_delivery(), OPTIONS), Failed)

    disk.add_file("/seed/..2026_11_30/config.json", BASE)

    assert isinstance(writers.deliver(PATH, a_delivery(), OPTIONS), Put)
    assert "base.test" in tree(disk)["auths"]


def test_taking_our_entry_out_leaves_what_the_seed_brought() -> None:
    disk = seeded(BASE)
    writers = writers_of(disk)
    writers.deliver(PATH, a_delivery(), OPTIONS)

    assert writers.withdraw(PATH, {FIRST.registry}, {FIRST.digest}, OPTIONS) is True
    assert tree(disk) == json.loads(BASE)


def test_nothing_is_made_of_a_seed_for_nobody() -> None:
    disk = seeded(BASE)

    assert writers_of(disk).withdraw(PATH, {FIRST.registry}, {FIRST.digest}, OPTIONS) is False
    assert disk.content(PATH) is None


@given(samples(), st.sampled_from(IfForeign))
def test_what_a_seed_holds_is_in_the_new_file_letter_for_letter(
    sample: Sample, if_foreign: IfForeign
) -> None:
    disk = seeded(sample.data)

    assert isinstance(deliver(disk, if_foreign), Put)

    document = parse(disk.content(PATH))
    *entries, ours = document.entries
    assert ours.key == FIRST.registry
    assert _text((*document.before, *document.after)) == _joined(sample.sections)
    assert _text(entries) == _joined([text for _, text in sample.entries])


def _text(members: Iterable[Member]) -> str:
    return ",".join(member.name + member.text for member in members)


def _joined(texts: Iterable[str]) -> str:
    return ",".join(texts).replace("\r\n", "\n")
