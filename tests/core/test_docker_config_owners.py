"""What a Docker config holds for a host, whose it is, and what may be taken out."""

from __future__ import annotations

import json

import pytest

from lightkeeper.core.credential import Secret, digest_of
from lightkeeper.core.docker_config import Document, parse, put, take_out
from tests.core.test_docker_config import HOST, NEW, OTHER, OURS, auth, entry


def test_holds_what_clients_would_use_under_the_bare_key() -> None:
    document = parse(f'{{"auths": {{{OURS}, {entry(f"{HOST}/sr", "x")}}}}}'.encode())

    assert document.holds(HOST) == NEW.digest


@pytest.mark.parametrize(
    "auths",
    [
        "",
        f'"{HOST}": null',
        f'"{HOST}": {{}}',
        f'"{HOST}": 1',
    ],
)
def test_holds_nothing_where_clients_would_find_nothing(auths: str) -> None:
    assert parse(f'{{"auths": {{{auths}}}}}'.encode()).holds(HOST) is None


@pytest.mark.parametrize("key", ["https://{}", "{}/v1/", "{}/sr"])
def test_holds_what_clients_take_where_no_bare_key_is(key: str) -> None:
    theirs = digest_of("AWS", Secret("theirs"))
    beside = entry(key.format(HOST), "theirs")

    assert parse(f'{{"auths": {{{beside}}}}}'.encode()).holds(HOST) == theirs
    assert parse(f'{{"auths": {{{beside}, {OURS}}}}}'.encode()).holds(HOST) == NEW.digest


@pytest.mark.parametrize("key", ["https://{}", "{}/v1/", "{}/sr"])
def test_what_is_spared_stays_beside_an_entry_of_ours_that_is_renewed(key: str) -> None:
    """An operator who has foreign credentials reported keeps them, and has a fresh login."""
    former = digest_of("AWS", Secret("former"))
    mine, theirs = entry(HOST, "former"), entry(key.format(HOST), "theirs")
    document = parse(f'{{"auths": {{{mine}, {theirs}}}}}'.encode())

    after = put(document, NEW, {NEW.digest, former})

    assert not document.is_taken(HOST, {NEW.digest, former})
    assert after.holds(HOST) == NEW.digest
    assert after.foreign(HOST, {NEW.digest})
    assert not put(parse(after.data), NEW, {NEW.digest, former}).is_changed


def test_an_alias_without_an_entry_of_ours_is_taken() -> None:
    document = parse(f'{{"auths": {{{entry(f"https://{HOST}", "theirs")}}}}}'.encode())

    assert document.is_taken(HOST, {NEW.digest})
    assert not parse(b"{}").is_taken(HOST, {NEW.digest})


@pytest.mark.parametrize("key", ["{}", "https://{}", "{}/", "{}/sr"])
@pytest.mark.parametrize("value", [{"auth": auth("theirs")}, {"identitytoken": "t"}, {"auth": "x"}])
def test_an_entry_that_would_be_overwritten_is_foreign_unless_ours(key: str, value: object) -> None:
    document = parse(json.dumps({"auths": {key.format(HOST): value}}).encode())

    assert document.foreign(HOST, {NEW.digest})
    assert not document.foreign(OTHER, {NEW.digest})


@pytest.mark.parametrize(
    "auths",
    ["", OURS, f"{OURS}, {entry(f'https://{HOST}')}", entry(f"{HOST}/other", "theirs")]
    + [f'"{HOST}": {nothing}' for nothing in ("null", "{}", '"text"', "[1]")],
)
def test_nothing_is_foreign_that_is_ours_or_nobodys_or_stays(auths: str) -> None:
    assert not parse(f'{{"auths": {{{auths}}}}}'.encode()).foreign(HOST, {NEW.digest})


# What is taken out.


@pytest.mark.parametrize("key", ["{}", "https://{}", "{}/v1/", "{}/sr", "{}/other"])
def test_takes_out_each_entry_that_holds_ours(key: str) -> None:
    document = parse(f'{{"auths": {{"a": {{}}, {entry(key.format(HOST))}}}}}'.encode())

    assert take_out(document, HOST, {NEW.digest}).data == b'{"auths": {"a": {}}}'


@pytest.mark.parametrize(
    "auths",
    [entry(HOST, "theirs"), entry(f"https://{HOST}", "theirs"), entry(OTHER), f'"{HOST}": {{}}'],
)
def test_takes_out_nothing_that_is_not_ours(auths: str) -> None:
    document = parse(f'{{"Auths": {{{auths}}}}}'.encode())

    assert take_out(document, HOST, {NEW.digest}).data is None


def test_one_write_can_put_and_take_out() -> None:
    """A login whose registry changed leaves its former host by the write that enters the new."""
    document = parse(f'{{"auths": {{{entry(OTHER)}}}}}'.encode())

    both = put(document, NEW)
    after = take_out(both, OTHER, {NEW.digest})

    assert take_out(both, OTHER, set()).data == both.data
    assert after.data == f'{{"auths": {{{OURS}}}}}'.encode()
    assert put(after, NEW).data == after.data


# What is never shown.


def test_a_document_shows_nothing_of_its_content() -> None:
    document: Document = put(parse(b'{"canary": "canary", "auths": {"canary": {}}}'), NEW)
    parts = (document, document.before, document.entries, document.notices)

    assert "canary" not in f"{parts!r}{document}"
    assert auth() not in f"{parts!r}{document}"
