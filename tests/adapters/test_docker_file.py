"""Deliveries into Docker config files: one writer a file, and each login its own outcome."""

from __future__ import annotations

import json
from collections.abc import Callable
from threading import Event, Thread

import pytest

from lightkeeper.adapters.docker_file import (
    FileOptions,
    FileWriters,
)
from lightkeeper.core.credential import Credential, Digest
from lightkeeper.core.docker_config import parse
from lightkeeper.core.facts import LoginName
from lightkeeper.core.notices import Notice
from lightkeeper.core.reasons import Reason
from lightkeeper.paths import Paths
from lightkeeper.ports import Delivery, Failed, Foreign, Found, IfForeign, Pending, Put
from tests.core.making import FIRST, LOGIN, SECOND_ONE, a_credential
from tests.fakes.disk import UID, Disk
from tests.filing import HOME, PATH, PREFIX, a_delivery, a_disk, a_writer, before, litter

OTHER = LoginName("other")
ELSEWHERE = a_credential("simulated-9", registry="other.test")
THEIRS = a_credential("theirs")
FOREIGN = b'{"auths": {"ghcr.io": {"auth": "dTpw"}}}'


def writers_of(disk: Disk) -> FileWriters:
    return FileWriters(a_writer(disk), Paths(disk, uid=UID))


def deliver(
    disk: Disk, delivery: Delivery | None = None, *, writers: FileWriters | None = None
) -> Put | Foreign | Pending | Failed:
    return (writers or writers_of(disk)).deliver(PATH, delivery or a_delivery(), FileOptions())


def holding(credential: Credential) -> Disk:
    """A disk whose file holds `credential`, which somebody else put there."""
    disk = a_disk(None, mode=0o600)
    deliver(disk, a_delivery(credential, login=OTHER))
    disk.calls.clear()
    return disk


def read(disk: Disk, held: Credential = FIRST) -> Found | Pending | Failed:
    return writers_of(disk).read(PATH, held, None)


def told(*notices: Notice) -> Put:
    """A delivery that changed the file, about which there is something to say."""
    return Put(changed=True, notices=frozenset(notices))


def auths(disk: Disk) -> set[str]:
    return set(json.loads(disk.content(PATH) or b"{}").get("auths", {}))


# One login, one file.


def test_a_delivery_is_read_back_and_every_other_entry_is_kept() -> None:
    disk = a_disk(FOREIGN, mode=0o600)

    assert deliver(disk) == Put(changed=True, notices=frozenset())

    assert read(disk) == Found(digest=FIRST.digest, settled=True)
    assert auths(disk) == {"ghcr.io", FIRST.registry}


def test_a_delivery_of_what_is_there_already_changes_nothing_6_26() -> None:
    disk = holding(FIRST)

    assert deliver(disk) == Put(changed=False, notices=frozenset())
    assert {"create", "exchange", "write"}.isdisjoint(disk.calls)


def test_what_is_missing_is_found_to_be_missing() -> None:
    assert read(a_disk(None)) == Found(digest=None, settled=False)
    assert read(Disk()) == Found(digest=None, settled=False)


def test_missing_directories_are_made_6_1() -> None:
    disk = Disk()

    assert deliver(disk) == told(Notice.FIRST_ENTRY)
    assert disk.lstat(HOME).mode & 0o777 == 0o700


@pytest.mark.parametrize("data", [b"{", b'{"auths": []}', b"[]", b"\xff\xfe{\x00}\x00", b"{} x"])
def test_a_malformed_file_is_left_as_it_is_6_6_6_7_6_11(data: bytes) -> None:
    disk = a_disk(data)

    for outcome in (deliver(disk), read(disk)):
        assert isinstance(outcome, Failed)
        assert outcome.reason is Reason.MALFORMED
    assert disk.content(PATH) == data
    assert litter(disk) == []


def test_a_huge_file_is_left_as_it_is_6_18() -> None:
    disk = a_disk(b" " * (1 << 20) + b"{}")

    outcome = deliver(disk)

    assert isinstance(outcome, Failed)
    assert outcome.reason is Reason.TOO_LARGE


def test_a_runtime_directory_that_is_not_there_is_pending() -> None:
    disk = Disk()
    disk.add_dir("/run")
    path = "/run/user/1000/containers/auth.json"

    outcome = writers_of(disk).deliver(path, a_delivery(), FileOptions())

    assert outcome == Pending(detail="/run/user is not there before its user logs in")


