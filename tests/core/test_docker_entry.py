"""Keys and values as docker 28, skopeo and podman read them; each row was tried with them."""

from __future__ import annotations

import base64
import json

import pytest

from lightkeeper.core.credential import Secret, digest_of
from lightkeeper.core.docker_entry import Form, aim, digest_in, is_broken

HOST = "registry.test:5000"


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("key", "form"),
    [
        ("{}", Form.BARE),
        ("https://{}", Form.ALIAS),
        ("http://{}", Form.ALIAS),
        ("HTTPS://{}", Form.ALIAS),
        ("ftp://{}", Form.ALIAS),
        ("https://{}/", Form.ALIAS),
        ("https://{}/v1/", Form.ALIAS),
        ("https://{}/sr", Form.ALIAS),
        ("https://{}?a", Form.ALIAS),
        ("https://{}#a", Form.ALIAS),
        ("https://user@{}", Form.ALIAS),
        ("https://user:pw@{}/", Form.ALIAS),
        ("{}/", Form.ALIAS),
        ("{}/v1", Form.ALIAS),
        ("{}/v1/", Form.ALIAS),
        ("{}/v2", Form.ALIAS),
        ("{}/v2/", Form.ALIAS),
        ("{}/sr", Form.PUSHED),
        ("{}/sr/", Form.PUSHED),
        ("{}/other", Form.PATH),
        ("{}/other/", Form.PATH),
        ("{}/sr/deeper", Form.PATH),
        ("{}/v1/other", Form.PATH),
    ],
)
def test_a_key_of_the_host_is_known_in_every_form(key: str, form: Form) -> None:
    assert aim(key.format(HOST)) == (HOST, form)


@pytest.mark.parametrize(
    "key",
    [
        "//{}",
        " {}",
        "user@{}",
        "x/://{}",
        "://{}",
        "1://{}",
        "https:///{}",
        "https://a/b@{}",
        "{}?a",
        "{}:443",
        "*.{}",
        "sub.{}",
        "https://{}.other",
        "https://other/{}",
        "other/{}",
    ],
)
def test_a_key_that_no_client_takes_for_the_host_is_none_of_it(key: str) -> None:
    assert aim(key.format(HOST))[0] != HOST


def test_hosts_are_told_apart_by_case_as_clients_do() -> None:
    assert aim("REGISTRY.test:5000")[0] != HOST


@pytest.mark.parametrize(
    "value",
    [
        {"auth": _b64("AWS:pw:x")},
        {"AUTH": _b64("AWS:pw:x")},
        {"auth": _b64("AWS:pw:x"), "username": "other", "password": "other"},
        {"auth": "QVdT\nOnB3Ong=\r\n"},
        {"auth": "", "username": "AWS", "password": "pw:x"},
        {"username": "AWS", "password": "pw:x"},
    ],
)
def test_tells_the_credential_that_clients_would_send(value: object) -> None:
    assert digest_in(value) == digest_of("AWS", Secret("pw:x"))


def test_tells_a_credential_that_is_not_utf8() -> None:
    value = {"auth": base64.b64encode(b"u:\xff").decode()}

    assert digest_in(value) == digest_of("u", Secret("\udcff"))


NOTHING_TO_SEND: list[object] = [
    None,
    "text",
    [],
    1.0,
    {},
    {"identitytoken": "t"},
    {"username": "u"},
    {"password": "p"},
    {"username": 1.0, "password": "p"},
    {"auth": ""},
    {"auth": _b64("u:")},
    {"username": "\ud800", "password": "p"},
]
UNREADABLE: list[object] = [
    {"auth": 1.0},
    {"auth": _b64(":pw")},
    {"auth": _b64("no colon")},
    {"auth": "dTpwcQ"},
    {"auth": "dTpw "},
    {"auth": "dT\tpw"},
    {"auth": "dTpwcQ==dTpw"},
    {"auth": "="},
    {"auth": "dTp_-w=="},
    {"auth": "é"},
    {"auth": "\ud800"},
    {"auth": "dTpwcQ", "username": "u", "password": "p"},
]


@pytest.mark.parametrize("value", NOTHING_TO_SEND + UNREADABLE, ids=ascii)
def test_tells_that_clients_could_send_nothing(value: object) -> None:
    assert digest_in(value) is None


@pytest.mark.parametrize(
    "value",
    [*UNREADABLE, None, "text", [], {"email": 1.0}, {"Username": []}],
    ids=ascii,
)
def test_an_entry_that_makes_some_client_fail_is_broken(value: object) -> None:
    assert is_broken(value)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"auth": None},
        {"auth": ""},
        {"auth": _b64("u:p")},
        {"auth": _b64("u:")},
        {"auth": "dTpw\n"},
        {"identitytoken": "t", "unknown": 1.0},
    ],
    ids=json.dumps,
)
def test_an_entry_that_all_clients_get_past_is_not_broken(value: object) -> None:
    assert not is_broken(value)
