from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from functools import reduce

import pytest

from lightkeeper.core.credential import Credential, RegistryHost, Secret, digest_of, registry_host
from lightkeeper.core.docker_config import MAX_BYTES, parse, put, without
from lightkeeper.core.file_failure import FileFailure
from lightkeeper.core.notices import Notice
from lightkeeper.core.reasons import Reason

HOST = RegistryHost("123456789012.dkr.ecr.eu-central-1.amazonaws.com")
OTHER = RegistryHost("210987654321.dkr.ecr.us-east-1.amazonaws.com")


def credential(password: str = "new", host: str = HOST, username: str = "AWS") -> Credential:
    issued_at = datetime(2026, 1, 1, tzinfo=UTC)
    return Credential(
        registry=registry_host(host),
        username=username,
        password=Secret(password),
        issued_at=issued_at,
        expires_at=issued_at + timedelta(hours=12),
    )


def auth(password: str = "new", username: str = "AWS") -> str:
    return base64.b64encode(f"{username}:{password}".encode()).decode()


def entry(key: str, password: str = "new") -> str:
    return json.dumps({key: {"auth": auth(password)}})[1:-1]


NEW = credential()
OURS = entry(HOST)
"""What stands in a document that holds NEW."""


HELD = {"auths": {HOST: {"auth": auth()}}}
"""The same, with nothing else."""


def written(document: str | bytes, *credentials: Credential) -> str:
    """What `put` makes of a document; it must change it."""
    data = document.encode() if isinstance(document, str) else document
    after = reduce(put, credentials or (NEW,), parse(data)).data
    assert after is not None
    return after.decode(errors="surrogateescape")


def notices(document: str | bytes, *credentials: Credential) -> set[Notice]:
    data = document.encode() if isinstance(document, str) else document
    return set(reduce(put, credentials or (NEW,), parse(data)).notices)


# What is written.


@pytest.mark.parametrize("data", [None, b"", b" \t\r\n", b"null"])
def test_an_absent_or_empty_document_gets_dockers_own_layout(data: bytes | None) -> None:
    after = put(parse(data), NEW).data or b""

    assert after.decode().rstrip("\n") == json.dumps(HELD, indent="\t")


def test_an_entry_is_padded_standard_base64_and_nothing_else() -> None:
    """Unpadded or URL-safe base64, or a token beside it, makes clients anonymous or fail."""
    text = written("{}", credential("\xfb\xff\xbf~?", username="u"))

    assert json.loads(text) == {"auths": {HOST: {"auth": "dTrDu8O/wr9+Pw=="}}}


def test_every_other_field_of_our_entry_is_dropped() -> None:
    stale = {"auth": auth(), "username": "u", "password": "p", "email": "e", "identitytoken": ""}
    text = written(json.dumps({"auths": {HOST: stale | {"registrytoken": "t", "AUTH": "x"}}}))

    assert json.loads(text) == HELD


@pytest.mark.parametrize("password", ["pa:ss", "ü", "x" * 8000, "a😀"], ids=len)
def test_a_password_of_any_length_and_alphabet_is_read_back(password: str) -> None:
    new = credential(password)

    assert parse(put(parse(None), new).data).holds(HOST) == new.digest


@pytest.mark.parametrize("value", ["null", "{}", '"text"', "[]", "5", '{"auth": "broken"}'])
def test_an_entry_of_ours_that_is_none_is_replaced(value: str) -> None:
    assert json.loads(written(f'{{"auths": {{"{HOST}": {value}}}}}')) == HELD


@pytest.mark.parametrize("auths", ["", '"auths": null', '"auths": {}'])
def test_a_missing_or_null_auths_is_created(auths: str) -> None:
    assert json.loads(written(f"{{{auths}}}")) == HELD


def test_auths_comes_last_where_there_was_none() -> None:
    assert written('{"psFormat": "x"}') == f'{{"psFormat": "x", "auths": {{{OURS}}}}}'


def test_a_stale_entry_is_replaced_where_it_stands() -> None:
    before = f'{{"auths": {{"a": {{}}, {entry(HOST, "old")}, "b": {{}}}}, "psFormat": "x"}}'

    assert written(before) == before.replace(auth("old"), auth("new"))


