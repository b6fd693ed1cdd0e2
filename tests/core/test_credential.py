from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from lightkeeper.core.credential import (
    Credential,
    RegistryHost,
    Secret,
    digest_of,
    is_loopback,
    registry_host,
)

CANARY = "cAnArY"
ISSUED = datetime(2026, 1, 1, tzinfo=UTC)
LIFETIME = timedelta(hours=12)


def _credential(
    username: str = "AWS", password: str = CANARY, lifetime: timedelta = LIFETIME
) -> Credential:
    return Credential(
        registry=RegistryHost("registry.test"),
        username=username,
        password=Secret(password),
        issued_at=ISSUED,
        expires_at=ISSUED + lifetime,
    )


@pytest.mark.parametrize("template", ["{}", "{!s}", "{!r}", "{!a}"])
def test_a_secret_shows_itself_as_stars(template: str) -> None:
    assert template.format(Secret(CANARY)) == "***"


def test_a_secret_is_revealed_when_asked() -> None:
    assert Secret(CANARY).reveal() == CANARY


def test_secrets_are_equal_if_their_texts_are() -> None:
    assert Secret("a") == Secret("a")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"


@pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_is_neither_pickled_nor_copied(take: Callable[[Secret], object]) -> None:
    with pytest.raises(TypeError, match="not pickled") as caught:
        take(Secret(CANARY))
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("registry.test", "registry.test"),
        ("registry.test:5000", "registry.test:5000"),
        ("https://registry.test", "registry.test"),
        ("http://registry.test:5000/", "registry.test:5000"),
        ("https://registry.test/v2/sr", "registry.test"),
        ("registry.test/sr:tag", "registry.test"),
        ("Registry.TEST", "registry.test"),
        ("HTTPS://Registry.test", "registry.test"),
        (" registry.test\n", "registry.test"),
        ("127.0.0.1:5000", "127.0.0.1:5000"),
        ("a", "a"),
        ("a" * 253, "a" * 253),
    ],
)
def test_a_registry_is_reduced_to_its_bare_host(text: str, host: str) -> None:
    """Clients look an entry up by the exact host of the image reference, which is lower case."""
    assert registry_host(text) == host


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://",
        "/sr",
        "-registry.test",
        "registry.test.",
        "user@registry.test",
        "registry.test:",
        "registry.test:123456",
        "registry.test:http",
        "[::1]:5000",
        "régistry.test",
        'registry.test"',
        "registry test",
        "registry\ntest",
        "a" * 254,
    ],
)
def test_what_is_no_plain_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not the bare host of a registry"):
        registry_host(text)


def test_only_the_beginning_of_a_refused_host_is_quoted() -> None:
    with pytest.raises(ValueError, match="bare host") as caught:
        registry_host("!" * 1000)

    assert len(str(caught.value)) < 150


def test_a_digest_tells_credentials_apart_and_gives_nothing_away() -> None:
    digests = {
        digest_of(user, Secret(pw)) for user in "ab" for pw in ("x", "x" * 8000, "ü", "\udcff")
    }

    assert len(digests) == 8
    assert all(len(digest) == 16 for digest in digests)


def test_a_credential_carries_the_digest_of_what_it_sends() -> None:
    assert _credential().digest == digest_of("AWS", Secret(CANARY))


@pytest.mark.parametrize("username", ["", "a:b", "a\n", "a\x00", "a\x7f", "a\x85"])
def test_a_username_that_no_client_could_send_is_refused(username: str) -> None:
    """Clients split at the first colon, and send an empty half as no credential at all."""
    with pytest.raises(ValueError, match="the username is empty or holds"):
        _credential(username=username)


@pytest.mark.parametrize("password", ["", CANARY + "\r\n", CANARY + "\x00", "\x1f" + CANARY])
def test_a_password_that_no_client_could_send_is_refused(password: str) -> None:
    with pytest.raises(ValueError, match="the password is empty or holds") as caught:
        _credential(password=password)

    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("half", [chr(0xD800), chr(0xDC80), chr(0xDFFF)], ids=ascii)
def test_half_a_character_is_refused_that_nothing_could_send_or_save(half: str) -> None:
    with pytest.raises(ValueError, match="holds half a character"):
        _credential(username=half)
    with pytest.raises(ValueError, match="holds half a character") as caught:
        _credential(password=CANARY + half)

    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("password", ["pa:ss", "a b", "ü", "😀", "x" * 8000])
def test_every_other_password_is_taken(password: str) -> None:
    assert _credential(password=password).password.reveal() == password


@pytest.mark.parametrize("lifetime", [timedelta(0), timedelta(seconds=-1)])
def test_a_credential_without_a_lifetime_is_refused(lifetime: timedelta) -> None:
    with pytest.raises(ValueError, match="expires before it was issued"):
        _credential(lifetime=lifetime)


def test_a_credential_shows_no_password() -> None:
    assert CANARY not in f"{_credential()!r}{_credential()}"


def test_what_remains_is_counted_to_the_expiry_and_beyond() -> None:
    credential = _credential()

    assert credential.lifetime == LIFETIME
    assert credential.remaining(ISSUED + timedelta(hours=1)) == timedelta(hours=11)
    assert credential.remaining(ISSUED + timedelta(hours=13)) == timedelta(hours=-1)


def test_a_credential_is_expired_from_its_last_instant_on() -> None:
    credential = _credential()

    assert not credential.is_expired(credential.expires_at - timedelta.resolution)
    assert credential.is_expired(credential.expires_at)


def test_a_credential_outlives_one_that_expires_earlier_and_not_its_equal() -> None:
    short, long = _credential(), _credential(lifetime=LIFETIME * 2)

    assert long.outlives(short)
    assert not short.outlives(long)
    assert not short.outlives(short)


@pytest.mark.parametrize(
    ("host", "own"),
    [
        *(("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("[::1]", True)),
        *(("localhost", True), ("Localhost", True)),
        *(("0.0.0.0", False), ("::", False), ("", False), ("10.0.0.1", False)),  # noqa: S104
        *(("host.example", False), ("localhost.example", False), ("127.0.0.1.example", False)),
    ],
)
def test_loopback_is_told_by_name_or_address(host: str, own: bool) -> None:  # noqa: FBT001
    assert is_loopback(host) is own
