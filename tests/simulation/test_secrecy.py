"""A password is found in whatever form it is shown."""

from __future__ import annotations

import base64

import pytest

from tests.simulation.secrecy import forms_of

MARK = "unspeakable"


@pytest.mark.parametrize("ahead", range(7))
@pytest.mark.parametrize("behind", range(4))
def test_a_password_is_found_in_base64_wherever_it_begins(ahead: int, behind: int) -> None:
    """As in the `auth` of an entry, which begins with the username."""
    shown = base64.b64encode(b"A" * ahead + MARK.encode() + b"z" * behind)

    assert any(form in shown for form in forms_of(MARK))


def test_a_password_is_found_plain_and_in_hex() -> None:
    for shown in (f"a {MARK} b".encode(), f"a {MARK} b".encode().hex().encode()):
        assert any(form in shown for form in forms_of(MARK))


def test_what_holds_no_password_is_passed() -> None:
    for shown in (b"unspoken", base64.b64encode(b"AWS:another"), b""):
        assert not any(form in shown for form in forms_of(MARK))