def test_a_credential_that_somebody_else_put_there_is_replaced() -> None:
    """A registry of Lightsail's takes no other than ours, whoever got it."""
    theirs = json.dumps({HOST: {"auth": auth("pw", "them"), "email": "them@test"}})

    assert json.loads(written(f'{{"auths": {theirs}}}')) == HELD


def test_several_credentials_are_put_by_one_write() -> None:
    other = credential("other", OTHER)
    text = written(f'{{"auths": {{{entry(HOST, "old")}}}}}', other, NEW)

    assert text == f'{{"auths": {{{OURS}, {entry(OTHER, "other")}}}}}'


@pytest.mark.parametrize(
    "spelling",
    [
        f'{{"auths": {{{OURS}}}}}',
        f'{{ "auths":{{"{HOST}"\n:{{"auth":"{auth()[:-1]}\\u003d"}} }},"a":1}}',
    ],
)
def test_nothing_is_written_if_the_entry_is_there_already(spelling: str) -> None:
    """An identical write would wake every watcher and, with some clients, race for nothing."""
    document = put(parse(spelling.encode()), NEW)

    assert not document.is_changed
    assert document.data is None


# What is refused.


@pytest.mark.parametrize(
    "data",
    [
        '{"auths": {}}'.encode("utf-16"),
        '{"auths": {}}'.encode("utf-16-le"),
        b"\xef\xbb\xbf\xef\xbb\xbf{}",
        b'{"auths": {',
        b'{"auths": {}} trailing',
        b'{"auths": {}} {}',
        b'{/* comment */ "auths": {}}',
        b"[]",
        b'"auths"',
        b"1",
        b"\x00",
        b'{"x": NaN}',
        b'{"auths": {"h": {"x": -Infinity}}}',
        b"[" * 100_000,
        b'{"auths":' * 100_000,
        b'{"auths": []}',
        b'{"auths": "text"}',
        b'{"auths": 1}',
        b'{"auths": {}, "auths": []}',
        b'{"auths": {}, "AUTHS": false}',
    ],
    ids=lambda data: ascii(data[:20]),
)
def test_what_some_client_could_not_read_is_malformed(data: bytes) -> None:
    """`docker login` would put its own entry in place of all that; we leave it as it is."""
    with pytest.raises(FileFailure) as caught:
        parse(data)

    assert caught.value.reason is Reason.MALFORMED


def test_a_document_beyond_the_limit_is_too_large() -> None:
    parse(b"{}".ljust(MAX_BYTES))
    with pytest.raises(FileFailure) as caught:
        parse(b"{}".ljust(MAX_BYTES + 1))

    assert caught.value.reason is Reason.TOO_LARGE


def test_nothing_is_written_that_would_be_too_large_to_read() -> None:
    document = put(parse(b"{}".ljust(MAX_BYTES)), NEW)

    with pytest.raises(FileFailure) as caught:
        _ = document.data
    assert caught.value.reason is Reason.TOO_LARGE


# What is mended, and what is only said.


def test_a_byte_order_mark_is_taken_off_even_if_nothing_else_changes() -> None:
    """No client reads a file that begins with one."""
    before = f'{{"auths": {{{OURS}}}}}'

    assert written(b"\xef\xbb\xbf" + before.encode()) == before
    assert notices(b"\xef\xbb\xbf" + before.encode()) == {Notice.BYTE_ORDER_MARK}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            '{"auths": {"a": {}}, "x": 1, "auths": {"b": {}}}',
            '{"auths": {"a": {}, "b": {}, @}, "x": 1}',
        ),
        ('{"x": 1, "Auths": {"a": {}}}', '{"x": 1, "auths": {"a": {}, @}}'),
        ('{"AUTHS": {"a": {}}, "auths": {"b": {}}}', '{"auths": {"a": {}, "b": {}, @}}'),
        ('{"auths": {"a": {}}, "auths": null}', '{"auths": {"a": {}, @}}'),
        ('{"auth\\u017f": {"a": {}}}', '{"auths": {"a": {}, @}}'),
    ],
)
def test_what_docker_reads_as_auths_is_made_one(before: str, after: str) -> None:
    """Docker merges them all, docker-py knows only the last that is spelled right."""
    assert written(before) == after.replace("@", OURS)
    assert Notice.AUTHS_FOLDED in notices(before)


