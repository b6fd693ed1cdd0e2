"""What facts are called for people, and tables that are wider than the terminal."""

from __future__ import annotations

import pytest

from lightkeeper.cli.words import print_table, told


def _fact(name: str, **said: str) -> dict[str, str]:
    return {"fact": name, "at": "", "word": "", "place": "", "detail": "", **said}


def test_a_failure_is_told_with_its_reason() -> None:
    fact = _fact("RenewalFailed", word="network", detail="no route")

    assert told(fact) == ["renewal failed", "network", "no route"]


def test_a_delivery_because_of_drift_is_called_a_repair() -> None:
    assert told(_fact("Delivered", place="/p")) == ["delivered", "/p"]
    assert told(_fact("Delivered", place="/p", word="removed")) == ["repaired", "/p"]


def test_a_fact_that_has_no_word_for_people_keeps_its_own() -> None:
    assert told(_fact("Unheard")) == ["Unheard"]


def test_a_table_elsewhere_than_on_a_terminal_has_plain_columns(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table(["login", "place"], [["prod", "/a/long/path"], ["x", "/b"]])

    assert capsys.readouterr().out == "login  place\nprod   /a/long/path\nx      /b\n"
