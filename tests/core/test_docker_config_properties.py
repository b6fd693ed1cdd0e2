"""What holds for every document: written by hand, by hostile tools or by chance."""

from __future__ import annotations

import json
import string
from collections.abc import Collection
from dataclasses import dataclass
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from lightkeeper.core.credential import Credential, RegistryHost
from lightkeeper.core.docker_config import Document, parse, put, take_out
from lightkeeper.core.file_failure import FileFailure
from lightkeeper.core.json_document import Member
from tests.core.test_docker_config import HOST, OTHER, auth, credential

CANARY = "cAnArY"
HOSTS = [HOST, OTHER, RegistryHost("localhost:5000")]
PASSWORDS = st.text(string.printable.strip(), min_size=1, max_size=9)
CREDENTIALS = st.dictionaries(st.sampled_from(HOSTS), PASSWORDS, min_size=1).map(
    lambda passwords: [credential(password, host) for host, password in passwords.items()]
)
ALL_CREDENTIALS = st.tuples(PASSWORDS, PASSWORDS, PASSWORDS).map(
    lambda passwords: [credential(*drawn) for drawn in zip(passwords, HOSTS, strict=True)]
)

WHITE = st.sampled_from(["", "", " ", "\t", "\n  ", "\r\n"])
# An alphabet of its own: that of Hypothesis is built at its first use, for longer than it may take.
TEXTS = st.one_of(
    st.text('aA"\\/\n\x00\x7fé\u2028\ud800\U0001f600', max_size=4).map(json.dumps),
    st.sampled_from([f'"{CANARY}"', '"é"', '"\udcff\udced"', r'"\u003c\/"', '"a":1,"a"']),
)
SCALARS = st.sampled_from(
    [
        "0",
        "-0.0",
        "1.50",
        "1e999",
        "9" * 5000,
        "null",
        "true",
        f'"{CANARY}"',
        r'"\ud800"',
        '"\udcff"',
    ]
)