def test_folding_alone_is_worth_a_write() -> None:
    assert written(f'{{"Auths": {{{OURS}}}}}') == f'{{"auths": {{{OURS}}}}}'


def test_of_our_entries_one_is_left() -> None:
    before = f'{{"auths": {{{entry(HOST, "a")}, "x": {{}}, {entry(HOST, "b")}}}}}'

    assert written(before) == f'{{"auths": {{{OURS}, "x": {{}}}}}}'


def test_the_last_of_two_entries_is_what_is_held() -> None:
    two = f'{{"auths": {{{entry(HOST, "a")}}}, "auths": {{{entry(HOST, "b")}}}}}'

    assert parse(two.encode()).holds(HOST) == digest_of("AWS", Secret("b"))


def test_two_foreign_entries_with_one_key_are_left_as_clients_read_them() -> None:
    before = '{"auths": {"a": {"auth": "dTpw"}, "a": {"auth": "dTpx"}}}'

    assert written(before) == f"{before[:-2]}, {OURS}}}}}"


ALIASES = [
    "https://{}",
    "http://{}",
    "HTTPS://{}",
    "https://u@{}/",
    "https://{}/v1/",
    "{}/",
    "{}/v2/",
]


@pytest.mark.parametrize("alias", ALIASES)
def test_an_alias_of_our_host_is_removed(alias: str) -> None:
    """Once somebody removes the bare key, clients would choose among aliases by chance."""
    stale = entry(alias.format(HOST), "old")

    assert written(f'{{"auths": {{{stale}, "a": {{}}}}}}') == f'{{"auths": {{"a": {{}}, {OURS}}}}}'
    assert written(f'{{"auths": {{{OURS}, {stale}}}}}') == f'{{"auths": {{{OURS}}}}}'
    assert Notice.ALIAS_REMOVED in notices(f'{{"auths": {{{stale}}}}}')


@pytest.mark.parametrize("alias", [*ALIASES, "{}/sr", "{}"])
def test_the_aliases_of_other_hosts_stay(alias: str) -> None:
    before = f'{{"auths": {{{entry(alias.format(OTHER), "old")}}}}}'

    assert written(before) == f"{before[:-2]}, {OURS}}}}}"


@pytest.mark.parametrize("path", ["sr", "sr/"])
def test_an_entry_for_the_repository_is_renewed_as_well(path: str) -> None:
    """Podman, skopeo and crane prefer it to the bare key."""
    before = f'{{"auths": {{{entry(f"{HOST}/{path}", "old")}}}}}'

    assert written(before) == f'{{"auths": {{{entry(f"{HOST}/{path}")}, {OURS}}}}}'
    assert Notice.PATH_ENTRY_RENEWED in notices(before)


def test_an_entry_for_another_path_is_left_and_told() -> None:
    before = f'{{"auths": {{{entry(f"{HOST}/other", "old")}, {OURS}}}}}'

    assert put(parse(before.encode()), NEW).data is None
    assert notices(before) == {Notice.SHADOWING_ENTRY}


@pytest.mark.parametrize("foreign", ["null", '"text"', '{"auth": "broken"}', '{"email": 1}'])
def test_a_broken_foreign_entry_is_left_and_told(foreign: str) -> None:
    before = f'{{"auths": {{"a": {foreign}}}}}'

    assert written(before) == f'{{"auths": {{"a": {foreign}, {OURS}}}}}'
    assert Notice.BROKEN_FOREIGN_ENTRY in notices(before)


@pytest.mark.parametrize("section", ['"credHelpers": []', '"HttpHeaders": 5', '"PSFORMAT": {}'])
def test_a_section_of_a_wrong_type_is_left_and_told(section: str) -> None:
    auths = f'"auths": {{{OURS}}}'

    for before in (f"{{{section}, {auths}}}", f"{{{auths}, {section}}}"):
        assert put(parse(before.encode()), NEW).data is None
        assert notices(before) == {Notice.UNUSABLE_SECTION}