def test_a_file_that_others_may_read_is_told_and_keeps_its_mode_6_53() -> None:
    disk = a_disk(FOREIGN, mode=0o644)

    assert deliver(disk) == told(Notice.WIDE_MODE)
    assert disk.lstat(PATH).mode & 0o777 == 0o644


def test_a_hard_link_that_is_broken_is_told_once_6_56() -> None:
    disk = a_disk(FOREIGN, mode=0o600)
    disk.add_dir(HOME).names["config.json"].nlink = 2
    writers = writers_of(disk)

    assert deliver(disk, writers=writers) == told(Notice.HARD_LINK)
    assert deliver(disk, writers=writers) == Put(changed=False, notices=frozenset())


def test_an_edit_that_a_crash_left_beside_the_file_is_told() -> None:
    disk = a_disk(FOREIGN, mode=0o600)
    disk.add_file(f"{HOME}/{PREFIX}ffff-1-eeee", b"{}")

    assert deliver(disk) == told(Notice.EDIT_KEPT)
    found = read(disk)
    assert isinstance(found, Found)
    assert found.notices == {Notice.EDIT_KEPT}


def test_what_podman_strips_is_told_once_and_not_put_back_6_63() -> None:
    disk = a_disk(b'{"auths": {"ghcr.io": {}}, "credsStore": "pass", "proxies": {}}', mode=0o600)
    writers = writers_of(disk)
    assert deliver(disk, writers=writers) == told(Notice.STORE_SHADOWS)
    disk.add_file(PATH, FOREIGN)

    assert deliver(disk, writers=writers) == told(Notice.SECTIONS_LOST)
    assert deliver(disk, writers=writers) == Put(changed=False, notices=frozenset())
    assert set(json.loads(disk.content(PATH) or b"")) == {"auths"}


# What somebody else put there.


def test_a_foreign_credential_for_our_host_is_replaced_when_asked_6_25() -> None:
    disk = holding(THEIRS)

    assert deliver(disk) == Put(changed=True, notices=frozenset())


@pytest.mark.parametrize("if_foreign", [IfForeign.ASK, IfForeign.SPARE])
def test_a_foreign_credential_for_our_host_is_only_told_otherwise(if_foreign: IfForeign) -> None:
    disk = holding(THEIRS)
    was = disk.content(PATH)

    assert deliver(disk, a_delivery(if_foreign=if_foreign)) == Foreign(digest=THEIRS.digest)
    assert disk.content(PATH) == was


def test_where_nothing_is_delivered_nothing_is_mended_either() -> None:
    """Not even a byte order mark, which a delivery would take off."""
    disk = holding(THEIRS)
    data = b"\xef\xbb\xbf" + (disk.content(PATH) or b"")
    disk.add_file(PATH, data)

    assert isinstance(deliver(disk, a_delivery(if_foreign=IfForeign.ASK)), Foreign)
    assert disk.content(PATH) == data


def test_our_own_former_credential_is_never_foreign() -> None:
    disk = holding(FIRST)

    outcome = deliver(disk, a_delivery(SECOND_ONE, if_foreign=IfForeign.ASK))

    assert outcome == Put(changed=True, notices=frozenset())


@pytest.mark.parametrize("if_foreign", [IfForeign.ASK, IfForeign.SPARE])
def test_what_another_login_of_ours_wrote_is_not_foreign(if_foreign: IfForeign) -> None:
    disk = holding(THEIRS)
    delivery = a_delivery(kin=frozenset({THEIRS.digest}), if_foreign=if_foreign)

    assert deliver(disk, delivery) == Put(changed=True, notices=frozenset())


def test_what_another_login_of_ours_keeps_at_our_former_registry_stays() -> None:
    disk = holding(THEIRS)
    kin, former = frozenset({THEIRS.digest}), frozenset({THEIRS.registry})

    deliver(disk, a_delivery(ELSEWHERE, kin=kin, former=former))

    assert parse(disk.content(PATH)).holds(THEIRS.registry) == THEIRS.digest


def test_an_entry_of_a_former_registry_goes_if_it_is_ours_6_35() -> None:
    disk = a_disk(FOREIGN)
    deliver(disk)

    deliver(disk, a_delivery(ELSEWHERE, former=frozenset({FIRST.registry})))

    assert auths(disk) == {"ghcr.io", ELSEWHERE.registry}


def test_an_entry_of_a_former_registry_stays_if_it_is_not_ours_6_35() -> None:
    disk = holding(THEIRS)

    deliver(disk, a_delivery(ELSEWHERE, former=frozenset({THEIRS.registry})))

    assert auths(disk) == {THEIRS.registry, ELSEWHERE.registry}


