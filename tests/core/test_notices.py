"""The closed list of what may be said about a place."""

from __future__ import annotations

import re

import pytest

from lightkeeper.core.notices import NOTICES, Notice, gravest, ordered


def test_every_notice_has_its_row() -> None:
    assert list(NOTICES) == list(Notice)


@pytest.mark.parametrize("notice", Notice)
def test_a_notice_is_a_word_and_one_sentence_that_fits_on_a_screen(notice: Notice) -> None:
    advice = NOTICES[notice].advice

    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", notice)
    assert re.fullmatch(r"[A-Zac].*[^.]\.", advice)
    assert not re.search(r"\. [A-Z]", advice)
    assert "|" not in advice
    assert len(advice) <= 300


def test_those_that_last_come_first_and_warnings_before_the_rest() -> None:
    rows = [(not one.lasts, one.level == "info") for one in NOTICES.values()]

    assert rows == sorted(rows)


def test_a_password_that_others_may_read_deserves_a_look() -> None:
    assert gravest({Notice.WIDE_MODE, Notice.FIRST_ENTRY}) == "warning"


def test_what_was_only_mended_does_not() -> None:
    assert gravest({Notice.ALIAS_REMOVED, Notice.FIRST_ENTRY}) == "info"
    assert gravest(()) is None


def test_the_worst_comes_first() -> None:
    assert ordered({Notice.FIRST_ENTRY, Notice.HELPER_SHADOWS, Notice.WIDE_MODE}) == (
        Notice.HELPER_SHADOWS,
        Notice.WIDE_MODE,
        Notice.FIRST_ENTRY,
    )