@pytest.mark.parametrize(
    "before", ["", "{}", '{"auths": {}}', '{"credsStore": "", "credHelpers": {}}']
)
def test_the_first_entry_of_all_is_told(before: str) -> None:
    """From now on docker uses the file and looks for no keychain."""
    assert notices(before) == {Notice.FIRST_ENTRY}


@pytest.mark.parametrize(
    "before", ['{"auths": {"a": {}}}', '{"credsStore": "x"}', '{"credHelpers": {"h": "x"}}']
)
def test_an_entry_that_is_not_the_first_or_changes_no_keychain_is_not(before: str) -> None:
    assert Notice.FIRST_ENTRY not in notices(before)


def test_a_healthy_document_gives_nothing_to_say() -> None:
    healthy = {
        "auths": {"a": {"auth": auth()}},
        "credHelpers": {"h": "x"},
        "plugins": {"a": {"b": "c"}},
    }

    assert notices(json.dumps(healthy)) == set()


# What survives.


@pytest.mark.parametrize(
    "foreign",
    [
        b'"x": ' + b"9" * 5000,
        b'"x": 1.50',
        b'"x": -0.0e-0',
        b'"x": 1e999',
        b'"x": "\xff\xfe \xed\xa0\x80"',
        b'"\xff": 1',
        b'"x": "\\ud800 \\udc00\\ud800"',
        b'"x": "\\u003c<>&\\/\\u00e9\xc3\xa9"',
        b'"x": {"a": 1, "a": 2}',
        b'"x": 1, "x": 2',
        b'"x": {"z": [1,  2,\t{}], "a" : null}',
        b'"credHelpers": {"z": "b", "a": ""}',
    ],
    ids=lambda foreign: ascii(foreign[:24]),
)
def test_whatever_is_not_ours_comes_out_byte_for_byte(foreign: bytes) -> None:
    top = b"{%s, %s}" % (foreign, b'"auths": {}')
    inner = b'{"auths": {%s}}' % foreign

    assert put(parse(top), NEW).data == b'{%s, "auths": {%s}}' % (foreign, OURS.encode())
    assert put(parse(inner), NEW).data == b'{"auths": {%s, %s}}' % (foreign, OURS.encode())


def test_keys_keep_their_order() -> None:
    before = '{"z": 1, "auths": {"z": {}, "a": {}}, "a": 2}'

    assert written(before) == f'{{"z": 1, "auths": {{"z": {{}}, "a": {{}}, {OURS}}}, "a": 2}}'


@pytest.mark.parametrize("indent", ["\t", 2, 4, None])
@pytest.mark.parametrize("end", ["", "\n"])
def test_indent_and_final_newline_are_kept(indent: str | int | None, end: str) -> None:
    entries = {"a": {"auth": "dTpw"}}
    before = {"auths": entries, "psFormat": "x"}
    after = {"auths": entries | {HOST: {"auth": auth()}}, "psFormat": "x"}

    assert (
        written(json.dumps(before, indent=indent) + end) == json.dumps(after, indent=indent) + end
    )


def test_lines_end_in_line_feeds() -> None:
    text = written('{\r\n  "auths": {\r\n    "a": {\r\n    }\r\n  }\r\n}\r\n')

    assert "\r" not in text
    assert text.startswith('{\n  "auths": {\n    "a": {\n    },\n')
    assert text.endswith("\n  }\n}\n")


def test_a_seed_is_taken_without_what_it_has_for_our_registry() -> None:
    """By whichever key: it may be as old as the Secret that it came from."""
    seed = parse(
        b'{"auths": {"registry.test": {"auth": "b2xkOm9sZA=="},'
        b' "https://registry.test/v1/": {"auth": "b2xkOm9sZA=="}, "ghcr.io": {"auth": "dTpw"}}}'
    )

    left = without(seed, RegistryHost("registry.test"))

    assert [entry.key for entry in left.entries] == ["ghcr.io"]