def test_withdrawing_takes_ours_and_nothing_else() -> None:
    disk = a_disk(FOREIGN)
    deliver(disk)
    writers = writers_of(disk)

    for was_there in (True, False):
        done = writers.withdraw(PATH, [FIRST.registry], [FIRST.digest])
        assert done is was_there
    assert auths(disk) == {"ghcr.io"}


def test_withdrawing_is_done_in_place_where_that_is_asked_for() -> None:
    disk = holding(FIRST)
    was = disk.lstat(PATH).ino
    arguments = PATH, [FIRST.registry], [FIRST.digest]

    assert writers_of(disk).withdraw(*arguments, FileOptions(in_place=True)) is True
    assert disk.lstat(PATH).ino == was
    assert auths(disk) == set()


@pytest.mark.parametrize("ours", [[], [Digest("0" * 16)]])
def test_withdrawing_leaves_what_is_not_known_to_be_ours(ours: list[Digest]) -> None:
    disk = holding(THEIRS)

    assert writers_of(disk).withdraw(PATH, [THEIRS.registry], ours) is False
    assert auths(disk) == {THEIRS.registry}


def test_withdrawing_where_there_is_nothing_is_no_failure() -> None:
    assert writers_of(Disk()).withdraw(PATH, [FIRST.registry], [FIRST.digest]) is False


# Several logins, one file.


def test_two_logins_with_one_registry_in_one_file_are_told_who_keeps_it() -> None:
    disk = a_disk(FOREIGN, mode=0o600)
    writers = writers_of(disk)
    deliver(disk, writers=writers)

    outcome = deliver(disk, a_delivery(SECOND_ONE, login=OTHER), writers=writers)

    assert outcome == Failed(
        reason=Reason.CONFLICT,
        detail=f"logins {LOGIN} and {OTHER} both have {FIRST.registry}; {LOGIN} keeps this place",
    )
    assert read(disk) == Found(digest=FIRST.digest, settled=True)


def test_two_logins_with_one_registry_meet_by_different_paths_as_well() -> None:
    disk = a_disk(FOREIGN)
    disk.add_link("/home/ci/link", ".docker")
    writers = writers_of(disk)
    deliver(disk, writers=writers)

    path = "/home/ci/link/config.json"
    outcome = writers.deliver(path, a_delivery(SECOND_ONE, login=OTHER), FileOptions())

    assert isinstance(outcome, Failed)
    assert outcome.reason is Reason.CONFLICT


def test_the_login_that_is_configured_first_keeps_the_registry_whoever_comes_first() -> None:
    disk = a_disk(FOREIGN, mode=0o600)
    writers = writers_of(disk)
    writers.rank([OTHER, LOGIN])
    deliver(disk, writers=writers)

    assert isinstance(deliver(disk, a_delivery(SECOND_ONE, login=OTHER), writers=writers), Put)

    said = f"logins {OTHER} and {LOGIN} both have {FIRST.registry}; {OTHER} keeps this place"
    assert deliver(disk, writers=writers) == Failed(reason=Reason.CONFLICT, detail=said)
    assert read(disk, SECOND_ONE) == Found(digest=SECOND_ONE.digest, settled=True)


def test_after_a_restart_the_login_that_is_configured_first_takes_the_registry_back() -> None:
    """Whichever of them had it, and whichever looks first."""
    disk = a_disk(FOREIGN, mode=0o600)
    deliver(disk)
    writers = writers_of(disk)
    writers.rank([OTHER, LOGIN])
    writers.read(PATH, FIRST, None)
    writers.claim(PATH, LOGIN, FIRST.registry)

    assert isinstance(deliver(disk, a_delivery(SECOND_ONE, login=OTHER), writers=writers), Put)
    writers.claim(PATH, LOGIN, FIRST.registry)

    assert isinstance(deliver(disk, writers=writers), Failed)


def test_of_logins_that_come_together_the_one_that_is_configured_first_is_written() -> None:
    disk = a_disk(FOREIGN, mode=0o600)
    writers = writers_of(disk)
    writers.rank([OTHER, LOGIN])
    outcomes: dict[str, object] = {}

    def put_own(login: LoginName, credential: Credential) -> None:
        outcomes[login] = deliver(disk, a_delivery(credential, login=login), writers=writers)

    together(
        disk,
        lambda: deliver(disk, a_delivery(ELSEWHERE, login=LoginName("third")), writers=writers),
        lambda: put_own(LOGIN, FIRST),
        lambda: put_own(OTHER, SECOND_ONE),
    )

    assert isinstance(outcomes[OTHER], Put)
    assert isinstance(outcomes[LOGIN], Failed)
    assert read(disk, SECOND_ONE) == Found(digest=SECOND_ONE.digest, settled=True)