def _containers(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    member = st.tuples(WHITE, TEXTS, WHITE, WHITE, values).map(
        lambda each: "{}{}{}:{}{}".format(*each)
    )
    objects = st.lists(member, max_size=2).map(lambda each: f"{{{','.join(each)}}}")
    return objects | st.lists(values, max_size=2).map(lambda each: f"[{','.join(each)}]")


VALUES = SCALARS | _containers(SCALARS | _containers(SCALARS))
ENTRIES = VALUES | st.sampled_from(["{}", '{"auth": "dTpw"}', '{"auth": "broken"}'])
FORMS = st.sampled_from(["{}", "https://{}", "http://u@{}/", "{}/", "{}/v2/", "{}/sr"])


@dataclass(frozen=True)
class Sample:
    """A document, and the members of which it was made, as texts."""

    data: bytes
    sections: list[str]
    entries: list[tuple[RegistryHost | None, str]]
    """With the host that the key names, if it is one of HOSTS."""


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    """Documents with entries of ours and of others, in any number of `auths` of any spelling."""
    sections: list[str] = []
    entries: list[tuple[RegistryHost | None, str]] = []
    members = []
    for _ in range(draw(st.integers(0, 4))):
        if draw(st.booleans()):
            sections.append(f"{draw(TEXTS)}{draw(WHITE)}:{draw(WHITE)}{draw(VALUES)}")
            members.append(sections[-1])
            continue
        inside = []
        for _ in range(draw(st.integers(0, 3))):
            host = draw(st.none() | st.sampled_from(HOSTS))
            key = json.dumps(draw(FORMS).format(host)) if host else draw(TEXTS)
            inside.append((host, f"{key}:{draw(ENTRIES)}"))
        entries += inside
        auths = draw(st.sampled_from(["auths", "auths", "Auths", "AUTHS"]))
        members.append(f'"{auths}": {{{",".join(text for _, text in inside)}}}')
    mark = draw(st.sampled_from([b"", b"", b"\xef\xbb\xbf"]))
    text = f"{draw(WHITE)}{{{draw(WHITE)}{','.join(members)}}}{draw(WHITE)}"
    return Sample(mark + text.encode(errors="surrogateescape"), sections, entries)


def _sections(document: Document) -> str:
    return ",".join(_text(section) for section in document.before + document.after)


def _text(member: Member) -> str:
    return member.name + member.text


def _with_line_feeds(texts: Collection[str]) -> str:
    return ",".join(texts).replace("\r\n", "\n")


def _reread(document: Document, before: bytes) -> Document:
    """What the next reader of the file finds."""
    data = document.data
    return parse(before if data is None else data)


@given(samples(), CREDENTIALS)
def test_every_foreign_key_and_value_survives_any_put(
    sample: Sample, credentials: list[Credential]
) -> None:
    after = _reread(reduce(put, credentials, parse(sample.data)), sample.data)

    ours = {each.registry for each in credentials}
    foreign = [text for host, text in sample.entries if host not in ours]
    left = [each for each in after.entries if not any(host in each.key for host in ours)]
    assert _sections(after) == _with_line_feeds(sample.sections)
    assert ",".join(map(_text, left)) == _with_line_feeds(foreign)


@given(samples(), CREDENTIALS)
def test_what_was_put_is_held_and_a_second_put_writes_nothing(
    sample: Sample, credentials: list[Credential]
) -> None:
    after = _reread(reduce(put, credentials, parse(sample.data)), sample.data)

    for each in credentials:
        assert after.holds(each.registry) == each.digest
        assert not after.foreign(each.registry, {each.digest})
    assert reduce(put, credentials, after).data is None


@given(samples(), CREDENTIALS, ALL_CREDENTIALS)
def test_a_later_put_leaves_no_trace_of_the_former(
    sample: Sample, former: list[Credential], latter: list[Credential]
) -> None:
    direct = _reread(reduce(put, latter, parse(sample.data)), sample.data)
    both = reduce(put, latter, _reread(reduce(put, former, parse(sample.data)), sample.data))

    assert {_text(each) for each in both.entries} == {_text(each) for each in direct.entries}
    assert _sections(both) == _sections(direct)


@given(samples(), CREDENTIALS)
def test_taking_out_after_a_put_removes_ours_and_only_ours(
    sample: Sample, credentials: list[Credential]
) -> None:
    document = _reread(reduce(put, credentials, parse(sample.data)), sample.data)

    first, *others = credentials
    after = _reread(take_out(document, first.registry, {first.digest}), sample.data)

    assert after.holds(first.registry) is None
    assert all(after.holds(each.registry) == each.digest for each in others)
    left = [_text(each) for each in document.entries if first.registry not in each.key]
    assert [_text(each) for each in after.entries] == left
    assert _sections(after) == _sections(document)


@given(samples(), CREDENTIALS)
def test_the_standard_library_finds_in_it_what_was_put(
    sample: Sample, credentials: list[Credential]
) -> None:
    data = reduce(put, credentials, parse(sample.data)).data or sample.data

    found = json.loads(data.decode(errors="surrogateescape"), parse_int=str)
    for each in credentials:
        assert found["auths"][each.registry] == {"auth": auth(each.password.reveal())}


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Documents of which a piece was cut out, doubled, or overwritten."""
    data = draw(samples()).data
    start = draw(st.integers(0, len(data)))
    end = draw(st.integers(start, len(data)))
    piece = draw(st.sampled_from([b"", data[start:end] * 2, b"NaN", b"\x00", b"\xff", b'"', b"{"]))
    return data[:start] + piece + data[end:]


def _parsed(data: bytes) -> Document | FileFailure:
    try:
        return parse(data)
    except FileFailure as exc:
        return exc


@given(st.binary() | damaged())
def test_whatever_the_bytes_are_they_are_read_or_malformed(data: bytes) -> None:
    """And nothing that can be printed, logged or chained holds any of them."""
    match _parsed(data):
        case FileFailure() as exc:
            shown = f"{exc!r}{exc}{vars(exc)}{exc.__context__!r}{exc.__cause__!r}"
        case document:
            after = put(document, credential())
            shown = repr((document, document.entries, after, after.notices))
            assert _reread(after, data).holds(HOST) == credential().digest
    assert CANARY not in shown


@given(st.binary() | damaged())
def test_nothing_is_read_that_the_standard_library_refuses(data: bytes) -> None:
    if isinstance(_parsed(data), Document):
        text = data.removeprefix(b"\xef\xbb\xbf").decode(errors="surrogateescape")
        is_blank = not text.strip(" \t\r\n")
        assert is_blank or isinstance(json.loads(text, parse_int=str), dict | None)