def test_a_login_that_is_gone_keeps_no_registry_from_others() -> None:
    disk = a_disk(FOREIGN)
    writers = writers_of(disk)
    deliver(disk, writers=writers)

    writers.forget_all_but([(OTHER, PATH)])

    outcome = deliver(disk, a_delivery(SECOND_ONE, login=OTHER), writers=writers)
    assert isinstance(outcome, Put)


def test_a_login_that_goes_elsewhere_keeps_no_registry_from_others() -> None:
    disk = a_disk(FOREIGN)
    writers = writers_of(disk)
    deliver(disk, writers=writers)

    writers.forget_all_but([(LOGIN, "/home/ci/elsewhere.json"), (OTHER, PATH)])

    assert isinstance(deliver(disk, a_delivery(SECOND_ONE, login=OTHER), writers=writers), Put)


def test_a_login_that_has_another_registry_now_keeps_its_former_one_from_nobody() -> None:
    disk = a_disk(FOREIGN)
    writers = writers_of(disk)
    deliver(disk, writers=writers)
    deliver(disk, a_delivery(ELSEWHERE), writers=writers)

    assert isinstance(deliver(disk, a_delivery(SECOND_ONE, login=OTHER), writers=writers), Put)


def test_a_path_is_apart_if_it_leads_to_a_file_that_no_other_leads_to() -> None:
    disk = a_disk(FOREIGN)
    disk.add_link("/home/ci/link", ".docker")

    paths = ["/home/ci/link/config.json", "/home/ci/else/config.json", "/missing/config.json"]

    assert writers_of(disk).apart(paths, [PATH, "/missing/else/config.json"]) == paths[1:]


def together(disk: Disk, *works: Callable[[], object]) -> None:
    """Let the first work begin to write, the others queue up behind it, and then all go on."""
    started, go_on = Event(), Event()

    def wait() -> None:
        started.set()
        assert go_on.wait(10)

    before(disk, "exchange", wait)
    threads = [Thread(target=work) for work in works]
    threads[0].start()
    assert started.wait(10)
    for thread in threads[1:]:
        thread.start()
    while disk.calls.count("lstat") < len(works) * 5:
        threads[-1].join(0.001)
    threads[-1].join(0.05)
    go_on.set()
    for thread in threads:
        thread.join(10)


def test_what_waits_for_a_file_is_written_at_once_6_33() -> None:
    disk = a_disk(FOREIGN, mode=0o600)
    writers = writers_of(disk)
    credentials = [
        a_credential(f"simulated-{number}", registry=f"r{number}.test") for number in range(5)
    ]
    outcomes = dict[str, object]()

    def delivering(number: int) -> Callable[[], None]:
        login = LoginName(f"login{number}")

        def work() -> None:
            delivery = a_delivery(credentials[number], login=login)
            outcomes[login] = deliver(disk, delivery, writers=writers)

        return work

    together(disk, *(delivering(number) for number in range(5)))

    assert outcomes == {f"login{n}": Put(changed=True, notices=frozenset()) for n in range(5)}
    assert auths(disk) == {"ghcr.io", *(credential.registry for credential in credentials)}
    assert disk.calls.count("exchange") == 2


def test_of_what_is_written_at_once_each_login_has_its_own_outcome() -> None:
    disk = a_disk(FOREIGN, mode=0o600)
    deliver(disk, a_delivery(THEIRS, login=LoginName("nobody")))
    writers = writers_of(disk)
    outcomes = dict[str, object]()

    def delivering(name: str, delivery: Delivery) -> Callable[[], None]:
        def work() -> None:
            outcomes[name] = deliver(disk, delivery, writers=writers)

        return work

    together(
        disk,
        delivering("first", a_delivery(ELSEWHERE, login=OTHER)),
        delivering("foreign", a_delivery(if_foreign=IfForeign.ASK)),
        delivering("conflict", a_delivery(ELSEWHERE)),
    )

    assert outcomes["first"] == Put(changed=True, notices=frozenset())
    assert outcomes["foreign"] == Foreign(digest=THEIRS.digest)
    conflict = outcomes["conflict"]
    assert isinstance(conflict, Failed)
    assert conflict.reason is Reason.CONFLICT
